//! `[alerts]`: from when on somebody must look, and who is told.

use serde::Deserialize;

use crate::config::{ConfigError, secret};
use crate::domain::{AlertLimits, EmailAddress, HookUrl, WrongSecret};
use crate::hooks::OperatorsHook;

section! {
    /// `[alerts]`
    AlertsConfig {
        /// Who gets letters besides the operators.
        to: Vec<String>,
        /// The operators' program that is told, too.
        webhook_url: String,
        /// File that holds what its calls are signed with.
        webhook_secret_file: String,
        /// Percent of the queue's bound.
        queue_percent: u32,
        /// Minutes that the oldest message waits.
        oldest_minutes: u64,
        /// Messages that wait for an operator.
        review_count: u32,
        /// Minutes that a production registry does not answer.
        breaker_minutes: u64,
        /// Minutes that a test registry does not answer.
        test_breaker_minutes: u64,
        /// Hours that a pause or a drain lasts.
        stopped_hours: u64,
        /// Minutes over which shares are taken.
        window_minutes: u64,
        /// Messages without which a share says nothing.
        least_count: u64,
        /// Percent of submissions that are refused.
        refused_percent: u64,
        /// Percent of messages that their registry rejects.
        rejected_percent: u64,
        /// Minutes that a letter waits.
        letter_minutes: u64,
        /// Letters that fail within an hour.
        letter_count: u64,
        /// Working hours without a submission.
        silent_hours: u32,
        /// Days before a certificate of ours ends.
        certificate_days: u32,
        /// Days before credentials of Sites end.
        credential_days: u32,
        /// Minutes after which a message is still not counted.
        counting_minutes: u64,
        /// Minutes that something must look good until its alert is over.
        calm_minutes: u64,
    }
}

impl AlertsConfig {
    /// From when on somebody must look; so many messages may wait for one registry.
    pub fn limits(&self, queue_bound: u32) -> AlertLimits {
        AlertLimits {
            queue_bound: queue_bound.into(),
            queue_percent: self.queue_percent.into(),
            oldest_minutes: self.oldest_minutes,
            review_count: self.review_count.into(),
            breaker_minutes: self.breaker_minutes,
            test_breaker_minutes: self.test_breaker_minutes,
            stopped_hours: self.stopped_hours,
            window_minutes: self.window_minutes,
            least_count: self.least_count,
            refused_percent: self.refused_percent,
            rejected_percent: self.rejected_percent,
            letter_minutes: self.letter_minutes,
            letter_count: self.letter_count,
            silent_hours: self.silent_hours,
            certificate_days: self.certificate_days,
            credential_days: self.credential_days,
            counting_minutes: self.counting_minutes,
            calm_minutes: self.calm_minutes,
        }
    }

    /// Who gets letters besides the operators.
    ///
    /// # Errors
    /// When one of them is no address.
    pub fn addresses(&self) -> Result<Vec<EmailAddress>, ConfigError> {
        let read = |text: &String| {
            text.parse().map_err(|_wrong| {
                ConfigError::value("alerts.to", format!("{text:?} is no e-mail address"))
            })
        };
        self.to.iter().map(read).collect()
    }

    /// The operators' program that is told, too.
    ///
    /// # Errors
    /// When its address cannot be called, or the secret cannot be read.
    pub fn hook(&self) -> Result<Option<OperatorsHook>, ConfigError> {
        if self.webhook_url.is_empty() {
            return Ok(None);
        }
        let file = &self.webhook_secret_file;
        let wrong = |problem: String| ConfigError::value("alerts.webhook_secret_file", problem);
        let secret = secret::read("alerts.webhook_secret", "", file, "")
            .map_err(|error| wrong(error.to_string()))?
            .ok_or_else(|| wrong("name the file that holds the secret of its calls".to_owned()))?;
        let secret =
            secret.reveal().parse().map_err(|error: WrongSecret| wrong(error.to_string()))?;
        Ok(Some(OperatorsHook { url: self.webhook_url.clone(), secret }))
    }

    /// What TOML's types cannot say.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.addresses()?;
        if !self.webhook_url.is_empty()
            && let Err(error) = self.webhook_url.parse::<HookUrl>()
        {
            return Err(ConfigError::value("alerts.webhook_url", error));
        }
        if self.webhook_url.is_empty() != self.webhook_secret_file.is_empty() {
            let problem = "give both webhook_url and webhook_secret_file, or neither";
            return Err(ConfigError::value("alerts.webhook_url", problem));
        }
        let ranges = [
            ("queue_percent", u64::from(self.queue_percent), 1, 100),
            ("oldest_minutes", self.oldest_minutes, 1, 44_640),
            ("review_count", self.review_count.into(), 1, 1_000_000),
            ("breaker_minutes", self.breaker_minutes, 0, 44_640),
            ("test_breaker_minutes", self.test_breaker_minutes, 0, 44_640),
            ("stopped_hours", self.stopped_hours, 0, 744),
            // Messages of that time are read each minute.
            ("window_minutes", self.window_minutes, 1, 60),
            ("least_count", self.least_count, 1, 1_000_000),
            ("refused_percent", self.refused_percent, 1, 100),
            ("rejected_percent", self.rejected_percent, 1, 100),
            ("letter_minutes", self.letter_minutes, 1, 44_640),
            ("letter_count", self.letter_count, 1, 1_000_000),
            ("silent_hours", self.silent_hours.into(), 0, 9),
            ("certificate_days", self.certificate_days.into(), 0, 365),
            ("credential_days", self.credential_days.into(), 0, 365),
            ("counting_minutes", self.counting_minutes, 1, 44_640),
            ("calm_minutes", self.calm_minutes, 0, 1_440),
        ];
        for (key, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                let key = format!("alerts.{key}");
                return Err(ConfigError::value(key, format!("must be between {least} and {most}")));
            }
        }
        Ok(())
    }
}
