//! People's passwords: which are taken, and how they are kept.
//!
//! Length instead of rules about characters, and nothing that is easily guessed: not a common password, not the person or
//! the organization, not one thing again and again. Source: domain notes 7.3; SP 800-63B, 3.1.1; OWASP password storage.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use argon2::password_hash::{PasswordHash as Phc, SaltString};
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::Text;

use crate::domain::Password;

/// Characters of a password that is the only factor.
const LEAST_ALONE: usize = 15;
/// Characters of a password beside a second factor.
const LEAST_WITH_SECOND_FACTOR: usize = 8;
/// Characters of a password at most.
const MOST: usize = 128;
/// A password that repeats so few characters is refused however long it is.
const SHORT_PERIOD: usize = 4;
/// Shorter words of names are no reason to refuse anything.
const SHORTEST_WORD: usize = 3;

/// Words of ours that everybody guesses here.
const OUR_WORDS: [&str; 6] =
    ["immunizations", "immunization", "izportal", "password", "cair", "cdph"];

/// Passwords that are tried first, in lower case; the file says where they come from.
static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../../schemas/passwords.txt")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
});

/// Whose password it is to be.
#[derive(Debug, Clone, Default)]
pub struct Owner<'a> {
    /// Names, e-mail address, organizations: what others know of the person.
    pub known: Vec<&'a str>,
    /// Whether a second factor is set up.
    pub second_factor: bool,
}

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// It is one of the passwords that are tried first.
    Common,
    /// It says little more than what others know of the person or of us.
    Guessable,
    /// It has more than 128 characters.
    Long,
    /// It is one character, or a few, again and again, or a sequence such as 123456.
    Monotonous,
    /// It has fewer characters than this.
    Short(usize),
}

impl Weakness {
    /// What to tell the person.
    pub fn text(self) -> String {
        match self {
            Self::Common => "This password is on a list of passwords that are often stolen or guessed. \
                             Choose another one, for example four words that do not belong together."
                .to_owned(),
            Self::Guessable => "Choose a password with more in it than your name, your email address, your \
                                organization or the name of this site."
                .to_owned(),
            Self::Long => format!("Choose a password with at most {MOST} characters."),
            Self::Monotonous => "Choose a password that is not the same few characters again and again, and \
                                 not a sequence such as 123456."
                .to_owned(),
            Self::Short(least) if least == LEAST_ALONE => format!(
                "Enter at least {least} characters. A sentence or four words are easy to remember. With a second \
                 factor, {LEAST_WITH_SECOND_FACTOR} characters are enough."
            ),
            Self::Short(least) => format!("Enter at least {least} characters."),
        }
    }
}

/// A password that may be taken.
#[derive(Clone, Debug)]
pub struct Passphrase(Password);

impl Passphrase {
    /// Judges a password that somebody chose.
    ///
    /// # Errors
    /// Says what is weak.
    pub fn choose(text: Password, owner: &Owner<'_>) -> Result<Self, Weakness> {
        let least = least(owner.second_factor);
        let characters = text.reveal().chars().count();
        if characters < least {
            return Err(Weakness::Short(least));
        }
        if characters > MOST {
            return Err(Weakness::Long);
        }
        let lower: Vec<char> = text.reveal().to_lowercase().chars().collect();
        if is_sequence(&lower) || period(&lower) <= SHORT_PERIOD {
            return Err(Weakness::Monotonous);
        }
        if is_common(&lower) {
            return Err(Weakness::Common);
        }
        if left_of(&lower, owner) < least.div_ceil(2) {
            return Err(Weakness::Guessable);
        }
        Ok(Self(text))
    }

    /// Characters that a password must have.
    pub const fn least(second_factor: bool) -> usize {
        least(second_factor)
    }
}

const fn least(second_factor: bool) -> usize {
    if second_factor { LEAST_WITH_SECOND_FACTOR } else { LEAST_ALONE }
}

/// Whether it, or what it repeats, is on the list.
fn is_common(lower: &[char]) -> bool {
    let listed = |part: &[char]| COMMON.contains(part.iter().collect::<String>().as_str());
    listed(lower) || lower.get(..period(lower)).is_some_and(listed)
}

