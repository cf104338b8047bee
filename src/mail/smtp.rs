//! A mail server, reached by SMTP inside TLS: at once (`smtps`) or after STARTTLS, which is never left out.

use std::error::Error as _;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;

use crate::domain::Password;
use crate::mail::{MailError, NotSent};

/// Until there is a connection that letters may go through.
const CONNECT: Duration = Duration::from_secs(30);

/// For one letter on such a connection.
const SEND: Duration = Duration::from_mins(2);

/// For a good-bye, which decides nothing any more.
const QUIT: Duration = Duration::from_secs(2);

/// Refusals that say something about us and not about the letter: order of commands, TLS and signing in.
const OURS: [u16; 7] = [502, 503, 504, 530, 534, 535, 538];

/// How a mail server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Without TLS; on this machine only.
    Plain,
    /// With TLS from STARTTLS on; nothing is said before.
    StartTls,
    /// With TLS from the first byte on.
    Tls,
}

impl Security {
    const fn scheme(self) -> &'static str {
        match self {
            Self::Plain => "smtp+plain",
            Self::StartTls => "smtp",
            Self::Tls => "smtps",
        }
    }
}

/// The place of a mail server: `smtp://HOST[:587]`, `smtps://HOST[:465]` or `smtp+plain://HOST[:25]` on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// How it is spoken to.
    pub security: Security,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, port) = (self.security.scheme(), self.port);
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{port}", self.host)
        } else {
            write!(f, "{scheme}://{}:{port}", self.host)
        }
    }
}

impl FromStr for Server {
    type Err = MailError;

