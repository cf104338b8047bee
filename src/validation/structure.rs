//! What the layout says about segments, put as findings. Source: guide 1.5, message grammars and Table 3-1.

use crate::hl7::Note;
use crate::validation::check::Check;
use crate::validation::layout::{Misfit, Misplaced};
use crate::validation::profile::Profile;

pub(super) fn check(check: &mut Check<'_, '_, '_>) {
    framing(check);
    let profile = check.profile;
    for misplaced in check.layout.misplaced.clone() {
        let Misplaced { misfit, index, at } = misplaced;
        if misfit == Misfit::NoName && check.is_full() {
            // The line of each is counted from the beginning: without an end that would take ever longer.
            continue;
        }
        let segment = check.segment_at(index);
        let span = segment.map(|segment| segment.span());
        let grammar = || grammar(profile, at.segment.bytes());
        match misfit {
            Misfit::Missing { slot, instance } if leads(check, slot, instance) => {
                let Some(first) = segment else { continue };
                let missing = at.segment.to_string();
                let more = in_order(check, instance);
                check.add_segment("SEG-LEADER", first).expected(missing).more(more);
            }
            Misfit::Missing { instance, .. } => {
                let more = in_order(check, instance);
                check
                    .note("SEG-MISSING", Some(at), span.map(|span| span.end..span.end), Some(index))
                    .more(more)
                    .expected(grammar());
            }
            Misfit::MissingGroup { .. } => {
                check.note("GROUP-MISSING", Some(at), None, None).expected(grammar());
            }
            Misfit::OutOfOrder => {
                check.note("SEG-ORDER", Some(at), span, Some(index)).expected(grammar());
            }
            Misfit::Surplus => {
                check.note("SEG-SURPLUS", Some(at), span, Some(index));
            }
            Misfit::Unknown => {
                check.note("SEG-UNKNOWN", Some(at), span, Some(index));
            }
            Misfit::NoName => {
                let line = span.as_ref().map_or(1, |span| check.message.position(span.start).0);
                check.note("SEG-NAME", None, span, Some(index)).more(line.to_string());
            }
        }
    }
}

/// What stood around and between the segments. Terminators come from libraries more often than from people.
fn framing(check: &mut Check<'_, '_, '_>) {
    const TERMINATORS: [Note; 3] = [Note::LineFeed, Note::CrLf, Note::NoFinalTerminator];
    let framing = check.message.framing();
    if framing.is_clean() {
        return;
    }
    let words = |terminators: bool| {
        let notes = framing.notes().filter(|note| {
            *note != Note::CdataLiteral && TERMINATORS.contains(note) == terminators
        });
        notes.map(|note| note.to_string()).collect::<Vec<_>>().join("; ")
    };
    for (rule, words) in [("TERMINATOR", words(true)), ("FRAMING", words(false))] {
        if !words.is_empty() {
            check.note(rule, None, Some(0..0), None).more(words);
        }
    }
}

/// Whether the segment that is missing is the one that its group begins with.
fn leads(check: &Check<'_, '_, '_>, slot: usize, instance: usize) -> bool {
    let group = check.layout.instances.get(instance).map(|instance| instance.group);
    instance != 0
        && group
            .and_then(|group| check.profile.groups.get(group))
            .is_some_and(|group| group.leader == slot)
}

/// `in immunization 2`, when the instance is an order.
fn in_order(check: &Check<'_, '_, '_>, instance: usize) -> String {
    let order = check.layout.order_of(instance);
    order.map_or_else(String::new, |order| format!(" in immunization {}", order.number))
}

/// The segments around one in the grammar: `ORC RXA RXR OBX`.
fn grammar(profile: &Profile, name: [u8; 3]) -> String {
    let Some((at, _)) = profile.slot(name) else { return String::new() };
    let around = profile.slots.get(at.saturating_sub(2)..).unwrap_or_default().iter().take(5);
    around.map(|slot| String::from_utf8_lossy(&slot.name)).collect::<Vec<_>>().join(" ")
}
