//! Faults of ours in both versions of SOAP, read back.

use super::{envelope, header, read};
use crate::soap::{
    Fault, FaultCode, FaultKind, Limits, NotUnderstood, Response, Role, SoapVersion, read_response,
    write_fault,
};

#[test]
fn every_fault_has_the_shape_of_the_contract_in_both_versions() {
    for code in FaultCode::ALL {
        let fault = Fault::new(code, "What <happened> & why.\r").with_reference("0198-abc");
        for version in [SoapVersion::V11, SoapVersion::V12] {
            let bytes = write_fault(version, &fault, None);
            let text = String::from_utf8(bytes.clone()).unwrap();

            let Ok(Response::Fault(read)) = read_response(&bytes, &Limits::default()) else {
                panic!("{text}")
            };

            let silent = version == SoapVersion::V11 && code == FaultCode::MustUnderstand;
            assert_eq!(read.reason, "What <happened> & why.\r Reference: 0198-abc");
            assert_eq!(read.version, version);
            assert_eq!(read.iis_code, (!silent).then_some(i64::from(code.number())), "{text}");
            assert_eq!(read.fault_name.as_deref(), (!silent).then_some(fault.kind().element()));
            assert_eq!(read.iis_reason.as_deref(), (!silent).then_some(fault.kind().reason()));
            assert_eq!(read.iis_detail.as_deref(), (!silent).then_some(read.reason.as_str()));
            assert_eq!(
                text.matches("<env:Text ").count(),
                usize::from(version == SoapVersion::V12)
            );
        }
    }
}

#[test]
fn a_security_fault_is_written_to_the_letter() {
    let fault = Fault::new(FaultCode::CredentialsRefused, "The credentials were not accepted.");

    let modern = String::from_utf8(write_fault(SoapVersion::V12, &fault, None)).unwrap();
    let old = String::from_utf8(write_fault(SoapVersion::V11, &fault, None)).unwrap();

    let inside = "<SecurityFault xmlns=\"urn:cdc:iisb:2011\"><Code>2010</Code><Reason>Security</Reason>\
                  <Detail>The credentials were not accepted.</Detail></SecurityFault>";
    assert!(modern.ends_with(&format!(
        "<env:Body><env:Fault><env:Code><env:Value>env:Sender</env:Value></env:Code><env:Reason>\
         <env:Text xml:lang=\"en\">The credentials were not accepted.</env:Text></env:Reason>\
         <env:Detail>{inside}</env:Detail></env:Fault></env:Body></env:Envelope>"
    )));
    assert!(old.ends_with(&format!(
        "<env:Body><env:Fault><faultcode>env:Client</faultcode><faultstring>The credentials were not accepted.\
         </faultstring><detail>{inside}</detail></env:Fault></env:Body></env:Envelope>"
    )));
}

#[test]
fn protocol_faults_carry_their_headers() {
    let mismatch = Fault::new(FaultCode::VersionMismatch, "x");
    let header = Fault::new(FaultCode::MustUnderstand, "x")
        .with_not_understood(NotUnderstood::new("Pay", "urn:\"q"));

    let mismatch = String::from_utf8(write_fault(SoapVersion::V12, &mismatch, None)).unwrap();
    let header = String::from_utf8(write_fault(SoapVersion::V12, &header, None)).unwrap();

    assert!(mismatch.contains("<env:Value>env:VersionMismatch</env:Value>"));
    assert!(mismatch.contains("qname=\"soap12:Envelope\""));
    assert!(header.contains("<env:NotUnderstood xmlns:nu=\"urn:&quot;q\" qname=\"nu:Pay\"/>"));
    assert!(header.contains("<env:Value>env:MustUnderstand</env:Value>"));
}

#[test]
fn a_fault_stays_well_formed_whatever_its_detail_holds() {
    let fault = Fault::new(FaultCode::Internal, "a\u{B}\u{0}\u{FFFF}]]>");

    let reply = write_fault(SoapVersion::V12, &fault, None);

    let Ok(Response::Fault(read)) = read_response(&reply, &Limits::default()) else {
        panic!("not a fault")
    };
    assert_eq!(read.iis_detail.as_deref(), Some("a\u{FFFD}\u{FFFD}\u{FFFD}]]>"));
}

#[test]
fn roles_follow_the_cause_and_may_be_overruled() {
    let mut fault = Fault::new(FaultCode::Internal, "x");
    assert!(
        String::from_utf8_lossy(&write_fault(SoapVersion::V12, &fault, None))
            .contains("env:Receiver")
    );
    assert!(
        String::from_utf8_lossy(&write_fault(SoapVersion::V11, &fault, None))
            .contains("env:Server")
    );

    fault.role = Role::Sender;

    assert!(
        String::from_utf8_lossy(&write_fault(SoapVersion::V12, &fault, None))
            .contains("env:Sender")
    );
}

#[test]
fn numbers_are_unique_and_in_their_blocks() {
    let numbers: Vec<u16> = FaultCode::ALL.iter().map(|code| code.number()).collect();

    assert!(numbers.is_sorted_by(|a, b| a < b));
    assert_eq!(FaultCode::SeveralMessages.kind(), FaultKind::MessageTooLarge);
    assert_eq!(FaultCode::FacilityMissing.kind(), FaultKind::Security);
    assert_eq!(FaultCode::OtherContract.kind(), FaultKind::UnsupportedOperation);
    assert_eq!(FaultCode::NoMsh.kind(), FaultKind::Unknown);
}

#[test]
fn an_envelope_error_becomes_its_fault() {
    let unsupported = read(&envelope("", "<submitSingleMessageX/>")).unwrap_err().fault();
    let mandatory =
        read(&header(SoapVersion::V12, "<q:Pay xmlns:q='urn:q' s:mustUnderstand='1'/>"))
            .unwrap_err()
            .fault();

    assert_eq!((unsupported.code, unsupported.role), (FaultCode::UnknownOperation, Role::Sender));
    assert_eq!(mandatory.not_understood, Some(NotUnderstood::new("Pay", "urn:q")));
}

#[test]
fn an_errors_reply_still_relates_to_the_request() {
    let block = "<s:Header><a:MessageID xmlns:a='http://www.w3.org/2005/08/addressing'>urn:1</a:MessageID></s:Header>";
    let error = read(&envelope(block, "<submitSingleMessageX/>")).unwrap_err();

    let reply = write_fault(error.version, &error.fault(), error.related.as_deref());

    let reply = String::from_utf8(reply).unwrap();
    assert!(reply.contains(">urn:1</wsa:RelatesTo>"));
    assert!(reply.contains(">urn:cdc:iisb:2011:Fault:unsupportedOperationFault</wsa:Action>"));
}
