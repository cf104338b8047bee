//! What a finding costs: an element that counts as empty may empty its segment, that its group, that the message.
//!
//! Source: guide 1.5, Table 3-1. A bad element is read as empty; a required element that is empty empties its segment; a
//! required segment that is empty empties its group, or the message when it stands in none.

use crate::domain::Effect;
use crate::hl7::Location;
use crate::validation::catalogue::{Treatment, Weight};
use crate::validation::check::Check;
use crate::validation::elements::{Depth, is_required};
use crate::validation::found::{Finding, Verdict};
use crate::validation::layout::Misfit;
use crate::validation::policy::Policy;
use crate::validation::profile::Usage;

/// How far a loss goes.
struct Loss {
    effect: Effect,
    what: String,
    order: Option<usize>,
}

/// Weighs every finding and works out what it costs; when no immunization is left, the message is rejected.
pub(super) fn weigh(check: &mut Check<'_, '_, '_>, policy: &Policy) -> Vec<(Finding, Verdict)> {
    let found = std::mem::take(&mut check.found);
    let mut lost_orders = vec![false; check.layout.orders.len()];
    let mut weighed = Vec::with_capacity(found.len());
    for finding in found {
        let verdict = verdict(check, policy, &finding, &mut lost_orders);
        weighed.push((finding, verdict));
    }
    if !lost_orders.is_empty() && lost_orders.iter().all(|lost| *lost) {
        check.note("ORDERS-LOST", None, None, None);
        for finding in std::mem::take(&mut check.found) {
            let (weight, treatment) = policy.weigh(finding.rule, None);
            let effect = direct(treatment);
            weighed.push((finding, Verdict { weight, effect, lost: String::new() }));
        }
    }
    weighed
}

fn verdict(
    check: &Check<'_, '_, '_>,
    policy: &Policy,
    finding: &Finding,
    lost_orders: &mut [bool],
) -> Verdict {
    let (weight, treatment) = policy.weigh(finding.rule, finding.at.as_ref());
    if treatment != Treatment::Empty {
        return Verdict { weight, effect: direct(treatment), lost: String::new() };
    }
    let loss = loss(check, finding);
    if let Some(lost) = loss.order.and_then(|number| lost_orders.get_mut(number - 1)) {
        *lost = true;
    }
    let weight = if loss.effect >= Effect::DropOrder { Weight::E } else { weight };
    Verdict { weight, effect: loss.effect, lost: loss.what }
}

const fn direct(treatment: Treatment) -> Effect {
    match treatment {
        Treatment::Keep => Effect::None,
        Treatment::Empty => Effect::Ignore,
        Treatment::Reject => Effect::Reject,
        Treatment::Refuse => Effect::Refuse,
    }
}

fn loss(check: &Check<'_, '_, '_>, finding: &Finding) -> Loss {
    let Some(at) = finding.at else {
        return Loss { effect: Effect::Reject, what: String::new(), order: None };
    };
    if at.field.is_some() {
        return element(check, &at, finding.segment);
    }
    let misplaced = check.layout.misplaced_at(finding.segment.unwrap_or(0));
    let misfit = misplaced.iter().find(|one| one.at == at || finding.rule.id == "SEG-LEADER");
    let misfit = misfit.map(|one| one.misfit);
    match misfit {
        Some(Misfit::Missing { instance: lacking, .. }) => instance(check, lacking),
        Some(Misfit::MissingGroup { .. }) => message(),
        Some(Misfit::Surplus | Misfit::Unknown | Misfit::NoName) => {
            let what = at.segment.to_string();
            Loss { effect: Effect::DropSegment, what, order: None }
        }
        Some(Misfit::OutOfOrder) | None => segment(check, finding.segment, &at),
    }
}

fn element(check: &Check<'_, '_, '_>, at: &Location, index: Option<usize>) -> Loss {
    let ignored = |what: String| Loss { effect: Effect::Ignore, what, order: None };
    if at.component.is_some() && !is_required(check, index, at, Depth::Component) {
        return ignored(at.human().to_string());
    }
    let field = Location { repetition: None, component: None, subcomponent: None, ..*at };
    let repeated = index.and_then(|index| check.segment_at(index)).is_some_and(|segment| {
        let valued = segment
            .field(usize::from(at.field.unwrap_or(0)))
            .repetitions()
            .filter(|repetition| repetition.value().is_valued());
        valued.count() > 1
    });
    if repeated || !is_required(check, index, at, Depth::Field) {
        return ignored(field.human().to_string());
    }
    segment(check, index, at)
}

fn segment(check: &Check<'_, '_, '_>, index: Option<usize>, at: &Location) -> Loss {
    let what = at.segment.to_string();
    let dropped = Loss { effect: Effect::DropSegment, what, order: None };
    let Some(placed) = index.and_then(|index| check.layout.segments.get(index)) else {
        return dropped;
    };
    let slot = placed.slot.and_then(|slot| check.profile.slots.get(slot));
    match slot {
        Some(slot) if slot.usage == Usage::Required => instance(check, placed.instance),
        _ => dropped,
    }
}

fn instance(check: &Check<'_, '_, '_>, index: usize) -> Loss {
    if index == 0 {
        return message();
    }
    if let Some(order) = check.layout.order_of(index).filter(|order| order.instance == index) {
        let number = order.number;
        let what = format!("Immunization {number}");
        return Loss { effect: Effect::DropOrder, what, order: Some(number) };
    }
    let group = check.layout.instances.get(index).and_then(|one| {
        let group = check.profile.groups.get(one.group)?;
        Some((group, one.parent))
    });
    match group {
        Some((group, Some(parent))) if group.required && !group.repeats => instance(check, parent),
        Some((group, _)) => {
            let name = check.profile.slots.get(group.leader).map(|slot| slot.name);
            let name = name.unwrap_or(*b"???");
            let what = String::from_utf8_lossy(&name).into_owned();
            Loss { effect: Effect::DropSegment, what, order: None }
        }
        None => message(),
    }
}

const fn message() -> Loss {
    Loss { effect: Effect::Reject, what: String::new(), order: None }
}
