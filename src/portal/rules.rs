//! The catalogue of rules as pages: all of them, searched; and one with where it comes from, what a breach costs, and an
//! example of each side.

use std::ops::Range;

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::Choice;
use crate::domain::{Environment, RegionCode};
use crate::gateway::{Preview, PreviewFor};
use crate::portal::codes::tables_named;
use crate::portal::validate::capital;
use crate::portal::visit::get;
use crate::portal::{Layout, Visit};
use crate::validation::{Catalogue, Rule, Setting, Treatment, Weight, differences};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/rules", get().to(list)).route("/rules/{rule}", get().to(one));
}

/// The chapters of the catalogue by the names of their files, for people.
const CHAPTERS: &[(&str, &str)] = &[
    ("header", "The message header"),
    ("structure", "Segments and their order"),
    ("elements", "Fields and their values"),
    ("statements", "What the guide says about one thing and another"),
    ("vis", "Vaccine information statements"),
    ("quality", "Quality beyond the guide"),
    ("cair", "What CAIR asks beyond the guide"),
];

/// A weight as a tag: its word, and the color that goes with it.
pub(super) const fn tag(weight: Weight) -> &'static str {
    match weight {
        Weight::Off => "tag-grey",
        Weight::I => "tag-blue",
        Weight::W => "tag-amber",
        Weight::E => "tag-red",
    }
}

/// What somebody looks for.
struct Search {
    text: String,
    segment: String,
    severity: String,
    overlay: String,
}

impl Search {
    fn of(visit: &Visit) -> Self {
        let asked = |name: &str| visit.query(name).trim().to_owned();
        Self {
            text: asked("q"),
            segment: asked("segment").to_ascii_uppercase(),
            severity: asked("severity"),
            overlay: asked("overlay"),
        }
    }

    /// Whether a rule is looked for: every word stands in its name, its title, its words or its source.
    fn fits(&self, rule: &Rule) -> bool {
        let all = [&rule.id, &rule.title, &rule.says, &rule.source].map(|text| text.to_lowercase());
        let text = self.text.to_lowercase();
        let words = text.split_whitespace().all(|word| all.iter().any(|text| text.contains(word)));
        let segment = self.segment.is_empty() || rule.segments().contains(&self.segment.as_str());
        let severity = self.severity.is_empty() || rule.severity.word() == self.severity;
        let settings = || Catalogue::built_in().settings_of(rule);
        let overlay =
            self.overlay.is_empty() || settings().iter().any(|(name, _)| *name == self.overlay);
        words && segment && severity && overlay
    }
}

struct Chapter {
    name: &'static str,
    /// Each with the tag of its weight.
    rules: Vec<(&'static Rule, &'static str)>,
}

#[derive(Template)]
#[template(path = "rules.html")]
struct List {
    layout: Layout,
    search: Search,
    segments: Vec<String>,
    severities: Vec<Choice>,
    overlays: Vec<Choice>,
    chapters: Vec<Chapter>,
    count: usize,
}

async fn list(visit: Visit) -> HttpResponse {
    let search = Search::of(&visit);
    let catalogue = Catalogue::built_in();
    let of = |chapter: &str| {
        let rules = catalogue.rules().filter(|(name, rule)| *name == chapter && search.fits(rule));
        rules.map(|(_, rule)| (rule, tag(rule.severity))).collect::<Vec<_>>()
    };
    let chapters: Vec<_> = CHAPTERS
        .iter()
        .map(|(file, name)| Chapter { name, rules: of(file) })
        .filter(|chapter| !chapter.rules.is_empty())
        .collect();
    let mut segments: Vec<String> = catalogue
        .rules()
        .flat_map(|(_, rule)| rule.segments())
        .filter(|name| name.bytes().all(|one| one.is_ascii_uppercase() || one.is_ascii_digit()))
        .map(str::to_owned)
        .collect();
    segments.sort_unstable();
    segments.dedup();
    let severities = [Weight::E, Weight::W, Weight::I, Weight::Off];
    visit.page(&List {
        layout: visit.layout("Rules that messages are judged by"),
        count: chapters.iter().map(|chapter| chapter.rules.len()).sum(),
        search,
        segments,
        severities: severities.iter().map(|one| Choice::new(one.word(), one.words())).collect(),
        overlays: catalogue.overlay_names().map(|name| Choice::new(name, name)).collect(),
        chapters,
    })
}

/// What a breach weighs somewhere.
struct Weighed {
    place: String,
    weight: Weight,
    tag: &'static str,
    effect: String,
    because: String,
}

impl Weighed {
    fn new(
        place: impl Into<String>,
        weight: Weight,
        treatment: Treatment,
        because: impl Into<String>,
    ) -> Self {
        let (place, because) = (place.into(), because.into());
        Self { place, weight, tag: tag(weight), effect: capital(treatment.words()), because }
    }

    fn setting(rule: &Rule, name: &str, setting: &Setting) -> Self {
        let at = match setting.at.as_slice() {
            [] => String::new(),
            at => format!(", at {}", at.join(", ")),
        };
        let place = match name {
            "policy" => format!("By this Gateway's policy{at}"),
            name => format!("Where the overlay {name} holds{at}"),
        };
        let weight = setting.severity.unwrap_or(rule.severity);
        Self::new(place, weight, setting.treatment.unwrap_or(rule.treatment), &setting.because)
    }
}

