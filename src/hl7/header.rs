//! The message header, and who a message says is responsible for it.

use std::fmt;

use crate::hl7::datatypes::{Hd, Xon};
use crate::hl7::delimiters::Delimiters;
use crate::hl7::message::Message;
use crate::hl7::path::Location;
use crate::hl7::tables::{MessageKind, ProcessingId};
use crate::hl7::view::{Field, Repetition, Segment, Value, shown};

/// The fields of MSH. All values are as they stand in the message, still escaped.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    /// The delimiters of the message.
    pub delimiters: Delimiters,
    /// MSH-2.
    pub encoding_characters: Value<'a>,
    /// MSH-3.1, else MSH-3.2.
    pub sending_application: Value<'a>,
    /// MSH-4.1, else MSH-4.2.
    pub sending_facility: Value<'a>,
    /// MSH-5.1, else MSH-5.2.
    pub receiving_application: Value<'a>,
    /// MSH-6.1, else MSH-6.2.
    pub receiving_facility: Value<'a>,
    /// MSH-7.1.
    pub timestamp: Value<'a>,
    /// MSH-8.
    pub security: Value<'a>,
    /// MSH-9.1.
    pub message_code: Value<'a>,
    /// MSH-9.2.
    pub trigger: Value<'a>,
    /// MSH-9.3.
    pub structure: Value<'a>,
    /// MSH-10, whole.
    pub control_id: Value<'a>,
    /// MSH-11.1.
    pub processing_id: Value<'a>,
    /// MSH-12.1.
    pub version: Value<'a>,
    /// MSH-15.
    pub accept_acknowledgment: Value<'a>,
    /// MSH-16.
    pub application_acknowledgment: Value<'a>,
    /// MSH-18, first repetition.
    pub character_set: Value<'a>,
    /// MSH-21.1 of the first repetition.
    pub profile: Value<'a>,
    /// MSH-21.2 of the first repetition.
    pub profile_authority: Value<'a>,
    /// MSH-22.10, else MSH-22.1.
    pub responsible_organization: Value<'a>,
    /// MSH-23.10, else MSH-23.1.
    pub receiving_organization: Value<'a>,
    /// MSH-3 and MSH-4, whole: the acknowledgement sends them back.
    pub(super) origin: [Field<'a>; 2],
}

impl<'a> Header<'a> {
    /// The header of a message.
    pub fn of(message: &Message<'a>) -> Self {
        let header = message.segments().next();
        let field = |number| {
            header.map_or_else(|| Field::none(message.delimiters()), |header| header.field(number))
        };
        let kind = field(9);
        let profile = field(21).repetition(1);
        let hd = |number| Hd::of(field(number).repetition(1)).identifier();
        Self {
            delimiters: message.delimiters(),
            encoding_characters: field(2).value(),
            sending_application: hd(3),
            sending_facility: hd(4),
            receiving_application: hd(5),
            receiving_facility: hd(6),
            timestamp: field(7).component(1).value(),
            security: field(8).value(),
            message_code: kind.component(1).value(),
            trigger: kind.component(2).value(),
            structure: kind.component(3).value(),
            control_id: field(10).value(),
            processing_id: field(11).component(1).value(),
            version: field(12).component(1).value(),
            accept_acknowledgment: field(15).value(),
            application_acknowledgment: field(16).value(),
            character_set: field(18).repetition(1).value(),
            profile: profile.component(1).value(),
            profile_authority: profile.component(2).value(),
            responsible_organization: Xon::of(field(22).repetition(1)).identifier(),
            receiving_organization: Xon::of(field(23).repetition(1)).identifier(),
            origin: [field(3), field(4)],
        }
    }

    /// The kind of message, if the Gateway knows it.
    pub fn kind(&self) -> Option<MessageKind> {
        let code = self.message_code.text()?;
        MessageKind::of(code, self.trigger.text().unwrap_or_default())
    }

    /// MSH-11.1, if it is in table 0103.
    pub fn processing(&self) -> Option<ProcessingId> {
        self.processing_id.text().and_then(ProcessingId::of)
    }
}

impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |value: Value<'_>| value.text().map_or("", shown).to_owned();
        write!(f, "Header({}^{})", part(self.message_code), part(self.trigger))
    }
}

/// Which field names a responsible Site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateSource {
    /// MSH-22: sending responsible organization.
    ResponsibleOrganization,
    /// PD1-3.10: patient primary facility.
    PrimaryFacility,
    /// RXA-11.4: administered-at location.
    AdministeredAt,
    /// MSH-4: sending facility.
    SendingFacility,
}

