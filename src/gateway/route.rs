//! Where a message goes: the responsible Site's registration decides, never MSH-6.
//!
//! The responsible Site is named by MSH-22, else PD1-3.10, else RXA-11.4 of the new doses, else MSH-4. MSH-4 is the
//! sender itself. MSH-6 only has to agree. Source: domain notes 3.1 and seed 000.

use std::sync::Arc;

use crate::domain::{Diagnostic, Environment, RegionCode, Site, SiteId, words};
use crate::gateway::authenticate::AuthenticatedSender;
use crate::hl7::{
    ApplicationError, Candidate, CandidateSource, ErrorCode, Header, Identifiers, Location, Message,
};
use crate::store::{Directory, Place};

words! {
    /// What happens when MSH-6 names another region than the Site's registration.
    Disagreement {
        /// The message is refused.
        Refuse = "refuse",
        /// The message goes where the registration says, with a warning.
        Warn = "warn",
    }
}

/// Rules of routing that an operator may choose.
#[derive(Debug, Clone, Copy)]
pub struct RoutingRules {
    /// When MSH-6 disagrees and the environment is test.
    pub test: Disagreement,
    /// When MSH-6 disagrees and the environment is production.
    pub production: Disagreement,
}

/// MSH-6 of senders that declare no region.
const NO_REGION_DECLARED: &[u8] = b"CAIR2";

/// Proof that a message has a destination. Only [`route`] makes one.
#[derive(Debug, Clone)]
pub(super) struct Route {
    site: Arc<Site>,
    region: RegionCode,
    environment: Environment,
}

impl Route {
    /// The responsible Site.
    pub(super) fn site(&self) -> &SiteId {
        &self.site.id
    }

    /// The region of its registry.
    pub(super) const fn region(&self) -> RegionCode {
        self.region
    }

    /// The registry.
    pub(super) const fn place(&self) -> Place {
        (self.region, self.environment)
    }

    /// Test or production registry.
    pub(super) const fn environment(&self) -> Environment {
        self.environment
    }
}

/// The way of a message, and what was found on the way; no way without at least one finding that stops it.
pub(super) fn route(
    directory: &Directory,
    sender: &AuthenticatedSender,
    message: &Message<'_>,
    header: &Header<'_>,
    rules: RoutingRules,
) -> (Option<Route>, Vec<Diagnostic>) {
    let mut found: Vec<Diagnostic> = sending_facility(sender, header).into_iter().collect();
    let way = responsible_site(directory, sender, message).and_then(|(site, location)| {
        linked(directory, sender, &site, location)?;
        permitted(sender, &site, location)?;
        let region = managed_region(&site, location)?;
        Ok((site, region))
    });
    match way {
        Ok((site, region)) => {
            let environment = sender.environment();
            found.extend(declared_region(header, region, environment, rules));
            let route = (!found.iter().any(Diagnostic::stops)).then_some(Route {
                site,
                region,
                environment,
            });
            (route, found)
        }
        Err(stop) => {
            found.push(*stop);
            (None, found)
        }
    }
}

type Stop = Box<Diagnostic>;

fn stop(rule: &'static str, code: ErrorCode, location: Location, text: String) -> Stop {
    Box::new(Diagnostic::reject(rule, code, location, text).because(ApplicationError::InvalidValue))
}

/// MSH-4 is the authenticated sender.
fn sending_facility(sender: &AuthenticatedSender, header: &Header<'_>) -> Option<Diagnostic> {
    let expected = &sender.site().id;
    let agrees = header.sending_facility.text().and_then(site_id).is_some_and(|id| id == *expected);
    (!agrees).then(|| {
        *stop(
            "GW-ROUTE-MSH-4",
            ErrorCode::UnknownKeyIdentifier,
            Location::segment("MSH", 1).field(4),
            format!(
                "MSH-4 is not the Site that the credential belongs to. The message was not accepted. Put {expected} into MSH-4, \
                 or use the credential of the Site that MSH-4 names."
            ),
        )
    })
}

/// The Site that the message names as responsible, and where it does.
fn responsible_site(
    directory: &Directory,
    sender: &AuthenticatedSender,
    message: &Message<'_>,
) -> Result<(Arc<Site>, Location), Stop> {
    let identifiers = Identifiers::of(message);
    let candidate = identifiers.candidates().iter().find(|candidate| counts(message, candidate));
    let Some(candidate) = candidate else {
        let missing = Diagnostic::reject(
            "GW-ROUTE-SITE",
            ErrorCode::RequiredFieldMissing,
            Location::segment("MSH", 1).field(22),
            "No field names the responsible Site. The message was not accepted. Put its Site ID into MSH-22.",
        );
        return Err(Box::new(missing.because(ApplicationError::RequiredDataMissing)));
    };
    all_agree(message, &identifiers, candidate)?;
    let place = candidate.location.human();
    let site = site_id(candidate.value).and_then(|id| directory.site(id.as_str())).ok_or_else(|| {
        stop(
            "GW-ROUTE-SITE",
            ErrorCode::UnknownKeyIdentifier,
            candidate.location,
            format!(
                "{place} does not name a registered Site. The message was not accepted. Put the Site ID of the responsible Site, \
                 as its registration gives it, into MSH-22."
            ),
        )
    })?;
    if !site.clinical {
        let own = if site.id == sender.site().id { "The sender is" } else { "It is" };
        return Err(stop(
            "GW-ROUTE-VENDOR",
            ErrorCode::UnknownKeyIdentifier,
            candidate.location,
            format!(
                "{place} names an organization that gives no immunizations. {own} a Sending Facility only. The message was \
                 not accepted. Put the Site ID of the client Site into MSH-22."
            ),
        ));
    }
    Ok((Arc::clone(site), candidate.location))
}

