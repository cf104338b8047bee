//! Which letters somebody gets about the messages of their Sites.

use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain::form::{Answers, Choice, Field, FieldErrors, Kind, Page};
use crate::domain::{LetterWish, ProductionLetters, SiteId, TestLetters};
use crate::portal::ask::Asked;
use crate::portal::page::Trouble;
use crate::portal::sign_in::page;
use crate::portal::visit::get;
use crate::portal::{Layout, Member, Posted};
use crate::sites::WishedSite;

const LIST: &str = "/account/letters";

/// Sites on one page.
const SITES: usize = 100;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route(LIST, get().to(list))
        .route("/account/letters/{site}", get().to(one))
        .route("/account/letters/{site}", web::post().to(choose));
}

/// A Site with its letters, as they are shown.
struct Line {
    site: SiteId,
    name: String,
    tests: &'static str,
    production: &'static str,
    outcomes: &'static str,
    silence: &'static str,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "account_letters.html")]
struct Letters {
    layout: Layout,
    lines: Vec<Line>,
    /// The pages before and after this one.
    earlier: Option<usize>,
    later: Option<usize>,
}

const fn on_off(on: bool) -> &'static str {
    if on { "Yes" } else { "No" }
}

fn line(one: WishedSite) -> Line {
    let WishedSite { site, wish, is_chosen, .. } = one;
    Line {
        site: site.id,
        name: site.name,
        tests: match wish.tests {
            TestLetters::AtOnce => "At once, and once a day",
            TestLetters::Digest => "Once a day",
            TestLetters::None => "None",
        },
        production: match wish.production {
            ProductionLetters::Daily => "Once a day",
            ProductionLetters::Weekly => "On Mondays",
            ProductionLetters::None => "None",
        },
        outcomes: on_off(wish.outcomes),
        silence: on_off(wish.silence),
        is_chosen,
    }
}

async fn list(member: Member) -> Result<HttpResponse, Trouble> {
    let all = member.sites().wished_sites(&member.who).await?;
    let number = member.visit.query("page").parse::<usize>().unwrap_or(1).max(1);
    let before = (number - 1).saturating_mul(SITES);
    let later = (all.len() > before.saturating_add(SITES)).then(|| number + 1);
    let lines = all.into_iter().skip(before).take(SITES).map(line).collect();
    Ok(member.visit.page(&Letters {
        layout: member.layout("Emails about your Sites"),
        lines,
        earlier: number.checked_sub(1).filter(|number| *number > 0),
        later,
    }))
}

const TESTS: Field = Field::new(
    "tests",
    "Test messages",
    Kind::Choice(&[
        Choice::hinted(
            "at-once",
            "At once, and once a day",
            "At once: the first message, the first one that fails, and when it is good again.",
        ),
        Choice::hinted("digest", "Once a day", "What came of the test messages of the day."),
        Choice::new("none", "No emails"),
    ]),
    "Choose how you are told of test messages",
);

const PRODUCTION: Field = Field::new(
    "production",
    "Production messages",
    Kind::Choice(&[
        Choice::new("daily", "Once a day"),
        Choice::hinted("weekly", "Once a week", "On Mondays."),
        Choice::new("none", "No emails"),
    ]),
    "Choose how you are told of production messages",
);

const OUTCOMES: Field = Field::new(
    "outcomes",
    "Messages that the Gateway took and the regional registry rejected",
    Kind::YesNo,
    "Choose whether you are told of rejections",
)
.hint("An email for the first one of a day; the digests count the others.");

const SILENCE: Field = Field::new(
    "silence",
    "When no production messages come any more, and when they come again",
    Kind::YesNo,
    "Choose whether you are told of silence",
);

const DAYS: Field = Field::optional(
    "days",
    "Write after how many days without a message? (for everybody who gets this email)",
    Kind::Select(&[
        Choice::new("usual", "The usual number of days"),
        Choice::new("1", "1 day"),
        Choice::new("2", "2 days"),
        Choice::new("3", "3 days"),
        Choice::new("5", "5 days"),
        Choice::new("7", "7 days"),
        Choice::new("14", "14 days"),
        Choice::new("30", "30 days"),
        Choice::new("60", "60 days"),
        Choice::new("90", "90 days"),
        Choice::new("0", "Never"),
    ]),
);

