//! What a finding weighs for a receiver: strictness, the default policy, and the overlays of a region.

use std::collections::HashMap;

use crate::domain::{Environment, RegionCode, words};
use crate::hl7::{Location, SegmentName};
use crate::validation::catalogue::{Catalogue, Element, Rule, Setting, Treatment, Weight};

words! {
    /// How a message is judged.
    Strictness {
        /// Everything at the weight that the guide gives it, without any effect: for a Site that is still testing.
        Onboarding = "onboarding",
        /// By the policy: what matters, with its effects.
        Production = "production",
        /// The header only.
        Lenient = "lenient",
    }
}

/// The policies of all receivers: one for each environment and region, and one where no region is known.
#[derive(Debug, Clone)]
pub struct Policies {
    by_receiver: HashMap<(Environment, RegionCode), Policy>,
    other: Policy,
}

impl Policies {
    /// Policies made by a function of environment and region, for every managed region.
    ///
    /// # Errors
    /// What the function gives.
    pub fn new(
        policy: impl Fn(Environment, RegionCode) -> Result<Policy, PolicyError>,
        other: Policy,
    ) -> Result<Self, PolicyError> {
        let mut by_receiver = HashMap::new();
        for region in RegionCode::managed() {
            for environment in Environment::ALL {
                by_receiver.insert((*environment, region), policy(*environment, region)?);
            }
        }
        Ok(Self { by_receiver, other })
    }

    /// The policy for a message.
    pub fn of(&self, environment: Environment, region: Option<RegionCode>) -> &Policy {
        region
            .and_then(|region| self.by_receiver.get(&(environment, region)))
            .unwrap_or(&self.other)
    }
}

impl Default for Policies {
    /// Every receiver by the policy of the catalogue with the CAIR overlay.
    fn default() -> Self {
        let policy = Policy::new(Strictness::Production, ["cair"], &[]);
        let other = policy.unwrap_or_else(|_| Policy::plain(Strictness::Production));
        Self { by_receiver: HashMap::new(), other }
    }
}

/// A setting that names no rule, or no element.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PolicyError {
    /// The rule is not in the catalogue.
    #[error("there is no rule {0}; `izportal rules` lists them")]
    UnknownRule(String),
    /// The element cannot be read.
    #[error("{0} is not an element such as PID-3.5")]
    UnknownElement(String),
    /// There is no overlay of that name.
    #[error("there is no overlay {0}")]
    UnknownOverlay(String),
}

/// Weights and treatments for one receiver.
#[derive(Debug, Clone)]
pub struct Policy {
    strictness: Strictness,
    /// By the place of the rule in the catalogue.
    weighings: Vec<Weighing>,
}

/// What a rule weighs, and what is done about what it finds.
#[derive(Debug, Clone)]
struct Weighing {
    everywhere: (Weight, Treatment),
    /// Elements at which it is otherwise: a few of a few rules.
    elements: Vec<(Element, (Weight, Treatment))>,
}

impl Weighing {
    fn at(&self, location: Option<&Location>) -> (Weight, Treatment) {
        let Some(element) = location.filter(|_| !self.elements.is_empty()).map(Element::of) else {
            return self.everywhere;
        };
        let set = self.elements.iter().find(|(one, _)| *one == element);
        set.map_or(self.everywhere, |(_, here)| *here)
    }
}

impl Policy {
    /// The policy of the catalogue with the overlays of those names, and settings on top.
    ///
    /// # Errors
    /// When there is no overlay of a name, or a setting names a rule or element that does not exist.
    pub fn new<'n>(
        strictness: Strictness,
        overlays: impl IntoIterator<Item = &'n str>,
        settings: &[Setting],
    ) -> Result<Self, PolicyError> {
        let catalogue = Catalogue::built_in();
        let mut policy = Self::plain(strictness);
        for setting in catalogue.settings() {
            policy.set(catalogue, setting)?;
        }
        for name in overlays {
            let overlay = catalogue.overlay(name);
            for setting in overlay.ok_or_else(|| PolicyError::UnknownOverlay(name.to_owned()))? {
                policy.set(catalogue, setting)?;
            }
        }
        for setting in settings {
            policy.set(catalogue, setting)?;
        }
        Ok(policy)
    }

    /// Every rule as the catalogue weighs it.
    fn plain(strictness: Strictness) -> Self {
        let weighing = |rule: &Rule| Weighing {
            everywhere: (rule.severity, rule.treatment),
            elements: vec![],
        };
        let rules = Catalogue::built_in().rules();
        Self { strictness, weighings: rules.map(|(_, rule)| weighing(rule)).collect() }
    }

    fn set(&mut self, catalogue: &'static Catalogue, setting: &Setting) -> Result<(), PolicyError> {
        let rule = catalogue
            .rule(&setting.rule)
            .ok_or_else(|| PolicyError::UnknownRule(setting.rule.clone()))?;
        let Some(weighing) = self.weighings.get_mut(rule.place) else { return Ok(()) };
        let all = weighing.everywhere;
        let new = |(weight, treatment)| {
            (setting.severity.unwrap_or(weight), setting.treatment.unwrap_or(treatment))
        };
        if setting.at.is_empty() {
            weighing.everywhere = new(all);
        }
        for at in &setting.at {
            let element =
                Element::parse(at).ok_or_else(|| PolicyError::UnknownElement(at.clone()))?;
            match weighing.elements.iter_mut().find(|(one, _)| *one == element) {
                Some((_, here)) => *here = new(*here),
                None => weighing.elements.push((element, new(all))),
            }
        }
        Ok(())
    }

    /// How strictly it judges.
    pub const fn strictness(&self) -> Strictness {
        self.strictness
    }

    /// What a finding of that rule weighs where no element is set apart, and what is done about it.
    pub fn weight_of(&self, rule: &'static Rule) -> (Weight, Treatment) {
        self.weigh(rule, None)
    }

    /// Whether what the rule finds at that place is neither reported nor costs anything.
    pub(super) fn is_silent(&self, rule: &'static Rule, location: Option<&Location>) -> bool {
        self.weigh(rule, location) == (Weight::Off, Treatment::Keep)
    }

    /// Whether that is so wherever in segments of that name.
    pub(super) fn is_silent_in(&self, rule: &'static Rule, segment: SegmentName) -> bool {
        let weighing = self.weighings.get(rule.place);
        let elements = weighing.map_or(&[][..], |weighing| &weighing.elements);
        self.is_silent(rule, None) && !elements.iter().any(|(element, _)| element.is_of(segment))
    }

    /// What a finding of that rule weighs at that place, and what is done about it.
    pub(super) fn weigh(
        &self,
        rule: &'static Rule,
        location: Option<&Location>,
    ) -> (Weight, Treatment) {
        let (weight, treatment) = match self.weighings.get(rule.place) {
            Some(weighing) => weighing.at(location),
            None => (rule.severity, rule.treatment),
        };
        match self.strictness {
            Strictness::Onboarding if treatment == Treatment::Refuse => (weight, treatment),
            Strictness::Onboarding => (rule.class.max(weight), Treatment::Keep),
            Strictness::Production | Strictness::Lenient => (weight, treatment),
        }
    }
}
