//! The rules: what each says, what it weighs and what a sender is told. Wording lives in `schemas/rules`, never in code.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::domain::words;
use crate::hl7::{ApplicationError, ErrorCode, Location, SegmentName, Severity};

words! {
    /// How much a finding weighs: HL7 table 0516, or nothing.
    Weight {
        /// Not reported.
        Off = "off",
        /// Information.
        I = "I",
        /// Warning.
        W = "W",
        /// Error.
        E = "E",
    }
}

impl Weight {
    /// As ERR-4; none when it is not reported.
    pub const fn severity(self) -> Option<Severity> {
        match self {
            Self::Off => None,
            Self::I => Some(Severity::I),
            Self::W => Some(Severity::W),
            Self::E => Some(Severity::E),
        }
    }

    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Off => "not reported",
            Self::I => "remark",
            Self::W => "warning",
            Self::E => "error",
        }
    }
}

words! {
    /// What a finding asks to be done; the cascade finds out what is lost by it. Source: guide 1.5, Table 3-1.
    Treatment {
        /// Nothing: the data is taken as it stands.
        Keep = "keep",
        /// The element or segment is read as empty, with all that follows from it.
        Empty = "empty",
        /// The whole message is not kept (AE).
        Reject = "reject",
        /// The whole message is not processed (AR).
        Refuse = "refuse",
    }
}

impl Treatment {
    /// For people: what becomes of the data, as the end of a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Keep => "the data is taken as it stands.",
            Self::Empty => {
                "it counts as empty, and where it is required what it belongs to is lost with it."
            }
            Self::Reject => "the message is not accepted (AE).",
            Self::Refuse => "the message is not processed (AR).",
        }
    }
}

/// One rule of the catalogue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Stable name: the IZ number where the guide gives one.
    pub id: String,
    /// What it is about, in a line.
    pub title: String,
    /// The rule in words.
    pub says: String,
    /// Where it comes from: guide and section, or whose practice.
    pub source: String,
    /// What the guide makes of a breach: the severity at strictness `onboarding`.
    pub class: Weight,
    /// What the Gateway makes of it.
    pub severity: Weight,
    /// What is done about it.
    #[serde(default = "keep")]
    pub treatment: Treatment,
    /// ERR-3, HL7 table 0357.
    #[serde(deserialize_with = "error_code")]
    pub code: ErrorCode,
    /// ERR-5, HL7 table 0533.
    #[serde(default, deserialize_with = "application_error")]
    pub application: Option<ApplicationError>,
    /// What is wrong, with `{element}`, `{at}`, `{name}`, `{value}`, `{expected}` and `{more}` filled in.
    pub text: String,
    /// How to mend it, with the same.
    #[serde(default)]
    pub fix: String,
    /// The example message that the edits below begin with.
    #[serde(default)]
    pub example: Example,
    /// Edits that keep the rule; none: the example message as it is.
    #[serde(default)]
    pub good: Vec<String>,
    /// Edits that break it.
    #[serde(default)]
    pub bad: Vec<String>,
    /// Its place among all rules.
    #[serde(skip)]
    pub(super) place: usize,
}

words! {
    /// An example message of `schemas/rules/examples`.
    Example {
        /// An immunization update, Z22.
        Vxu = "vxu",
        /// A query for the history, Z34.
        Qbp = "qbp",
        /// A reply with a history, Z32.
        Rsp = "rsp",
        /// An acknowledgement, Z23.
        Ack = "ack",
    }
}

#[expect(clippy::derivable_impls, reason = "the words macro declares the variants")]
impl Default for Example {
    fn default() -> Self {
        Self::Vxu
    }
}

/// Another weight or treatment for a rule, everywhere or at one element.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The rule.
    pub rule: String,
    /// Elements such as `PID-3.5`; none: wherever the rule applies.
    #[serde(default)]
    pub at: Vec<String>,
    /// The new weight.
    pub severity: Option<Weight>,
    /// The new treatment.
    pub treatment: Option<Treatment>,
    /// Why, for the reader.
    #[serde(default)]
    pub because: String,
}

/// A file of `schemas/rules` or `schemas/overlays`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleFile {
    #[serde(default)]
    rule: Vec<Rule>,
    #[serde(default)]
    set: Vec<Setting>,
}

