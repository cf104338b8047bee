//! What the checks of an immunization update ask about again and again: the patient, the doses, and the days of both.

use chrono::NaiveDate;

use crate::hl7::{Dtm, Precision, Segment};
use crate::validation::check::{Check, Spot, text};
use crate::validation::codes::{Codes, Cvx, CvxKind};
use crate::validation::layout::Order;

/// A message as the checks see it.
pub(super) struct Facts<'p, 'm, 'a> {
    pub(super) msh: Option<Segment<'m, 'a>>,
    pub(super) pid: Option<Segment<'m, 'a>>,
    /// The next of kin.
    pub(super) kin: Vec<Segment<'m, 'a>>,
    pub(super) doses: Vec<Dose<'p, 'm, 'a>>,
    pub(super) birth: Option<NaiveDate>,
    pub(super) death: Option<NaiveDate>,
    /// The day of MSH-7.
    pub(super) sent: Option<NaiveDate>,
    /// The day on which it is judged, in UTC.
    pub(super) today: NaiveDate,
}

/// An order group with an RXA.
pub(super) struct Dose<'p, 'm, 'a> {
    /// From 1: the how-manieth immunization of the message.
    pub(super) number: usize,
    pub(super) orc: Option<Segment<'m, 'a>>,
    pub(super) rxa: Segment<'m, 'a>,
    /// What RXA says.
    pub(super) told: Administration<'a>,
    pub(super) rxr: Option<Segment<'m, 'a>>,
    pub(super) obx: Vec<Observation<'m, 'a>>,
    /// What is known of the vaccine, by its CVX code or that of its package.
    pub(super) cvx: Option<&'p Cvx>,
    pub(super) day: Option<NaiveDate>,
}

/// What is asked of RXA again and again.
pub(super) struct Administration<'a> {
    /// RXA-5.1.
    pub(super) vaccine: Option<&'a [u8]>,
    /// RXA-6.
    pub(super) amount: Option<&'a [u8]>,
    /// RXA-9.1: from whom it is known.
    pub(super) source: Option<&'a [u8]>,
    /// RXA-15.
    pub(super) lot: Option<&'a [u8]>,
    /// RXA-17.1.
    pub(super) maker: Option<&'a [u8]>,
    /// RXA-20.
    pub(super) status: Option<&'a [u8]>,
}

impl<'a> Administration<'a> {
    pub(super) fn of(rxa: Segment<'_, 'a>) -> Self {
        Self {
            vaccine: text(rxa, 5, 1),
            amount: text(rxa, 6, 0),
            source: text(rxa, 9, 1),
            lot: text(rxa, 15, 0),
            maker: text(rxa, 17, 1),
            status: text(rxa, 20, 0),
        }
    }

    /// The status says that something was given: CP or PA.
    pub(super) fn is_given(&self) -> bool {
        matches!(self.status, Some(b"CP" | b"PA"))
    }
}

/// An OBX with its question, OBX-3.1.
#[derive(Clone, Copy)]
pub(super) struct Observation<'m, 'a> {
    pub(super) obx: Segment<'m, 'a>,
    pub(super) question: Option<&'a [u8]>,
}

impl<'m, 'a> Observation<'m, 'a> {
    pub(super) fn of(obx: Segment<'m, 'a>) -> Self {
        Self { obx, question: text(obx, 3, 1) }
    }
}

impl<'p, 'm, 'a> Facts<'p, 'm, 'a> {
    pub(super) fn of(check: &Check<'p, 'm, 'a>) -> Self {
        let (msh, pid) = (check.first(*b"MSH"), check.first(*b"PID"));
        let placed = check.layout.segments.iter().filter(|placed| placed.slot.is_some());
        let kin = placed.map(|placed| placed.segment).filter(|segment| segment.is(b"NK1"));
        Self {
            kin: kin.collect(),
            doses: doses(check),
            birth: pid.and_then(|pid| day(pid, 7)),
            death: pid.and_then(|pid| day(pid, 29)),
            sent: msh.and_then(|msh| day(msh, 7)),
            today: check.now.as_naive().date(),
            msh,
            pid,
        }
    }

    /// The last day that is not in the future, by MSH-7 and by the clock: a day of grace for the zones.
    pub(super) fn last_day(&self) -> NaiveDate {
        let last = self.sent.map_or(self.today, |sent| sent.min(self.today));
        last.succ_opt().unwrap_or(last)
    }

    /// Age in whole months on a day.
    pub(super) fn months_on(&self, day: NaiveDate) -> Option<i64> {
        self.birth.map(|birth| months_between(birth, day))
    }

    /// Whether the patient is under age, as far as is known.
    pub(super) fn is_minor(&self) -> bool {
        let day = self.sent.unwrap_or(self.today);
        self.months_on(day).is_some_and(|months| months < 18 * 12)
    }
}

