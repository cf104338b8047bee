//! The profiles of the guide, read once from `schemas/profiles` into flat, indexed form.

use std::collections::HashMap;

use crate::hl7::Header;
use crate::validation::codes::{Codes, Lookup, TableId};
use crate::validation::predicate::{Path, Predicate};

const MESSAGES: &str = include_str!("../../schemas/profiles/messages.txt");
const SEGMENTS: &str = include_str!("../../schemas/profiles/segments.csv");
const DATATYPES: &str = include_str!("../../schemas/profiles/datatypes.csv");

/// Whether an element has to be there. Source: guide 1.5, usage codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    /// R.
    Required,
    /// RE: required but may be empty.
    Expected,
    /// O.
    Optional,
    /// X.
    NotSupported,
}

/// Usage, perhaps by a condition.
#[derive(Debug, Clone)]
pub(super) struct UsageRule {
    yes: Usage,
    no: Usage,
    when: Option<Predicate>,
}

impl UsageRule {
    /// The usage here; optional when the condition asks for an element that is empty itself.
    fn resolve<'a>(&self, get: impl Fn(Path) -> Option<&'a [u8]>) -> Usage {
        match self.when.as_ref().map(|when| when.holds(get)) {
            None | Some(Some(true)) => self.yes,
            Some(Some(false)) => self.no,
            Some(None) => Usage::Optional,
        }
    }

    /// Whether it is required here. The condition is looked at only when it matters.
    #[inline]
    pub(super) fn is_required<'a>(&self, get: impl Fn(Path) -> Option<&'a [u8]>) -> bool {
        self.may_be_required() && self.resolve(get) == Usage::Required
    }

    /// Whether it must not be used here. The condition is looked at only when it matters.
    #[inline]
    pub(super) fn is_not_supported<'a>(&self, get: impl Fn(Path) -> Option<&'a [u8]>) -> bool {
        self.may_be_not_supported() && self.resolve(get) == Usage::NotSupported
    }

    #[inline]
    const fn may_be_not_supported(&self) -> bool {
        matches!((self.yes, self.no), (Usage::NotSupported, _) | (_, Usage::NotSupported))
    }

    /// Whether there is a message in which it is required.
    #[inline]
    pub(super) const fn may_be_required(&self) -> bool {
        matches!((self.yes, self.no), (Usage::Required, _) | (_, Usage::Required))
    }

    /// The condition in words, its paths behind a prefix.
    pub(super) fn words(&self, prefix: &str) -> String {
        self.when.as_ref().map(|when| when.words(prefix)).unwrap_or_default()
    }

    /// Whether a condition decides.
    pub(super) const fn is_conditional(&self) -> bool {
        self.when.is_some()
    }
}

/// The shapes of values that have no parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Any text.
    Text,
    /// NM.
    Number,
    /// SI.
    Count,
    /// DT.
    Date,
    /// `YYYYMMDD` exactly.
    Day,
    /// DTM.
    Moment,
    /// DTM to the second with its zone.
    MomentWithZone,
    /// DTM to the day at least, without zone.
    LocalMoment,
    /// DTM to the month at least.
    Month,
    /// TM.
    Time,
    /// An ISO object identifier.
    Oid,
}

/// What a value may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Without parts.
    Primitive(Shape),
    /// With components: an index into [`Profiles::types`].
    Composite(u16),
    /// OBX-5: as OBX-2 says.
    Varies,
}

/// The tables that a code may be in, the first that has it counts.
pub(super) type Tables = Vec<TableId>;

/// One field of a segment, or one component of a data type.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: Box<str>,
    pub(super) kind: Kind,
    pub(super) usage: UsageRule,
    /// Largest number of repetitions; components have one.
    pub(super) most: usize,
    /// Longest value in characters.
    pub(super) length: usize,
    pub(super) tables: Tables,
    /// The table is HL70396: names of coding systems.
    pub(super) names_system: bool,
    /// It is text without table and always allowed.
    pub(super) takes_any_text: bool,
}

/// A composite data type.
#[derive(Debug)]
pub(super) struct DataType {
    pub(super) name: Box<str>,
    pub(super) components: Vec<Element>,
    /// The number of the last component that may be required; 0 when none may.
    pub(super) last_required: usize,
}

/// A segment as a profile has it.
#[derive(Debug)]
pub(super) struct SegmentType {
    pub(super) name: [u8; 3],
    /// Field 1 first.
    pub(super) fields: Vec<Element>,
}

/// The place of a segment in the grammar. Every segment name has one slot in each profile.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: [u8; 3],
    pub(super) usage: Usage,
    pub(super) most: usize,
    /// Index into [`Profile::groups`].
    pub(super) group: usize,
    pub(super) segment: SegmentType,
}

