//! A message is checked without an account and without being sent: nothing of it is kept, and nothing is logged.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::Choice;
use crate::domain::{Diagnostic, Environment, Permission, RegionCode, SiteId, Standing};
use crate::gateway::{LONGEST_PREVIEW, Outcome, PreviewFor, Previewed};
use crate::hl7::Severity;
use crate::portal::codes::tables_named;
use crate::portal::page::Trouble;
use crate::portal::rules::{Samples, samples};
use crate::portal::visit::{PostedFile, get};
use crate::portal::{Layout, Visit};
use crate::validation::report::{Judgement, MarkedSegment, Sharing, Verdict, marked, plain};
use crate::validation::{Catalogue, Example, edited};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/validate", get().to(ask)).route("/validate", web::post().to(judge));
}

/// Findings that are shown.
const FINDINGS: usize = 100;

/// Sites that are offered to whoever is signed in.
const SITES: usize = 500;

/// A text may grow on its way: browsers end lines with two characters.
const LONGEST_TEXT: usize = LONGEST_PREVIEW + 64 * 1024;

type Posted = PostedFile<LONGEST_PREVIEW, LONGEST_TEXT>;

/// Messages to try it with, by the word in the address: about invented people.
const SAMPLES: &[(&str, &str)] = &[
    ("good", "an update that is good"),
    ("mistakes", "an update with mistakes"),
    ("query", "a query"),
];

/// What is wrong with the sample with mistakes: a code that is none, no birth date, a dose given twice as much too soon.
const MISTAKES: &[&str] =
    &["PID-7=", "PID-8=W", "RXA-5.1=9999", "RXA-6=", "OBX[1]-5.1=V99", "PD1-12="];

/// The sample of that word, or the example by which a rule is broken.
fn sample(name: &str, rule: &str) -> Option<String> {
    let text = match name {
        "good" => Some(Example::Vxu.message()),
        "mistakes" => {
            let edits: Vec<_> = MISTAKES.iter().map(|&edit| edit.to_owned()).collect();
            edited(Example::Vxu.message(), &edits)
        }
        "query" => Some(Example::Qbp.message()),
        _ => Catalogue::built_in().rule(rule)?.bad_message(),
    };
    text.map(|text| text.replace('\r', "\n"))
}

#[derive(Template)]
#[template(path = "validate.html")]
struct Page {
    layout: Layout,
    /// The text as it was given.
    text: String,
    problem: Option<String>,
    region: String,
    regions: Vec<Choice>,
    environment: String,
    /// The Sites of whoever is signed in, to judge as.
    sites: Vec<(String, String)>,
    site: String,
    samples: &'static [(&'static str, &'static str)],
    result: Option<Judged>,
}

/// What was found.
struct Judged {
    tone: &'static str,
    heading: &'static str,
    text: String,
    sharing: Option<&'static str>,
    /// How many errors, warnings and remarks.
    counts: String,
    more: usize,
    findings: Vec<Finding>,
    segments: Vec<MarkedSegment>,
    answer: Vec<String>,
}

/// One finding, for people.
struct Finding {
    number: usize,
    severity: &'static str,
    tag: &'static str,
    place: String,
    rule: &'static str,
    text: String,
    fate: String,
    fix: String,
    /// The code tables that it names.
    tables: Vec<&'static str>,
    samples: Option<Samples>,
}

async fn ask(visit: Visit) -> Result<HttpResponse, Trouble> {
    let text = sample(&visit.query("sample"), &visit.query("rule")).unwrap_or_default();
    let page = page(&visit, text).await?;
    Ok(visit.page(&page))
}

/// The page before anything is judged.
async fn page(visit: &Visit, text: String) -> Result<Page, Trouble> {
    let regions = RegionCode::managed()
        .map(|region| Choice::new(region.as_str(), region.facts().name))
        .collect();
    Ok(Page {
        layout: visit.layout("Check a message"),
        text,
        problem: None,
        region: String::new(),
        regions,
        environment: Environment::Test.word().to_owned(),
        sites: sites_of(visit).await?,
        site: String::new(),
        samples: SAMPLES,
        result: None,
    })
}

/// The Sites that somebody who is signed in may judge as.
async fn sites_of(visit: &Visit) -> Result<Vec<(String, String)>, Trouble> {
    let Some(who) = visit.signed_in().await? else { return Ok(vec![]) };
    if who.standing() != Standing::SignedIn {
        return Ok(vec![]);
    }
    let theirs = who.principal.organizations(Permission::UseTestTool);
    if theirs.is_empty() {
        return Ok(vec![]);
    }
    let directory = visit.portal().sites.store().directory();
    let mut found: Vec<_> = directory
        .sites_of(&theirs)
        .filter(|site| site.region.is_some())
        .map(|site| (site.id.to_string(), format!("{} ({})", site.name, site.id)))
        .take(SITES)
        .collect();
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}

async fn judge(posted: Posted) -> Result<HttpResponse, Trouble> {
    let PostedFile { visit, fields, file } = posted;
    let address = visit.address.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    if let Err(wait) = visit.portal().preview.allow(address) {
        let mut response = visit.failure(StatusCode::TOO_MANY_REQUESTS);
        let seconds = HeaderValue::from(wait.as_secs().saturating_add(1));
        response.headers_mut().insert(RETRY_AFTER, seconds);
        return Ok(response);
    }
    let bytes = if file.is_empty() { fields.get("message").as_bytes() } else { &file };
    let mut page = page(&visit, String::from_utf8_lossy(bytes).into_owned()).await?;
    fields.get("environment").clone_into(&mut page.environment);
    fields.get("region").clone_into(&mut page.region);
    if page.sites.iter().any(|(id, _)| id == fields.get("site")) {
        fields.get("site").clone_into(&mut page.site);
    }
    let of = PreviewFor {
        environment: page.environment.parse().unwrap_or(Environment::Test),
        region: region(&visit, &page),
    };
    if bytes.trim_ascii().is_empty() {
        page.problem = Some("Paste a message, or choose a file with one".to_owned());
    } else {
        match visit.portal().preview.judge(bytes, of, visit.now) {
            Ok(found) => page.result = Some(judged(&found)),
            Err(error) => page.problem = Some(capital(&error.to_string())),
        }
    }
    page.layout.title = match &page.result {
        None => format!("Error: {}", page.layout.heading),
        Some(result) => format!("{} - {}", result.heading, page.layout.heading),
    };
    Ok(visit.page(&page))
}

