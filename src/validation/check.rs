//! One message under judgement: what the rules may ask of it, and where they put what they find.

use std::borrow::Cow;
use std::ops::Range;

use crate::domain::Timestamp;
use crate::hl7::{Location, Message, Segment};
use crate::validation::catalogue::{Catalogue, Rule, Treatment, Weight};
use crate::validation::codes::Codes;
use crate::validation::found::{Finding, quoted};
use crate::validation::layout::Layout;
use crate::validation::policy::Policy;
use crate::validation::profile::{Kind, Profile, Profiles};

/// Most findings of one message beside its errors: nobody reads more, and a message must not make us write without end.
const FINDINGS: usize = 2_000;

/// A message, its profile and layout, and the findings so far.
pub(super) struct Check<'p, 'm, 'a> {
    pub(super) message: &'m Message<'a>,
    pub(super) profiles: &'p Profiles,
    pub(super) profile: &'p Profile,
    pub(super) codes: &'p Codes,
    pub(super) policy: &'p Policy,
    pub(super) layout: Layout<'m, 'a>,
    /// Whether an escape character stands anywhere but in MSH-2.
    pub(super) has_escapes: bool,
    pub(super) now: Timestamp,
    pub(super) found: Vec<Finding>,
}

/// A place in a message and what stands there: first repetition and whole field unless it says more.
#[derive(Clone, Copy)]
pub(super) struct Spot<'m, 'a> {
    pub(super) segment: Segment<'m, 'a>,
    pub(super) field: usize,
    pub(super) repetition: usize,
    /// 0: the whole repetition.
    pub(super) component: usize,
    /// 0: the whole component.
    pub(super) subcomponent: usize,
    /// What stands there; none when it is absent.
    pub(super) bytes: &'a [u8],
    /// What it is part of, for showing where an absent one would stand.
    parent: &'a [u8],
}

impl<'m, 'a> Spot<'m, 'a> {
    /// A whole field.
    pub(super) fn field(segment: Segment<'m, 'a>, field: usize, bytes: &'a [u8]) -> Self {
        let [repetition, component, subcomponent] = [1, 0, 0];
        Self { segment, field, repetition, component, subcomponent, bytes, parent: bytes }
    }

    /// A component of the first repetition, or with component 0 the field.
    pub(super) fn at(segment: Segment<'m, 'a>, field: usize, component: usize) -> Self {
        let whole = segment.field(field);
        let spot = Self::field(segment, field, whole.repetition(1).bytes());
        if component == 0 {
            return Self { bytes: whole.bytes(), ..spot };
        }
        spot.part(component, whole.component(component).bytes(), false)
    }

    pub(super) fn repetition(self, number: usize, bytes: &'a [u8]) -> Self {
        Self { repetition: number, bytes, parent: bytes, ..self }
    }

    /// A component, or with `nested` a subcomponent of this component.
    pub(super) fn part(self, number: usize, bytes: &'a [u8], nested: bool) -> Self {
        let (component, subcomponent) = if nested { (self.component, number) } else { (number, 0) };
        Self { component, subcomponent, bytes, parent: self.bytes, ..self }
    }

    /// As ERR-2 names it.
    pub(super) fn location(&self) -> Location {
        let number = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let given = |n: usize| (n > 0).then(|| number(n));
        let repetition = (self.repetition > 1).then(|| number(self.repetition));
        Location {
            repetition,
            component: given(self.component),
            subcomponent: given(self.subcomponent),
            ..self.segment.location().field(number(self.field))
        }
    }

    /// The bytes of the message that it is; where it would stand when it is absent.
    fn span(&self, message: &Message<'_>) -> Range<usize> {
        let base = message.bytes().as_ptr().addr();
        let inside = |part: &[u8]| {
            let start = part.as_ptr().addr().checked_sub(base)?;
            let end = start + part.len();
            (end <= message.bytes().len()).then_some(start..end)
        };
        if !self.bytes.is_empty()
            && let Some(range) = inside(self.bytes)
        {
            return range;
        }
        let end = match inside(self.parent) {
            Some(parent) if !self.parent.is_empty() => parent.end,
            _ => self.segment.field(self.field).range().end,
        };
        end..end
    }
}

/// A finding that is being described.
pub(super) struct Described<'c> {
    finding: Option<&'c mut Finding>,
    segment: [u8; 3],
    bytes: &'c [u8],
}

