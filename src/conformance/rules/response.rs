//! Rules of the two responses and of `return`.

use crate::conformance::rules::{CONTRACT, Judged, shown, unless};

/// The element that answers the request.
fn expected(judged: &Judged<'_>) -> &'static str {
    if judged.echo.is_some() { "connectivityTestResponse" } else { "submitSingleMessageResponse" }
}

pub(super) fn element(judged: &Judged<'_>) -> Vec<String> {
    let Some(payload) = judged.payload() else { return vec![] };
    let expected = expected(judged);
    unless(payload.name == expected, || match (judged.fault(), judged.named()) {
        (Some(_), Some(named)) => {
            let code = named.child(CONTRACT, "Code").map(|code| code.text.trim().to_owned());
            format!("a SOAP fault, {} {}", named.name, code.unwrap_or_default())
        }
        (Some(_), None) => "a SOAP fault".to_owned(),
        (None, _) => format!("{} instead of {expected}", shown(&payload.name)),
    })
}

pub(super) fn namespace(judged: &Judged<'_>) -> Vec<String> {
    let Some(response) = judged.response() else { return vec![] };
    unless(response.namespace == CONTRACT, || {
        format!("{} in the namespace {}", response.name, shown(&response.namespace))
    })
}

pub(super) fn return_one(judged: &Judged<'_>) -> Vec<String> {
    let Some(response) = judged.response() else { return vec![] };
    let count = response.children.iter().filter(|child| child.name == "return").count();
    let kept = count == 1 && response.children.len() == 1 && !response.has_stray_text();
    unless(kept, || format!("{} holds {}", response.name, response.names()))
}

pub(super) fn return_namespace(judged: &Judged<'_>) -> Vec<String> {
    let Some(returned) = judged.returned() else { return vec![] };
    unless(returned.namespace == CONTRACT, || {
        format!("return in the namespace {}", shown(&returned.namespace))
    })
}

pub(super) fn return_text(judged: &Judged<'_>) -> Vec<String> {
    let Some(returned) = judged.returned() else { return vec![] };
    unless(returned.children.is_empty(), || format!("return holds {}", returned.names()))
}

/// Source: clients that search the text for `<return>`.
pub(super) fn return_bare(judged: &Judged<'_>) -> Vec<String> {
    let (Some(response), Some(returned)) = (judged.response(), judged.returned()) else {
        return vec![];
    };
    let raw = judged.inside(response);
    let literal = raw.contains("<return>") || raw.contains("<return/>");
    unless(literal || returned.namespace != CONTRACT, || {
        let tag = raw.find("return").map_or("", |at| {
            let from = raw.get(..at).and_then(|before| before.rfind('<')).unwrap_or(at);
            let tag = raw.get(from..).unwrap_or_default();
            tag.get(..tag.find('>').map_or(tag.len(), |end| end + 1)).unwrap_or_default()
        });
        format!("the tag {}", shown(tag))
    })
}

pub(super) fn echo_contains(judged: &Judged<'_>) -> Vec<String> {
    let (Some(returned), Some(echo)) = (judged.returned(), judged.echo) else { return vec![] };
    unless(returned.text.contains(echo), || shown(&returned.text))
}

pub(super) fn echo_equal(judged: &Judged<'_>) -> Vec<String> {
    let (Some(returned), Some(echo)) = (judged.returned(), judged.echo) else { return vec![] };
    unless(returned.text == echo, || {
        let same = returned.text.chars().zip(echo.chars()).take_while(|(a, b)| a == b).count();
        let at = |text: &str| {
            let code = text.chars().nth(same).map(|one| format!("U+{:04X}", u32::from(one)));
            code.unwrap_or_else(|| "the end".to_owned())
        };
        format!(
            "{}; character {} is {} instead of {}",
            shown(&returned.text),
            same + 1,
            at(&returned.text),
            at(echo)
        )
    })
}

/// `return`, when it holds anything.
fn text<'j>(judged: &'j Judged<'_>) -> Option<&'j str> {
    let text = judged.returned()?.text.as_str();
    (!text.trim().is_empty()).then_some(text)
}

pub(super) fn return_not_blank(judged: &Judged<'_>) -> Vec<String> {
    let Some(returned) = judged.returned() else { return vec![] };
    unless(!returned.text.trim().is_empty(), || "return is blank".to_owned())
}

pub(super) fn return_msh_first(judged: &Judged<'_>) -> Vec<String> {
    let Some(text) = text(judged) else { return vec![] };
    unless(text.starts_with("MSH"), || {
        let first: String = text.chars().take(3).collect();
        if text.trim_start().starts_with("MSH") {
            "white space before MSH".to_owned()
        } else {
            format!("it begins with {}", shown(&first))
        }
    })
}

pub(super) fn return_one_msh(judged: &Judged<'_>) -> Vec<String> {
    let Some(text) = text(judged) else { return vec![] };
    let count = text.matches("MSH|").count();
    unless(count == 1, || format!("{count} times MSH|"))
}

pub(super) fn return_cdata(judged: &Judged<'_>) -> Vec<String> {
    let Some(returned) = judged.returned() else { return vec![] };
    unless(!returned.has_cdata, || "a CDATA section".to_owned())
}

pub(super) fn return_cr(judged: &Judged<'_>) -> Vec<String> {
    let Some(text) = text(judged) else { return vec![] };
    unless(text.contains('\r') && !text.contains('\n'), || {
        if text.contains('\n') {
            "segments end with LF after parsing, because CR was written raw or in a CDATA section"
                .to_owned()
        } else {
            "no segment end at all: the segments ran together".to_owned()
        }
    })
}

pub(super) fn return_cr_spelling(judged: &Judged<'_>) -> Vec<String> {
    let Some(returned) = judged.returned() else { return vec![] };
    unless(!returned.text.contains('\r') || judged.inside(returned).contains("&#xD;"), || {
        "CR written as another reference than &#xD;".to_owned()
    })
}

pub(super) fn return_escaped_twice(judged: &Judged<'_>) -> Vec<String> {
    let Some(text) = text(judged) else { return vec![] };
    let trace = ["&amp;", "&lt;", "&#"].into_iter().find(|trace| text.contains(trace));
    unless(trace.is_none(), || {
        format!("after parsing there is still {}", trace.unwrap_or_default())
    })
}
