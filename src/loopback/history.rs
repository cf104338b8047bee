//! What the loopback registry answers to a query: the newest message that it holds of that patient, or that it has none.

use crate::domain::{Environment, RegionCode};
use crate::hl7::{Ack, Message, Query};
use crate::loopback::Loopback;
use crate::store::Part;

/// So many of the newest messages of a region are looked through: this is a registry for trials.
const LOOKED_THROUGH: i64 = 500;

/// Segments of a history that stand in an update as well.
const HISTORY: [&str; 8] = ["PID", "PD1", "NK1", "ORC", "RXA", "RXR", "OBX", "NTE"];

impl Loopback {
    /// The answer to a query: Z32 with what is held, or Z33. Forecasts (Z44) are not made here, and that is an error.
    pub(super) async fn history(
        &self,
        (region, environment): (RegionCode, Environment),
        query: Query<'_, '_>,
        ack: &Ack<'_>,
    ) -> String {
        if query.name() != b"Z34" {
            return query.answer(ack, "Z33", "AE", "");
        }
        match self.newest(region, environment, query).await {
            Some(segments) => query.answer(ack, "Z32", "OK", &segments),
            None => query.answer(ack, "Z33", "NF", ""),
        }
    }

    async fn newest(
        &self,
        region: RegionCode,
        environment: Environment,
        query: Query<'_, '_>,
    ) -> Option<String> {
        let held = self.store.loopback_list(Some(region), LOOKED_THROUGH).await.ok()?;
        held.into_iter().filter(|one| one.environment == environment).find_map(|one| {
            let body = self.store.vault().open(one.id, Part::Loopback, one.body).ok()?;
            let message = Message::parse(&body).ok()?;
            (message.delimiters().is_standard() && is_of(&message, query))
                .then(|| history(&message))
        })
    }
}

/// The patient of a message is the one that is asked for: one of the identifiers, or name and day of birth.
fn is_of(message: &Message<'_>, query: Query<'_, '_>) -> bool {
    let Some(pid) = message.segment("PID") else { return false };
    let asked = query.segment();
    let same_identifier = asked.field(3).repetitions().any(|asked| {
        let id = asked.component(1).bytes();
        !id.is_empty() && pid.field(3).repetitions().any(|own| own.component(1).bytes() == id)
    });
    let same = |(of_patient, of_query, component): (usize, usize, usize)| {
        let value = asked.field(of_query).repetition(1).component(component).bytes();
        let own = pid.field(of_patient).repetition(1).component(component).bytes();
        !value.is_empty() && value.eq_ignore_ascii_case(own)
    };
    same_identifier || [(5, 4, 1), (5, 4, 2), (7, 6, 1)].into_iter().all(same)
}

fn history(message: &Message<'_>) -> String {
    let mut text = String::new();
    for segment in message.segments() {
        if HISTORY.iter().any(|name| segment.name() == name.as_bytes()) {
            text.push_str(&String::from_utf8_lossy(segment.bytes()));
            text.push('\r');
        }
    }
    text
}
