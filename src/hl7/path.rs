//! Where in a message: the error location (ERL) of ERR-2.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The three characters that name a segment.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentName([u8; 3]);

impl SegmentName {
    /// A name of three printable ASCII characters; anything else becomes `???`, which names no segment.
    pub const fn new(name: &str) -> Self {
        match name.as_bytes() {
            [a, b, c] => Self::from_bytes([*a, *b, *c]),
            _ => Self(*b"???"),
        }
    }

    pub(super) const fn from_bytes(name: [u8; 3]) -> Self {
        let [a, b, c] = name;
        let graphic = a.is_ascii_graphic() && b.is_ascii_graphic() && c.is_ascii_graphic();
        if graphic { Self(name) } else { Self(*b"???") }
    }

    /// The name as bytes.
    pub const fn bytes(self) -> [u8; 3] {
        self.0
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl fmt::Debug for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in a message, in the terms of HL7's data type ERL. `Display` writes it as in ERR-2: `PID^1^3^1^5`.
///
/// Source: guide 1.5, ERL; the sequence counts segments of that name in the whole message, numbers begin with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// ERL.1.
    pub segment: SegmentName,
    /// ERL.2.
    pub sequence: u16,
    /// ERL.3.
    pub field: Option<u16>,
    /// ERL.4; written as 1 when it is not given and a component is.
    pub repetition: Option<u16>,
    /// ERL.5.
    pub component: Option<u16>,
    /// ERL.6.
    pub subcomponent: Option<u16>,
}

impl Location {
    /// A whole segment.
    pub const fn segment(name: &str, sequence: u16) -> Self {
        Self::of(SegmentName::new(name), sequence)
    }

    pub(super) const fn of(segment: SegmentName, sequence: u16) -> Self {
        Self {
            segment,
            sequence,
            field: None,
            repetition: None,
            component: None,
            subcomponent: None,
        }
    }

    /// The same, at a field.
    #[must_use]
    pub const fn field(self, number: u16) -> Self {
        Self { field: Some(number), ..self }
    }

    /// The same, at a repetition of the field.
    #[must_use]
    pub const fn repetition(self, number: u16) -> Self {
        Self { repetition: Some(number), ..self }
    }

    /// The same, at a component.
    #[must_use]
    pub const fn component(self, number: u16) -> Self {
        Self { component: Some(number), ..self }
    }

    /// The same, at a subcomponent.
    #[must_use]
    pub const fn subcomponent(self, number: u16) -> Self {
        Self { subcomponent: Some(number), ..self }
    }

    /// The form people write: `PID-3.5`, `RXA[2]-11.4`, `PID-3[2].5.1`.
    pub const fn human(self) -> Human {
        Human(self)
    }

    /// Component and subcomponent, the component filled up when only the subcomponent is given.
    fn inner(self) -> (Option<u16>, Option<u16>) {
        (self.component.or_else(|| self.subcomponent.map(|_| 1)), self.subcomponent)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}^{}", self.segment, self.sequence)?;
        let Some(field) = self.field else {
            return Ok(());
        };
        write!(f, "^{field}")?;
        let (component, subcomponent) = self.inner();
        if let Some(repetition) = self.repetition.or_else(|| component.map(|_| 1)) {
            write!(f, "^{repetition}")?;
        }
        if let Some(component) = component {
            write!(f, "^{component}")?;
        }
        if let Some(subcomponent) = subcomponent {
            write!(f, "^{subcomponent}")?;
        }
        Ok(())
    }
}

/// Writes a [`Location`] in the form people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Human(Location);

impl fmt::Display for Human {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = self.0;
        write!(f, "{}", location.segment)?;
        if location.sequence != 1 {
            write!(f, "[{}]", location.sequence)?;
        }
        let Some(field) = location.field else {
            return Ok(());
        };
        write!(f, "-{field}")?;
        if let Some(repetition) = location.repetition.filter(|n| *n != 1) {
            write!(f, "[{repetition}]")?;
        }
        let (component, subcomponent) = location.inner();
        if let Some(component) = component {
            write!(f, ".{component}")?;
        }
        if let Some(subcomponent) = subcomponent {
            write!(f, ".{subcomponent}")?;
        }
        Ok(())
    }
}

/// The text is not a location like `PID-3.5` or `RXA[2]-11.4`.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a location like PID-3.5 or RXA[2]-11.4")]
pub struct LocationError;

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let (head, tail) = match text.split_once('-') {
            Some((head, tail)) => (head, Some(tail)),
            None => (text, None),
        };
        let (name, sequence) = numbered(head)?;
        let named =
            name.len() == 3 && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if !named {
            return Err(LocationError);
        }
        let mut location = Self::segment(name, sequence.unwrap_or(1));
        let Some(tail) = tail else {
            return Ok(location);
        };
        let mut parts = tail.split('.');
        let (field, repetition) = numbered(parts.next().unwrap_or_default())?;
        location.field = Some(number(field)?);
        location.repetition = repetition;
        location.component = parts.next().map(number).transpose()?;
        location.subcomponent = parts.next().map(number).transpose()?;
        if parts.next().is_some() { Err(LocationError) } else { Ok(location) }
    }
}

/// `RXA[2]` as `RXA` and 2.
fn numbered(text: &str) -> Result<(&str, Option<u16>), LocationError> {
    let Some((name, rest)) = text.split_once('[') else {
        return Ok((text, None));
    };
    let inside = rest.strip_suffix(']').ok_or(LocationError)?;
    Ok((name, Some(number(inside)?)))
}

/// A number from 1, without sign.
fn number(text: &str) -> Result<u16, LocationError> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits && number > 0 => Ok(number),
        _ => Err(LocationError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_written_as_in_err_2() {
        const HERE: Location = Location::segment("PID", 1).field(3).component(5);

        assert_eq!(HERE.to_string(), "PID^1^3^1^5");
        assert_eq!(Location::segment("RXA", 3).to_string(), "RXA^3");
        assert_eq!(Location::segment("PID", 1).field(7).to_string(), "PID^1^7");
        assert_eq!(Location::segment("PID", 1).field(3).repetition(2).to_string(), "PID^1^3^2");
        assert_eq!(
            Location::segment("RXA", 2).field(11).subcomponent(2).to_string(),
            "RXA^2^11^1^1^2"
        );
    }

    #[test]
    fn people_write_it_with_dash_and_dots() {
        for text in ["PID-3.5", "RXA[2]-11.4", "PID-3[2].5.1", "PID", "OBX[12]-5"] {
            assert_eq!(text.parse::<Location>().unwrap().human().to_string(), text);
        }
    }

    #[test]
    fn a_text_that_is_no_location_is_refused() {
        for text in [
            "",
            "-",
            "PI-3",
            "pid-3",
            "PID-",
            "PID-0",
            "PID-x",
            "PID-3.",
            "PID-3.+1",
            "PID-1.2.3.4",
            "PID[",
            "PID[]-1",
            "PID-70000",
        ] {
            assert_eq!(text.parse::<Location>(), Err(LocationError), "{text}");
        }
    }
}