/// A segment group; the first one is the message.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: Box<str>,
    pub(super) parent: Option<usize>,
    pub(super) required: bool,
    pub(super) repeats: bool,
    /// Its first required segment: where an instance begins.
    pub(super) leader: usize,
}

/// One message profile.
#[derive(Debug)]
pub struct Profile {
    /// Such as `Z22`.
    pub name: Box<str>,
    /// What it is.
    pub title: Box<str>,
    /// MSH-9: code, trigger, structure.
    pub message: [Box<str>; 3],
    pub(super) slots: Vec<Slot>,
    pub(super) groups: Vec<Group>,
}

impl Profile {
    /// The slot of a segment name.
    pub(super) fn slot(&self, name: [u8; 3]) -> Option<(usize, &Slot)> {
        self.slots.iter().enumerate().find(|(_, slot)| slot.name == name)
    }
}

/// All profiles over one set of code tables.
#[derive(Debug)]
pub(super) struct Profiles {
    all: Vec<Profile>,
    pub(super) types: Vec<DataType>,
    /// What OBX-5 is for each OBX-2.
    value_types: HashMap<Box<[u8]>, Kind>,
}

/// A table of `schemas/profiles` does not hold together.
#[derive(Debug, thiserror::Error)]
#[error("schemas/profiles/{file}, {what}")]
pub(super) struct ProfileError {
    file: &'static str,
    what: String,
}

impl Profiles {
    /// Reads the tables.
    pub(super) fn read(codes: &Codes) -> Result<Self, ProfileError> {
        let (types, by_name) = data_types(codes)?;
        let kinds = |name: &str| kind(name, &by_name);
        let all = messages(&kinds, codes)?;
        let value_types = value_types(&kinds);
        Ok(Self { all, types, value_types })
    }

    /// The profile of that name.
    pub(super) fn named(&self, name: &[u8]) -> Option<&Profile> {
        self.all.iter().find(|profile| profile.name.as_bytes() == name)
    }

    /// The profile that MSH-21 names if it fits MSH-9, else the usual one for MSH-9.
    pub(super) fn of(&self, header: &Header<'_>, named: Option<&[u8]>) -> Option<&Profile> {
        let code = header.message_code.text()?;
        let fits = |profile: &&Profile| profile.message[0].as_bytes() == code;
        named.and_then(|name| self.named(name)).filter(fits).or_else(|| self.all.iter().find(fits))
    }

    /// All profiles.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.all.iter()
    }

    /// What OBX-5 is, by OBX-2.
    pub(super) fn value_type(&self, code: &[u8]) -> Option<Kind> {
        self.value_types.get(code).copied()
    }
}

/// The names of the code tables that the elements of the profiles are bound to.
pub(super) fn table_names() -> impl Iterator<Item = &'static str> {
    let of_fields = rows(SEGMENTS).filter_map(|row| row.get(8).copied());
    let of_components = rows(DATATYPES).filter_map(|row| row.get(7).copied());
    of_fields.chain(of_components).flat_map(|cell| cell.split(':')).filter(|name| !name.is_empty())
}

/// The code tables that elements are bound to, each with the place and the name of one: `PID-8 Administrative Sex`.
pub(super) fn uses() -> Vec<(&'static str, String)> {
    let mut uses = vec![];
    for (text, column, mark) in [(SEGMENTS, 8, '-'), (DATATYPES, 7, '.')] {
        for row in rows(text) {
            let (Some([of, number, name]), Some(tables)) =
                (row.first_chunk::<3>(), row.get(column))
            else {
                continue;
            };
            let told = format!("{}{mark}{number} {name}", of.trim_end_matches("_IZ"));
            let tables = tables.split(':').filter(|table| !table.is_empty());
            uses.extend(tables.map(|table| (table, told.clone())));
        }
    }
    uses
}

/// The rows of a table: without comments and header, split at the commas.
fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .skip(1)
        .map(|line| line.split(',').collect())
}

fn kind(name: &str, composites: &HashMap<&'static str, u16>) -> Option<Kind> {
    let shape = match name {
        "varies" => return Some(Kind::Varies),
        "ST" | "ID" | "IS" | "TX" | "FT" | "GTS" => Shape::Text,
        "NM" => Shape::Number,
        "SI" => Shape::Count,
        "DT" => Shape::Date,
        "DT_D" => Shape::Day,
        "DTM" => Shape::Moment,
        "DTM_Z" => Shape::MomentWithZone,
        "DTM_NZ" => Shape::LocalMoment,
        "DTM_M" => Shape::Month,
        "TM" => Shape::Time,
        "OID" => Shape::Oid,
        other => return composites.get(other).copied().map(Kind::Composite),
    };
    Some(Kind::Primitive(shape))
}

