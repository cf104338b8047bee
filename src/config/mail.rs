//! `[mail]`: how letters leave.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::{ConfigError, secret};
use crate::domain::LetterLimits;
use crate::mail::{MailSettings, Mailbox, Mailer, Security, Server, SmtpSettings, Way};

section! {
    /// `[mail]`
    MailConfig {
        /// Mail server.
        smtp: String,
        /// Sender.
        from: String,
        /// Who gets the answers.
        reply_to: String,
        /// User name at the mail server.
        username: String,
        /// File that holds the password.
        password_file: String,
        /// Environment variable that holds it.
        password_env: String,
        /// Authority of the mail server.
        ca_file: PathBuf,
        /// Whether a letter may hold the password of a test credential.
        mail_secrets: bool,
        /// Letters for one address in an hour.
        address_per_hour: u32,
        /// Letters for one address in 24 hours.
        address_per_day: u32,
        /// Hour of digests, Pacific time.
        digest_hour: u32,
    }
}

impl MailConfig {
    /// How many letters one address gets.
    pub fn limits(&self) -> LetterLimits {
        LetterLimits { hour: self.address_per_hour.into(), day: self.address_per_day.into() }
    }

    /// Where letters go, for people.
    pub fn way(&self, data_dir: &Path) -> String {
        match self.server() {
            Ok(Some(server)) => server.to_string(),
            _ => format!("files in {} (there is no mail server)", folder(data_dir).display()),
        }
    }

    /// What gives letters away.
    ///
    /// # Errors
    /// When the password or the authority cannot be read.
    pub fn mailer(&self, data_dir: &Path) -> Result<Mailer, ConfigError> {
        let way = match self.server()? {
            None => Way::Folder,
            Some(server) => Way::Smtp(SmtpSettings {
                account: self.account()?,
                authorities: self.authorities()?,
                server,
            }),
        };
        let settings = MailSettings {
            from: mailbox("mail.from", &self.from)?,
            reply_to: self.reply_to()?,
            way,
            folder: folder(data_dir),
        };
        Mailer::new(settings).map_err(|error| ConfigError::value("mail", error))
    }

    /// What TOML's types cannot say.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let from = mailbox("mail.from", &self.from)?;
        self.reply_to()?;
        let server = self.server()?;
        if server.is_some() && from.email.domain().ends_with(".invalid") {
            let problem =
                "say whom letters are from: an address of yours, with its SPF and DKIM records";
            return Err(ConfigError::value("mail.from", problem));
        }
        let has_password = !(self.password_file.is_empty() && self.password_env.is_empty());
        if has_password == self.username.is_empty() {
            let problem =
                "give a user name with a password (password_file or password_env), or neither";
            return Err(ConfigError::value("mail.username", problem));
        }
        let is_plain = server.is_some_and(|server| server.security == Security::Plain);
        if is_plain && !self.ca_file.as_os_str().is_empty() {
            return Err(ConfigError::value("mail.ca_file", "smtp+plain has no certificate"));
        }
        for (key, value) in [
            ("mail.address_per_hour", self.address_per_hour),
            ("mail.address_per_day", self.address_per_day),
        ] {
            if !(1..=100_000).contains(&value) {
                return Err(ConfigError::value(key, "must be between 1 and 100000"));
            }
        }
        if self.digest_hour > 23 {
            return Err(ConfigError::value("mail.digest_hour", "an hour is 0 to 23"));
        }
        Ok(())
    }

    fn server(&self) -> Result<Option<Server>, ConfigError> {
        if self.smtp.is_empty() {
            return Ok(None);
        }
        self.smtp.parse().map(Some).map_err(|error| ConfigError::value("mail.smtp", error))
    }

    fn reply_to(&self) -> Result<Option<Mailbox>, ConfigError> {
        if self.reply_to.is_empty() {
            return Ok(None);
        }
        mailbox("mail.reply_to", &self.reply_to).map(Some)
    }

    fn account(&self) -> Result<Option<(String, crate::domain::Password)>, ConfigError> {
        const KEY: &str = "mail.password";
        let password = secret::read(KEY, "", &self.password_file, &self.password_env)
            .map_err(|error| ConfigError::value(KEY, error))?;
        Ok(password.map(|password| (self.username.clone(), password)))
    }

    fn authorities(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        if self.ca_file.as_os_str().is_empty() {
            return Ok(None);
        }
        let unreadable = |cause| {
            let problem = format!("{} cannot be read: {cause}", self.ca_file.display());
            ConfigError::value("mail.ca_file", problem)
        };
        std::fs::read(&self.ca_file).map(Some).map_err(unreadable)
    }
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("mail")
}

fn mailbox(key: &str, text: &str) -> Result<Mailbox, ConfigError> {
    text.parse().map_err(|_wrong| ConfigError::value(key, "must be ADDRESS or NAME <ADDRESS>"))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn read(keys: &str) -> Result<Config, String> {
        Config::read(&format!("[mail]\n{keys}")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_hold_letters_in_the_data_directory() {
        let config = Config::defaults().unwrap();
        assert!(config.mail.way(std::path::Path::new("d")).starts_with("files in d/mail"));
        config.mail.mailer(&config.data_dir).unwrap();
    }

    #[test]
    fn a_server_is_taken_with_what_belongs_to_it() {
        for keys in [
            "smtp = \"smtp://mail.example.gov\"\nfrom = \"IZ Portal <iz@example.gov>\"",
            "smtp = \"smtps://mail.example.gov\"\nfrom = \"iz@example.gov\"\nusername = \"u\"\npassword_env = \"X\"",
            "smtp = \"smtp+plain://127.0.0.1:1025\"\nfrom = \"iz@example.gov\"\nreply_to = \"help@example.gov\"",
        ] {
            read(keys).unwrap();
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_key() {
        let from = "from = \"iz@example.gov\"\n";
        for (keys, key) in [
            ("smtp = \"mail.example.gov\"".to_owned(), "mail.smtp"),
            ("smtp = \"smtp+plain://mail.example.gov\"".to_owned(), "mail.smtp"),
            ("smtp = \"smtp://mail.example.gov\"".to_owned(), "mail.from"),
            ("from = \"nobody\"".to_owned(), "mail.from"),
            ("reply_to = \"x y\"".to_owned(), "mail.reply_to"),
            (format!("{from}username = \"u\""), "mail.username"),
            (format!("{from}password_env = \"X\""), "mail.username"),
            (format!("{from}smtp = \"smtp+plain://localhost\"\nca_file = \"a\""), "mail.ca_file"),
            ("address_per_hour = 0".to_owned(), "mail.address_per_hour"),
        ] {
            let error = read(&keys).unwrap_err();
            assert!(error.starts_with(key), "{keys}: {error}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_before_anything_is_sent() {
        let config = read(
            "smtp = \"smtp://localhost\"\nfrom = \"iz@example.gov\"\nca_file = \"/nowhere/ca.pem\"",
        )
        .unwrap();
        let error = config.mail.mailer(&config.data_dir).err().unwrap().to_string();
        assert!(error.starts_with("mail.ca_file: /nowhere/ca.pem"), "{error}");
    }
}