/// One identifier of a responsible Site.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Which field it is in.
    pub source: CandidateSource,
    /// Where exactly.
    pub location: Location,
    /// The identifier as it stands there.
    pub value: &'a [u8],
}

impl fmt::Debug for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Candidate({}, {} bytes)", self.location.human(), self.value.len())
    }
}

/// The candidates for the responsible Site of a message, the most authoritative first.
///
/// MSH-22, every PD1-3.10, every RXA-11.4, MSH-4. All valued ones are there, so that disagreement can be seen.
/// Source: domain.md 3.1 (CAIR eras A and B).
#[derive(Clone, PartialEq, Eq)]
pub struct Identifiers<'a>(Vec<Candidate<'a>>);

impl<'a> Identifiers<'a> {
    /// The candidates of a message.
    pub fn of(message: &Message<'a>) -> Self {
        let mut found = Self(Vec::with_capacity(8));
        let header = message.segments().next();
        if let Some(header) = header {
            found.organization(header.field(22).repetition(1), header.location().field(22));
        }
        for segment in message.segments_named("PD1") {
            found.primary_facilities(segment);
        }
        for segment in message.segments_named("RXA") {
            found.administered_at(segment);
        }
        if let Some(header) = header {
            let facility = Hd::of(header.field(4).repetition(1));
            let location = header.location().field(4);
            found.designator(
                CandidateSource::SendingFacility,
                facility,
                [location.component(1), location.component(2)],
            );
        }
        found
    }

    /// All of them, in order.
    pub fn candidates(&self) -> &[Candidate<'a>] {
        &self.0
    }