    fn from_str(text: &str) -> Result<Self, MailError> {
        let wrong = || {
            MailError(
                "must be smtp://HOST:PORT (STARTTLS), smtps://HOST:PORT or, on this machine only, smtp+plain://HOST:PORT"
                    .to_owned(),
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (security, usual) = match scheme {
            "smtp" => (Security::StartTls, 587),
            "smtps" => (Security::Tls, 465),
            "smtp+plain" => (Security::Plain, 25),
            _ => return Err(wrong()),
        };
        let (host, port) = match rest.strip_prefix('[') {
            Some(v6) => v6.split_once(']').ok_or_else(wrong)?,
            None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => usual,
            Some(port) if port.bytes().all(|one| one.is_ascii_digit()) => {
                port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?
            }
            _ => return Err(wrong()),
        };
        let known = if rest.starts_with('[') {
            host.parse::<std::net::Ipv6Addr>().is_ok()
        } else {
            rustls::pki_types::ServerName::try_from(host).is_ok()
        };
        if !known {
            return Err(wrong());
        }
        if security == Security::Plain && !is_this_machine(host) {
            return Err(MailError(
                "smtp+plain is for a mail server on this machine only; elsewhere use smtp or smtps"
                    .to_owned(),
            ));
        }
        Ok(Self { security, host: host.to_owned(), port })
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A mail server and how we are known there.
pub struct SmtpSettings {
    /// Its place.
    pub server: Server,
    /// User name and password, when it asks for them.
    pub account: Option<(String, Password)>,
    /// The authorities that it may have its certificate from (PEM); none: those of the system.
    pub authorities: Option<Vec<u8>>,
}

/// A mail server, ready to be called.
pub(super) struct Smtp {
    server: Server,
    account: Option<Credentials>,
    tls: Option<TlsParameters>,
}

impl Smtp {
    pub(super) fn new(settings: SmtpSettings) -> Result<Self, MailError> {
        let SmtpSettings { server, account, authorities } = settings;
        let unusable = |error: Error| MailError(format!("TLS: {}", because(&error)));
        let tls = match server.security {
            Security::Plain => None,
            Security::StartTls | Security::Tls => {
                let mut builder = TlsParameters::builder(server.host.clone());
                if let Some(pem) = authorities {
                    let authority = Certificate::from_pem(&pem).map_err(unusable)?;
                    builder = builder
                        .certificate_store(CertificateStore::None)
                        .add_root_certificate(authority);
                }
                Some(builder.build_rustls().map_err(unusable)?)
            }
        };
        let account =
            account.map(|(name, password)| Credentials::new(name, password.reveal().to_owned()));
        Ok(Self { server, account, tls })
    }

    /// Gives one letter to the server, on a connection of its own.
    pub(super) async fn send(&self, message: &Message) -> Result<(), NotSent> {
        let late = |_elapsed| NotSent::Later("the mail server did not answer in time".to_owned());
        // Whatever stands in the way before a letter is named says nothing about that letter.
        let mut connection = tokio::time::timeout(CONNECT, self.connect())
            .await
            .map_err(late)?
            .map_err(|error| NotSent::Later(because(&error)))?;
        let bytes = message.formatted();
        tokio::time::timeout(SEND, connection.send(message.envelope(), &bytes))
            .await
            .map_err(late)?
            .map_err(|error| of_letter(&error))?;
        let _ = tokio::time::timeout(QUIT, connection.quit()).await; // it has the letter, whatever it says now
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let Server { security, host, port } = &self.server;
        let (me, at_once) = (ClientId::default(), *security == Security::Tls);
        let tls = self.tls.clone().filter(|_| at_once);
        let place = (host.as_str(), *port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(place, Some(CONNECT), &me, tls, None).await?;
        if *security == Security::StartTls
            && let Some(tls) = &self.tls
        {
            connection.starttls(tls.clone(), &me).await?;
        }
        if let Some(account) = &self.account {
            connection.auth(DEFAULT_MECHANISMS, account).await?;
        }
        Ok(connection)
    }
}

/// What a refusal on an open connection means for the letter.
fn of_letter(error: &Error) -> NotSent {
    let ours = error.status().is_some_and(|code| OURS.contains(&u16::from(code)));
    if error.is_permanent() && !ours {
        NotSent::Never(because(error))
    } else {
        NotSent::Later(because(error))
    }
}

/// A failure in words of ours. What a server says may repeat an address, so of it only its codes are told.
fn because(error: &Error) -> String {
    if let Some(code) = error.status() {
        let said = error.source().map(ToString::to_string).unwrap_or_default();
        let enhanced = said.split_whitespace().next().filter(|word| is_enhanced_code(word));
        let enhanced = enhanced.map_or_else(String::new, |code| format!(" {code}"));
        return format!("the mail server said {code}{enhanced}");
    }
    let mut cause = error.source();
    while let Some(one) = cause {
        if let Some(error) = one.downcast_ref::<rustls::Error>() {
            return format!("TLS with the mail server failed: {error}");
        }
        if let Some(error) = one.downcast_ref::<std::io::Error>() {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            return inner.map_or_else(
                || format!("the mail server was not reached: {}", error.kind()),
                |inner| format!("TLS with the mail server failed: {inner}"),
            );
        }
        cause = one.source();
    }
    if error.is_tls() {
        return "TLS with the mail server failed".to_owned();
    }
    if error.is_client() {
        return "the mail server does not offer STARTTLS or a way to sign in that we know"
            .to_owned();
    }
    "the mail server was not understood".to_owned()
}

/// A code such as `5.1.1`. Source: RFC 3463.
fn is_enhanced_code(word: &str) -> bool {
    word.len() <= 9
        && word.split('.').count() == 3
        && word
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|one| one.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_says_how_a_server_is_spoken_to() {
        for (text, shown) in [
            ("smtp://mail.example.gov", "smtp://mail.example.gov:587"),
            ("smtp://mail.example.gov:25", "smtp://mail.example.gov:25"),
            ("smtps://mail.example.gov", "smtps://mail.example.gov:465"),
            ("smtps://[2001:db8::1]:465", "smtps://[2001:db8::1]:465"),
            ("smtp+plain://localhost:1025", "smtp+plain://localhost:1025"),
            ("smtp+plain://127.0.0.1", "smtp+plain://127.0.0.1:25"),
            ("smtp+plain://[::1]:25", "smtp+plain://[::1]:25"),
        ] {
            assert_eq!(text.parse::<Server>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_place_or_not_safe_is_refused() {
        for text in [
            "",
            "mail.example.gov",
            "http://mail.example.gov",
            "smtp://",
            "smtp://me:pw@mail.example.gov",
            "smtp://mail.example.gov/x",
            "smtp://mail.example.gov:0",
            "smtp://mail.example.gov:99999",
            "smtp://mail.example.gov:",
            "smtp://mail.example.gov?tls=opportunistic",
            "smtp://[::1",
            "smtp://[mail.example.gov]",
            "smtp+plain://mail.example.gov",
            "smtp+plain://192.0.2.1:25",
            "smtp+plain://localhost.example.gov",
        ] {
            assert!(text.parse::<Server>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_code_is_taken_from_what_a_server_says() {
        assert!(is_enhanced_code("5.1.1") && is_enhanced_code("4.7.650"));
        for word in ["5.1", "rosa@example.org", "5.1.x", "5..1", "127.0.0.1", "5.1.1.1"] {
            assert!(!is_enhanced_code(word), "{word}");
        }
    }
}
