//! What a failed attempt leads to: the one table of failure classes. Source: features notes 3.2.

use std::time::Duration;

use crate::domain::{Failure, FailureClass};

/// No wait is shorter, so that an attempt never follows itself at once.
const SHORTEST: Duration = Duration::from_secs(1);

/// The longest wait that a registry may ask for.
const LONGEST_WISH: Duration = Duration::from_hours(1);

/// How long and how often a message is tried.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Ceiling of the first wait.
    pub first: Duration,
    /// Ceiling of every wait.
    pub longest: Duration,
    /// From acceptance, or from the moment an operator sent it again, until it waits for review.
    pub hold: Duration,
    /// Attempts without a known outcome after which a message waits for review.
    pub doubtful: i64,
}

/// What is known of a delivery when an attempt has failed.
#[derive(Debug, Clone, Copy)]
pub struct Tried {
    /// Attempts begun.
    pub attempts: i64,
    /// Attempts without a known outcome since an operator last looked, this one included.
    pub doubtful: i64,
    /// How long the message has been held.
    pub held: Duration,
}

/// What happens after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// It is tried again after this wait.
    Again(Duration),
    /// It goes no further: its sender has to mend it.
    Reject,
    /// It waits for an operator and stands in nobody's way; the class tells why.
    Review(FailureClass),
}

impl RetryPolicy {
    /// Decides by class, age and number of attempts; `dice` from 0 to 1 spreads the wait.
    ///
    /// *sender*: rejected. *ambiguous*: again, at most [`RetryPolicy::doubtful`] times, then it is *poison*.
    /// *transient* and *ours*: again as long as the message may be held.
    pub fn next(&self, failure: &Failure, tried: Tried, dice: f64) -> NextStep {
        match failure.class {
            FailureClass::Sender => return NextStep::Reject,
            FailureClass::Poison => return NextStep::Review(FailureClass::Poison),
            FailureClass::Ambiguous if tried.doubtful >= self.doubtful => {
                return NextStep::Review(FailureClass::Poison);
            }
            FailureClass::Ambiguous | FailureClass::Ours | FailureClass::Transient => {}
        }
        if tried.held >= self.hold {
            return NextStep::Review(failure.class);
        }
        let wish = failure.retry_after.unwrap_or_default().min(LONGEST_WISH);
        NextStep::Again(self.wait(tried.attempts, dice).max(wish))
    }

    /// The wait after `attempts` attempts have failed: anything up to a ceiling that doubles ("full jitter"), so that what
    /// failed together does not come back together.
    pub fn wait(&self, attempts: i64, dice: f64) -> Duration {
        let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
        let ceiling = self.first.saturating_mul(1 << doublings).min(self.longest);
        ceiling.mul_f64(dice.clamp(0.0, 1.0)).max(SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        first: Duration::from_secs(15),
        longest: Duration::from_mins(15),
        hold: Duration::from_hours(72),
        doubtful: 5,
    };

    fn next(class: FailureClass, doubtful: i64, hours: u64) -> NextStep {
        let tried = Tried { attempts: 1, doubtful, held: Duration::from_hours(hours) };
        POLICY.next(&Failure::new(class, "x"), tried, 1.0)
    }

    #[test]
    fn ceilings_double_and_are_capped_and_the_dice_spread_below_them() {
        let seconds: Vec<_> =
            [1, 2, 3, 7, 8, 1_000].map(|n| POLICY.wait(n, 1.0).as_secs()).to_vec();
        assert_eq!(seconds, [15, 30, 60, 900, 900, 900]);
        assert_eq!(POLICY.wait(3, 0.5).as_secs(), 30);
        assert_eq!(POLICY.wait(3, 0.0), SHORTEST);
    }

    #[test]
    fn each_class_has_its_own_next_step() {
        let again = NextStep::Again(Duration::from_secs(15));
        assert_eq!(next(FailureClass::Sender, 0, 0), NextStep::Reject);
        assert_eq!(next(FailureClass::Transient, 0, 71), again);
        assert_eq!(next(FailureClass::Ours, 0, 71), again);
        assert_eq!(next(FailureClass::Ambiguous, 4, 0), again);
        assert_eq!(next(FailureClass::Ambiguous, 5, 0), NextStep::Review(FailureClass::Poison));
        assert_eq!(next(FailureClass::Transient, 0, 72), NextStep::Review(FailureClass::Transient));
    }

    #[test]
    fn the_registrys_wish_is_kept_within_bounds() {
        let asked = |seconds| Failure {
            retry_after: Some(Duration::from_secs(seconds)),
            ..Failure::new(FailureClass::Transient, "503")
        };
        let tried = Tried { attempts: 1, doubtful: 0, held: Duration::ZERO };
        let wait = |seconds| POLICY.next(&asked(seconds), tried, 0.2);
        assert_eq!(wait(120), NextStep::Again(Duration::from_mins(2)));
        assert_eq!(wait(1), NextStep::Again(Duration::from_secs(3)));
        assert_eq!(wait(1_000_000), NextStep::Again(Duration::from_hours(1)));
    }
}