impl<'m, 'a> Dose<'_, 'm, 'a> {
    /// The dose was given: RXA-20 does not say that it was refused or not given.
    pub(super) fn is_given(&self) -> bool {
        !matches!(self.told.status, Some(b"RE" | b"NA"))
            && self.cvx.is_none_or(|cvx| cvx.kind != CvxKind::NotAdministered)
    }

    /// Given by the sender: the first source of information is 00.
    pub(super) fn is_new(&self) -> bool {
        self.is_given() && self.told.source == Some(b"00")
    }

    /// Given elsewhere, as the source says.
    pub(super) fn is_historical(&self) -> bool {
        self.is_given() && self.told.source.is_some_and(|source| source != b"00")
    }

    /// The first observation that asks this question.
    pub(super) fn asked(&self, question: &[u8]) -> Option<Segment<'m, 'a>> {
        self.obx.iter().find(|one| one.question == Some(question)).map(|one| one.obx)
    }
}

/// The order groups that have an RXA.
fn doses<'p, 'm, 'a>(check: &Check<'p, 'm, 'a>) -> Vec<Dose<'p, 'm, 'a>> {
    let segment = |index: Option<usize>| index.and_then(|index| check.segment_at(index));
    let dose = |order: &Order| {
        let rxa = segment(order.rxa)?;
        let observations = check.layout.segments_of(order);
        let observations = observations.filter(|placed| placed.slot.is_some());
        let observations = observations.map(|placed| placed.segment);
        Some(Dose {
            number: order.number,
            orc: segment(order.orc),
            rxa,
            rxr: segment(order.rxr),
            told: Administration::of(rxa),
            obx: observations.filter(|one| one.is(b"OBX")).map(Observation::of).collect(),
            cvx: vaccine(check.codes, rxa),
            day: day(rxa, 3),
        })
    };
    check.layout.orders.iter().filter_map(dose).collect()
}

/// What is known of the vaccine of RXA-5: its CVX code, else the one vaccine of its package.
fn vaccine<'p>(codes: &'p Codes, rxa: Segment<'_, '_>) -> Option<&'p Cvx> {
    let triplet = |code: usize| (text(rxa, 5, code), text(rxa, 5, code + 2));
    let cvx = [1, 4].into_iter().find_map(|at| match triplet(at) {
        (Some(code), Some(b"CVX") | None) => codes.cvx(code),
        _ => None,
    });
    let package = || {
        [1, 4].into_iter().find_map(|at| match triplet(at) {
            (Some(code), Some(b"NDC")) => match &*codes.ndc(code)?.cvx {
                [one] => codes.cvx(one.as_bytes()),
                _ => None,
            },
            _ => None,
        })
    };
    cvx.or_else(package)
}

/// The day that a field names; none when it names only a month or year, or no date.
pub(super) fn day(segment: Segment<'_, '_>, field: usize) -> Option<NaiveDate> {
    day_of(text(segment, field, 1)?)
}

pub(super) fn day_of(value: &[u8]) -> Option<NaiveDate> {
    let moment = Dtm::parse(value).ok()?;
    (moment.precision() >= Precision::Day).then(|| moment.date())
}

/// Whole months from one day to another; negative when it is earlier.
pub(super) fn months_between(from: NaiveDate, to: NaiveDate) -> i64 {
    use chrono::Datelike as _;
    let months = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
    months(to) - months(from) - i64::from(to.day() < from.day())
}

/// A day as the code tables write it, `yyyymmdd`.
pub(super) fn number_of(day: NaiveDate) -> u32 {
    use chrono::Datelike as _;
    u32::try_from(day.year()).unwrap_or(0) * 10_000 + day.month() * 100 + day.day()
}

/// A component of a repetition; with component 0 the repetition.
pub(super) fn spot<'m, 'a>(
    segment: Segment<'m, 'a>,
    field: usize,
    repetition: usize,
    component: usize,
) -> Spot<'m, 'a> {
    let whole = segment.field(field);
    let part = whole.repetition(repetition);
    let spot = Spot::field(segment, field, whole.bytes()).repetition(repetition, part.bytes());
    match component {
        0 => spot,
        n => spot.part(n, part.component(n).bytes(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_whole_ones() {
        let day = |text: &[u8]| day_of(text).unwrap();
        assert_eq!(months_between(day(b"20250131"), day(b"20250228")), 0);
        assert_eq!(months_between(day(b"20250115"), day(b"20260115")), 12);
        assert_eq!(months_between(day(b"20250115"), day(b"20260114")), 11);
        assert_eq!(months_between(day(b"20250115"), day(b"20241215")), -1);
        assert_eq!(number_of(day(b"20250131")), 20_250_131);
        assert_eq!(day_of(b"202501"), None);
    }
}