/// A segment of an example, cut around what the two examples differ in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) before: String,
    pub(super) differs: String,
    pub(super) after: String,
}

impl Sample {
    fn of((segment, place): (&str, Range<usize>)) -> Self {
        let part = |range: Range<usize>| {
            String::from_utf8_lossy(segment.as_bytes().get(range).unwrap_or_default()).into_owned()
        };
        Self {
            before: part(0..place.start),
            differs: part(place.clone()),
            after: part(place.end..segment.len()),
        }
    }
}

/// The segments in which a message that breaks a rule differs from one that keeps it.
pub(super) struct Samples {
    pub(super) wrong: Vec<Sample>,
    pub(super) right: Vec<Sample>,
}

/// The examples of a rule, when it has both.
pub(super) fn samples(rule: &Rule) -> Option<Samples> {
    let (good, bad) = (rule.good_message()?, rule.bad_message()?);
    let (right, wrong) = differences(&good, &bad);
    let of = |all: Vec<_>| all.into_iter().map(Sample::of).collect();
    Some(Samples { wrong: of(wrong), right: of(right) })
}

#[derive(Template)]
#[template(path = "rule.html")]
struct One {
    layout: Layout,
    rule: &'static Rule,
    /// What is wrong, and how to mend it, as it is told of the example.
    told: (String, String),
    weighed: Vec<Weighed>,
    samples: Option<Samples>,
    /// The code tables that it names.
    tables: Vec<&'static str>,
    /// Names of rules before and behind it.
    around: (Option<&'static str>, Option<&'static str>),
}

async fn one(visit: Visit, name: web::Path<String>) -> HttpResponse {
    let mut all = Catalogue::built_in().rules().map(|(_, rule)| rule);
    let Some(rule) = all.find(|rule| rule.id.eq_ignore_ascii_case(&name)) else {
        return visit.missing();
    };
    let all: Vec<&Rule> = Catalogue::built_in().rules().map(|(_, rule)| rule).collect();
    let at = all.iter().position(|one| one.id == rule.id).unwrap_or_default();
    let named = |at: Option<usize>| at.and_then(|at| all.get(at)).map(|rule| rule.id.as_str());
    let told = told(rule, &visit);
    visit.page(&One {
        layout: visit.layout(format!("{}: {}", rule.id, rule.title)),
        tables: tables_named(
            &[&rule.says, &rule.source, &told.0, &told.1].map(String::as_str).join(" "),
        ),
        told,
        weighed: weighed(rule, &visit.portal().preview),
        samples: samples(rule),
        around: (named(at.checked_sub(1)), named(Some(at + 1))),
        rule,
    })
}

/// What a sender is told of the wrong example; of a rule without one, its wording with blanks.
fn told(rule: &'static Rule, visit: &Visit) -> (String, String) {
    let of = PreviewFor { environment: Environment::Test, region: None };
    let wrong = rule.bad_message().unwrap_or_default();
    let judged = visit.portal().preview.judge(wrong.as_bytes(), of, visit.now);
    let found = judged.ok().and_then(|judged| {
        let found = judged.judgement.found.into_iter().find(|one| one.rule == rule.id)?;
        Some((found.text.into_owned(), found.fix.into_owned()))
    });
    found.unwrap_or_else(|| {
        let element = rule.element().unwrap_or("The element");
        let filled = |text: &str| {
            let names = ["{at}", "{name}", "{value}", "{expected}", "{more}"];
            let text = text.replace("{element}", element);
            names.iter().fold(text, |text, name| text.replace(name, "…"))
        };
        (filled(&rule.text), filled(&rule.fix))
    })
}

/// What a breach weighs: by the guide, here in each environment and region, and where it is set apart.
fn weighed(rule: &'static Rule, preview: &Preview) -> Vec<Weighed> {
    let mut rows =
        vec![Weighed::new("By the guide", rule.class, Treatment::Keep, "Nothing is lost by it.")];
    for environment in [Environment::Test, Environment::Production] {
        let of = |region| preview.policy(PreviewFor { environment, region }).weight_of(rule);
        let usual = of(RegionCode::managed().next());
        let place = format!("Here, in the {environment} environment");
        rows.push(Weighed::new(place, usual.0, usual.1, ""));
        for region in RegionCode::managed() {
            let here = of(Some(region));
            if here != usual {
                let place = format!("{}, in the {environment} environment", region.facts().name);
                rows.push(Weighed::new(place, here.0, here.1, ""));
            }
        }
    }
    let settings = Catalogue::built_in().settings_of(rule);
    rows.extend(settings.into_iter().map(|(name, one)| Weighed::setting(rule, name, one)));
    if let Some(first) = rows.first_mut() {
        first.effect.clear();
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chapter_of_the_catalogue_has_a_name() {
        for (chapter, _) in Catalogue::built_in().rules() {
            assert!(CHAPTERS.iter().any(|(file, _)| *file == chapter), "{chapter}");
        }
    }

    #[test]
    fn an_example_is_cut_around_what_differs() {
        let sample = Sample::of(("PID|1|X|Y", 6..7));

        assert_eq!(
            sample,
            Sample { before: "PID|1|".into(), differs: "X".into(), after: "|Y".into() }
        );
    }
}