/// The length of the shortest beginning that the whole repeats.
fn period(text: &[char]) -> usize {
    let repeats = |length: &usize| {
        text.len().is_multiple_of(*length)
            && text
                .get(..*length)
                .is_some_and(|first| text.chunks(*length).all(|part| part == first))
    };
    (1..text.len()).find(repeats).unwrap_or(text.len())
}

/// Whether each character follows its predecessor, forwards or backwards, 0 following 9 and a following z.
fn is_sequence(text: &[char]) -> bool {
    let follows = |one: char, next: char| match one {
        '9' => next == '0',
        'z' => next == 'a',
        _ => u32::from(one) + 1 == u32::from(next),
    };
    let pairs = || text.iter().zip(text.iter().skip(1));
    pairs().all(|(one, next)| follows(*one, *next))
        || pairs().all(|(one, next)| follows(*next, *one))
}

/// How many letters and digits are left when the words that others know are taken away.
fn left_of(lower: &[char], owner: &Owner<'_>) -> usize {
    let mut words: Vec<String> = owner
        .known
        .iter()
        .flat_map(|text| text.split(|one: char| !one.is_alphanumeric()))
        .map(str::to_lowercase)
        .chain(OUR_WORDS.iter().map(|word| (*word).to_owned()))
        .filter(|word| word.chars().count() >= SHORTEST_WORD)
        .collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut rest: String = lower.iter().filter(|one| one.is_alphanumeric()).collect();
    for word in words {
        rest = rest.replace(&word, " ");
    }
    let others = lower.iter().filter(|one| !one.is_alphanumeric() && !one.is_ascii()).count();
    rest.chars().filter(|one| *one != ' ').count() + others
}

/// What [`PassphraseHash::check`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Right, but kept with other parameters than today's: hash it anew.
    Outdated,
    /// Right.
    Right,
    /// Wrong.
    Wrong,
}

/// Argon2id of a password, with its parameters and its salt, as a PHC string.
#[derive(Clone, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct PassphraseHash(String);

/// Bytes of salt.
pub const SALT: usize = 16;

impl PassphraseHash {
    /// Hashes a password; takes some 20 ms of one core and 19 MiB.
    pub fn of(passphrase: &Passphrase, salt: [u8; SALT]) -> Option<Self> {
        Self::hashed(passphrase.0.reveal(), salt)
    }

    /// Hashes the password that was found right again, with the parameters of today.
    pub fn renewed(password: &Password, salt: [u8; SALT]) -> Option<Self> {
        Self::hashed(password.reveal(), salt)
    }

    /// What nobody's password is checked against, for the same work as somebody's.
    pub fn of_nobody(salt: [u8; SALT]) -> Option<Self> {
        Self::hashed("nobody", salt)
    }

    fn hashed(text: &str, salt: [u8; SALT]) -> Option<Self> {
        let salt = SaltString::encode_b64(&salt).ok()?;
        Some(Self(today()?.hash_password(text.as_bytes(), &salt).ok()?.to_string()))
    }

    /// Whether this is the password.
    pub fn check(&self, password: &Password) -> Check {
        let Ok(kept) = Phc::new(&self.0) else { return Check::Wrong };
        let text = password.reveal().as_bytes();
        if Argon2::default().verify_password(text, &kept).is_err() {
            return Check::Wrong;
        }
        let of_today = today().is_some_and(|today| {
            kept.algorithm == Algorithm::Argon2id.ident()
                && Params::try_from(&kept).is_ok_and(|params| {
                    params.m_cost() == today.params().m_cost()
                        && params.t_cost() == today.params().t_cost()
                        && params.p_cost() == today.params().p_cost()
                })
        });
        if of_today { Check::Right } else { Check::Outdated }
    }
}

/// Memory in KiB, passes, lanes. Source: OWASP password storage cheat sheet.
const PARAMETERS: (u32, u32, u32) = (19_456, 2, 1);

fn today() -> Option<Argon2<'static>> {
    let (memory, passes, lanes) = PARAMETERS;
    let parameters = Params::new(memory, passes, lanes, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters))
}

impl FromStr for PassphraseHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Phc::new(text).map_err(|_unreadable| "not a hash of a password")?;
        Ok(Self(text.to_owned()))
    }
}

