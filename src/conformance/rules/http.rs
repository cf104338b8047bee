//! Rules of HTTP.

use crate::conformance::rules::{Judged, shown, unless};

pub(super) fn version(judged: &Judged<'_>) -> Vec<String> {
    let version = &judged.reply.version;
    unless(version == "HTTP/1.1", || version.clone())
}

pub(super) fn content_length(judged: &Judged<'_>) -> Vec<String> {
    unless(judged.reply.header("Content-Length").is_some(), || {
        match judged.reply.header("Transfer-Encoding") {
            Some(coding) => format!("no Content-Length, Transfer-Encoding: {coding}"),
            None => "no Content-Length".to_owned(),
        }
    })
}

pub(super) fn content_type(judged: &Judged<'_>) -> Vec<String> {
    unless(judged.reply.header("Content-Type").is_some(), || "no Content-Type".to_owned())
}

pub(super) fn media_type(judged: &Judged<'_>) -> Vec<String> {
    let Some(value) = judged.reply.header("Content-Type") else { return vec![] };
    let media = value.split(';').next().unwrap_or_default().trim();
    unless(media.eq_ignore_ascii_case(judged.soap.media_type()), || {
        format!("{} to a SOAP {} request", shown(value), judged.soap.word())
    })
}

pub(super) fn charset(judged: &Judged<'_>) -> Vec<String> {
    let Some(value) = judged.reply.header("Content-Type") else { return vec![] };
    let named = value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    unless(named.is_none_or(|name| name.eq_ignore_ascii_case("utf-8")), || shown(value))
}

pub(super) fn encoding(judged: &Judged<'_>) -> Vec<String> {
    let coding = judged.reply.header("Content-Encoding").unwrap_or("identity");
    unless(coding.eq_ignore_ascii_case("identity"), || {
        format!("Content-Encoding: {}", shown(coding))
    })
}

pub(super) fn status_ok(judged: &Judged<'_>) -> Vec<String> {
    let status = judged.reply.status;
    unless(judged.response().is_none() || status == 200, || format!("status {status}"))
}

pub(super) fn status_fault(judged: &Judged<'_>) -> Vec<String> {
    let status = judged.reply.status;
    unless(judged.fault().is_none() || status == 500, || format!("status {status}"))
}

/// A refusal has one of the statuses, or is a SOAP fault.
pub(super) fn status(judged: &Judged<'_>) -> Vec<String> {
    let status = judged.reply.status;
    let allowed = judged.expect().status.contains(&status) || judged.fault().is_some();
    unless(allowed, || {
        let what = judged.payload().map(|payload| format!(" with {}", payload.name));
        format!("status {status}{}", what.unwrap_or_default())
    })
}

pub(super) fn allow(judged: &Judged<'_>) -> Vec<String> {
    let needed = judged.reply.status == 405;
    unless(!needed || judged.reply.header("Allow").is_some(), || "405 without Allow".to_owned())
}