/// The seven columns that fields and components share.
struct Columns<'r> {
    name: &'r str,
    kind: &'r str,
    usage: &'r str,
    when: &'r str,
    most: &'r str,
    length: &'r str,
    table: &'r str,
}

impl Columns<'_> {
    fn element(&self, kinds: &dyn Fn(&str) -> Option<Kind>, codes: &Codes) -> Option<Element> {
        let most = if self.most == "*" { usize::MAX } else { self.most.parse().ok()? };
        let length = if self.length.is_empty() { usize::MAX } else { self.length.parse().ok()? };
        let names = self.table.split(':').filter(|name| !name.is_empty());
        let names_system = self.table == "HL70396";
        let mut tables = names.map(|name| codes.table(name)).collect::<Option<Tables>>()?;
        // Of a table that is locally defined nothing can be said.
        tables.retain(|table| codes.system_of(*table).is_some() || !is_local(codes, *table));
        let (kind, usage) = (kinds(self.kind)?, usage_rule(self.usage, self.when)?);
        let is_text = kind == Kind::Primitive(Shape::Text);
        let takes_any_text = is_text && self.table.is_empty() && !usage.may_be_not_supported();
        Some(Element {
            name: self.name.into(),
            kind,
            usage,
            most,
            length,
            tables: if names_system { vec![] } else { tables },
            names_system,
            takes_any_text,
        })
    }
}

fn is_local(codes: &Codes, table: TableId) -> bool {
    matches!(codes.look_up(table, b""), Lookup::Unchecked)
}

fn usage(text: &str) -> Option<Usage> {
    Some(match text {
        "R" => Usage::Required,
        "RE" => Usage::Expected,
        "O" => Usage::Optional,
        "X" => Usage::NotSupported,
        _ => return None,
    })
}

fn usage_rule(text: &str, when: &str) -> Option<UsageRule> {
    let (yes, no) = text.split_once('/').unwrap_or((text, text));
    let when = if when.is_empty() { None } else { Some(Predicate::parse(when)?) };
    Some(UsageRule { yes: usage(yes)?, no: usage(no)?, when })
}

fn data_types(codes: &Codes) -> Result<(Vec<DataType>, HashMap<&'static str, u16>), ProfileError> {
    let wrong = |row: &[&str]| ProfileError {
        file: "datatypes.csv",
        what: format!("row {}", row.join(",")),
    };
    let mut by_name: HashMap<&'static str, u16> = HashMap::new();
    for row in rows(DATATYPES) {
        let next = u16::try_from(by_name.len()).map_err(|_error| wrong(&row))?;
        by_name.entry(row.first().copied().unwrap_or_default()).or_insert(next);
    }
    let kinds = |name: &str| kind(name, &by_name);
    let mut types: Vec<DataType> = vec![];
    for row in rows(DATATYPES) {
        let [name, _number, title, component, usage, when, length, table] = row[..] else {
            return Err(wrong(&row));
        };
        let columns =
            Columns { name: title, kind: component, usage, when, most: "1", length, table };
        let element = columns.element(&kinds, codes).ok_or_else(|| wrong(&row))?;
        if types.last().is_none_or(|last| *last.name != *name) {
            types.push(DataType { name: name.into(), components: vec![], last_required: 0 });
        }
        if let Some(last) = types.last_mut() {
            let may_be_required = element.usage.may_be_required();
            last.components.push(element);
            if may_be_required {
                last.last_required = last.components.len();
            }
        }
    }
    Ok((types, by_name))
}

/// A segment with the rows that hold in that profile.
fn segment_type(
    segment: &str,
    profile: &str,
    kinds: &dyn Fn(&str) -> Option<Kind>,
    codes: &Codes,
) -> Result<SegmentType, ProfileError> {
    let wrong = |row: &[&str]| ProfileError {
        file: "segments.csv",
        what: format!("row {}", row.join(",")),
    };
    let mut fields: Vec<Element> = vec![];
    for row in rows(SEGMENTS).filter(|row| row.first() == Some(&segment)) {
        let [_, number, name, kind, usage, when, most, length, table, profiles] = row[..] else {
            return Err(wrong(&row));
        };
        if !profiles.is_empty() && !profiles.split(' ').any(|one| one == profile) {
            continue;
        }
        let columns = Columns { name, kind, usage, when, most, length, table };
        let element = columns.element(kinds, codes).ok_or_else(|| wrong(&row))?;
        let number: usize = number.parse().map_err(|_error| wrong(&row))?;
        // A row for this profile stands after the base row of the same field and replaces it.
        fields.truncate(number - 1);
        if fields.len() + 1 != number {
            return Err(wrong(&row));
        }
        fields.push(element);
    }
    let name = segment.as_bytes().try_into().map_err(|_error| wrong(&[segment]))?;
    Ok(SegmentType { name, fields })
}

