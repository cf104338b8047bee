//! When something is sent: waits that grow, and hours of the day.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{NaiveTime, Timelike as _};

/// The longest wait that the other side may ask for, as between the Gateway and its registries.
const LONGEST_WISH: Duration = Duration::from_hours(1);

/// Waits after failures: each twice the one before, up to 32 times the first. Source: features notes, M3: 30 s, 1, 2, 4, 8
/// and 16 min.
#[derive(Clone, Copy, Debug)]
pub struct BackOff {
    /// The first wait.
    pub first: Duration,
}

impl BackOff {
    /// The wait after so many failures in a row, and at least as long as the other side asks for, within bounds.
    pub fn wait(self, failures: u32, wish: Option<Duration>) -> Duration {
        let own = self.first.saturating_mul(1 << failures.saturating_sub(1).min(5));
        own.max(wish.unwrap_or_default().min(LONGEST_WISH))
    }
}

/// Hours of the day in which messages are sent; they may pass midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    opens: NaiveTime,
    closes: NaiveTime,
}

/// A text that names no window.
#[derive(Debug, thiserror::Error)]
#[error("must be two times of the day such as 20:00-05:00")]
pub struct WindowError;

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let time = |text: &str| {
            NaiveTime::parse_from_str(text.trim(), "%H:%M").map_err(|_other| WindowError)
        };
        let (opens, closes) = text.split_once('-').ok_or(WindowError)?;
        let (opens, closes) = (time(opens)?, time(closes)?);
        if opens == closes { Err(WindowError) } else { Ok(Self { opens, closes }) }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.opens.format("%H:%M"), self.closes.format("%H:%M"))
    }
}

impl Window {
    /// How long it stays shut at this time of the day; none when it is open.
    pub fn shut_for(self, now: NaiveTime) -> Option<Duration> {
        let open = if self.opens < self.closes {
            (self.opens..self.closes).contains(&now)
        } else {
            now >= self.opens || now < self.closes
        };
        if open {
            return None;
        }
        let day = 24 * 60 * 60;
        let seconds = |time: NaiveTime| u64::from(time.num_seconds_from_midnight());
        let wait = (seconds(self.opens) + day - seconds(now)) % day;
        Some(Duration::from_secs(wait.max(1)))
    }

    /// When it opens.
    pub fn opens(self) -> String {
        self.opens.format("%H:%M").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_half_a_minute_to_sixteen() {
        let back_off = BackOff { first: Duration::from_secs(30) };
        let waits: Vec<u64> = (1..9).map(|row| back_off.wait(row, None).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 960, 960]);
        let wish = |seconds| back_off.wait(1, Some(Duration::from_secs(seconds))).as_secs();
        assert_eq!([wish(5), wish(45), wish(86_400)], [30, 45, 3_600]);
    }

    #[test]
    fn a_window_may_pass_midnight() {
        let at = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
        let shut = |window: &str, now: &str| {
            let window: Window = window.parse().unwrap();
            window.shut_for(at(now)).map(|wait| wait.as_secs() / 60)
        };
        assert_eq!(shut("20:00-05:00", "20:00"), None);
        assert_eq!(shut("20:00-05:00", "04:59"), None);
        assert_eq!(shut("20:00-05:00", "05:00"), Some(15 * 60));
        assert_eq!(shut("20:00-05:00", "19:59"), Some(1));
        assert_eq!(shut("08:00-17:00", "12:00"), None);
        assert_eq!(shut("08:00-17:00", "17:00"), Some(15 * 60));
        for text in ["", "20:00", "20-05", "20:00-20:00", "25:00-05:00", "a-b"] {
            assert!(text.parse::<Window>().is_err(), "{text}");
        }
    }
}
