//! Replies and faults of registries, in every dialect.

use super::SECRET;
use crate::soap::{Limits, RemoteFault, Response, ResponseError, SoapVersion, read_response};

#[test]
fn replies_of_registries_are_read_in_every_dialect() {
    let limits = Limits::default();
    for reply in [
        "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body><r:submitSingleMessageResponse \
         xmlns:r='urn:cdc:iisb:2011'><r:return>MSH|^~\\&amp;&#13;</r:return></r:submitSingleMessageResponse></s:Body></s:Envelope>",
        "<Envelope><Body><submitSingleMessageResponse><return><![CDATA[MSH|^~\\&]]>&#xD;</return>\
         </submitSingleMessageResponse></Body></Envelope>\r\n",
        "<submitSingleMessageResponse><extra/><return>MSH|^~\\&amp;&#13;</return></submitSingleMessageResponse>",
        "<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'><e:Header><x/></e:Header><e:Body>\
         <SubmitSingleMessageResponse xmlns='urn:cdc:iisb:2014'><Hl7Message>MSH|^~\\&amp;&#xd;</Hl7Message>\
         </SubmitSingleMessageResponse></e:Body></e:Envelope>",
    ] {
        let read = read_response(reply.as_bytes(), &limits);
        assert_eq!(read, Ok(Response::SubmitSingleMessage("MSH|^~\\&\r".into())), "{reply}");
    }
}

#[test]
fn faults_of_registries_are_read_in_every_dialect() {
    let expected =
        |version, name: Option<&str>, code, reason: Option<&str>, detail: Option<&str>| {
            RemoteFault {
                version,
                code_value: "Receiver".into(),
                reason: "no".into(),
                fault_name: name.map(str::to_owned),
                iis_code: code,
                iis_reason: reason.map(str::to_owned),
                iis_detail: detail.map(str::to_owned),
            }
        };
    let cases = [
        (
            "<Envelope xmlns='http://www.w3.org/2003/05/soap-envelope'><Fault><Code><Value>Receiver</Value></Code>\
             <Reason><Text>no</Text></Reason><Detail><SecurityFault xmlns='urn:cdc:iisb:2011'><Code> 10 </Code>\
             <Reason>Security Fault</Reason><Detail><![CDATA[d]]></Detail></SecurityFault></Detail></Fault></Envelope>",
            expected(
                SoapVersion::V12,
                Some("SecurityFault"),
                Some(10),
                Some("Security Fault"),
                Some("d"),
            ),
        ),
        (
            "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><s:Fault>\
             <faultcode>s:Receiver</faultcode><faultstring>no</faultstring><detail><n:SecurityFault xmlns:n='urn:n'/>\
             <n:Code xmlns:n='urn:n'>60</n:Code></detail></s:Fault></s:Body></s:Envelope>",
            expected(SoapVersion::V11, Some("SecurityFault"), Some(60), None, None),
        ),
        (
            "<Fault><Code><Value>x:Receiver</Value></Code><Reason><Text>no</Text><Text>nein</Text></Reason></Fault>",
            expected(SoapVersion::V12, None, None, None, None),
        ),
    ];

    for (reply, fault) in cases {
        assert_eq!(
            read_response(reply.as_bytes(), &Limits::default()),
            Ok(Response::Fault(fault)),
            "{reply}"
        );
    }
}

#[test]
fn what_is_no_reply_is_told_apart() {
    let limits = Limits::default();

    for reply in [
        "",
        "<html><body>503</body></html>",
        "<!DOCTYPE html><html></html>",
        "<Envelope>",
        "no",
        "<Fault>\u{13}</Fault>",
    ] {
        assert_eq!(
            read_response(reply.as_bytes(), &limits),
            Err(ResponseError::NotSoap),
            "{reply}"
        );
    }
    let empty = "<Envelope><Body><submitSingleMessageResponse/></Body></Envelope>";
    assert_eq!(read_response(empty.as_bytes(), &limits), Err(ResponseError::MissingReturn));
    assert_eq!(read_response("<Body>".repeat(99).as_bytes(), &limits), Err(ResponseError::Limit));
}

#[test]
fn a_remote_fault_prints_its_shape_only() {
    let reply = format!(
        "<Fault><Code><Value>{SECRET}</Value></Code><Reason><Text>{SECRET}</Text></Reason><Detail><{SECRET}><Detail>\
         {SECRET}</Detail></{SECRET}></Detail></Fault>"
    );

    let text = format!("{:?}", read_response(reply.as_bytes(), &Limits::default()).unwrap());

    assert!(!text.contains(SECRET), "{text}");
}
