//! What a request must keep: every rule with its weight, what it asks, how to mend a breach, and where it comes from. What
//! the HL7 profiles ask is in the catalogue of `validation` and not here.

use crate::conformance::verdict::{Breach, Weight};

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// TLS, method, headers, body.
    Http,
    /// XML, envelope, operation.
    Envelope,
    /// username, password and facilityID.
    Credentials,
    /// How the HL7 text was put into the envelope.
    Message,
    /// What the HL7 text says.
    Hl7,
    /// What a client does after an answer.
    Behaviour,
}

impl Area {
    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Envelope => "envelope",
            Self::Credentials => "credentials",
            Self::Message => "message in the envelope",
            Self::Hl7 => "HL7",
            Self::Behaviour => "after an answer",
        }
    }
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub area: Area,
    /// How much a breach weighs.
    pub weight: Weight,
    /// What it asks.
    pub expected: &'static str,
    /// How to mend a breach.
    pub fix: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

/// A breach and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub area: Area,
    /// The breach.
    pub breach: Breach,
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    /// Notes a breach; `found` never holds a credential or a patient's value.
    pub(super) fn add(&mut self, rule: &Rule, found: impl Into<String>) {
        let breach = Breach {
            rule: rule.name.to_owned(),
            weight: rule.weight,
            expected: rule.expected.to_owned(),
            found: found.into(),
            fix: rule.fix.to_owned(),
            source: rule.source.to_owned(),
        };
        self.0.push(Finding { area: rule.area, breach });
    }

    /// The same when `is` holds.
    pub(super) fn add_if(&mut self, is: bool, rule: &Rule, found: impl Into<String>) {
        if is {
            self.add(rule, found);
        }
    }
}

macro_rules! rules {
    ($($id:ident = $name:literal, $area:ident, $weight:ident, $expected:literal, $fix:literal, $source:literal;)+) => {
        $(pub(super) static $id: Rule = Rule {
            name: $name,
            area: Area::$area,
            weight: Weight::$weight,
            expected: $expected,
            fix: $fix,
            source: $source,
        };)+

        /// Every rule, in the order in which a request is judged.
        pub static RULES: &[&Rule] = &[$(&$id),+];
    };
}