impl Described<'_> {
    /// The name of the element.
    pub(super) fn name(self, name: &str) -> Self {
        self.with(|finding| finding.name = Cow::Owned(name.to_owned()))
    }

    /// What was expected.
    pub(super) fn expected(self, expected: impl Into<Cow<'static, str>>) -> Self {
        self.with(|finding| finding.expected = expected.into())
    }

    /// What else the text says.
    pub(super) fn more(self, more: impl Into<Cow<'static, str>>) -> Self {
        self.with(|finding| finding.more = more.into())
    }

    /// Quotes the value; in clear only when it is a code, and never of segments about people.
    pub(super) fn quote(self, coded: bool) -> Self {
        let (segment, bytes) = (self.segment, self.bytes);
        self.with(|finding| finding.value = Some(quoted(segment, coded, bytes)))
    }

    fn with(mut self, change: impl FnOnce(&mut Finding)) -> Self {
        if let Some(finding) = self.finding.as_deref_mut() {
            change(finding);
        }
        self
    }
}

impl<'m, 'a> Check<'_, 'm, 'a> {
    /// Notes that a rule is broken at a place.
    pub(super) fn add<'c>(&'c mut self, rule: &str, spot: &Spot<'_, 'c>) -> Described<'c> {
        let span = Some(spot.span(self.message));
        let segment = spot.segment.location().segment.bytes();
        self.note(rule, Some(spot.location()), span, Some(spot.segment.index()))
            .of(segment, spot.bytes)
    }

    /// Notes that a rule is broken by a whole segment.
    pub(super) fn add_segment<'c>(
        &'c mut self,
        rule: &str,
        segment: Segment<'_, '_>,
    ) -> Described<'c> {
        self.note(rule, Some(segment.location()), Some(segment.span()), Some(segment.index()))
    }

    /// Notes that a rule is broken somewhere, or by the message as a whole.
    pub(super) fn note<'c>(
        &'c mut self,
        rule: &str,
        at: Option<Location>,
        span: Option<Range<usize>>,
        segment: Option<usize>,
    ) -> Described<'c> {
        let rule = Catalogue::built_in().rule(rule);
        debug_assert!(rule.is_some(), "a rule that is not in the catalogue");
        // Errors that cost data are written down however many there are: they decide what becomes of the message.
        let matters = |rule: &&'static Rule| {
            let (weight, treatment) = self.policy.weigh(rule, at.as_ref());
            weight == Weight::E && treatment != Treatment::Keep
        };
        let is_told = |rule: &&'static Rule| !self.policy.is_silent(rule, at.as_ref());
        let rule = rule.filter(is_told).filter(|rule| !self.is_full() || matters(rule));
        let finding = rule.map(|rule| {
            let name = self.name_of(at.as_ref());
            self.found.push(Finding {
                rule,
                at,
                span,
                name,
                value: None,
                expected: Cow::Borrowed(""),
                more: Cow::Borrowed(""),
                segment,
            });
            self.found.len() - 1
        });
        let finding = finding.and_then(|index| self.found.get_mut(index));
        Described { finding, segment: *b"???", bytes: &[] }
    }

    /// What the profile calls an element.
    fn name_of(&self, at: Option<&Location>) -> Cow<'static, str> {
        let name = || {
            let at = at?;
            let (_, slot) = self.profile.slot(at.segment.bytes())?;
            let field = slot.segment.fields.get(usize::from(at.field?).checked_sub(1)?)?;
            let (Some(component), Kind::Composite(index)) = (at.component, field.kind) else {
                return Some(field.name.to_string());
            };
            let kind = self.profiles.types.get(usize::from(index))?;
            let part = kind.components.get(usize::from(component).checked_sub(1)?)?;
            Some(part.name.to_string())
        };
        name().map_or(Cow::Borrowed(""), Cow::Owned)
    }

    /// Whether nothing but errors is written down any more.
    pub(super) const fn is_full(&self) -> bool {
        self.found.len() >= FINDINGS
    }

    /// What OBX-5 is, by OBX-2.
    pub(super) fn value_type(&self, code: &[u8]) -> Option<Kind> {
        self.profiles.value_type(code)
    }

    /// The segment with that index.
    pub(super) fn segment_at(&self, index: usize) -> Option<Segment<'m, 'a>> {
        self.layout.segments.get(index).map(|placed| placed.segment)
    }

    /// The first segment of that name that stands where it may.
    pub(super) fn first(&self, name: [u8; 3]) -> Option<Segment<'m, 'a>> {
        let mut placed = self.layout.segments.iter().filter(|placed| placed.slot.is_some());
        placed.find(|placed| placed.segment.is(&name)).map(|placed| placed.segment)
    }
}

impl<'c> Described<'c> {
    fn of(self, segment: [u8; 3], bytes: &'c [u8]) -> Self {
        Self { segment, bytes, ..self }
    }
}

/// The value of a component of the first repetition, or with component 0 of the whole first repetition.
#[inline]
pub(super) fn text<'a>(
    segment: Segment<'_, 'a>,
    field: usize,
    component: usize,
) -> Option<&'a [u8]> {
    let field = segment.field(field);
    // Most fields are empty.
    if field.bytes().is_empty() {
        return None;
    }
    match component {
        0 => field.repetition(1).value().text(),
        n => field.component_text(n),
    }
}
