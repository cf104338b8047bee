//! Events of the audit trail in words: what was done, and each value before and after by the label of its question.

use std::collections::BTreeSet;
use std::str::FromStr;

use chrono::NaiveDateTime;
use serde_json::{Map, Value};

use crate::domain::questions::{label, question};
use crate::domain::{
    AccountState, AuditRecord, ClinicianState, CredentialState, Environment, HookState, LinkStatus,
    MembershipState, RegionCode, RequestKind, RequestState, Role, SiteKind, SiteStatus, StaffRole,
    Timestamp,
};
use crate::portal::member::capital;

/// A value before and after.
pub(super) struct Change {
    pub(super) label: String,
    /// As the trail names it.
    pub(super) key: String,
    pub(super) before: String,
    pub(super) after: String,
    /// Whether the new value was asked for only: staff decide.
    pub(super) is_asked: bool,
}

/// What an event tells of what was before and after: value by value, or else as a text.
pub(super) struct Told {
    pub(super) changes: Vec<Change>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    /// The request by which staff decide some of the changes.
    pub(super) request: Option<String>,
}

impl Told {
    /// What an event tells.
    pub(super) fn of(event: &AuditRecord) -> Self {
        let action = event.action.as_str();
        let before = event.before.as_deref().unwrap_or_default();
        let after = event.after.as_deref().unwrap_or_default();
        if let (Some((old, _)), Some((new, request))) = (values(before), values(after))
            && !(old.is_empty() && new.is_empty())
        {
            let (request, asked) = request.unzip();
            let changes = changes(action, &old, &new, &asked.unwrap_or_default());
            return Self { changes, before: None, after: None, request };
        }
        let text = |text: &str| Some(words(action, text)).filter(|text| !text.is_empty());
        Self { changes: vec![], before: text(before), after: text(after), request: None }
    }

    /// Whether it tells anything.
    pub(super) fn tells(&self) -> bool {
        !self.changes.is_empty() || self.before.is_some() || self.after.is_some()
    }

    /// Whether every change is of something that was not there before.
    pub(super) fn is_new(&self) -> bool {
        self.changes.iter().all(|change| change.before.is_empty())
    }
}

type Values = Map<String, Value>;

/// A request, and the names of the values that it asks for.
type Asked = (String, BTreeSet<String>);

/// Stands between what holds at once and what staff decide.
const ASKED: &str = "asked for as request ";

/// The values of a text that tells them as JSON, and the request that holds some of them, with their names.
fn values(text: &str) -> Option<(Values, Option<Asked>)> {
    let text = match text.split_once(": ") {
        Some((kind, rest)) if kind.parse::<RequestKind>().is_ok() => rest,
        _ => text,
    };
    let (mut found, rest) = leading(text);
    if rest.is_empty() {
        return Some((found, None));
    }
    let (request, json) = rest.trim_start_matches("; ").strip_prefix(ASKED)?.split_once(": ")?;
    let (asked, rest) = leading(json);
    if !rest.is_empty() {
        return None;
    }
    let names = asked.keys().cloned().collect();
    found.extend(asked);
    Some((found, Some((request.to_owned(), names))))
}

/// The JSON object that a text begins with, and what comes after it.
fn leading(text: &str) -> (Values, &str) {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Values>();
    match stream.next() {
        Some(Ok(found)) => (found, text.get(stream.byte_offset()..).unwrap_or_default()),
        _ => (Values::new(), text),
    }
}

/// The values that differ.
fn changes(action: &str, before: &Values, after: &Values, asked: &BTreeSet<String>) -> Vec<Change> {
    let shown = |name: &str, value: Option<&Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::Bool(true)) => "Yes".to_owned(),
        Some(Value::Bool(false)) => "No".to_owned(),
        Some(Value::String(text)) => value_words(action, name, text),
        Some(other) => other.to_string(),
    };
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        // The number of an organization is known to nobody, and the page says which it is.
        .filter(|name| name.as_str() != "organization" && before.get(*name) != after.get(*name))
        .map(|name| Change {
            label: value_label(action, name),
            key: name.clone(),
            is_asked: asked.contains(name),
            before: shown(name, before.get(name)),
            after: shown(name, after.get(name)),
        })
        .filter(|change| change.before != change.after)
        .collect()
}

/// What a value is called: as its question is, or here when none asks it.
fn value_label(action: &str, name: &str) -> String {
    let is_of = |kind: &str| action.starts_with(kind);
    let own = match name {
        "client_key_pin" => "Key of the client certificate",
        "environment" => "Environment",
        "expires_at" => "Expires",
        "facility_id" => "facilityID",
        "kind" => "Type of Site",
        "name" => "Name",
        "old_secret_until" => "Password before is taken until",
        "region" => "Region",
        "site" => "Site",
        "status" => "Stage",
        "state" if is_of("credential.") || is_of("clinician.") => "State",
        _ => return label(name),
    };
    own.to_owned()
}