rules! {
    TLS_VERSION = "HTTP-TLS", Http, Note,
        "TLS 1.3, which this service offers",
        "Nothing has to be done: TLS 1.2 is allowed. A newer TLS library speaks 1.3 by itself.",
        "RFC 9325, 3.1.1";
    METHOD = "HTTP-METHOD", Http, Error,
        "POST; GET with ?wsdl asks for the description only",
        "Send the envelope in the body of a POST.",
        "SOAP 1.2 part 2, 6.4";
    VERSION = "HTTP-VERSION", Http, Warning,
        "HTTP/1.1 or newer",
        "Switch the HTTP library to HTTP/1.1; services behind a shared address do not answer HTTP/1.0.",
        "NIST HTTPValidator";
    ENCODING = "HTTP-ENCODING", Http, Error,
        "a body that is not compressed: no Content-Encoding",
        "Switch compression of requests off; compressed answers are no matter.",
        "RFC 9110, 8.4; practice of registries";
    EMPTY = "HTTP-BODY", Http, Error,
        "a body that holds the envelope",
        "Send the envelope as the body, with Content-Length or in chunks; with curl: --data-binary @file.",
        "SOAP 1.2 part 2, 6.4";
    SIZE = "HTTP-SIZE", Http, Error,
        "a body of at most 4 MiB that arrives within 30 seconds",
        "Send one message in each call.",
        "CDC WSDL, MessageTooLargeFault";
    CHUNKED = "HTTP-CHUNKED", Http, Note,
        "Content-Length",
        "Chunks are allowed, yet some older services do not read them: where one answers 411, let the client buffer the body.",
        "RFC 9112, 7.1; NIST HTTPValidator";
    CONTENT_TYPE = "HTTP-CONTENT-TYPE", Http, Error,
        "Content-Type application/soap+xml for SOAP 1.2, text/xml for SOAP 1.1",
        "Set the SOAP version of the client library to 1.2; it then sets the header itself.",
        "RFC 3902; SOAP 1.1, 6";
    CHARSET = "HTTP-CHARSET", Http, Warning,
        "charset=utf-8 in Content-Type",
        "Encode the envelope as UTF-8 and say so; text/xml without a charset is US-ASCII to a strict reader.",
        "RFC 3902; RFC 7303";
    ACTION_ABSENT = "HTTP-ACTION-PARAMETER", Http, Note,
        "the action in Content-Type: action=\"urn:cdc:iisb:2011:submitSingleMessage\"",
        "Nothing has to be done; a client made of the WSDL sends it.",
        "RFC 3902";
    ACTION_HEADER = "HTTP-SOAPACTION", Http, Error,
        "a SOAPAction header with every SOAP 1.1 request, be it empty",
        "Send SOAPAction: \"urn:cdc:iisb:2011:submitSingleMessage\", or use SOAP 1.2.",
        "SOAP 1.1, 6.1.1";
    ACTION_QUOTES = "HTTP-SOAPACTION-QUOTED", Http, Warning,
        "the value of SOAPAction in double quotes",
        "Put the value into double quotes.",
        "SOAP 1.1, 6.1.1";
    ACTION_OTHER = "HTTP-ACTION-OTHER", Http, Error,
        "an action that names the operation in the Body",
        "Let the client library set the action from the WSDL.",
        "CDC WSDL, soapAction";
    XML_ENCODING = "XML-ENCODING", Envelope, Error,
        "UTF-8",
        "Write the whole envelope in UTF-8, and say so in the XML declaration and in Content-Type.",
        "XML 1.0, 4.3.3; practice of registries";
    XML_WELL_FORMED = "XML-WELL-FORMED", Envelope, Error,
        "well-formed XML",
        "Let an XML library write the envelope; by hand, write & as &amp; and < as &lt; in every value.",
        "XML 1.0, 2.1";
    XML_DTD = "XML-DTD", Envelope, Error,
        "no document type declaration",
        "Leave <!DOCTYPE out.",
        "SOAP 1.2 part 1, 5";
    XML_INSTRUCTION = "XML-INSTRUCTION", Envelope, Error,
        "no processing instruction",
        "Leave <?...?> out; the XML declaration alone may stand, at the very beginning.",
        "SOAP 1.2 part 1, 5";
    XML_LIMITS = "XML-LIMITS", Envelope, Error,
        "at most 64 open elements, 20,000 elements, 64 attributes of one element",
        "Send nothing but the elements of the WSDL.",
        "NIST Schematron";
    ROOT = "ENV-ROOT", Envelope, Error,
        "one Envelope in the namespace http://www.w3.org/2003/05/soap-envelope",
        "Check the spelling of the root element and its namespace.",
        "SOAP 1.2 part 1, 5.1; NIST Schematron";
    SOAP_11 = "ENV-SOAP-1.1", Envelope, Warning,
        "SOAP 1.2: the published WSDL has no other binding",
        "Set the SOAP version of the client library to 1.2 (PHP: 'soap_version' => SOAP_1_2; node-soap: forceSoap12Headers).",
        "CDC WSDL, client_Binding_Soap12";
    ENVELOPE_CHILDREN = "ENV-CHILDREN", Envelope, Error,
        "at most one Header, then one Body, and nothing else in the Envelope",
        "Take the other elements out of the Envelope.",
        "SOAP 1.2 part 1, 5.1";
    BODY = "ENV-BODY", Envelope, Error,
        "exactly one Body",
        "Put one Body into the Envelope.",
        "SOAP 1.2 part 1, 5.1; NIST Schematron";
    STRAY_TEXT = "ENV-TEXT", Envelope, Error,
        "no text between elements but white space",
        "Look for characters behind a tag or a concatenation that left something over.",
        "SOAP 1.2 part 1, 5";
    MUST_UNDERSTAND = "ENV-MUST-UNDERSTAND", Envelope, Error,
        "no header with mustUnderstand that the contract does not know",
        "Take the header out, or mustUnderstand from it; a service that does not know it must refuse the call.",
        "SOAP 1.2 part 1, 5.2.3";
    SECURITY_HEADER = "ENV-SECURITY-HEADER", Envelope, Warning,
        "credentials in the elements username, password and facilityID",
        "Put the credentials into the operation; WS-Security is a dialect of single registries.",
        "CDC WSDL, submitSingleMessageRequestType";
    ONE_OPERATION = "ENV-ONE-OPERATION", Envelope, Error,
        "exactly one element in the Body",
        "Send one operation in each call.",
        "NIST Schematron";
    OPERATION = "ENV-OPERATION", Envelope, Error,
        "connectivityTest or submitSingleMessage in the namespace urn:cdc:iisb:2011",
        "Write the name as in the WSDL, capitals too, and declare xmlns=\"urn:cdc:iisb:2011\".",
        "CDC WSDL; NIST Schematron";
    CHILD_NAMESPACE = "OP-NAMESPACE", Envelope, Error,
        "every element of the operation in the namespace urn:cdc:iisb:2011",
        "Give the children the prefix of the operation, or declare the namespace as the default one.",
        "CDC WSDL, elementFormDefault=\"qualified\"";
    CHILD_EXTRA = "OP-EXTRA", Envelope, Error,
        "only the elements that the WSDL gives the operation",
        "Take the element out, or spell it as the WSDL does: username, password, facilityID, hl7Message, echoBack.",
        "NIST Schematron";
    CHILD_TWICE = "OP-TWICE", Envelope, Error,
        "each element once",
        "Send each element once.",
        "CDC WSDL, maxOccurs 1";
    CHILD_ORDER = "OP-ORDER", Envelope, Error,
        "username, password, facilityID, hl7Message in this order",
        "Send the elements in the order of the WSDL.",
        "CDC WSDL, xsd:sequence";
    CHILD_TEXT = "OP-TEXT-ONLY", Envelope, Error,
        "text and no elements in username, password, facilityID, hl7Message and echoBack",
        "Escape the value: & as &amp; and < as &lt;.",
        "CDC WSDL, xsd:string";
    ECHO = "OP-ECHO", Envelope, Error,
        "echoBack with some text",
        "Give echoBack a text, such as Hello, and compare what comes back.",
        "NIST Schematron";
    USERNAME = "CRED-USERNAME", Credentials, Error,
        "username, not blank",
        "Fill in username as it was issued.",
        "NIST Schematron; CDC WSDL, SecurityFault";
    PASSWORD = "CRED-PASSWORD", Credentials, Error,
        "password, not blank",
        "Fill in password as it was issued.",
        "NIST Schematron; CDC WSDL, SecurityFault";
    FACILITY = "CRED-FACILITY", Credentials, Error,
        "facilityID, not blank",
        "Fill in facilityID as it was issued; mind the spelling: capital ID at the end.",
        "NIST Schematron; CDC WSDL, SecurityFault";
    CREDENTIAL_SPACES = "CRED-SPACES", Credentials, Warning,
        "credentials without white space around them",
        "Trim what was read from a file or a form; many services compare exactly.",
        "CDC WSDL, SecurityFault";
    CREDENTIALS_WRONG = "CRED-EQUAL", Credentials, Error,
        "the username, password and facilityID that this service printed when it started",
        "Copy them anew; a password from a file must not bring its line end along.",
        "CDC WSDL, SecurityFault";
    MESSAGE_PRESENT = "MSG-PRESENT", Message, Error,
        "hl7Message with a message",
        "Put the HL7 text into hl7Message.",
        "NIST Schematron";
    MESSAGE_ESCAPED = "MSG-ESCAPED-TWICE", Message, Error,
        "a text that is escaped once: after the XML is read, no &#xD; or &amp; is left",
        "Hand the HL7 text to the XML library as it is; do not escape it before.",
        "XML 1.0, 2.4; practice of registries";
    MESSAGE_BEGINS = "MSG-BEGINS", Message, Error,
        "a text that begins with MSH",
        "Hand over the HL7 text itself: not encoded as base64 or for a URL, without anything in front.",
        "HL7 2.5.1, 2.5";
    MESSAGE_ONE = "MSG-ONE", Message, Error,
        "one message: one MSH, no FHS or BHS",
        "Send one message in each call; batches are for files.",
        "NIST SOAPCON_4";
    MESSAGE_CDATA = "MSG-CDATA", Message, Note,
        "escaped text instead of CDATA",
        "Let the XML library escape the text: CDATA cannot carry a carriage return.",
        "XML 1.0, 2.7 and 2.11";
    SEGMENT_ENDS = "MSG-SEGMENT-ENDS", Message, Warning,
        "segments that end with CR when the XML has been read",
        "Write each segment end as &#xD; (or &#13;): a bare carriage return in XML arrives as a line feed.",
        "HL7 2.5.1, 2.4; XML 1.0, 2.11";
    LAST_END = "MSG-LAST-END", Message, Note,
        "every segment ended by CR, the last one, too",
        "End the last segment like the others.",
        "HL7 2.5.1, 2.4";
    FRAMING = "MSG-FRAMING", Message, Warning,
        "nothing around or between the segments: no blank lines, spaces or marks",
        "Trim the text, and leave MLLP characters and byte order marks to files and sockets.",
        "HL7 2.5.1, 2.4";
    MESSAGE_SIZE = "MSG-SIZE", Message, Warning,
        "at most 65,536 characters: what the national hub takes",
        "Send fewer immunizations in each message.",
        "IZ Gateway, practice";
    SENDER = "MSH-SENDER", Hl7, Warning,
        "MSH-3 and MSH-4: who sends",
        "Fill in MSH-3 and MSH-4 as agreed with the registry; many know the sender by MSH-4.",
        "guide 1.5, MSH-3 and MSH-4 (RE)";
    RECEIVER = "MSH-RECEIVER", Hl7, Warning,
        "MSH-5 or MSH-6: who is to receive",
        "Fill in MSH-5 and MSH-6 as agreed with the registry; gateways route by MSH-6.",
        "guide 1.5, MSH-5 and MSH-6 (RE)";
    TRIAL = "MSH-TRIAL", Hl7, Warning,
        "T in MSH-11: this is a trial, and its patients are invented",
        "Send T from a system under test, and never a real patient's data to this service.",
        "guide 1.5, MSH-11; HL7 table 0103";
    CONTROL_ID = "MSH-10-UNIQUE", Hl7, Error,
        "an MSH-10 of its own for every message",
        "Draw a new MSH-10 for every new message; only a repeat of the same message keeps its own.",
        "guide 1.5, MSH-10";
    AGAIN_KEPT = "AGAIN-AFTER-KEPT", Behaviour, Warning,
        "no repeat of a message that the answer said was taken",
        "Read MSA-1 and each ERR-4: AA, and AE with warnings only, mean that the message was kept.",
        "guide 1.5, MSA-1 and ERR-4";
    AGAIN_SOON = "AGAIN-TOO-SOON", Behaviour, Warning,
        "a repeat after HTTP 503 only when the time in Retry-After is over",
        "Wait as long as Retry-After says, or longer after each failure.",
        "RFC 9110, 10.2.3";
    AGAIN_NEW_ID = "AGAIN-NEW-ID", Behaviour, Warning,
        "the same MSH-10 when a message is sent again because no answer came",
        "Keep MSH-10 with the message: with a new one a registry cannot see that it has it already.",
        "guide 1.5, MSH-10";
    AGAIN_UNCHANGED = "AGAIN-UNCHANGED", Behaviour, Warning,
        "no repeat, unchanged, of what was refused",
        "Stop after a fault, AR, or AE with an error, and let a person see it: the same message is refused again.",
        "guide 1.5, MSA-1";
}

/// The rule of a name.
pub fn rule(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_says_what_to_do() {
        let names: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();

        assert_eq!(names.len(), RULES.len());
        for one in RULES {
            assert!(one.fix.ends_with('.') && !one.expected.ends_with('.'), "{}", one.name);
            assert!(!one.source.is_empty(), "{}", one.name);
        }
    }
}
