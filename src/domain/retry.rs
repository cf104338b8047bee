//! When to try again.

use std::time::Duration;

/// Wait before the first repetition.
const FIRST: Duration = Duration::from_secs(15);

/// Longest wait between two attempts.
const LONGEST: Duration = Duration::from_mins(15);

/// The wait after `attempts` attempts have failed: doubling from 15 seconds to 15 minutes.
pub fn retry_after(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    FIRST.saturating_mul(1 << doublings).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_capped() {
        let seconds: Vec<_> = [1, 2, 3, 7, 8, 1_000].map(|n| retry_after(n).as_secs()).to_vec();
        assert_eq!(seconds, [15, 30, 60, 900, 900, 900]);
    }
}