/// A value in words.
fn value_words(action: &str, name: &str, text: &str) -> String {
    match name {
        "environment" => named(text, Environment::name),
        "kind" => named(text, SiteKind::name),
        "region" => named(text, |region: RegionCode| region.facts().name),
        "state" if action.starts_with("credential.") => named(text, CredentialState::name),
        "state" if action.starts_with("clinician.") => named(text, ClinicianState::name),
        "status" => named(text, SiteStatus::name),
        "expires_at" | "old_secret_until" => {
            let read = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.fZ");
            read.map_or_else(
                |_other| text.to_owned(),
                |at| Timestamp::from_naive(at).pacific_text(),
            )
        }
        _ => question(name).map_or_else(|| text.to_owned(), |field| field.kind.show(text)),
    }
}

/// A word by its name for people; another text as it is.
fn named<T: FromStr>(text: &str, name: impl Fn(T) -> &'static str) -> String {
    text.parse().map_or_else(|_other| text.to_owned(), |one| name(one).to_owned())
}

/// A text in which a state comes first, and perhaps a reason.
fn state_words<T: FromStr>(text: &str, name: impl Fn(T) -> &'static str) -> String {
    match text.split_once(": ") {
        Some((state, reason)) => {
            let state = named(state, name);
            // "Withdrawn: Withdrawn." says nothing more.
            if reason.trim_end_matches('.') == state { state } else { format!("{state}: {reason}") }
        }
        None => named(text, name),
    }
}

/// What an event tells as a text, in words.
fn words(action: &str, text: &str) -> String {
    match action {
        "account.create" => text.split("; ").map(place_words).collect::<Vec<_>>().join("; "),
        "account.deactivate" | "account.reactivate" => named(text, AccountState::name),
        "clinician.state" => named(text, ClinicianState::name),
        "link.accept" | "link.ask" | "link.end" | "link.status" => {
            state_words(text, LinkStatus::name)
        }
        "request.answer" | "request.ask" | "request.step" => state_words(text, RequestState::name),
        "site.status" => named(text, SiteStatus::name),
        "registration.verify" => site_words(text),
        "webhook.pause" | "webhook.resume" | "webhook.stop" => named(text, HookState::told),
        "staff.grant" | "staff.revoke" => {
            text.split(", ").map(grant_words).collect::<Vec<_>>().join(", ")
        }
        _ if action.starts_with("membership.") => role_words(text),
        // What nobody gave leaves no gap.
        _ if action.starts_with("account.") || action.starts_with("clinician.") => {
            let given: Vec<_> = text
                .split(", ")
                .filter(|part| !part.trim().is_empty() && *part != "no telephone")
                .collect();
            given.join(", ")
        }
        _ => text.to_owned(),
    }
}

