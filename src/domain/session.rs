//! A person's visit from signing in to signing out.

use std::time::Duration;

use crate::domain::{AccountId, Timestamp};

/// Without a request for so long a session ends. Source: issue 5.
const IDLE: Duration = Duration::from_mins(30);
/// A session ends after so long, whatever happens.
const WHOLE: Duration = Duration::from_hours(12);
/// The second factor has to be shown within so long after the password.
const HALF_WAY: Duration = Duration::from_mins(10);
/// For so long after the password or the second factor was shown, secrets are shown.
const FRESH: Duration = Duration::from_mins(5);
/// The time of the last request is written at most so often.
const TOUCH: Duration = Duration::from_mins(1);

/// A session as the table has it. Its token is in the browser's cookie only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub account: AccountId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub seen_at: Timestamp,
    /// When the second factor was shown.
    pub second_factor_at: Option<Timestamp>,
    /// When the password or the second factor was last shown.
    pub stepped_up_at: Option<Timestamp>,
    /// The address that it began from.
    pub address: String,
    /// The browser, as it calls itself.
    pub agent: String,
}

impl Session {
    /// Whether it still holds. One that waits for a second factor (`half_way`) does not wait long.
    pub fn is_live(&self, half_way: bool, now: Timestamp) -> bool {
        let whole = if half_way { HALF_WAY } else { WHOLE };
        now < self.seen_at.plus(IDLE) && now < self.created_at.plus(whole)
    }

    /// Whether the person has proven to be there recently enough to be shown a secret.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.stepped_up_at.is_some_and(|at| now < at.plus(FRESH))
    }

    /// Whether the time of this request is worth writing down.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.seen_at.plus(TOUCH) <= now
    }

    /// Sessions that were last used at the first of these moments or before, or began at the second or before, are over.
    pub fn over_at(now: Timestamp) -> (Timestamp, Timestamp) {
        (now.minus(IDLE), now.minus(WHOLE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_idle_when_old_and_soon_when_half_way() {
        let begun = Timestamp::now();
        let after = |minutes| begun.plus(Duration::from_mins(minutes));
        let session = |seen_at| Session {
            account: AccountId(1),
            created_at: begun,
            seen_at,
            second_factor_at: None,
            stepped_up_at: Some(begun),
            address: String::new(),
            agent: String::new(),
        };

        assert!(session(begun).is_live(false, after(29)));
        assert!(!session(begun).is_live(false, after(30)), "idle");
        assert!(session(after(700)).is_live(false, after(719)));
        assert!(!session(after(719)).is_live(false, after(720)), "12 hours");
        assert!(session(begun).is_live(true, after(9)));
        assert!(!session(after(9)).is_live(true, after(10)), "half-way");
        assert!(session(begun).is_fresh(after(4)) && !session(begun).is_fresh(after(5)));
        assert!(!session(begun).is_stale(begun) && session(begun).is_stale(after(1)));
    }
}
