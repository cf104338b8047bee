//! Rules of faults: SOAP's own shape, and the fault of the contract in its Detail.

use crate::conformance::case::Soap;
use crate::conformance::rules::{CONTRACT, Judged, shown, unless};
use crate::conformance::xml::Element;

/// Children of a Fault in their order, and whether each has to be there.
const PARTS_12: [(&str, bool); 5] =
    [("Code", true), ("Reason", true), ("Node", false), ("Role", false), ("Detail", true)];
const PARTS_11: [(&str, bool); 4] =
    [("faultcode", true), ("faultstring", true), ("faultactor", false), ("detail", true)];

/// The values of SOAP's own fault code.
const VALUES_12: [&str; 5] =
    ["VersionMismatch", "MustUnderstand", "DataEncodingUnknown", "Sender", "Receiver"];
const VALUES_11: [&str; 4] = ["VersionMismatch", "MustUnderstand", "Client", "Server"];

fn parts(judged: &Judged<'_>) -> &'static [(&'static str, bool)] {
    match judged.written_in() {
        Soap::V11 => &PARTS_11,
        Soap::V12 => &PARTS_12,
    }
}

/// The namespace of the children of a Fault.
fn namespace<'j>(judged: &Judged<'_>, fault: &'j Element) -> &'j str {
    match judged.written_in() {
        Soap::V11 => "",
        Soap::V12 => &fault.namespace,
    }
}

pub(super) fn body_is_fault(judged: &Judged<'_>) -> Vec<String> {
    let Some(payload) = judged.payload() else { return vec![] };
    unless(judged.fault().is_some(), || {
        format!("{} with status {}", shown(&payload.name), judged.reply.status)
    })
}

pub(super) fn children(judged: &Judged<'_>) -> Vec<String> {
    let Some(fault) = judged.fault() else { return vec![] };
    let (parts, namespace) = (parts(judged), namespace(judged, fault));
    let counted = parts.iter().all(|(name, required)| {
        let count = fault.all(namespace, name).count();
        count == 1 || (count == 0 && !required)
    });
    let known =
        fault.children.iter().all(|child| parts.iter().any(|(name, _)| child.is(namespace, name)));
    unless(counted && known, || format!("Fault holds {}", fault.names()))
}

pub(super) fn order(judged: &Judged<'_>) -> Vec<String> {
    let Some(fault) = judged.fault() else { return vec![] };
    let parts = parts(judged);
    let places: Vec<usize> = fault
        .children
        .iter()
        .filter_map(|child| parts.iter().position(|(name, _)| *name == child.name))
        .collect();
    unless(places.is_sorted(), || format!("Fault holds {}", fault.names()))
}

/// The Code of a fault in SOAP 1.2.
fn code<'j>(judged: &'j Judged<'_>) -> Option<&'j Element> {
    let fault = judged.fault()?;
    fault.child(&fault.namespace, "Code")
}

pub(super) fn value_one(judged: &Judged<'_>) -> Vec<String> {
    let Some(code) = code(judged) else { return vec![] };
    let count = code.all(&code.namespace, "Value").count();
    let others =
        code.children.iter().any(|child| !["Value", "Subcode"].contains(&child.name.as_str()));
    unless(count == 1 && !others, || format!("Code holds {}", code.names()))
}

/// The element that holds SOAP's own fault code.
fn value_element<'j>(judged: &'j Judged<'_>) -> Option<&'j Element> {
    match judged.written_in() {
        Soap::V11 => judged.fault()?.child("", "faultcode"),
        Soap::V12 => code(judged).and_then(|code| code.child(&code.namespace, "Value")),
    }
}

/// The namespace of the value, when its prefix is declared, and its local name.
fn qname(value: &Element) -> (Option<&str>, &str) {
    let text = value.text.trim();
    let (_, name) = text.split_once(':').unwrap_or(("", text));
    (value.value_namespace.as_deref(), name)
}

pub(super) fn value_qname(judged: &Judged<'_>) -> Vec<String> {
    let Some(value) = value_element(judged) else { return vec![] };
    let version = judged.written_in();
    let (namespace, name) = qname(value);
    let known = match version {
        // Codes of SOAP 1.1 may be refined behind a dot.
        Soap::V11 => VALUES_11.contains(&name.split('.').next().unwrap_or_default()),
        Soap::V12 => VALUES_12.contains(&name),
    };
    unless(known && namespace == Some(version.namespace()), || match namespace {
        None => format!("{}, and its prefix is not declared", shown(&value.text)),
        Some(namespace) => format!("{} in the namespace {}", shown(&value.text), shown(namespace)),
    })
}

pub(super) fn value(judged: &Judged<'_>) -> Vec<String> {
    let Some(value) = value_element(judged) else { return vec![] };
    let expected = &judged.expect().values;
    let (_, name) = qname(value);
    unless(expected.is_empty() || expected.iter().any(|one| one == name), || shown(&value.text))
}

/// The Reason of a fault in SOAP 1.2.
fn reason<'j>(judged: &'j Judged<'_>) -> Option<&'j Element> {
    let fault = judged.fault()?;
    fault.child(&fault.namespace, "Reason")
}

pub(super) fn text_one(judged: &Judged<'_>) -> Vec<String> {
    let Some(reason) = reason(judged) else { return vec![] };
    let kept = reason.children.len() == 1
        && reason.children.iter().all(|child| child.is(&reason.namespace, "Text"));
    unless(kept, || format!("Reason holds {}", reason.names()))
}

pub(super) fn text_lang(judged: &Judged<'_>) -> Vec<String> {
    let Some(reason) = reason(judged) else { return vec![] };
    let xml = "http://www.w3.org/XML/1998/namespace";
    let without = reason
        .all(&reason.namespace, "Text")
        .any(|text| text.attribute(xml, "lang").is_none_or(str::is_empty));
    unless(!without, || "a Text without xml:lang".to_owned())
}

pub(super) fn text_blank(judged: &Judged<'_>) -> Vec<String> {
    let blank = match judged.written_in() {
        Soap::V11 => judged
            .fault()
            .and_then(|fault| fault.child("", "faultstring"))
            .is_some_and(|text| text.text.trim().is_empty()),
        Soap::V12 => reason(judged).is_some_and(|reason| {
            reason.all(&reason.namespace, "Text").any(|text| text.text.trim().is_empty())
        }),
    };
    unless(!blank, || "no words".to_owned())
}

/// The Detail of a fault.
fn detail<'j>(judged: &'j Judged<'_>) -> Option<&'j Element> {
    let fault = judged.fault()?;
    match judged.written_in() {
        Soap::V11 => fault.child("", "detail"),
        Soap::V12 => fault.child(&fault.namespace, "Detail"),
    }
}

pub(super) fn kind(judged: &Judged<'_>) -> Vec<String> {
    let Some(detail) = detail(judged) else { return vec![] };
    let expected = &judged.expect().faults;
    let count = detail
        .children
        .iter()
        .filter(|one| one.namespace == CONTRACT && expected.contains(&one.name))
        .count();
    unless(count == 1 || expected.is_empty(), || {
        let foreign = detail.children.iter().find(|one| one.namespace != CONTRACT);
        match foreign {
            Some(one) => format!("{} in the namespace {}", one.name, shown(&one.namespace)),
            None => format!("Detail holds {}", detail.names()),
        }
    })
}

/// Traces of a program that broke down, as the common platforms print them.
const TRACES: [&str; 8] = [
    "\tat ",
    " at java.",
    ".java:",
    "Traceback (most recent",
    "System.Exception",
    "   at System.",
    "panicked at",
    ".rs:",
];

pub(super) fn trace(judged: &Judged<'_>) -> Vec<String> {
    let Some(fault) = judged.fault() else { return vec![] };
    let trace = TRACES.into_iter().find(|trace| judged.inside(fault).contains(trace));
    unless(trace.is_none(), || format!("{} in the fault", shown(trace.unwrap_or_default())))
}

/// The fault of the contract, when it is one.
fn named<'j>(judged: &'j Judged<'_>) -> Option<&'j Element> {
    judged.named().filter(|named| named.namespace == CONTRACT)
}

pub(super) fn named_children(judged: &Judged<'_>) -> Vec<String> {
    let Some(named) = named(judged) else { return vec![] };
    let names: Vec<&str> = named
        .children
        .iter()
        .map(|one| if one.namespace == CONTRACT { one.name.as_str() } else { "" })
        .collect();
    unless(names == ["Code", "Reason", "Detail"], || {
        let foreign = names.contains(&"");
        let note = if foreign { ", some of them in another namespace" } else { "" };
        format!("{} holds {}{note}", named.name, named.names())
    })
}

pub(super) fn named_text(judged: &Judged<'_>) -> Vec<String> {
    let Some(named) = named(judged) else { return vec![] };
    let wrong = named.children.iter().find(|one| !one.children.is_empty());
    wrong.iter().map(|one| format!("{} holds {}", one.name, one.names())).collect()
}

fn part<'j>(judged: &'j Judged<'_>, name: &str) -> Option<&'j str> {
    let named = named(judged)?;
    named.child(CONTRACT, name).map(|part| part.text.as_str())
}

pub(super) fn named_code(judged: &Judged<'_>) -> Vec<String> {
    let Some(code) = part(judged, "Code") else { return vec![] };
    let digits = code.trim().trim_start_matches(['+', '-']);
    let number = !digits.is_empty() && digits.bytes().all(|one| one.is_ascii_digit());
    unless(number, || format!("Code {}", shown(code)))
}

pub(super) fn named_reason_blank(judged: &Judged<'_>) -> Vec<String> {
    let Some(reason) = part(judged, "Reason") else { return vec![] };
    unless(!reason.trim().is_empty(), || "Reason is blank".to_owned())
}

pub(super) fn named_reason_fixed(judged: &Judged<'_>) -> Vec<String> {
    let (Some(named), Some(reason)) = (named(judged), part(judged, "Reason")) else {
        return vec![];
    };
    // The Reason of the fault named `fault` is free.
    let Some(fixed) = named.name.strip_suffix("Fault") else { return vec![] };
    let blank = reason.trim().is_empty();
    unless(blank || reason == fixed, || format!("Reason {} in {}", shown(reason), named.name))
}

/// Faults that say more to one caller than to another tell who has an account.
pub(super) fn alike(judged: &Judged<'_>) -> Vec<String> {
    let (Some(first), Some(words)) = (judged.first_fault, judged.fault_words()) else {
        return vec![];
    };
    unless(first == words, || format!("{} after {}", shown(&words), shown(first)))
}