/// RXA-11.4 counts for doses given now; for a historical dose (RXA-9.1 other than 00) it tells of another place.
fn counts(message: &Message<'_>, candidate: &Candidate<'_>) -> bool {
    if candidate.source != CandidateSource::AdministeredAt {
        return true;
    }
    let source =
        message.at(&Location::segment("RXA", candidate.location.sequence).field(9).component(1));
    source.text().is_none_or(|source| source == b"00")
}

/// When PD1-3.10 or RXA-11.4 decides, all of them must say the same.
fn all_agree(
    message: &Message<'_>,
    identifiers: &Identifiers<'_>,
    first: &Candidate<'_>,
) -> Result<(), Stop> {
    let other = identifiers
        .from(first.source)
        .find(|other| counts(message, other) && site_id(other.value) != site_id(first.value));
    other.map_or(Ok(()), |other| {
        Err(stop(
            "GW-ROUTE-AMBIGUOUS",
            ErrorCode::UnknownKeyIdentifier,
            other.location,
            format!(
                "{} and {} name different Sites, so the responsible Site is not clear. The message was not accepted. Put the \
                 Site ID of the responsible Site into MSH-22.",
                first.location.human(),
                other.location.human()
            ),
        ))
    })
}

/// A sender speaks for itself, or for a Site that has an active link with it.
fn linked(
    directory: &Directory,
    sender: &AuthenticatedSender,
    site: &Site,
    at: Location,
) -> Result<(), Stop> {
    let from = &sender.site().id;
    if site.id == *from || directory.is_linked(from, &site.id) {
        return Ok(());
    }
    Err(stop(
        "GW-ROUTE-LINK",
        ErrorCode::UnknownKeyIdentifier,
        at,
        format!(
            "{} has not named {from} as its Sending Facility, or the link is not active. The message was not accepted. Ask the \
             Site to confirm the link, or correct {}.",
            site.id,
            at.human()
        ),
    ))
}

/// The status of the sender and of the responsible Site permits the credential's environment.
fn permitted(sender: &AuthenticatedSender, site: &Site, at: Location) -> Result<(), Stop> {
    let environment = sender.environment();
    let stopped =
        [sender.site().as_ref(), site].into_iter().find(|one| !one.status.permits(environment));
    stopped.map_or(Ok(()), |one| {
        Err(stop(
            "GW-ROUTE-STATUS",
            ErrorCode::ApplicationRecordLocked,
            at,
            format!(
                "The status of {} is {}, which does not permit sending to {environment}. The message was not accepted. {}",
                one.id,
                one.status,
                match environment {
                    Environment::Production =>
                        "Send test messages with the test credential until the Site is moved to production.",
                    Environment::Test => "Ask the onboarding staff about the Site.",
                }
            ),
        ))
    })
}

/// The region of the Site is one that the Gateway routes to.
fn managed_region(site: &Site, at: Location) -> Result<RegionCode, Stop> {
    site.region.filter(|region| region.facts().managed).ok_or_else(|| {
        stop(
            "GW-ROUTE-REGION",
            ErrorCode::UnknownKeyIdentifier,
            at,
            format!(
                "{} is in no region that this Gateway routes to. The message was not accepted. Send it to the registry of the \
                 Site's county.",
                site.id
            ),
        )
    })
}

/// MSH-6 declares the same region, or none.
fn declared_region(
    header: &Header<'_>,
    region: RegionCode,
    environment: Environment,
    rules: RoutingRules,
) -> Option<Diagnostic> {
    let declared = header.receiving_facility.text()?;
    if declared.eq_ignore_ascii_case(region.as_str().as_bytes())
        || declared.eq_ignore_ascii_case(NO_REGION_DECLARED)
    {
        return None;
    }
    let location = Location::segment("MSH", 1).field(6);
    let rule = match environment {
        Environment::Production => rules.production,
        Environment::Test => rules.test,
    };
    Some(match rule {
        Disagreement::Refuse => *stop(
            "GW-ROUTE-MSH-6",
            ErrorCode::TableValueNotFound,
            location,
            format!(
                "The region in MSH-6 does not match the region of the responsible Site, which is {region}. The message was \
                 not accepted. Put {region} into MSH-6, or correct the Site in MSH-22."
            ),
        ),
        Disagreement::Warn => Diagnostic::warn(
            "GW-ROUTE-MSH-6",
            ErrorCode::TableValueNotFound,
            location,
            format!(
                "The region in MSH-6 does not match the region of the responsible Site. The message was kept and goes to \
                 {region}. Put {region} into MSH-6."
            ),
        )
        .because(ApplicationError::InvalidValue),
    })
}

fn site_id(bytes: &[u8]) -> Option<SiteId> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
