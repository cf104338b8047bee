//! What comes before the envelope: TLS, method, headers.

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use actix_web::http::{Method, Version};

use crate::conformance::serve::envelope::Outline;
use crate::conformance::serve::rules::{self, Findings};
use crate::soap::{OperationName, SoapVersion};

/// What is judged before the body is read.
pub(super) fn judge_head(request: &HttpRequest, tls: Option<&str>, found: &mut Findings) {
    if let Some(tls) = tls.filter(|tls| *tls != "1.3") {
        found.add(&rules::TLS_VERSION, format!("TLS {tls}"));
    }
    if *request.method() != Method::POST {
        let known = ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];
        let method = request.method().as_str();
        let shown = if known.contains(&method) { method } else { "another method" };
        found.add(&rules::METHOD, shown);
    }
    if request.version() < Version::HTTP_11 {
        found.add(&rules::VERSION, format!("{:?}", request.version()));
    }
    let coding = text(request, &CONTENT_ENCODING).unwrap_or_default();
    if !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
        found.add(&rules::ENCODING, "a Content-Encoding");
    }
    let sized = request.headers().contains_key(CONTENT_LENGTH);
    if request.version() == Version::HTTP_11 && !sized && *request.method() == Method::POST {
        found.add_if(
            request.headers().contains_key("transfer-encoding"),
            &rules::CHUNKED,
            "chunks",
        );
    }
}

/// What is judged with the envelope in sight: whether the headers say the same as it does.
pub(super) fn judge_headers(request: &HttpRequest, outline: &Outline<'_>, found: &mut Findings) {
    let media = Media::of(text(request, &CONTENT_TYPE).unwrap_or_default());
    let right: &[&str] = match outline.version {
        Some(SoapVersion::V12) => &["application/soap+xml"],
        Some(SoapVersion::V11) => &["text/xml"],
        None => &["application/soap+xml", "text/xml"],
    };
    if !right.contains(&media.essence.as_str()) {
        let known = ["", "text/xml", "application/soap+xml", "application/xml", "application/json"];
        let known = known.iter().find(|one| **one == media.essence);
        let told = match known.copied() {
            Some("") => "no Content-Type".to_owned(),
            Some(known) => known.to_owned(),
            None => "another media type".to_owned(),
        };
        let version = outline.version.map_or_else(String::new, |one| format!(" with SOAP {one}"));
        found.add(&rules::CONTENT_TYPE, format!("{told}{version}"));
    }
    let charset = media.parameter("charset");
    match charset {
        Some(charset) if !charset.eq_ignore_ascii_case("utf-8") => {
            found.add(&rules::CHARSET, "another charset");
        }
        None if media.essence == "text/xml" => {
            found.add(&rules::CHARSET, "text/xml without a charset");
        }
        _ => {}
    }
    judge_action(request, &media, outline, found);
}

fn judge_action(request: &HttpRequest, media: &Media, outline: &Outline<'_>, found: &mut Findings) {
    let header = text(request, &HeaderName::from_static("soapaction"));
    let parameter = media.parameter("action").filter(|action| !action.is_empty());
    if outline.version == Some(SoapVersion::V11) && header.is_none() {
        found.add(&rules::ACTION_HEADER, "no SOAPAction header");
    }
    if outline.version == Some(SoapVersion::V12) && parameter.is_none() {
        found.add(&rules::ACTION_ABSENT, "no action parameter");
    }
    let bare = header.map(|header| header.trim_matches('"'));
    let quoted = header.is_none_or(|header| header.starts_with('"') && header.ends_with('"'));
    found.add_if(
        !quoted && bare.is_some_and(|bare| !bare.is_empty()),
        &rules::ACTION_QUOTES,
        "a value without quotes",
    );
    let given = [parameter, bare.filter(|bare| !bare.is_empty())];
    if let Some(action) = outline.name.map(OperationName::action)
        && given.into_iter().flatten().any(|given| given != action)
    {
        found.add(&rules::ACTION_OTHER, "an action that is not the one of the operation");
    }
}

/// A header as text; an unreadable one counts as a text that is wrong.
fn text<'r>(request: &'r HttpRequest, name: &HeaderName) -> Option<&'r str> {
    request.headers().get(name).map(|value| value.to_str().unwrap_or("?").trim())
}

/// The value of a Content-Type.
pub(super) struct Media {
    essence: String,
    parameters: Vec<(String, String)>,
}

impl Media {
    pub(super) fn of(header: &str) -> Self {
        let mut quoted = false;
        let mut parts = header.split(move |one| {
            quoted ^= one == '"';
            one == ';' && !quoted
        });
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let parameters = parts.filter_map(|part| part.split_once('=')).map(|(name, value)| {
            (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned())
        });
        Self { essence, parameters: parameters.collect() }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }
}
