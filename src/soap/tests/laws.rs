//! What holds for any bytes and any text.

use proptest::prelude::*;

use crate::soap::{
    EchoReply, Limits, MediaType, Operation, Response, SoapVersion, Submission,
    connectivity_test_request, connectivity_test_response, read_envelope, read_response,
    submit_single_message_request, submit_single_message_response,
};

const HL7: &str = "MSH|^~\\&|EHR|SF-000001\rPID|1||1^^^X^MR||DOE&CO^<JANE>\r";

/// Any text XML 1.0 can carry, awkward characters first.
fn legal_text() -> impl Strategy<Value = String> {
    let awkward = prop::sample::select(vec![
        '\r', '\n', '\t', ' ', '&', '<', '>', '"', '\'', ']', '\u{FFFD}', '\u{85}', 'ｅ',
    ]);
    let any = any::<char>().prop_filter("legal in XML", |c| crate::soap::text::is_xml_char(*c));
    prop::collection::vec(prop_oneof![awkward, any], 0..120)
        .prop_map(|chars| chars.into_iter().collect())
}

fn any_version() -> impl Strategy<Value = SoapVersion> {
    prop_oneof![Just(SoapVersion::V11), Just(SoapVersion::V12)]
}

/// Documents that are nearly right: fragments of the contract in any order.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns='urn:cdc:iisb:2011'>",
        b"</s:Envelope>",
        b"<s:Header>",
        b"</s:Header>",
        b"<s:Body>",
        b"</s:Body>",
        b"<submitSingleMessage>",
        b"</submitSingleMessage>",
        b"<hl7Message>",
        b"</hl7Message>",
        b"<connectivityTest>",
        b"</connectivityTest>",
        b"<echoBack>",
        b"</echoBack>",
        b"<echoBack/>",
        b"<![CDATA[",
        b"]]>",
        b"&amp;",
        b"&#xD;",
        b"&",
        b";",
        b"<",
        b">",
        b"<!--",
        b"-->",
        b"<?xml version='1.0'?>",
        b"<!DOCTYPE",
        b"x",
        b" ",
        b"\r\n",
        b"\0",
        b"\xEF\xBB\xBF",
        b"\xFF\xFE",
        b"a='1'",
        b"<s:Fault>",
        b"</s:Fault>",
        b"<return>",
        b"<submitSingleMessageResponse>",
        b"\xC3",
        b"\xA9",
        b"=\"",
        b"xmlns:",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_envelope(&bytes, &MediaType::default(), &Limits::default()); // only that it returns
        let _ = read_response(&bytes, &Limits::default()); // only that it returns
    }

    #[test]
    fn nearly_right_bytes_never_panic(bytes in fragments()) {
        let _ = read_envelope(&bytes, &MediaType::default(), &Limits::default()); // only that it returns
        let _ = read_response(&bytes, &Limits::default()); // only that it returns
    }

    #[test]
    fn a_damaged_request_never_panics(at in 0_usize..900, byte in any::<u8>()) {
        let mut bytes = submit_single_message_request(SoapVersion::V12, "u", "p", "f", HL7);
        let at = at % bytes.len();
        bytes[at] = byte;

        let _ = read_envelope(&bytes, &MediaType::default(), &Limits::default()); // only that it returns
        let _ = read_envelope(&bytes[..at], &MediaType::default(), &Limits::default()); // only that it returns
    }

    #[test]
    fn what_our_client_writes_our_reader_reads(
        version in any_version(), a in legal_text(), b in legal_text(), c in legal_text(), d in legal_text(),
    ) {
        let request = submit_single_message_request(version, &a, &b, &c, &d);
        let read = read_envelope(&request, &MediaType::default(), &Limits::default()).unwrap();
        let expected = Submission {
            username: Some(a.into()), password: Some(b.into()), facility_id: Some(c.into()), hl7_message: Some(d.into()),
        };
        prop_assert_eq!(read.version, version);
        prop_assert!(read.operation == Operation::SubmitSingleMessage(expected));
    }

    #[test]
    fn an_echo_goes_round_unchanged(version in any_version(), text in legal_text()) {
        let request = connectivity_test_request(version, &text);
        let read = read_envelope(&request, &MediaType::default(), &Limits::default()).unwrap();
        let Operation::ConnectivityTest { echo_back } = &read.operation else { panic!("not a connectivity test") };
        let reply = connectivity_test_response(version, &EchoReply::from(echo_back), None);

        prop_assert!(read_response(&reply, &Limits::default()) == Ok(Response::ConnectivityTest(text)));
    }

    #[test]
    fn a_reply_is_read_back_equal(version in any_version(), text in legal_text()) {
        let reply = submit_single_message_response(version, &text, None);

        prop_assert!(read_response(&reply, &Limits::default()) == Ok(Response::SubmitSingleMessage(text)));
    }
}
