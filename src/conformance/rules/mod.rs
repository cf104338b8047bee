//! The rules by which a reply is judged: each a small function over what came, which tells what it found instead.
//!
//! What a rule asks, how a breach is mended and where it is written stand in `schemas/conformance/rules.toml`. A rule is
//! silent where another one has told already why there is nothing to judge: of a reply that is not XML, only that is told.

mod envelope;
mod fault;
mod hl7;
mod http;
mod privacy;
mod response;
mod wsdl;

use crate::conformance::case::{Case, Catalogue, Expect, Soap};
use crate::conformance::request::{Rendered, Sender};
use crate::conformance::transport::Reply;
use crate::conformance::verdict::{Breach, Weight};
use crate::conformance::xml::{Document, Element};

/// The namespace of the contract of 2011.
const CONTRACT: &str = "urn:cdc:iisb:2011";

/// A rule: what it found instead of what it asks; nothing when it is kept.
type Check = fn(&Judged<'_>) -> Vec<String>;

/// The functions by the names of their rules.
const CHECKS: &[(&str, Check)] = &[
    ("HTTP-VERSION", http::version),
    ("HTTP-CONTENT-LENGTH", http::content_length),
    ("HTTP-CONTENT-TYPE", http::content_type),
    ("HTTP-MEDIA-TYPE", http::media_type),
    ("HTTP-CHARSET", http::charset),
    ("HTTP-ENCODING", http::encoding),
    ("HTTP-STATUS-OK", http::status_ok),
    ("HTTP-STATUS-FAULT", http::status_fault),
    ("HTTP-STATUS", http::status),
    ("HTTP-ALLOW", http::allow),
    ("XML-WELL-FORMED", envelope::well_formed),
    ("XML-DECLARATION", envelope::declaration),
    ("XML-FORBIDDEN", envelope::forbidden),
    ("ENV-ENVELOPE", envelope::envelope),
    ("ENV-BODY-ONE", envelope::body_one),
    ("ENV-CHILDREN", envelope::children),
    ("ENV-BODY-CHILD", envelope::body_child),
    ("ENV-ADDRESSING", envelope::addressing),
    ("RESP-ELEMENT", response::element),
    ("RESP-NAMESPACE", response::namespace),
    ("RETURN-ONE", response::return_one),
    ("RETURN-NAMESPACE", response::return_namespace),
    ("RETURN-TEXT", response::return_text),
    ("RETURN-BARE", response::return_bare),
    ("ECHO-CONTAINS", response::echo_contains),
    ("ECHO-EQUAL", response::echo_equal),
    ("RETURN-NOT-BLANK", response::return_not_blank),
    ("RETURN-MSH-FIRST", response::return_msh_first),
    ("RETURN-ONE-MSH", response::return_one_msh),
    ("RETURN-CDATA", response::return_cdata),
    ("RETURN-CR", response::return_cr),
    ("RETURN-CR-SPELLING", response::return_cr_spelling),
    ("RETURN-ESCAPED-TWICE", response::return_escaped_twice),
    ("BODY-IS-FAULT", fault::body_is_fault),
    ("FAULT-CHILDREN", fault::children),
    ("FAULT-ORDER", fault::order),
    ("FAULT-VALUE-ONE", fault::value_one),
    ("FAULT-VALUE-QNAME", fault::value_qname),
    ("FAULT-VALUE", fault::value),
    ("FAULT-TEXT-ONE", fault::text_one),
    ("FAULT-TEXT-LANG", fault::text_lang),
    ("FAULT-TEXT-BLANK", fault::text_blank),
    ("FAULT-KIND", fault::kind),
    ("FAULT-TRACE", fault::trace),
    ("NAMED-CHILDREN", fault::named_children),
    ("NAMED-TEXT", fault::named_text),
    ("NAMED-CODE", fault::named_code),
    ("NAMED-REASON-BLANK", fault::named_reason_blank),
    ("NAMED-REASON-FIXED", fault::named_reason_fixed),
    ("FAULTS-ALIKE", fault::alike),
    ("WSDL-ROOT", wsdl::root),
    ("WSDL-TARGET", wsdl::target),
    ("WSDL-OPERATIONS", wsdl::operations),
    ("WSDL-BINDING", wsdl::binding),
    ("WSDL-ADDRESS", wsdl::address),
    ("HL7-READABLE", hl7::readable),
    ("HL7-TYPE", hl7::message_type),
    ("HL7-CONTROL-ID", hl7::control_id),
    ("HL7-ROUTE", hl7::route),
    ("HL7-PROCESSING", hl7::processing),
    ("HL7-MSA-1", hl7::msa_1),
    ("HL7-MSA-2", hl7::msa_2),
    ("HL7-AA-ERROR", hl7::aa_error),
    ("HL7-AE-ERROR", hl7::ae_error),
    ("HL7-ERR-PLACE", hl7::err_place),
    ("HL7-ERR-CODE", hl7::err_code),
    ("HL7-PROFILE", hl7::profile),
    ("HL7-PROFILE-WARNING", hl7::profile_warning),
    ("HL7-RSP-PROFILE", hl7::rsp_profile),
    ("HL7-QAK-TAG", hl7::qak_tag),
    ("HL7-QAK-STATUS", hl7::qak_status),
    ("HL7-QAK-AGREES", hl7::qak_agrees),
    ("HL7-QPD-ECHO", hl7::qpd_echo),
    ("PATIENT-NOT-TOLD", privacy::patient_not_told),
    ("SECRET-NOT-TOLD", privacy::secret_not_told),
    ("SCRIPT-ESCAPED", privacy::script_escaped),
    ("ENTITY-NOT-EXPANDED", privacy::entity_not_expanded),
];

/// A reply that is judged, with what it answers.
pub(super) struct Judged<'j> {
    pub(super) case: &'j Case,
    pub(super) soap: Soap,
    /// Which of several requests it answers.
    pub(super) label: &'j str,
    pub(super) sent: &'j Rendered,
    pub(super) echo: Option<&'j str>,
    pub(super) sender: &'j Sender,
    pub(super) reply: &'j Reply,
    pub(super) document: Result<Document<'j>, String>,
    /// What the first fault of the case said, when this is a later one.
    pub(super) first_fault: Option<&'j str>,
}