impl AsRef<str> for PassphraseHash {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PassphraseHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassphraseHash([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(second_factor: bool) -> Owner<'static> {
        let known =
            vec!["Rosa", "Inventa", "rosa.inventa@clinic.example.org", "Mission Street Clinic"];
        Owner { known, second_factor }
    }

    fn weakness(text: &str, second_factor: bool) -> Option<Weakness> {
        Passphrase::choose(Password::from(text.to_owned()), &owner(second_factor)).err()
    }

    #[test]
    fn a_password_alone_has_fifteen_characters_and_eight_beside_a_second_factor() {
        assert_eq!(weakness("quiet lemon fen", false), None);
        assert_eq!(weakness("quiet lemon fe", false), Some(Weakness::Short(15)));
        assert_eq!(weakness("lemonfen", true), None);
        assert_eq!(weakness("lemonfe", true), Some(Weakness::Short(8)));
        assert_eq!(weakness(&"lemon fence ".repeat(10), false), None, "120");
        assert_eq!(weakness(&"lemon fence ".repeat(11), false), Some(Weakness::Long), "132");
    }

    #[test]
    fn characters_are_counted_not_bytes_and_any_are_taken() {
        assert_eq!(weakness("ñandú y piñatas", false), None);
        assert_eq!(weakness("猫は窓辺で静かに眠り夢を見ている", false), None);
        assert_eq!(weakness("ñandú y piñata", false), Some(Weakness::Short(15)));
        assert_eq!(weakness("🦀🦞🦐🦑🐙🐚🐌🦋🐛🐜🐝🐞🦗🕷🦂", false), None);
    }

    #[test]
    fn what_is_monotonous_is_refused_however_long() {
        for text in [
            "aaaaaaaaaaaaaaaaaa",
            "abababababababab",
            "abcabcabcabcabc",
            "Passpasspasspass",
            "123456789012345678",
            "987654321098765432",
            "abcdefghijklmnopqr",
            "ABCDEFGHIJKLMNOP",
            "zyxwvutsrqponmlkji",
        ] {
            assert_eq!(weakness(text, false), Some(Weakness::Monotonous), "{text}");
        }
    }

    #[test]
    fn a_common_password_is_refused_in_any_case_and_when_repeated() {
        let common = COMMON.iter().find(|one| {
            let text: Vec<char> = one.chars().collect();
            one.len() >= 8 && !is_sequence(&text) && period(&text) > SHORT_PERIOD
        });
        let common = common.unwrap();
        assert_eq!(weakness(&common.to_uppercase(), true), Some(Weakness::Common));
        assert_eq!(weakness(&common.repeat(2), false), Some(Weakness::Common));
    }

    #[test]
    fn what_others_know_is_not_enough() {
        for text in [
            "Rosa.Inventa.2026",
            "rosa.inventa@clinic.example.org",
            "MissionStreetClinic1",
            "izportal-izportal-1",
            "CAIR immunization 26",
            "password-Inventa-12",
        ] {
            assert_eq!(weakness(text, false), Some(Weakness::Guessable), "{text}");
        }
        assert_eq!(weakness("my cairn terrier barks", false), None);
        assert_eq!(weakness("rosa paints green doors", false), None);
    }

    #[test]
    fn every_weakness_is_told_in_a_sentence() {
        for weakness in [
            Weakness::Common,
            Weakness::Guessable,
            Weakness::Long,
            Weakness::Monotonous,
            Weakness::Short(8),
            Weakness::Short(15),
        ] {
            assert!(weakness.text().ends_with('.'), "{weakness:?}");
        }
    }

    #[test]
    fn a_hash_knows_its_password_and_says_when_it_is_outdated() {
        let password = Password::from("quiet lemon fence".to_owned());
        let passphrase = Passphrase::choose(password.clone(), &owner(false)).unwrap();
        let hash = PassphraseHash::of(&passphrase, [7; SALT]).unwrap();
        let weaker = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(8_192, 1, 1, None).unwrap(),
        );
        let salt = SaltString::encode_b64(&[7; SALT]).unwrap();
        let older = weaker.hash_password(password.reveal().as_bytes(), &salt).unwrap().to_string();
        let older: PassphraseHash = older.parse().unwrap();

        assert!(hash.as_ref().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(hash.check(&password), Check::Right);
        assert_eq!(hash.check(&Password::from("quiet lemon fences".to_owned())), Check::Wrong);
        assert_eq!(older.check(&password), Check::Outdated);
        assert_eq!(format!("{hash:?}"), "PassphraseHash([redacted])");
    }
}