/// `direct Larkspur CAIRBA; more`: kind, name and region of a Site, and what else is told.
fn site_words(text: &str) -> String {
    let (site, more) = text.split_once("; ").unwrap_or((text, ""));
    let (kind, rest) = site.split_once(' ').unwrap_or((site, ""));
    let placed = rest
        .rsplit_once(' ')
        .and_then(|(name, code)| Some((name, code.parse::<RegionCode>().ok()?.facts().name)));
    let (name, region) = placed.unwrap_or_else(|| (rest.trim_end_matches(" no region"), ""));
    let parts = [named(kind, SiteKind::name).as_str(), name, region, more].map(str::to_owned);
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// `representative of organization 3`, or `staff: help-desk for all regions`.
fn place_words(text: &str) -> String {
    if let Some(grant) = text.strip_prefix("staff: ") {
        return format!("CDPH staff: {}", grant_words(grant));
    }
    match text.split_once(" of organization ") {
        Some((role, _)) => named(role, Role::name),
        None => words("account.profile", text),
    }
}

/// `help-desk for all regions`, or `registrar for CAIRBA`.
fn grant_words(text: &str) -> String {
    match text.split_once(" for ") {
        Some((role, region)) => format!(
            "{} for {}",
            named(role, StaffRole::name),
            named(region, |region: RegionCode| region.facts().name)
        ),
        None => text.to_owned(),
    }
}

/// `organization 3: representative active, regular awaiting-training`; roles that ended are left out.
fn role_words(text: &str) -> String {
    let Some((_, roles)) = text.split_once(": ") else { return text.to_owned() };
    let read = |one: &str| {
        let (role, state) = one.split_once(' ')?;
        Some((role.parse::<Role>().ok()?, state.parse::<MembershipState>().ok()?))
    };
    let roles: Vec<_> = roles.split(", ").filter_map(read).collect();
    role_list(roles.into_iter())
}

/// Roles that hold or will.
fn role_list(roles: impl Iterator<Item = (Role, MembershipState)>) -> String {
    let names: Vec<_> = roles
        .filter_map(|(role, state)| match state {
            MembershipState::Active => Some(role.name().to_owned()),
            MembershipState::AwaitingTraining => Some(format!("{} (after training)", role.name())),
            MembershipState::Inactive => None,
        })
        .collect();
    if names.is_empty() { "No role".to_owned() } else { names.join(", ") }
}

/// An action in words.
pub(super) fn what(action: &str) -> String {
    let known = ACTIONS.iter().find(|(word, _)| *word == action);
    known.map_or_else(|| capital(&action.replace(['.', '-'], " ")), |(_, name)| (*name).to_owned())
}

const ACTIONS: [(&str, &str); 78] = [
    ("account.create", "User added"),
    ("account.deactivate", "Account deactivated"),
    ("account.email", "Email address changed"),
    ("account.password-by-link", "Password set by a mailed link"),
    ("account.password-change", "Password changed"),
    ("account.password-link", "Link to set a password mailed"),
    ("account.password-shown", "Password given at sign-in"),
    ("account.profile", "Name or telephone number changed"),
    ("account.reactivate", "Account reactivated"),
    ("account.recovery-codes", "New recovery codes"),
    ("account.second-factor-add", "Second factor set up"),
    ("account.second-factor-clear", "Second factors removed by staff"),
    ("account.second-factor-remove", "Second factor removed"),
    ("account.sign-in", "Signed in"),
    ("account.sign-out", "Signed out"),
    ("account.sign-out-everywhere", "Signed out everywhere else"),
    ("account.step-up", "Password or second factor shown again"),
    ("account.unlock", "Account unlocked"),
    ("agreement.accept", "Agreement accepted"),
    ("api-key.create", "API key made"),
    ("api-key.revoke", "API key revoked"),
    ("audit.export", "Audit trail exported"),
    ("claim.approve", "Claim approved: somebody represents the organization"),
    ("clinician.change", "Clinician changed"),
    ("clinician.create", "Clinician added"),
    ("clinician.state", "State of a clinician changed"),
    ("credential.issue", "Credential issued"),
    ("credential.pin", "Client certificate asked for"),
    ("credential.revoke", "Credential revoked"),
    ("credential.rotate", "Password of a credential shown"),
    ("credential.show", "Password of a credential shown"),
    ("draft.submit", "Registration or enrollment sent"),
    ("enrolment.approve", "Enrollment approved"),
    ("letter.give-up", "Email given up"),
    ("letter.read", "Email read on the page of a trial"),
    ("letter.retry", "Email sent again"),
    ("link.accept", "Sending Facility agreed"),
    ("link.ask", "Sending Facility asked"),
    ("link.end", "Link to a Sending Facility ended or declined"),
    ("link.issue", "Link mailed"),
    ("link.status", "Link to a Sending Facility changed"),
    ("link.use", "Mailed link opened"),
    ("membership.deactivate", "User deactivated"),
    ("membership.end", "Roles changed"),
    ("membership.grant", "Roles changed"),
    ("membership.reactivate", "User reactivated"),
    ("membership.set", "Roles changed"),
    ("organization.change", "Organization changed"),
    ("organization.create", "Organization recorded"),
    ("organization.see-as", "Seen by staff as its own people see it"),
    ("registration.decline", "Registration declined"),
    ("registration.verify", "Site registered"),
    ("request.answer", "Question of CDPH answered"),
    ("request.ask", "Question asked by CDPH"),
    ("request.create", "Request sent"),
    ("request.note", "Note written"),
    ("request.step", "Request moved on"),
    ("review.mark", "Item of the checklist confirmed"),
    ("review.propose", "Site proposed for production"),
    ("review.unpropose", "Proposal taken back"),
    ("site.change", "Site changed"),
    ("site.create", "Site recorded"),
    ("site.note", "Note about a Site written"),
    ("site.status", "Site moved to another stage"),
    ("site.upload", "Sites uploaded"),
    ("staff.grant", "Staff role given"),
    ("staff.revoke", "Staff role taken away"),
    ("statement.issue", "Statement for meaningful use issued"),
    ("training.record", "Training recorded"),
    ("update.approve", "Update approved"),
    ("webhook.create", "Webhook made"),
    ("webhook.pause", "Webhook paused"),
    ("webhook.ping", "Webhook called to try it"),
    ("webhook.remove", "Webhook removed"),
    ("webhook.resend", "Call of a webhook made again"),
    ("webhook.resume", "Webhook called again"),
    ("webhook.rotate", "New secret of a webhook made"),
    ("webhook.stop", "Webhook stopped after failures"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: &str, before: Option<&str>, after: Option<&str>) -> AuditRecord {
        AuditRecord {
            id: 1,
            at: Timestamp::from_naive(NaiveDateTime::default()),
            actor: "account 1".to_owned(),
            action: action.to_owned(),
            object: "organization 1".to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            source: String::new(),
        }
    }

    fn told(
        action: &str,
        before: Option<&str>,
        after: Option<&str>,
    ) -> Vec<(String, String, String)> {
        let told = Told::of(&event(action, before, after));
        told.changes.into_iter().map(|one| (one.label, one.before, one.after)).collect()
    }

    #[test]
    fn what_differs_is_told_value_by_value_in_the_words_of_its_question() {
        let before = r#"{"organization_name":"A","access_level":"clinical","fax":"1"}"#;
        let after = r#"{"organization_name":"A","access_level":"read-only","fax":""}"#;
        let found = told("update.approve", Some(before), Some(after));
        let expected = [("Access level", "Clinical", "Read-Only"), ("Fax", "1", "")];
        assert_eq!(found, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));

        let site = r#"{"organization":3,"kind":"direct","status":"testing","clinical":true,"county":"06001","region":null}"#;
        let found = told("site.create", None, Some(site));
        let text: Vec<_> =
            found.iter().map(|(label, _, after)| format!("{label}: {after}")).collect();
        assert_eq!(
            text,
            [
                "The Site gives immunizations: Yes",
                "County: Alameda County",
                "Type of Site: Sends directly from its EHR",
                "Stage: Testing"
            ]
        );
    }

    #[test]
    fn what_staff_decide_is_told_with_its_request() {
        let after = r#"{"fax":"555"}; asked for as request 7: {"zip":"94501"}"#;
        let both = Told::of(&event("organization.change", Some(r#"{"zip":"94502"}"#), Some(after)));
        let labels: Vec<_> = both.changes.iter().map(|one| one.key.as_str()).collect();
        assert_eq!((labels, both.request.as_deref()), (vec!["fax", "zip"], Some("7")));

        let sent = told("request.create", None, Some(r#"update: {"zip":"94501"}"#));
        assert_eq!(sent.len(), 1);
    }

    #[test]
    fn words_take_the_place_of_states() {
        for (action, text, shown) in [
            ("site.status", "onboarding", "Review by CDPH"),
            (
                "registration.verify",
                "direct Larkspur Clinic CAIRBA",
                "Sends directly from its EHR; Larkspur Clinic; Bay Area",
            ),
            (
                "registration.verify",
                "direct Larkspur CAIRBA; the test password is mailed",
                "Sends directly from its EHR; Larkspur; Bay Area; the test password is mailed",
            ),
            (
                "registration.verify",
                "sending-facility Valley HIE no region",
                "Sending Facility; Valley HIE",
            ),
            ("link.end", "ended: we changed", "Ended: we changed"),
            ("request.step", "approved: Welcome", "Approved: Welcome"),
            ("request.step", "withdrawn: Withdrawn.", "Withdrawn"),
            (
                "membership.set",
                "organization 3: representative active, regular awaiting-training, power inactive",
                "Authorized representative, Regular (after training)",
            ),
            ("membership.deactivate", "organization 3: regular inactive", "No role"),
            (
                "clinician.create",
                "Ann Lee, , pharmacist RPH1, NPI none, active",
                "Ann Lee, pharmacist RPH1, NPI none, active",
            ),
            (
                "account.create",
                "U-000012, Ann Lee, ann@example.org, no telephone; representative of organization 3",
                "U-000012, Ann Lee, ann@example.org; Authorized representative",
            ),
            ("staff.grant", "help-desk for all regions", "Help desk for all regions"),
            ("request.ask", "What is {this}?", "What is {this}?"),
        ] {
            assert_eq!(words(action, text), shown, "{action}");
        }
    }

    #[test]
    fn a_text_that_is_no_json_stays_a_text() {
        for text in ["", "open", "{broken", "[1]", "asked for as request 7", "{} and more"] {
            let told = Told::of(&event("draft.submit", None, Some(text)));
            assert!(told.changes.is_empty(), "{text}");
            assert_eq!(told.after.unwrap_or_default(), text);
        }
    }
}