const ALL: Field =
    Field::optional("all", "The same for all my Sites of this organization", Kind::Tick);

const OTHERS: Page = page(
    "Emails about a Site",
    "No email holds anything of a patient.",
    &[TESTS, PRODUCTION, OUTCOMES, SILENCE, ALL],
);

/// With what representatives say for everybody.
const REPRESENTATIVES: Page = page(
    "Emails about a Site",
    "No email holds anything of a patient.",
    &[TESTS, PRODUCTION, OUTCOMES, SILENCE, DAYS, ALL],
);

const fn questions(one: &WishedSite) -> &'static Page {
    if one.sets_days { const { &REPRESENTATIVES } } else { const { &OTHERS } }
}

/// The Site of an address, when the person is written to about it.
async fn wished(member: &Member, site: &str) -> Result<Option<WishedSite>, Trouble> {
    let all = member.sites().wished_sites(&member.who).await?;
    Ok(all.into_iter().find(|one| one.site.id.as_str() == site))
}

async fn one(member: Member, site: web::Path<String>) -> Result<HttpResponse, Trouble> {
    let Some(one) = wished(&member, &site).await? else { return Ok(member.visit.missing()) };
    let days = member.sites().store().silence_days(one.site.id.clone()).await?;
    let yes = |on: bool| if on { "yes" } else { "no" }.to_owned();
    let known: Answers = [
        ("tests", one.wish.tests.to_string()),
        ("production", one.wish.production.to_string()),
        ("outcomes", yes(one.wish.outcomes)),
        ("silence", yes(one.wish.silence)),
        ("days", days.map_or_else(|| "usual".to_owned(), |days| days.to_string())),
    ]
    .into_iter()
    .collect();
    Ok(asked(&member, &one, &known, FieldErrors::default()))
}

fn asked(member: &Member, one: &WishedSite, typed: &Answers, errors: FieldErrors) -> HttpResponse {
    let title = format!("Emails about {}", one.site.name);
    let usual = member.sites().usual_silence_days();
    let mut asked = Asked::new(member.layout(title), questions(one), typed, errors, "Save")
        .back(LIST)
        .paragraph(
            "Emails about the stage of the Site and the end of a credential always go to those who answer for it.",
        );
    if one.sets_days {
        asked = asked.paragraph(match usual {
            0 => "Usually nobody is told of silence.".to_owned(),
            1 => "Usually silence is told after one day.".to_owned(),
            days => format!("Usually silence is told after {days} days."),
        });
    }
    asked.show(&member.visit)
}

async fn choose(
    posted: Posted,
    member: Member,
    site: web::Path<String>,
) -> Result<HttpResponse, Trouble> {
    let Some(one) = wished(&member, &site).await? else { return Ok(member.visit.missing()) };
    let questions = questions(&one);
    let good = match questions.read(&posted.fields, member.visit.now.utc().date_naive()) {
        Ok(good) => good,
        Err(errors) => {
            return Ok(asked(&member, &one, &questions.gather(&posted.fields), errors));
        }
    };
    let (Ok(tests), Ok(production)) = (good.get("tests").parse(), good.get("production").parse())
    else {
        return Ok(member.visit.missing()); // the choices are these words
    };
    let (outcomes, silence) = (good.is_yes("outcomes"), good.is_yes("silence"));
    let wish = LetterWish { tests, production, outcomes, silence };
    let days = good.get("days").parse::<i64>().ok();
    let which = (one.site.id.clone(), good.is_yes("all"));
    let browser = member.visit.browser();
    match member.sites().wish(&member.who, which, wish, days, &browser).await {
        Ok(()) => Ok(member.visit.redirect(LIST)),
        Err(error) => member.answer(error, LIST),
    }
}