const RULES: &[(&str, &str)] = &[
    ("header", include_str!("../../schemas/rules/header.toml")),
    ("structure", include_str!("../../schemas/rules/structure.toml")),
    ("elements", include_str!("../../schemas/rules/elements.toml")),
    ("statements", include_str!("../../schemas/rules/statements.toml")),
    ("vis", include_str!("../../schemas/rules/vis.toml")),
    ("quality", include_str!("../../schemas/rules/quality.toml")),
    ("cair", include_str!("../../schemas/rules/cair.toml")),
    ("policy", include_str!("../../schemas/rules/policy.toml")),
];

/// Overlays by name: what a kind of registry asks beyond the guide.
const OVERLAYS: &[(&str, &str)] = &[
    ("cair", include_str!("../../schemas/overlays/cair.toml")),
    ("completeness", include_str!("../../schemas/overlays/completeness.toml")),
];

/// All rules and the settings of the default policy.
pub struct Catalogue {
    rules: Vec<(&'static str, Rule)>,
    by_id: HashMap<String, usize>,
    settings: Vec<Setting>,
    overlays: Vec<(&'static str, Vec<Setting>)>,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::read);

impl Catalogue {
    /// The catalogue of this build.
    pub fn built_in() -> &'static Self {
        &CATALOGUE
    }

    #[expect(clippy::panic, reason = "the files are part of the program; a test reads them")]
    fn read() -> Self {
        let file = |name: &str, text: &str| -> RuleFile {
            toml::from_str(text).unwrap_or_else(|error| panic!("schemas: {name}.toml: {error}"))
        };
        let mut rules: Vec<(&'static str, Rule)> = vec![];
        let mut settings = vec![];
        for (name, text) in RULES {
            let file = file(name, text);
            rules.extend(file.rule.into_iter().map(|rule| (*name, rule)));
            settings.extend(file.set);
        }
        for (place, (_, rule)) in rules.iter_mut().enumerate() {
            rule.place = place;
        }
        let by_id = rules.iter().enumerate().map(|(n, (_, rule))| (rule.id.clone(), n)).collect();
        let overlays = OVERLAYS.iter().map(|(name, text)| (*name, file(name, text).set)).collect();
        Self { rules, by_id, settings, overlays }
    }

    /// All rules in the order of the files, each with the name of its file.
    pub fn rules(&self) -> impl Iterator<Item = (&'static str, &Rule)> {
        self.rules.iter().map(|(chapter, rule)| (*chapter, rule))
    }

    /// The rule of that name.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.by_id.get(id).and_then(|n| self.rules.get(*n)).map(|(_, rule)| rule)
    }

    /// What the default policy sets apart from the rules themselves.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// The overlay of that name.
    pub fn overlay(&self, name: &str) -> Option<&[Setting]> {
        self.overlays.iter().find(|(one, _)| *one == name).map(|(_, settings)| settings.as_slice())
    }

    /// Where a rule weighs otherwise: in the default policy, which is named `policy`, then in the overlays.
    pub fn settings_of(&self, rule: &Rule) -> Vec<(&'static str, &Setting)> {
        let default = self.settings().iter().map(|setting| ("policy", setting));
        let overlays = self
            .overlays
            .iter()
            .flat_map(|(name, settings)| settings.iter().map(move |setting| (*name, setting)));
        default.chain(overlays).filter(|(_, setting)| setting.rule == rule.id).collect()
    }

    /// The names of all overlays.
    pub fn overlay_names(&self) -> impl Iterator<Item = &'static str> {
        self.overlays.iter().map(|(name, _)| *name)
    }
}

/// The element that a location names, whichever segment and repetition it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Element {
    /// First, because elements differ by it most.
    field: u16,
    component: u16,
    subcomponent: u16,
    segment: [u8; 3],
}

impl Element {
    pub(super) fn of(location: &Location) -> Self {
        let part = |number: Option<u16>| number.unwrap_or(0);
        Self {
            segment: location.segment.bytes(),
            field: part(location.field),
            component: part(location.component),
            subcomponent: part(location.subcomponent),
        }
    }

    pub(super) fn is_of(&self, segment: SegmentName) -> bool {
        self.segment == segment.bytes()
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(|location| Self::of(&location))
    }
}

const fn keep() -> Treatment {
    Treatment::Keep
}

fn error_code<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<ErrorCode, D::Error> {
    let code = u16::deserialize(deserializer)?;
    ErrorCode::of(code.to_string().as_bytes())
        .ok_or_else(|| serde::de::Error::custom(format!("{code} is not in HL7 table 0357")))
}

fn application_error<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ApplicationError>, D::Error> {
    let code = u16::deserialize(deserializer)?;
    ApplicationError::of(code.to_string().as_bytes())
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom(format!("{code} is not in HL7 table 0533")))
}
