//! Rules of the description that is served.

use crate::conformance::rules::{CONTRACT, Judged, shown, unless};
use crate::conformance::xml::Element;

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const SOAP_12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";

pub(super) fn root(judged: &Judged<'_>) -> Vec<String> {
    let Some(root) = judged.root() else { return vec![] };
    let kept = root.is(WSDL, "definitions") && judged.reply.status == 200;
    unless(kept, || format!("{} with status {}", shown(&root.name), judged.reply.status))
}

fn definitions<'j>(judged: &'j Judged<'_>) -> Option<&'j Element> {
    judged.root().filter(|root| root.name == "definitions")
}

pub(super) fn target(judged: &Judged<'_>) -> Vec<String> {
    let Some(root) = definitions(judged) else { return vec![] };
    let target = root.attribute("", "targetNamespace").unwrap_or_default();
    unless(target == CONTRACT, || shown(target))
}

pub(super) fn operations(judged: &Judged<'_>) -> Vec<String> {
    let Some(root) = definitions(judged) else { return vec![] };
    let offered: Vec<&str> = root
        .all(WSDL, "portType")
        .flat_map(|port| port.all(WSDL, "operation"))
        .filter_map(|operation| operation.attribute("", "name"))
        .collect();
    let missing = ["connectivityTest", "submitSingleMessage"].map(|name| offered.contains(&name));
    unless(missing == [true, true], || format!("operations {}", shown(&offered.join(", "))))
}

pub(super) fn binding(judged: &Judged<'_>) -> Vec<String> {
    let Some(root) = definitions(judged) else { return vec![] };
    let of_soap_12 = root.all(WSDL, "binding").any(|binding| {
        binding
            .child(SOAP_12, "binding")
            .is_some_and(|soap| soap.attribute("", "style").is_none_or(|style| style == "document"))
    });
    unless(of_soap_12, || "no binding for SOAP 1.2 in document style".to_owned())
}

pub(super) fn address(judged: &Judged<'_>) -> Vec<String> {
    let Some(root) = definitions(judged) else { return vec![] };
    let locations: Vec<&str> = root
        .all(WSDL, "service")
        .flat_map(|service| service.all(WSDL, "port"))
        .flat_map(|port| port.children.iter())
        .filter_map(|address| address.attribute("", "location"))
        .collect();
    let secure = !locations.is_empty() && locations.iter().all(|one| one.starts_with("https://"));
    unless(secure, || format!("addresses {}", shown(&locations.join(", "))))
}
