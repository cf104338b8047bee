//! What keeps messages in order: those of one patient from one sender to one registry are sent one after the other.

use crate::domain::{ServerKey, SiteId};
use crate::hl7::Message;
use crate::store::Place;

/// What names the patient for its sender: PID-3.1 and PID-3.4 of the first repetition; none where there is none.
pub(super) fn patient(message: &Message<'_>) -> Option<String> {
    let identifier = message.segment("PID")?.field(3).repetition(1);
    let id = identifier.component(1).value().text()?;
    let authority = identifier.component(4).bytes();
    Some(format!("{} {}", String::from_utf8_lossy(id), String::from_utf8_lossy(authority)))
}

/// What messages that may not overtake each other have in common. Hashed under the server key, so that the column tells
/// nothing of the patient.
pub(super) fn order_key(
    key: &ServerKey,
    sender: &SiteId,
    (region, environment): Place,
    patient: &str,
) -> Option<i64> {
    let hash = key.hash("order", &format!("{sender} {region} {environment} {patient}"));
    Some(i64::from_be_bytes(*hash.as_ref().first_chunk::<8>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Environment;

    #[test]
    fn another_patient_sender_or_registry_has_another_key() {
        let key = ServerKey::new(&[1; 32]);
        let of = |sender: &str, region: &str, environment, patient| {
            let place = (region.parse().unwrap(), environment);
            order_key(&key, &sender.parse().unwrap(), place, patient).unwrap()
        };
        let keys = [
            of("DE-000001", "CAIRBA", Environment::Test, "1 A"),
            of("DE-000001", "CAIRBA", Environment::Test, "2 A"),
            of("DE-000002", "CAIRBA", Environment::Test, "1 A"),
            of("DE-000001", "CAIRCV", Environment::Test, "1 A"),
            of("DE-000001", "CAIRBA", Environment::Production, "1 A"),
        ];

        for (number, one) in keys.iter().enumerate() {
            assert_eq!(keys.iter().position(|other| other == one), Some(number));
        }
        assert_eq!(keys[0], of("DE-000001", "CAIRBA", Environment::Test, "1 A"));
    }
}
