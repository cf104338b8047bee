//! Where the endpoint is and as whom it is called: from the command line, and from a preset for what that does not say.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::cli::Failure;
use crate::cli::access::{self, Access};
use crate::conformance::{Case, Catalogue, Endpoint, EndpointError, Plan, Sender, Soap, Suite};

/// A group of cases on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SuiteChoice {
    /// All of them.
    All,
    /// Calls that must be refused, and with what.
    Faults,
    /// What is said about HL7 messages.
    Hl7,
    /// Harmless probes.
    Security,
    /// Calls that must be taken.
    Transport,
}

impl SuiteChoice {
    /// The groups that are chosen; all without a choice.
    pub(super) fn suites(chosen: &[Self]) -> Vec<Suite> {
        let of = |suite: Suite| match suite {
            Suite::Transport => Self::Transport,
            Suite::Faults => Self::Faults,
            Suite::Hl7 => Self::Hl7,
            Suite::Security => Self::Security,
        };
        let all = chosen.is_empty() || chosen.contains(&Self::All);
        Suite::ALL.into_iter().filter(|suite| all || chosen.contains(&of(*suite))).collect()
    }
}

/// The versions of SOAP on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
pub(super) enum SoapChoice {
    /// SOAP 1.1.
    #[value(name = "1.1")]
    #[serde(rename = "1.1")]
    V11,
    /// SOAP 1.2.
    #[value(name = "1.2")]
    #[serde(rename = "1.2")]
    V12,
    /// One after the other.
    #[value(name = "both")]
    #[serde(rename = "both")]
    Both,
}

impl SoapChoice {
    pub(super) fn versions(self) -> Vec<Soap> {
        match self {
            Self::V11 => vec![Soap::V11],
            Self::V12 => vec![Soap::V12],
            Self::Both => vec![Soap::V12, Soap::V11],
        }
    }
}

/// The endpoint, the account there and what is run; all of it may stand in a preset.
#[derive(Args, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    #[command(flatten)]
    #[serde(flatten)]
    access: Access,
    /// SOAP version [default: both]
    #[arg(long, value_enum)]
    soap: Option<SoapChoice>,
    /// Only these groups of cases [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    suite: Vec<SuiteChoice>,
    /// Only these cases
    #[arg(long, value_name = "CASE", value_delimiter = ',')]
    case: Vec<String>,
    /// Put a value into every message, such as MSH-6=CAIRBA or MSH-22=DE-000002; may be repeated
    #[arg(long, value_name = "PLACE=VALUE")]
    set: Vec<String>,
    /// How many characters a message may have there, as its owners say; without it the case TOO-LARGE is skipped
    #[arg(long, value_name = "CHARACTERS")]
    limit: Option<usize>,
    /// Longest wait for a reply, in seconds [default: 60]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Run the probes at an endpoint that is not on this machine; ask its owners first
    #[arg(long)]
    allow_probes: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Presets {
    preset: BTreeMap<String, Settings>,
}

impl Settings {
    /// What the command line does not say is taken from a preset; its paths begin at the folder of its file.
    pub(super) fn with(self, name: &str, file: &Path) -> Result<Self, Failure> {
        let mut presets: Presets = access::read("--presets", file)?;
        let known: Vec<String> = presets.preset.keys().cloned().collect();
        let preset = presets.preset.remove(name).ok_or_else(|| {
            Failure::usage(format!(
                "--presets {}: there is no preset {name:?}; there are {}",
                file.display(),
                known.join(", ")
            ))
        })?;
        let list = |own: Vec<String>, other| if own.is_empty() { other } else { own };
        Ok(Self {
            access: self.access.or(preset.access, file),
            soap: self.soap.or(preset.soap),
            suite: if self.suite.is_empty() { preset.suite } else { self.suite },
            case: list(self.case, preset.case),
            set: list(self.set, preset.set),
            limit: self.limit.or(preset.limit),
            timeout: self.timeout.or(preset.timeout),
            allow_probes: self.allow_probes || preset.allow_probes,
        })
    }

    /// A client for the endpoint.
    pub(super) fn endpoint(&self) -> Result<Endpoint, Failure> {
        let url = self.access.url.as_deref().ok_or_else(|| {
            Failure::usage("--url is missing: the address of the endpoint, here or in a preset")
        })?;
        let timeout = Duration::from_secs(self.timeout.unwrap_or(60).max(1));
        Ok(Endpoint::new(url, self.access.ca.as_deref(), self.access.identity(), timeout)?)
    }

    /// What is run, and as whom.
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        for name in &self.case {
            known_case(name)?;
        }
        let plan = Plan {
            sender: self.sender()?,
            soap: self.soap.unwrap_or(SoapChoice::Both).versions(),
            suites: SuiteChoice::suites(&self.suite),
            cases: self.case.clone(),
            allow_probes: self.allow_probes,
            limit: self.limit,
        };
        if plan.steps().is_empty() {
            return Err(Failure::usage(
                "nothing is left to run: the cases that are named are not of this version of SOAP",
            ));
        }
        Ok(plan)
    }

    fn sender(&self) -> Result<Option<Sender>, Failure> {
        let (username, facility) = match (&self.access.username, &self.access.facility) {
            (None, None) => return Ok(None),
            (Some(username), Some(facility)) => (username, facility),
            (None, Some(_)) => return Err(Failure::usage("--facility needs --username as well")),
            (Some(_), None) => {
                return Err(Failure::usage(
                    "--username needs --facility as well: the facilityID that was issued with it",
                ));
            }
        };
        let sender = Sender {
            username: username.clone(),
            password: self.access.password(username)?,
            facility: facility.clone(),
            edits: self.set.clone(),
        };
        sender.check().map_err(|error| Failure::usage(format!("--set: {error}")))?;
        Ok(Some(sender))
    }
}

impl From<EndpointError> for Failure {
    fn from(error: EndpointError) -> Self {
        let code = match error {
            EndpointError::Settings(_) => crate::cli::USAGE,
            EndpointError::Unreachable { .. } => crate::cli::UNREACHABLE,
        };
        Self { text: error.to_string(), code }
    }
}

/// A case by its name; the nearest names when there is none.
pub(super) fn known_case(name: &str) -> Result<&'static Case, Failure> {
    let catalogue = Catalogue::built_in();
    catalogue.case(name).ok_or_else(|| {
        let wanted = name.to_ascii_uppercase();
        let mut near: Vec<(usize, &str)> = catalogue
            .cases
            .iter()
            .map(|case| (strsim::levenshtein(&wanted, &case.name), case.name.as_str()))
            .collect();
        near.sort_unstable();
        let near: Vec<&str> = near.iter().take(3).map(|(_, name)| *name).collect();
        Failure::usage(format!(
            "there is no case {name:?}; near to it are {}; izportal conformance list shows all",
            near.join(", ")
        ))
    })
}
