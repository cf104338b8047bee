//! `izportal admin mail`: the outbox, and whether letters leave at all.

use clap::Subcommand;
use serde_json::json;

use crate::cli::admin::Desk;
use crate::cli::{Failure, output};
use crate::domain::{EmailAddress, LetterState, MessageId, Timestamp};
use crate::mail::{Footer, Left, NotSent, Outgoing, compose};
use crate::store::LetterFilter;

#[derive(Subcommand)]
pub(super) enum MailVerb {
    /// Show letters, newest first, without their words
    List {
        /// Only in this state: queued, sent, bounced, given-up or held
        #[arg(long)]
        state: Option<LetterState>,
        /// Only of this kind, such as verify-address
        #[arg(long)]
        kind: Option<String>,
        /// Only to this address
        #[arg(long)]
        to: Option<EmailAddress>,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: i64,
    },
    /// Show one; its words only while it is held, because there is no mail server
    Show {
        /// Its id
        id: MessageId,
    },
    /// Send one again that bounced, was given up or is held
    Retry {
        /// Its id
        id: MessageId,
    },
    /// Send one no more that waits
    GiveUp {
        /// Its id
        id: MessageId,
    },
    /// Write a letter to an address at once, not by way of the outbox, and say what the mail server answers
    Test {
        /// The address
        #[arg(long)]
        to: EmailAddress,
    },
}

impl Desk {
    pub(super) async fn mail(&self, verb: MailVerb) -> Result<(), Failure> {
        match verb {
            MailVerb::List { state, kind, to, limit } => {
                let filter = LetterFilter { state, kind, to, before: None };
                self.show(&self.store.letter_list(filter, limit).await?);
            }
            MailVerb::Show { id } => {
                let (letter, words) = self.store.letter_by_id(id).await?;
                let mut whole = json!({ "letter": letter });
                if let (Some((text, html)), Some(fields)) = (words, whole.as_object_mut()) {
                    self.note("letter.read", format!("letter {id}")).await?;
                    fields.insert("text".to_owned(), json!(text));
                    fields.insert("html".to_owned(), json!(html));
                }
                self.show_whole(&whole);
            }
            MailVerb::Retry { id } => {
                self.show(&self.store.letter_retry(id, self.by.clone()).await?);
            }
            MailVerb::GiveUp { id } => {
                self.show(&self.store.letter_give_up(id, self.by.clone()).await?);
            }
            MailVerb::Test { to } => self.test(to).await?,
        }
        Ok(())
    }

    async fn test(&self, to: EmailAddress) -> Result<(), Failure> {
        let mailer = self.config.mail.mailer(&self.config.data_dir)?;
        let footer = Footer {
            service: "Immunization Gateway".to_owned(),
            help_desk: self.config.portal.help_desk.clone(),
        };
        let letter = compose("test", "Test of the mail settings")
            .greeting("")
            .paragraph("This letter was sent by `izportal admin mail test`. It shows that letters of this installation arrive.")
            .to(to, &footer);
        self.note("letter.test", "mail settings".to_owned()).await?;
        self.store.begin_process(self.by.at).await?;
        let outgoing = Outgoing {
            id: self.store.next_message_id(self.by.at),
            to: &letter.to,
            subject: &letter.subject,
            text: &letter.text,
            html: &letter.html,
            now: Timestamp::now(),
        };
        let way = self.config.mail.way(&self.config.data_dir);
        match mailer.send(&outgoing).await {
            Ok(Left::Sent) => output::line(&format!("{way} took the letter.")),
            Ok(Left::Held) => output::line(&format!("The letter is held: {way}.")),
            Err(NotSent::Later(error)) => {
                return Err(Failure::failed(format!(
                    "{way}: {error}; a letter of the outbox would be tried again"
                )));
            }
            Err(NotSent::Never(error)) => {
                return Err(Failure::failed(format!("{way} refused the letter: {error}")));
            }
        }
        Ok(())
    }
}
