//! The clock on the walls of California. Pages show it; exports, logs and columns stay in UTC.
//!
//! Source: Energy Policy Act of 2005, section 110: daylight saving time from the second Sunday of March to the first
//! Sunday of November, each at two in the morning of the clock that is left.

use chrono::{
    Datelike as _, Month, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike as _, Weekday,
};

use crate::domain::Timestamp;

/// Hours of Pacific Standard Time behind UTC.
const STANDARD: i64 = 8;

impl Timestamp {
    /// This moment as clocks in California show it.
    pub fn pacific(self) -> NaiveDateTime {
        let behind = if is_daylight(*self.as_naive()) { STANDARD - 1 } else { STANDARD };
        self.as_naive().checked_sub_signed(TimeDelta::hours(behind)).unwrap_or(*self.as_naive())
    }

    /// The moment at which a day begins in California.
    pub fn pacific_midnight(day: NaiveDate) -> Self {
        let standard = day.and_time(NaiveTime::MIN) + TimeDelta::hours(STANDARD);
        let hour_less = TimeDelta::hours(i64::from(is_daylight(standard)));
        Self::from_naive(standard - hour_less)
    }

    /// The day in California, such as `November 22, 2026`.
    pub fn pacific_day(self) -> String {
        self.pacific().format("%B %-d, %Y").to_string()
    }

    /// The moment for people in California, such as `November 22, 2026, 3:04 p.m. PT`.
    pub fn pacific_text(self) -> String {
        let local = self.pacific();
        let (is_afternoon, hour) = local.hour12();
        let half = if is_afternoon { "p.m." } else { "a.m." };
        format!("{}, {hour}:{:02} {half} PT", self.pacific_day(), local.minute())
    }
}

/// Whether daylight saving time holds at a moment of UTC.
fn is_daylight(utc: NaiveDateTime) -> bool {
    let at_two = |month: Month, nth, behind: i64| {
        let month = month.number_from_month();
        NaiveDate::from_weekday_of_month_opt(utc.year(), month, Weekday::Sun, nth)?
            .and_hms_opt(2, 0, 0)?
            .checked_add_signed(TimeDelta::hours(behind))
    };
    let begins = at_two(Month::March, 2, STANDARD);
    let ends = at_two(Month::November, 1, STANDARD - 1);
    begins.zip(ends).is_some_and(|(begins, ends)| (begins..ends).contains(&utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(utc: &str) -> String {
        let naive = NaiveDateTime::parse_from_str(utc, "%Y-%m-%d %H:%M:%S").unwrap();
        Timestamp::from_naive(naive).pacific_text()
    }

    #[test]
    fn winter_is_eight_hours_behind_and_summer_seven() {
        assert_eq!(shown("2026-11-22 23:04:00"), "November 22, 2026, 3:04 p.m. PT");
        assert_eq!(shown("2026-07-05 02:30:00"), "July 4, 2026, 7:30 p.m. PT");
        assert_eq!(shown("2027-01-01 07:59:59"), "December 31, 2026, 11:59 p.m. PT");
    }

    #[test]
    fn a_day_begins_at_midnight_whatever_the_season() {
        for day in
            ["2026-01-15", "2026-03-08", "2026-03-09", "2026-07-04", "2026-11-01", "2026-11-02"]
        {
            let day: NaiveDate = day.parse().unwrap();
            let begins = Timestamp::pacific_midnight(day).pacific();
            assert_eq!(begins, day.and_time(NaiveTime::MIN));
        }
    }

    #[test]
    fn midnight_and_noon_are_twelve() {
        assert_eq!(shown("2026-12-01 08:00:00"), "December 1, 2026, 12:00 a.m. PT");
        assert_eq!(shown("2026-12-01 20:05:00"), "December 1, 2026, 12:05 p.m. PT");
    }

    #[test]
    fn clocks_leap_on_the_second_sunday_of_march() {
        for (utc, local) in [
            ("2026-03-08 09:59:59", "March 8, 2026, 1:59 a.m. PT"),
            ("2026-03-08 10:00:00", "March 8, 2026, 3:00 a.m. PT"),
            ("2027-03-14 09:59:59", "March 14, 2027, 1:59 a.m. PT"),
            ("2027-03-14 10:00:00", "March 14, 2027, 3:00 a.m. PT"),
        ] {
            assert_eq!(shown(utc), local, "{utc}");
        }
    }

    #[test]
    fn clocks_fall_back_on_the_first_sunday_of_november() {
        for (utc, local) in [
            ("2026-11-01 08:30:00", "November 1, 2026, 1:30 a.m. PT"),
            ("2026-11-01 08:59:59", "November 1, 2026, 1:59 a.m. PT"),
            ("2026-11-01 09:00:00", "November 1, 2026, 1:00 a.m. PT"),
            ("2027-11-07 08:59:59", "November 7, 2027, 1:59 a.m. PT"),
            ("2027-11-07 09:00:00", "November 7, 2027, 1:00 a.m. PT"),
        ] {
            assert_eq!(shown(utc), local, "{utc}");
        }
    }
}