    /// The most authoritative one.
    pub fn first(&self) -> Option<&Candidate<'a>> {
        self.0.first()
    }

    /// Those of one source.
    pub fn from(&self, source: CandidateSource) -> impl Iterator<Item = &Candidate<'a>> {
        self.0.iter().filter(move |candidate| candidate.source == source)
    }

    fn organization(&mut self, repetition: Repetition<'a>, location: Location) {
        let source = CandidateSource::ResponsibleOrganization;
        let Xon { name, organization_id } = Xon::of(repetition);
        self.add(
            source,
            [(organization_id, location.component(10)), (name, location.component(1))],
        );
    }

    fn primary_facilities(&mut self, segment: Segment<'_, 'a>) {
        let location = segment.location().field(3);
        for (repetition, number) in segment.field(3).repetitions().zip(1..) {
            let location = location.repetition(number).component(10);
            let value = repetition.component(10).value();
            self.add(CandidateSource::PrimaryFacility, [(value, location)]);
        }
    }

    fn administered_at(&mut self, segment: Segment<'_, 'a>) {
        let facility = Hd::within(segment.field(11).component(4));
        let location = segment.location().field(11).component(4);
        self.designator(
            CandidateSource::AdministeredAt,
            facility,
            [location, location.subcomponent(2)],
        );
    }

    /// The namespace id or the universal id of a designator, whichever stands first.
    fn designator(&mut self, source: CandidateSource, hd: Hd<'a>, locations: [Location; 2]) {
        let [namespace, universal] = locations;
        self.add(source, [(hd.namespace, namespace), (hd.universal_id, universal)]);
    }

    /// Adds the first valued alternative.
    fn add<const N: usize>(
        &mut self,
        source: CandidateSource,
        alternatives: [(Value<'a>, Location); N],
    ) {
        let candidate = alternatives.into_iter().find_map(|(value, location)| {
            value.text().map(|value| Candidate { source, location, value })
        });
        self.0.extend(candidate);
    }
}

impl fmt::Debug for Identifiers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_gives_its_fields_as_values() {
        let message = Message::parse(
            b"MSH|^~\\&|EHR^1.2^ISO|^2.3.4^ISO|IIS|CAIRBA|20260301120000-0800||VXU^V04^VXU_V04|ID 1|T^X|2.5.1^USA|||ER|AL||UNICODE UTF-8|||Z22^CDCPHINVS~Z99|Clinic^^^^^^^^^DE-000001|CAIR\r",
        )
        .unwrap();
        let header = Header::of(&message);

        assert_eq!(header.sending_application, Value::Text(b"EHR"));
        assert_eq!(header.sending_facility, Value::Text(b"2.3.4"));
        assert_eq!(header.receiving_facility, Value::Text(b"CAIRBA"));
        assert_eq!(header.kind(), Some(MessageKind::VxuV04));
        assert_eq!(header.structure, Value::Text(b"VXU_V04"));
        assert_eq!(header.control_id, Value::Text(b"ID 1"));
        assert_eq!(header.processing(), Some(ProcessingId::T));
        assert_eq!(header.version, Value::Text(b"2.5.1"));
        assert_eq!(header.accept_acknowledgment, Value::Text(b"ER"));
        assert_eq!(header.profile, Value::Text(b"Z22"));
        assert_eq!(header.responsible_organization, Value::Text(b"DE-000001"));
        assert_eq!(header.receiving_organization, Value::Text(b"CAIR"));
        assert_eq!(format!("{header:?}"), "Header(VXU^V04)");
    }

    #[test]
    fn the_candidates_come_in_order_of_authority_with_their_places() {
        let message = Message::parse(
            b"MSH|^~\\&|EHR|DE-4||||||||||||||||||DE-22\rPD1|||A^^^^^^^^^DE-3~B~C^^^^^^^^^DE-5\rRXA|||||||||||^^^DE-11&9&ISO\rRXA\rRXA|||||||||||^^^&1.2.3&ISO\r",
        )
        .unwrap();
        let found = Identifiers::of(&message);
        let all: Vec<_> =
            found.candidates().iter().map(|c| (c.location.human().to_string(), c.value)).collect();

        let expected: [(&str, &[u8]); 6] = [
            ("MSH-22.1", b"DE-22"),
            ("PD1-3.10", b"DE-3"),
            ("PD1-3[3].10", b"DE-5"),
            ("RXA-11.4", b"DE-11"),
            ("RXA[3]-11.4.2", b"1.2.3"),
            ("MSH-4.1", b"DE-4"),
        ];
        assert_eq!(all, expected.map(|(place, value)| (place.to_owned(), value)));
        assert_eq!(found.from(CandidateSource::AdministeredAt).count(), 2);
        for candidate in found.candidates() {
            let value = message.at(&candidate.location).text().unwrap();
            assert!(value.starts_with(candidate.value));
        }
    }

    #[test]
    fn every_fixture_is_the_message_its_name_says() {
        let cases: [(&[u8], &str, usize); 12] = [
            (include_bytes!("../../tests/fixtures/hl7/vxu_child_dose.hl7"), "VXU^V04", 11),
            (include_bytes!("../../tests/fixtures/hl7/vxu_historical.hl7"), "VXU^V04", 6),
            (include_bytes!("../../tests/fixtures/hl7/vxu_two_orders.hl7"), "VXU^V04", 18),
            (include_bytes!("../../tests/fixtures/hl7/vxu_patient_only.hl7"), "VXU^V04", 4),
            (include_bytes!("../../tests/fixtures/hl7/vxu_lf.hl7"), "VXU^V04", 11),
            (include_bytes!("../../tests/fixtures/hl7/vxu_crlf_no_final.hl7"), "VXU^V04", 11),
            (include_bytes!("../../tests/fixtures/hl7/vxu_utf8_name.hl7"), "VXU^V04", 11),
            (include_bytes!("../../tests/fixtures/hl7/qbp_z34.hl7"), "QBP^Q11", 3),
            (include_bytes!("../../tests/fixtures/hl7/qbp_z44.hl7"), "QBP^Q11", 3),
            (include_bytes!("../../tests/fixtures/hl7/ack_z23.hl7"), "ACK^V04", 3),
            (include_bytes!("../../tests/fixtures/hl7/rsp_z32.hl7"), "RSP^K11", 7),
            (include_bytes!("../../tests/fixtures/hl7/rsp_z33.hl7"), "RSP^K11", 4),
        ];

        for (bytes, kind, segments) in cases {
            let message = Message::parse(bytes).unwrap();
            let header = Header::of(&message);
            assert_eq!(format!("{message:?}"), format!("Message({kind}, {segments} segments)"));
            assert_eq!(header.processing(), Some(ProcessingId::T));
            assert_eq!(header.version, Value::Text(b"2.5.1"));
            assert_eq!(message.to_bytes(), bytes);
        }
    }

    #[test]
    fn the_fixture_of_a_dose_names_its_site_everywhere() {
        let message =
            Message::parse(include_bytes!("../../tests/fixtures/hl7/vxu_child_dose.hl7")).unwrap();
        let found = Identifiers::of(&message);

        assert!(message.framing().is_clean());
        assert_eq!(found.candidates().len(), 4);
        assert!(found.candidates().iter().all(|candidate| candidate.value == b"DE-000001"));
    }
}