fn messages(
    kinds: &dyn Fn(&str) -> Option<Kind>,
    codes: &Codes,
) -> Result<Vec<Profile>, ProfileError> {
    let wrong = |line: &str| ProfileError { file: "messages.txt", what: format!("line {line}") };
    let mut profiles: Vec<Profile> = vec![];
    let mut open: Vec<(usize, usize)> = vec![];
    for line in MESSAGES.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["profile", name, message, title @ ..] = words.as_slice() {
            profiles.push(new_profile(name, message, &title.join(" ")));
            open = vec![(0, 0)];
            continue;
        }
        let depth = line.len() - line.trim_start().len();
        let profile = profiles.last_mut().ok_or_else(|| wrong(line))?;
        open.retain(|(_, at)| *at < depth);
        let parent = open.last().map(|(group, _)| *group).ok_or_else(|| wrong(line))?;
        let [name, usage_word, cardinality, ref rest @ ..] = words[..] else {
            return Err(wrong(line));
        };
        let most = cardinality.split_once("..").map_or("", |(_, most)| most);
        let most =
            if most == "*" { usize::MAX } else { most.parse().map_err(|_error| wrong(line))? };
        let usage = usage(usage_word).ok_or_else(|| wrong(line))?;
        if rest == ["group"] {
            open.push((profile.groups.len(), depth));
            profile.groups.push(Group {
                name: name.into(),
                parent: Some(parent),
                required: usage == Usage::Required,
                repeats: most > 1,
                leader: profile.slots.len(),
            });
        } else {
            let segment = segment_type(name, &profile.name, kinds, codes)?;
            let slot = Slot { name: segment.name, usage, most, group: parent, segment };
            profile.slots.push(slot);
        }
    }
    Ok(profiles)
}

fn new_profile(name: &str, message: &str, title: &str) -> Profile {
    let mut parts = message.split('^');
    Profile {
        name: name.into(),
        title: title.into(),
        message: [(); 3].map(|()| parts.next().unwrap_or_default().into()),
        slots: vec![],
        groups: vec![Group {
            name: "".into(),
            parent: None,
            required: true,
            repeats: false,
            leader: 0,
        }],
    }
}

/// OBX-2 to the type of OBX-5; the guide's own flavour where there is one.
fn value_types(kinds: &dyn Fn(&str) -> Option<Kind>) -> HashMap<Box<[u8]>, Kind> {
    const CODES: &[&str] = &[
        "CE", "CQ", "CWE", "CX", "DT", "DTM", "ED", "EI", "ERL", "FN", "FT", "HD", "ID", "IS",
        "LA2", "MSG", "NM", "PT", "RP", "SAD", "SI", "SN", "ST", "TM", "TS", "TX", "VID", "XAD",
        "XCN", "XON", "XPN", "XTN",
    ];
    let flavour = |code: &str| {
        let guide =
            matches!(code, "CE" | "MSG" | "PT" | "VID" | "ERL").then(|| format!("{code}_IZ"));
        guide.and_then(|name| kinds(&name)).or_else(|| kinds(code))
    };
    CODES.iter().filter_map(|code| Some((code.as_bytes().into(), flavour(code)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_eight_profiles_are_read() {
        let profiles = Profiles::read(Codes::built_in()).unwrap();
        let names: Vec<_> = profiles.iter().map(|profile| &*profile.name).collect();
        assert_eq!(names, ["Z22", "Z23", "Z31", "Z32", "Z33", "Z34", "Z42", "Z44"]);
        let z22 = profiles.named(b"Z22").unwrap();
        let (_, rxa) = z22.slot(*b"RXA").unwrap();
        assert_eq!(rxa.segment.fields.len(), 26);
        assert_eq!(&*z22.groups[rxa.group].name, "ORDER");
        assert_eq!(z22.slots[z22.groups[rxa.group].leader].name, *b"ORC");
    }

    #[test]
    fn a_profile_replaces_the_rows_in_which_it_differs() {
        let profiles = Profiles::read(Codes::built_in()).unwrap();
        let lot = |name: &[u8]| {
            let (_, slot) = profiles.named(name).unwrap().slot(*b"RXA").unwrap();
            slot.segment.fields[14].usage.is_conditional()
        };
        assert!(lot(b"Z22"));
        assert!(!lot(b"Z42"));
    }
}
