//! Segments into groups: where each segment of a message stands in the grammar of its profile.
//!
//! The matcher resynchronises: a segment in the wrong place is one finding, and what follows is matched as if it stood
//! right. Every segment name has one slot in each profile, so the only question is which instance it belongs to.
//! Source: guide 1.5, message grammars and Table 3-1.

use crate::hl7::{Location, Message, Segment};
use crate::validation::profile::{Profile, Slot, Usage};

/// One segment with its place.
#[derive(Clone, Copy)]
pub(super) struct Placed<'m, 'a> {
    pub(super) segment: Segment<'m, 'a>,
    /// Index into the slots of the profile; none when the profile has no such segment, or the segment is surplus.
    pub(super) slot: Option<usize>,
    /// Index into the instances.
    pub(super) instance: usize,
    /// Index into the orders.
    pub(super) order: Option<usize>,
}

/// One occurrence of a group.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) group: usize,
    pub(super) parent: Option<usize>,
    /// Index into the orders, when it is one or lies in one.
    pub(super) order: Option<usize>,
    /// Slots that it has, one bit each.
    seen: u64,
    /// The slot reached.
    at: usize,
    /// Index of its first segment.
    first: usize,
}

/// An order group: one immunization, refusal, or fact.
#[derive(Clone, Copy)]
pub(super) struct Order {
    /// From 1: the how-manieth immunization of the message.
    pub(super) number: usize,
    pub(super) instance: usize,
    /// Indexes into the segments.
    pub(super) orc: Option<usize>,
    pub(super) rxa: Option<usize>,
    pub(super) rxr: Option<usize>,
    /// The segments of the group, as indexes.
    pub(super) segments: (usize, usize),
}

/// What is wrong with the place of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// A required segment is not there; the segment index is where its group begins.
    Missing {
        /// The slot that is empty.
        slot: usize,
        /// The instance that lacks it.
        instance: usize,
    },
    /// The segment stands before one that it has to follow, or after one that it has to precede.
    OutOfOrder,
    /// There may be only one of it here.
    Surplus,
    /// The profile has no such segment.
    Unknown,
    /// The line has no segment name.
    NoName,
    /// A required group is not there.
    MissingGroup {
        /// The group.
        group: usize,
    },
}

/// A misfit and the segment it was seen at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Misplaced {
    pub(super) misfit: Misfit,
    pub(super) index: usize,
    pub(super) at: Location,
}

/// A message laid out by its profile.
pub(super) struct Layout<'m, 'a> {
    pub(super) segments: Vec<Placed<'m, 'a>>,
    pub(super) instances: Vec<Instance>,
    pub(super) orders: Vec<Order>,
    pub(super) misplaced: Vec<Misplaced>,
}

impl<'m, 'a> Layout<'m, 'a> {
    /// Lays a message out.
    pub(super) fn of(message: &'m Message<'a>, profile: &Profile) -> Self {
        let count = message.segments().len();
        let mut matcher = Matcher {
            profile,
            open: vec![0],
            counts: vec![0; profile.groups.len()],
            named: vec![0; profile.slots.len()],
            orders: profile.groups.iter().position(|group| &*group.name == "ORDER"),
            layout: Self {
                segments: Vec::with_capacity(count),
                instances: vec![MESSAGE],
                orders: vec![],
                misplaced: vec![],
            },
        };
        matcher.orders = matcher.orders.or_else(|| {
            profile.groups.iter().position(|group| &*group.name == "IZ_HISTORY_FORECAST")
        });
        let mut segments = message.segments().peekable();
        while let Some(segment) = segments.next() {
            let next = segments.peek().and_then(|next| name_of(next));
            matcher.place(segment, next);
        }
        matcher.finish()
    }

    /// The segments of an order group.
    pub(super) fn segments_of<'s>(
        &'s self,
        order: &Order,
    ) -> impl Iterator<Item = &'s Placed<'m, 'a>> + use<'s, 'm, 'a> {
        let (from, to) = order.segments;
        self.segments.get(from..to).unwrap_or_default().iter()
    }

    /// What is wrong with the place of the segment with that index.
    pub(super) fn misplaced_at(&self, index: usize) -> &[Misplaced] {
        let from = self.misplaced.partition_point(|one| one.index < index);
        let to = self.misplaced.partition_point(|one| one.index <= index);
        self.misplaced.get(from..to).unwrap_or_default()
    }

    /// The order group that a segment is in.
    pub(super) fn order_at(&self, index: usize) -> Option<&Order> {
        self.orders.get(self.segments.get(index)?.order?)
    }

    /// The order group that an instance is or lies in.
    pub(super) fn order_of(&self, instance: usize) -> Option<&Order> {
        self.orders.get(self.instances.get(instance)?.order?)
    }
}

