//! The bytes of a message against the character set that MSH-18 names. Source: HL7 v2.5.1, 2.15.9.18.

use crate::hl7::Location;
use crate::validation::check::{Check, text};

/// Bytes outside ASCII are declared, and are UTF-8.
pub(super) fn check(check: &mut Check<'_, '_, '_>) {
    let bytes = check.message.body();
    if bytes.is_ascii() {
        return;
    }
    let Some(first) = bytes.iter().position(|byte| !byte.is_ascii()) else { return };
    let start = bytes.as_ptr().addr() - check.message.bytes().as_ptr().addr();
    let at = Location::segment("MSH", 1).field(18);
    let is_utf8 = std::str::from_utf8(bytes);
    let rule = match (is_utf8, check.first(*b"MSH").and_then(|msh| text(msh, 18, 0))) {
        (Err(error), _) => {
            let place = start + error.valid_up_to();
            check.note("CHARSET-BYTES", Some(at), Some(place..place + 1), Some(0));
            return;
        }
        (Ok(_), None | Some(b"ASCII")) => "CHARSET",
        (Ok(_), Some(_)) => return,
    };
    check.note(rule, Some(at), Some(start + first..start + first + 1), Some(0));
}