impl Judged<'_> {
    fn expect(&self) -> &Expect {
        &self.case.expect
    }

    fn root(&self) -> Option<&Element> {
        self.document.as_ref().ok().map(|document| &document.root)
    }

    /// What stands between the tags of an element, as it was written.
    fn inside(&self, element: &Element) -> &str {
        self.document.as_ref().map_or("", |document| document.inside(element))
    }

    /// The root, when it is an Envelope of whatever version.
    fn envelope(&self) -> Option<&Element> {
        self.root().filter(|root| root.name == "Envelope")
    }

    /// The version of SOAP that the reply is written in.
    fn written_in(&self) -> Soap {
        let is_11 = self.root().is_some_and(|root| root.namespace == Soap::V11.namespace());
        if is_11 { Soap::V11 } else { Soap::V12 }
    }

    /// The first Body.
    fn body(&self) -> Option<&Element> {
        let envelope = self.envelope()?;
        envelope.child(&envelope.namespace, "Body")
    }

    /// The first element in the Body.
    fn payload(&self) -> Option<&Element> {
        self.body()?.children.first()
    }

    /// The Fault, when it is one.
    fn fault(&self) -> Option<&Element> {
        let namespace = &self.envelope()?.namespace;
        self.payload().filter(|payload| payload.is(namespace, "Fault"))
    }

    /// The response element, when it is no fault.
    fn response(&self) -> Option<&Element> {
        self.payload().filter(|_| self.fault().is_none())
    }

    /// The first `return` of the response.
    fn returned(&self) -> Option<&Element> {
        self.response()?.children.iter().find(|child| child.name == "return")
    }

    /// The fault of the contract in Detail: one that is expected, else the first of the contract, else the first.
    fn named(&self) -> Option<&Element> {
        let fault = self.fault()?;
        let detail = match self.written_in() {
            Soap::V11 => fault.child("", "detail")?,
            Soap::V12 => fault.child(&fault.namespace, "Detail")?,
        };
        let expected =
            |one: &&Element| one.namespace == CONTRACT && self.expect().faults.contains(&one.name);
        let of_contract = |one: &&Element| one.namespace == CONTRACT;
        let children = &detail.children;
        children
            .iter()
            .find(expected)
            .or_else(|| children.iter().find(of_contract))
            .or_else(|| children.first())
    }

    /// What a fault says, without the words in which two faults may differ: those with digits are references and times.
    pub(super) fn fault_words(&self) -> Option<String> {
        let named = self.named()?;
        let part = |name: &str| named.child(CONTRACT, name).map_or("", |part| part.text.as_str());
        let words: Vec<&str> = part("Detail")
            .split_whitespace()
            .filter(|word| !word.bytes().any(|one| one.is_ascii_digit()))
            .collect();
        Some(format!("{} {} {}", named.name, part("Code").trim(), words.join(" ")))
    }

    /// The breaches of all rules of the case.
    pub(super) fn breaches(&self) -> Vec<Breach> {
        let mut breaches = vec![];
        for rule in Catalogue::built_in().rules_of(self.case) {
            let Some((_, check)) = CHECKS.iter().find(|(name, _)| *name == rule.name) else {
                continue;
            };
            breaches.extend(check(self).into_iter().map(|found| Breach {
                rule: rule.name.clone(),
                weight: rule.weight,
                expected: rule.asks(self.expect()),
                found: self.labelled(found),
                fix: rule.fix.clone(),
                source: rule.source.clone(),
            }));
        }
        breaches
    }

    /// Of a case with several requests it is said which one it is about.
    fn labelled(&self, found: String) -> String {
        if self.label.is_empty() { found } else { format!("{}: {found}", self.label) }
    }
}

/// A breach of a rule by its name, for what is seen below HTTP.
pub(super) fn breach(name: &str, expect: &Expect, found: String) -> Breach {
    let rule = Catalogue::built_in().rule(name);
    Breach {
        rule: name.to_owned(),
        weight: rule.map_or(Weight::Error, |rule| rule.weight),
        expected: rule.map(|rule| rule.asks(expect)).unwrap_or_default(),
        found,
        fix: rule.map(|rule| rule.fix.clone()).unwrap_or_default(),
        source: rule.map(|rule| rule.source.clone()).unwrap_or_default(),
    }
}

/// What a rule found: one thing, or nothing.
fn unless(kept: bool, found: impl FnOnce() -> String) -> Vec<String> {
    if kept { vec![] } else { vec![found()] }
}

/// A text of the other side as a report may show it: short, on one line.
fn shown(text: &str) -> String {
    let one_line: String =
        text.trim().chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
    match one_line.char_indices().nth(80) {
        Some((at, _)) => format!("\"{}...\"", one_line.get(..at).unwrap_or_default()),
        None => format!("\"{one_line}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_function_and_every_function_its_rule() {
        let tls = |name: &str| name.starts_with("TLS-");
        let of_data: Vec<&str> = Catalogue::built_in()
            .rules
            .iter()
            .map(|rule| rule.name.as_str())
            .filter(|name| !tls(name))
            .collect();
        let of_code: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();

        assert_eq!(of_data, of_code, "names in the same order");
    }
}
