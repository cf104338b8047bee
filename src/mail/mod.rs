//! Letters: how they are written, and how they leave.
//!
//! A letter is composed here (`compose`) and queued by `store` in the transaction of what it tells of. The `postman` takes
//! what is due and gives it to a mail server (`smtp`) or, where none is configured, puts it into a folder (`folder`).
//! Nothing of an address or of the words of a letter is ever logged. May import `domain` and `store`.

mod compose;
mod folder;
mod message;
mod postman;
mod smtp;

use std::path::PathBuf;

use crate::domain::{EmailAddress, MessageId, Timestamp};

pub use compose::{Composition, Footer, compose};
pub use lettre::message::Mailbox;
pub use postman::Postman;
pub use smtp::{Security, Server, SmtpSettings};

/// How letters leave.
pub struct MailSettings {
    /// Who they are from.
    pub from: Mailbox,
    /// Who gets the answers, when not the sender.
    pub reply_to: Option<Mailbox>,
    /// Which way they go.
    pub way: Way,
    /// Where they lie as files, or have lain before there was a mail server.
    pub folder: PathBuf,
}

/// Which way letters go.
pub enum Way {
    /// Into files of the folder; nobody gets them.
    Folder,
    /// To a mail server.
    Smtp(SmtpSettings),
}

/// Settings that letters cannot leave by.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MailError(String);

/// A letter that leaves.
pub struct Outgoing<'a> {
    /// Its identifier.
    pub id: MessageId,
    /// To whom.
    pub to: &'a EmailAddress,
    /// Its subject.
    pub subject: &'a str,
    /// Its words for readers without HTML.
    pub text: &'a str,
    /// The same as an HTML page.
    pub html: &'a str,
    /// When it leaves.
    pub now: Timestamp,
}

/// A letter that has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It lies in the folder.
    Held,
    /// The mail server took it.
    Sent,
}

/// Why a letter has not left, in words of ours: a code and an enhanced code of the server at most.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// It may leave later.
    #[error("{0}")]
    Later(String),
    /// The mail server will never take it.
    #[error("{0}")]
    Never(String),
}

/// Gives letters away, one by one.
pub struct Mailer {
    from: Mailbox,
    reply_to: Option<Mailbox>,
    way: ReadyWay,
    folder: PathBuf,
}

enum ReadyWay {
    Folder,
    Smtp(smtp::Smtp),
}

impl Mailer {
    /// A mailer by these settings.
    ///
    /// # Errors
    /// When the authority of the mail server cannot be used.
    pub fn new(settings: MailSettings) -> Result<Self, MailError> {
        let way = match settings.way {
            Way::Folder => ReadyWay::Folder,
            Way::Smtp(settings) => ReadyWay::Smtp(smtp::Smtp::new(settings)?),
        };
        let MailSettings { from, reply_to, folder, .. } = settings;
        Ok(Self { from, reply_to, way, folder })
    }

    /// Gives one letter away.
    ///
    /// # Errors
    /// When it was not taken; a server that took it and did not say so in time counts as one that did not.
    pub async fn send(&self, letter: &Outgoing<'_>) -> Result<Left, NotSent> {
        let message = message::message(&self.from, self.reply_to.as_ref(), letter)?;
        match &self.way {
            ReadyWay::Folder => {
                let (folder, id, bytes) = (self.folder.clone(), letter.id, message.formatted());
                let put = tokio::task::spawn_blocking(move || folder::put(&folder, id, &bytes));
                match put.await {
                    Ok(Ok(())) => Ok(Left::Held),
                    Ok(Err(error)) => {
                        Err(NotSent::Later(format!("the folder of letters: {}", error.kind())))
                    }
                    Err(_panicked) => Err(NotSent::Later("the folder of letters".to_owned())),
                }
            }
            ReadyWay::Smtp(smtp) => smtp.send(&message).await.map(|()| Left::Sent),
        }
    }

    /// Removes the files of letters that are older than an identifier; gives how many.
    ///
    /// # Errors
    /// When the folder cannot be read, or a file not be removed.
    pub async fn sweep(&self, before: MessageId) -> std::io::Result<usize> {
        let folder = self.folder.clone();
        let swept = tokio::task::spawn_blocking(move || folder::sweep(&folder, before)).await;
        swept.map_err(std::io::Error::other)?
    }
}
