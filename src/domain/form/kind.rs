//! Kinds of answers: what is good, in which spelling it is kept, and what is said of a bad one.

use chrono::NaiveDate;

use crate::domain::form::Answers;
use crate::domain::{County, EmailAddress, SiteId};

/// One of several answers.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// How it is kept.
    pub value: &'static str,
    /// How it is shown.
    pub label: &'static str,
    /// Help beside it; may be empty.
    pub hint: &'static str,
}

impl Choice {
    /// A choice without help.
    pub const fn new(value: &'static str, label: &'static str) -> Self {
        Self { value, label, hint: "" }
    }

    /// A choice with help.
    pub const fn hinted(value: &'static str, label: &'static str, hint: &'static str) -> Self {
        Self { value, label, hint }
    }
}

/// What a good answer is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A tick that must be there.
    Agree,
    /// One of several, shown as radio buttons.
    Choice(&'static [Choice]),
    /// The six digits of an authenticator app.
    Code,
    /// A county of California, kept as its FIPS code.
    County,
    /// A day, kept as `YYYY-MM-DD`.
    Date,
    /// An e-mail address, kept in lower case.
    Email,
    /// The e-mail address of another field once more.
    EmailAgain(&'static str),
    /// A number of a licence: letters, digits, spaces and hyphens, at least one digit. Kept in upper case.
    ///
    /// Deduced: patterns differ by profession and era, so it is read leniently and checked by staff.
    License,
    /// A text of several lines, at most so many characters.
    LongText(usize),
    /// A National Provider Identifier: ten digits whose last is right (Luhn with the prefix 80840).
    Npi,
    /// A password: as it was typed, never shown again.
    Password,
    /// A telephone number of North America, kept as ten digits with hyphens.
    Phone,
    /// One of several, shown as a list to pick from.
    Select(&'static [Choice]),
    /// A Site ID.
    SiteId,
    /// A text of one line, at most so many characters.
    Text(usize),
    /// A tick that may be there.
    Tick,
    /// A VFC PIN: letters and digits, at most ten.
    VfcPin,
    /// Yes or no.
    YesNo,
    /// A ZIP code of five digits, or nine with a hyphen.
    Zip,
    /// A ZIP code in California: 90001 to 96162.
    ZipCalifornia,
}

/// Yes and no, as choices.
const YES_NO: &[Choice] = &[Choice::new("yes", "Yes"), Choice::new("no", "No")];

impl Kind {
    /// The choices, where it has any.
    pub const fn choices(&self) -> &'static [Choice] {
        match self {
            Self::Choice(choices) | Self::Select(choices) => choices,
            Self::YesNo => YES_NO,
            _ => &[],
        }
    }

    /// An answer as it is shown to people.
    pub fn show(&self, value: &str) -> String {
        match self {
            Self::Agree | Self::Tick => if value == "yes" { "Yes" } else { "No" }.to_owned(),
            Self::County => County::find(value)
                .map_or_else(|| value.to_owned(), |county| format!("{} County", county.name)),
            Self::Date => NaiveDate::parse_from_str(value, "%Y-%m-%d").map_or_else(
                |_not_a_day| value.to_owned(),
                |day| day.format("%B %-d, %Y").to_string(),
            ),
            _ => self
                .choices()
                .iter()
                .find(|choice| choice.value == value)
                .map_or(value, |choice| choice.label)
                .to_owned(),
        }
    }

    /// Checks an answer on its own.
    ///
    /// # Errors
    /// With the message for the person who typed it.
    pub fn check(&self, typed: &str) -> Result<String, String> {
        let epoch = NaiveDate::default();
        self.read(typed.trim(), "This", &Answers::default(), epoch)
    }

    /// Checks an answer that is not empty and gives it in the spelling it is kept in.
    pub(super) fn read(
        &self,
        typed: &str,
        label: &str,
        page: &Answers,
        today: NaiveDate,
    ) -> Result<String, String> {
        if typed.chars().any(|one| one.is_control() && !(one == '\n' || one == '\r')) {
            return Err(format!("{label} holds characters that cannot be used. Type it again"));
        }
        match self {
            Self::Agree | Self::Tick => {
                if typed == "yes" {
                    Ok("yes".to_owned())
                } else {
                    Err("Tick the box".to_owned())
                }
            }
            Self::Choice(_) | Self::Select(_) | Self::YesNo => self.choice(typed),
            Self::County => County::find(typed.trim_end_matches(" County"))
                .map(|county| county.fips.to_owned())
                .ok_or_else(|| "Choose one of the 58 counties of California".to_owned()),
            Self::Date => day(typed, today),
            Self::Email => email(typed),
            Self::EmailAgain(first) => {
                if typed.eq_ignore_ascii_case(page.get(first).trim()) {
                    Ok(typed.to_lowercase())
                } else {
                    Err("The two email addresses differ. Type the same address twice".to_owned())
                }
            }
            Self::License => license(typed),
            Self::Code => code(typed),
            Self::LongText(longest) => text(typed, label, *longest, true),
            Self::Npi => npi(typed),
            Self::Password => Ok(typed.to_owned()),
            Self::Phone => phone(typed),
            Self::SiteId => typed
                .parse::<SiteId>()
                .map(|id| id.to_string())
                .map_err(|_wrong| "Enter a Site ID such as SF-000001".to_owned()),
            Self::Text(longest) => text(typed, label, *longest, false),
            Self::VfcPin => vfc_pin(typed),
            Self::Zip => zip(typed),
            Self::ZipCalifornia => california(&zip(typed)?),
        }
    }

    fn choice(&self, typed: &str) -> Result<String, String> {
        self.choices()
            .iter()
            .find(|choice| choice.value == typed || choice.label.eq_ignore_ascii_case(typed))
            .map(|choice| choice.value.to_owned())
            .ok_or_else(|| "Choose one of the answers".to_owned())
    }
}

fn code(typed: &str) -> Result<String, String> {
    let digits: String = typed.split_whitespace().collect();
    if digits.len() == 6 && digits.bytes().all(|one| one.is_ascii_digit()) {
        Ok(digits)
    } else {
        Err("Enter the six digits that your app shows".to_owned())
    }
}

fn text(typed: &str, label: &str, longest: usize, lines: bool) -> Result<String, String> {
    if typed.chars().count() > longest {
        return Err(format!("{label} must be {longest} characters or fewer"));
    }
    if !lines && typed.contains(['\n', '\r']) {
        return Err(format!("{label} must be on one line"));
    }
    if lines {
        return Ok(typed.replace("\r\n", "\n"));
    }
    Ok(typed.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn email(typed: &str) -> Result<String, String> {
    typed
        .parse::<EmailAddress>()
        .map(|address| address.to_string())
        .map_err(|_wrong| "Enter an email address like name@example.org".to_owned())
}

fn phone(typed: &str) -> Result<String, String> {
    let wrong = "Enter a telephone number with area code, like 510-555-0100";
    if typed.chars().any(|one| !(one.is_ascii_digit() || " -.()+".contains(one))) {
        return Err(wrong.to_owned());
    }
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let ten = digits.strip_prefix('1').filter(|rest| rest.len() == 10).unwrap_or(&digits);
    match (ten.len(), ten.get(0..3), ten.get(3..6), ten.get(6..)) {
        (10, Some(area), Some(exchange), Some(line)) if !area.starts_with(['0', '1']) => {
            Ok(format!("{area}-{exchange}-{line}"))
        }
        _ => Err(wrong.to_owned()),
    }
}

fn day(typed: &str, today: NaiveDate) -> Result<String, String> {
    let parsed = NaiveDate::parse_from_str(typed, "%Y-%m-%d")
        .or_else(|_not_iso| NaiveDate::parse_from_str(typed, "%m/%d/%Y"))
        .map_err(|_not_a_day| "Enter a real day as month, day and year, like 3 / 31 / 2015")?;
    let distance = (parsed - today).num_days().abs();
    if distance > 366 * 100 {
        return Err("Enter a year with four digits, like 2015".to_owned());
    }
    Ok(parsed.format("%Y-%m-%d").to_string())
}

fn zip(typed: &str) -> Result<String, String> {
    let digits =
        |text: &str, length| text.len() == length && text.bytes().all(|one| one.is_ascii_digit());
    let good = match typed.split_once('-') {
        Some((five, four)) => digits(five, 5) && digits(four, 4),
        None => digits(typed, 5),
    };
    if good {
        Ok(typed.to_owned())
    } else {
        Err("Enter a ZIP code of five digits, like 94501".to_owned())
    }
}

fn california(zip: &str) -> Result<String, String> {
    let five = zip.get(..5).and_then(|five| five.parse::<u32>().ok()).unwrap_or(0);
    if (90_001..=96_162).contains(&five) {
        Ok(zip.to_owned())
    } else {
        Err("Enter a ZIP code in California: they begin with 90 to 96".to_owned())
    }
}

fn license(typed: &str) -> Result<String, String> {
    let good = typed.len() <= 20
        && typed.chars().all(|one| one.is_ascii_alphanumeric() || one == '-' || one == ' ')
        && typed.chars().any(|one| one.is_ascii_digit());
    if good {
        Ok(typed.split_whitespace().collect::<String>().to_uppercase())
    } else {
        Err("Enter the license number as it stands on the license, like A12345".to_owned())
    }
}

fn vfc_pin(typed: &str) -> Result<String, String> {
    if typed.len() <= 10 && typed.bytes().all(|one| one.is_ascii_alphanumeric()) {
        Ok(typed.to_uppercase())
    } else {
        Err("Enter the VFC PIN: letters and digits, at most ten".to_owned())
    }
}

/// Source: CMS, National Provider Identifier; check digit by Luhn over `80840` and the first nine digits.
fn npi(typed: &str) -> Result<String, String> {
    let digits: Vec<u32> = typed.chars().filter_map(|one| one.to_digit(10)).collect();
    let ten = typed.len() == 10 && digits.len() == 10;
    // 24 is the sum that the prefix 80840 adds.
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => *digit,
            (_, twice) => twice / 10 + twice % 10,
        })
        .sum::<u32>()
        + 24;
    if ten && sum.is_multiple_of(10) {
        Ok(typed.to_owned())
    } else {
        Err("Enter an NPI of ten digits. Check each digit: this one is not a valid NPI".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Kind, typed: &str) -> Result<String, String> {
        let today = NaiveDate::from_ymd_opt(2015, 11, 1).unwrap();
        kind.read(typed, "This", &Answers::from_iter([("email", "pat@example.org")]), today)
    }

    #[test]
    fn good_answers_are_kept_in_one_spelling() {
        for (kind, typed, kept) in [
            (Kind::Phone, "(510) 555 0100", "510-555-0100"),
            (Kind::Phone, "+1 510.555.0100", "510-555-0100"),
            (Kind::Email, "Pat@Example.org", "pat@example.org"),
            (Kind::EmailAgain("email"), "PAT@example.org", "pat@example.org"),
            (Kind::County, "alameda", "06001"),
            (Kind::County, "06001", "06001"),
            (Kind::Date, "2015-3-31", "2015-03-31"),
            (Kind::Date, "3/31/2015", "2015-03-31"),
            (Kind::License, "a 12345", "A12345"),
            (Kind::Npi, "1234567893", "1234567893"),
            (Kind::Code, "123 456", "123456"),
            (Kind::Password, "two  blanks ", "two  blanks "),
            (Kind::Zip, "10001-1234", "10001-1234"),
            (Kind::ZipCalifornia, "94501", "94501"),
            (Kind::Text(20), "Harbor   Street", "Harbor Street"),
            (Kind::YesNo, "Yes", "yes"),
            (Kind::VfcPin, "ab123", "AB123"),
            (Kind::SiteId, "sf-000001", "SF-000001"),
        ] {
            assert_eq!(read(kind, typed).as_deref(), Ok(kept), "{kind:?} {typed}");
        }
    }

    #[test]
    fn bad_answers_are_told_what_to_type() {
        for (kind, typed, part) in [
            (Kind::Phone, "555-0100", "area code"),
            (Kind::Phone, "010-555-0100", "area code"),
            (Kind::Phone, "call me", "area code"),
            (Kind::Email, "pat", "name@example.org"),
            (Kind::Email, "pat@example.org\r\nBcc: all@example.org", "name@example.org"),
            (Kind::EmailAgain("email"), "kim@example.org", "differ"),
            (Kind::County, "Kings Landing", "58 counties"),
            (Kind::Date, "2015-02-30", "real day"),
            (Kind::Date, "0015-02-03", "four digits"),
            (Kind::License, "none", "license number"),
            (Kind::Npi, "1234567890", "not a valid NPI"),
            (Kind::Npi, "123456789", "ten digits"),
            (Kind::Code, "12345", "six digits"),
            (Kind::Code, "12345a", "six digits"),
            (Kind::Zip, "9450", "five digits"),
            (Kind::ZipCalifornia, "10001", "California"),
            (Kind::Text(5), "Harbor", "5 characters or fewer"),
            (Kind::Text(50), "Harbor\nStreet", "one line"),
            (Kind::Text(50), "Har\u{0}bor", "cannot be used"),
            (Kind::YesNo, "perhaps", "one of the answers"),
            (Kind::Agree, "no", "Tick"),
            (Kind::VfcPin, "A-1", "letters and digits"),
            (Kind::SiteId, "?", "SF-000001"),
        ] {
            let told = read(kind, typed).expect_err(typed);
            assert!(told.contains(part), "{kind:?} {typed}: {told}");
        }
    }
}