/// The message itself, as the outermost instance.
const MESSAGE: Instance =
    Instance { group: 0, parent: None, order: None, seen: 0, at: 0, first: 0 };

struct Matcher<'p, 'm, 'a> {
    profile: &'p Profile,
    /// The open instances, the message first.
    open: Vec<usize>,
    /// Instances so far of each group.
    counts: Vec<usize>,
    /// Segments so far of each slot, missing ones among them.
    named: Vec<usize>,
    /// The group that is an order.
    orders: Option<usize>,
    layout: Layout<'m, 'a>,
}

/// Where a segment was put.
struct Place {
    slot: usize,
    instance: usize,
    misfit: Option<Misfit>,
}

fn name_of(segment: &Segment<'_, '_>) -> Option<[u8; 3]> {
    let name: [u8; 3] = segment.name().try_into().ok()?;
    let is_name = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    name.iter().all(is_name).then_some(name)
}

impl<'m, 'a> Matcher<'_, 'm, 'a> {
    fn place(&mut self, segment: Segment<'m, 'a>, next: Option<[u8; 3]>) {
        let index = self.layout.segments.len();
        let slot = name_of(&segment).map(|name| self.profile.slot(name));
        let placed = match slot {
            None => Err(Misfit::NoName),
            Some(None) => Err(Misfit::Unknown),
            Some(Some((_, slot))) if slot.usage == Usage::NotSupported => Err(Misfit::Unknown),
            Some(Some((slot, _))) => self.find_place(slot, index, next),
        };
        let (slot, instance, misfit) = match placed {
            Ok(Place { slot, instance, misfit }) => (Some(slot), instance, misfit),
            Err(misfit) => (None, self.top(), Some(misfit)),
        };
        let order = self.instance(instance).order;
        self.layout.segments.push(Placed { segment, slot, instance, order });
        if let Some(count) = slot.and_then(|slot| self.named.get_mut(slot)) {
            *count += 1;
        }
        if let Some(misfit) = misfit {
            self.layout.misplaced.push(Misplaced { misfit, index, at: segment.location() });
        }
        if let Some(order) = self.open_order() {
            order.segments.1 = index + 1;
            let is = |name: &[u8; 3]| slot.is_some() && segment.is(name);
            let place = match () {
                () if is(b"ORC") => &mut order.orc,
                () if is(b"RXA") => &mut order.rxa,
                () if is(b"RXR") => &mut order.rxr,
                () => return,
            };
            place.get_or_insert(index);
        }
    }

    /// Brings the open instances to where the slot belongs, and says what is wrong with that.
    fn find_place(
        &mut self,
        slot: usize,
        index: usize,
        next: Option<[u8; 3]>,
    ) -> Result<Place, Misfit> {
        let Some(wanted) = self.profile.slots.get(slot) else {
            return Err(Misfit::Unknown);
        };
        if let Some(stray) = self.stray(slot, wanted) {
            return stray;
        }
        // The innermost open instance whose group contains the slot's group.
        while !self.contains(self.top_group(), wanted.group) {
            self.close();
        }
        let here = self.instance(self.top());
        if here.group != wanted.group {
            let late = slot < here.at;
            self.open_down_to(wanted.group, index);
            return Ok(self.mark(slot, self.top(), late.then_some(Misfit::OutOfOrder)));
        }
        let (at, seen) = (here.at, here.seen & bit(slot) != 0);
        let group = self.profile.groups.get(wanted.group);
        let (leads, repeats) =
            group.map_or((false, false), |group| (group.leader == slot, group.repeats));
        let misfit = match () {
            () if seen && wanted.most > 1 && slot == at => None,
            () if seen && repeats && wanted.usage == Usage::Required => {
                self.close();
                self.open_down_to(wanted.group, index);
                None
            }
            () if seen => return Err(Misfit::Surplus),
            () if slot >= at => None,
            // The leader comes late: it belongs to this instance unless what follows begins another one.
            () if leads && repeats && self.has(next) => {
                self.close();
                self.open_down_to(wanted.group, index);
                None
            }
            () => Some(Misfit::OutOfOrder),
        };
        Ok(self.mark(slot, self.top(), misfit))
    }

    /// A segment of an outer group that comes too late, in the midst of an inner one: the inner one stays open, so that
    /// what follows is not torn from it.
    fn stray(&mut self, slot: usize, wanted: &Slot) -> Option<Result<Place, Misfit>> {
        let outer = self.open.iter().rev().copied();
        let mut outer = outer;
        let outer = outer.find(|one| self.contains(self.instance(*one).group, wanted.group))?;
        let here = self.instance(outer);
        if outer == self.top() || slot >= here.at {
            return None;
        }
        let seen = here.seen & bit(slot) != 0;
        let group = self.profile.groups.get(wanted.group)?;
        let begins_another = here.group == wanted.group
            && group.repeats
            && (group.leader == slot || seen && wanted.usage == Usage::Required);
        if begins_another {
            return None;
        }
        if seen && wanted.most == 1 {
            return Some(Err(Misfit::Surplus));
        }
        Some(Ok(self.mark(slot, outer, Some(Misfit::OutOfOrder))))
    }

    /// Whether the innermost instance already has that segment.
    fn has(&self, name: Option<[u8; 3]>) -> bool {
        name.and_then(|name| self.profile.slot(name))
            .is_some_and(|(slot, _)| self.instance(self.top()).seen & bit(slot) != 0)
    }

    fn contains(&self, outer: usize, inner: usize) -> bool {
        let parent = |group: &usize| self.profile.groups.get(*group).and_then(|one| one.parent);
        outer == 0 || std::iter::successors(Some(inner), parent).any(|group| group == outer)
    }

    fn open_down_to(&mut self, group: usize, index: usize) {
        let parent = self.profile.groups.get(group).and_then(|group| group.parent);
        if let Some(parent) = parent.filter(|parent| *parent != self.top_group()) {
            self.open_down_to(parent, index);
        }
        let leader = self.profile.groups.get(group).map_or(0, |group| group.leader);
        let outer = self.top();
        let order = if Some(group) == self.orders {
            Some(self.layout.orders.len())
        } else {
            self.instance(outer).order
        };
        if let Some(outer) = self.layout.instances.get_mut(outer) {
            outer.at = outer.at.max(leader);
        }
        let number = self.counts.get_mut(group).map_or(1, |count| {
            *count += 1;
            *count
        });
        self.open.push(self.layout.instances.len());
        self.layout.instances.push(Instance {
            group,
            parent: Some(outer),
            order,
            seen: 0,
            at: leader,
            first: index,
        });
        if Some(group) == self.orders {
            let instance = self.top();
            let segments = (index, index);
            let order = Order { number, instance, orc: None, rxa: None, rxr: None, segments };
            self.layout.orders.push(order);
        }
    }

    fn mark(&mut self, slot: usize, instance: usize, misfit: Option<Misfit>) -> Place {
        if let Some(instance) = self.layout.instances.get_mut(instance) {
            instance.seen |= bit(slot);
            instance.at = instance.at.max(slot);
        }
        Place { slot, instance, misfit }
    }

    /// Closes the innermost instance and says what it lacks.
    fn close(&mut self) {
        let instance = self.top();
        let Instance { group, seen, first, .. } = *self.instance(instance);
        for (slot, one) in self.profile.slots.iter().enumerate() {
            let lacks = one.group == group && one.usage == Usage::Required && seen & bit(slot) == 0;
            if lacks {
                let name = std::str::from_utf8(&one.name).unwrap_or("???");
                let count = self.named.get_mut(slot).map_or(1, |count| {
                    *count += 1;
                    *count
                });
                let sequence = u16::try_from(count).unwrap_or(u16::MAX);
                self.layout.misplaced.push(Misplaced {
                    misfit: Misfit::Missing { slot, instance },
                    index: first,
                    at: Location::segment(name, sequence),
                });
            }
        }
        if self.open.len() > 1 {
            self.open.pop();
        }
    }

    fn finish(mut self) -> Layout<'m, 'a> {
        while self.open.len() > 1 {
            self.close();
        }
        self.close();
        for (group, one) in self.profile.groups.iter().enumerate().skip(1) {
            let top_level = one.parent == Some(0);
            if top_level && one.required && self.counts.get(group) == Some(&0) {
                let name = self.profile.slots.get(one.leader).map_or(*b"???", |slot| slot.name);
                let at = Location::segment(std::str::from_utf8(&name).unwrap_or("???"), 1);
                let misfit = Misfit::MissingGroup { group };
                self.layout.misplaced.push(Misplaced { misfit, index: 0, at });
            }
        }
        self.layout.misplaced.sort_by_key(|one| one.index);
        self.layout
    }

    fn open_order(&mut self) -> Option<&mut Order> {
        let orders = self.orders?;
        let open = self.open.iter().any(|one| self.instance(*one).group == orders);
        self.layout.orders.last_mut().filter(|_| open)
    }

    fn top(&self) -> usize {
        self.open.last().copied().unwrap_or(0)
    }

    fn top_group(&self) -> usize {
        self.instance(self.top()).group
    }

    fn instance(&self, index: usize) -> &Instance {
        self.layout.instances.get(index).unwrap_or(&MESSAGE)
    }
}

/// A slot as a bit; no profile has more than 64.
const fn bit(slot: usize) -> u64 {
    1 << (slot & 63)
}
