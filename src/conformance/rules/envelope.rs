//! Rules of XML and of the SOAP envelope.

use crate::conformance::case::Soap;
use crate::conformance::rules::{Judged, shown, unless};

pub(super) fn well_formed(judged: &Judged<'_>) -> Vec<String> {
    let begin = judged.reply.body.get(..200).unwrap_or(&judged.reply.body);
    let begin = String::from_utf8_lossy(begin);
    match &judged.document {
        Ok(_) => vec![],
        Err(_) if judged.reply.body.is_empty() => {
            vec![format!("status {} and no bytes", judged.reply.status)]
        }
        Err(why) => vec![format!("{why}; it begins with {}", shown(&begin))],
    }
}

pub(super) fn declaration(judged: &Judged<'_>) -> Vec<String> {
    let Ok(document) = &judged.document else { return vec![] };
    unless(document.has_declaration, || "no XML declaration".to_owned())
}

pub(super) fn forbidden(judged: &Judged<'_>) -> Vec<String> {
    let Ok(document) = &judged.document else { return vec![] };
    document.forbidden.iter().map(ToString::to_string).collect()
}

pub(super) fn envelope(judged: &Judged<'_>) -> Vec<String> {
    let Some(root) = judged.root() else { return vec![] };
    unless(root.is(judged.soap.namespace(), "Envelope"), || {
        let version =
            [Soap::V11, Soap::V12].into_iter().find(|one| root.namespace == one.namespace());
        match version {
            Some(other) if root.name == "Envelope" => {
                format!(
                    "an Envelope of SOAP {} to a request in SOAP {}",
                    other.word(),
                    judged.soap.word()
                )
            }
            _ => format!("{} in the namespace {}", shown(&root.name), shown(&root.namespace)),
        }
    })
}

pub(super) fn body_one(judged: &Judged<'_>) -> Vec<String> {
    let Some(envelope) = judged.envelope() else { return vec![] };
    let count = envelope.all(&envelope.namespace, "Body").count();
    unless(count == 1, || format!("{count} Body; the Envelope holds {}", envelope.names()))
}

pub(super) fn children(judged: &Judged<'_>) -> Vec<String> {
    let Some(envelope) = judged.envelope() else { return vec![] };
    let is = |index: usize, name: &str| {
        envelope.children.get(index).is_some_and(|child| child.is(&envelope.namespace, name))
    };
    let first = usize::from(is(0, "Header"));
    let surplus =
        envelope.children.iter().skip(first).any(|child| !child.is(&envelope.namespace, "Body"));
    unless(!surplus && !envelope.has_stray_text(), || {
        format!("the Envelope holds {}", envelope.names())
    })
}

pub(super) fn body_child(judged: &Judged<'_>) -> Vec<String> {
    let Some(body) = judged.body() else { return vec![] };
    let kept = body.children.len() == 1 && !body.has_stray_text();
    unless(kept, || format!("the Body holds {}", body.names()))
}

pub(super) fn addressing(judged: &Judged<'_>) -> Vec<String> {
    let Some(envelope) = judged.envelope() else { return vec![] };
    let asked = String::from_utf8_lossy(&judged.sent.body).contains("/addressing");
    let header = envelope.child(&envelope.namespace, "Header");
    let block = header.and_then(|header| {
        header.children.iter().find(|block| block.namespace.ends_with("/addressing"))
    });
    match block {
        Some(block) if !asked => vec![format!("a header block {}", shown(&block.name))],
        _ => vec![],
    }
}