/// The region to judge for: that of the Site that was chosen, else the one that was chosen.
fn region(visit: &Visit, page: &Page) -> Option<RegionCode> {
    let site = page.site.parse::<SiteId>().ok();
    let directory = visit.portal().sites.store().directory();
    let of_site = site.and_then(|site| directory.site(site.as_str())?.region);
    of_site.or_else(|| page.region.parse().ok().filter(|one: &RegionCode| one.facts().managed))
}

/// The same with a capital in front.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|one| one.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", letters.as_str())
}

fn judged(found: &Previewed<'_>) -> Judged {
    let judgement = &found.judgement;
    let (tone, heading, text) = verdict(found);
    // What stops the message is told first, then what is worse, then what comes earlier.
    let mut order: Vec<&Diagnostic> = judgement.found.iter().collect();
    order.sort_by_key(|one| (!one.stops(), std::cmp::Reverse(one.severity)));
    order.truncate(FINDINGS);
    let shown: Vec<Diagnostic> = order.into_iter().cloned().collect();
    Judged {
        tone,
        heading,
        text,
        sharing: judgement.sharing.map(Sharing::meaning),
        counts: counts(judgement),
        more: judgement.found.len().saturating_sub(FINDINGS),
        segments: marked(judgement, &shown),
        findings: shown.into_iter().enumerate().map(|(at, one)| finding(at + 1, &one)).collect(),
        answer: found
            .answer
            .iter()
            .flat_map(|answer| answer.split_terminator('\r').map(plain))
            .collect(),
    }
}

/// `1 error, 2 warnings and no remarks`.
fn counts(judgement: &Judgement<'_>) -> String {
    let counted = |severity, name: &str| match judgement.count(severity) {
        0 => format!("no {name}s"),
        1 => format!("1 {name}"),
        many => format!("{many} {name}s"),
    };
    let [errors, warnings, remarks] =
        [(Severity::E, "error"), (Severity::W, "warning"), (Severity::I, "remark")]
            .map(|(severity, name)| counted(severity, name));
    format!("{errors}, {warnings} and {remarks}")
}

/// How it would end: the tone of the notice, its heading, and why.
fn verdict(found: &Previewed<'_>) -> (&'static str, &'static str, String) {
    let judgement = &found.judgement;
    let told = |text: &str| text.to_owned();
    match (found.outcome, judgement.verdict) {
        (_, Verdict::Unreadable) => {
            let why = judgement.message.as_ref().err().map(ToString::to_string).unwrap_or_default();
            ("error", "The Gateway could not read this message", capital(&format!("{why}.")))
        }
        (_, Verdict::NotProcessed) => (
            "error",
            "The Gateway would not process this message (AR)",
            told(
                "It would read no further than the header. What else is wrong is told here all the same.",
            ),
        ),
        (Some(Outcome::Refused), _) => (
            "error",
            "The Gateway would not accept this message (AE)",
            told(
                "It would not be sent to the registry. Fix what is marked as an error and send it again.",
            ),
        ),
        (Some(Outcome::Relayed), _) => (
            "success",
            "The Gateway would pass this query on to the registry",
            told("The registry answers it."),
        ),
        (_, Verdict::AcceptedWithErrors) => (
            "warning",
            "The Gateway would accept this message, with errors (AE)",
            told(
                "It would go to the registry, but something of it is wrong or would not be stored.",
            ),
        ),
        (_, Verdict::AcceptedWithWarnings) => (
            "warning",
            "The Gateway would accept this message, with warnings (AE)",
            told(
                "It would go to the registry. Look at the warnings: data that is probably not what was meant.",
            ),
        ),
        (_, Verdict::Accepted) => (
            "success",
            "The Gateway would accept this message (AA)",
            told("Nothing was found that has to be fixed."),
        ),
        _ => (
            "warning",
            "This is an answer, not a message to send",
            told("Registries send it. It was checked by its profile."),
        ),
    }
}

fn finding(number: usize, one: &Diagnostic) -> Finding {
    let (severity, tag) = match one.severity {
        Severity::E => ("Error", "tag-red"),
        Severity::W => ("Warning", "tag-amber"),
        Severity::I => ("Remark", "tag-blue"),
    };
    Finding {
        number,
        severity,
        tag,
        place: one.location.map_or_else(|| "The message".to_owned(), |at| at.human().to_string()),
        rule: one.rule,
        text: plain(&one.text),
        fate: plain(&one.fate),
        fix: plain(&one.fix),
        tables: tables_named(&format!("{} {}", one.text, one.fix)),
        samples: Catalogue::built_in().rule(one.rule).and_then(samples),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_a_message() {
        for (name, _) in SAMPLES {
            assert!(sample(name, "").unwrap().starts_with("MSH|"), "{name}");
        }
        assert_eq!(sample("", "no-such-rule"), None);
        assert!(sample("", "DQ-BIRTH-OLD").unwrap().contains("18950115"));
    }
}
