//! The enumerations of the feed, read from `fixtures/enumerations.tsv`.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::json::write_escaped;
use super::tsv::cells;
use crate::behaviour::Names;

const ENUMERATIONS: &str = include_str!("../../fixtures/enumerations.tsv");

/// One value of an enumeration.
#[derive(Debug)]
pub struct Member {
    pub name: &'static str,
    pub value: &'static str,
    /// The annotated display name, or the name if the feed annotates none.
    pub display: &'static str,
    /// `display` and `name`, escaped for a JSON string.
    json: [Vec<u8>; 2],
}

impl Member {
    fn new(name: &'static str, value: &'static str, display: &'static str) -> Member {
        let json = [display, name].map(|text| {
            let mut json = Vec::with_capacity(text.len());
            write_escaped(text, &mut json);
            json
        });
        Member {
            name,
            value,
            display,
            json,
        }
    }

    /// Returns the name, escaped for a JSON string.
    pub fn json(&self, names: Names) -> &[u8] {
        match names {
            Names::Display => &self.json[0],
            Names::Member => &self.json[1],
        }
    }

    pub fn named(&self, names: Names) -> &'static str {
        match names {
            Names::Display => self.display,
            Names::Member => self.name,
        }
    }
}

/// An enumeration of at most 128 members, so that a selection fits in a `u128`.
#[derive(Debug)]
pub struct Enumeration {
    pub name: &'static str,
    pub is_flags: bool,
    pub members: Vec<Member>,
    by_text: HashMap<&'static str, usize>,
}

impl Enumeration {
    /// Returns the bit of the member with this name or display name.
    pub fn one(&self, text: &str) -> Option<u128> {
        self.by_text.get(text).map(|&at| 1 << at)
    }

    /// Returns the bits of a comma-separated list of members.
    pub fn members_of(&self, text: &str) -> Option<u128> {
        if let Some(one) = self.one(text) {
            return Some(one);
        }
        text.split(',')
            .try_fold(0, |bits, one| Some(bits | self.one(one.trim())?))
    }

    /// Calls `with` for each member whose bit is set.
    #[inline]
    pub fn each(&self, members: u128, mut with: impl FnMut(&Member)) {
        let mut rest = members;
        while rest != 0 {
            let at = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            if let Some(member) = self.members.get(at) {
                with(member);
            }
        }
    }

    /// Returns the selected members as one comma-separated text.
    pub fn text(&self, members: u128, names: Names) -> String {
        let mut text = Vec::new();
        self.each(members, |member| text.push(member.named(names)));
        text.join(",")
    }
}

/// Returns every enumeration, in the order of the table.
pub fn enumerations() -> &'static [Enumeration] {
    static ALL: OnceLock<Vec<Enumeration>> = OnceLock::new();
    ALL.get_or_init(read_enumerations)
}

fn read_enumerations() -> Vec<Enumeration> {
    let mut all: Vec<Enumeration> = Vec::new();
    for line in ENUMERATIONS.lines().skip(1) {
        let [name, flags, member, value, display] = cells(line);
        let display = if display.is_empty() { member } else { display };
        if all.last().is_none_or(|last| last.name != name) {
            all.push(Enumeration {
                name,
                is_flags: flags == "flags",
                members: Vec::new(),
                by_text: HashMap::new(),
            });
        }
        if let Some(last) = all.last_mut() {
            let at = last.members.len();
            last.by_text.entry(display).or_insert(at);
            last.by_text.insert(member, at);
            last.members.push(Member::new(member, value, display));
        }
    }
    all
}

/// Returns the enumeration with this name.
pub fn enumeration(name: &str) -> Option<&'static Enumeration> {
    static BY_NAME: OnceLock<HashMap<&'static str, &'static Enumeration>> = OnceLock::new();
    let by_name = BY_NAME.get_or_init(|| enumerations().iter().map(|e| (e.name, e)).collect());
    by_name.get(name).copied()
}
