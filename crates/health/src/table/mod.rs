//! Custom kinds, judged by tables of what their projects document.
//!
//! The tables lie in `data/`, one file a field of use. A project's section names the project and the conditions or
//! phases it reads; `parse` tells the form of a line, `test` what its claims mean. A kind that no table has, has no
//! health. Argo CD's `Application` has none on purpose, as there.

mod parse;
mod test;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bowline_model::{Health, HealthStatus, Object};

use crate::fields::{Condition, progressing};
use test::{Path, Test};

/// The tables: name and text. The first has what the others share.
const TEXTS: &[(&str, &str)] = &[
    ("common", include_str!("../../data/common.rules")),
    ("argo", include_str!("../../data/argo.rules")),
    ("clusters", include_str!("../../data/clusters.rules")),
    ("compute", include_str!("../../data/compute.rules")),
    ("cloud", include_str!("../../data/cloud.rules")),
    ("data", include_str!("../../data/data.rules")),
    ("flux", include_str!("../../data/flux.rules")),
    ("kubernetes", include_str!("../../data/kubernetes.rules")),
    ("network", include_str!("../../data/network.rules")),
    ("observe", include_str!("../../data/observe.rules")),
    ("security", include_str!("../../data/security.rules")),
];

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::default();
    for (name, text) in TEXTS {
        parse::read(text, &mut table).unwrap_or_else(|error| panic!("table `{name}`: {error}"));
    }
    table
});

/// Judges an object of a kind that the tables have.
pub(crate) fn assess(object: &Object) -> Option<Health> {
    let gvk = object.gvk();
    TABLE.find(&gvk.group, &gvk.kind).map(|lines| judge(lines, object))
}

/// Returns the groups and kinds of the tables; `*` stands for any, and may begin a group.
#[cfg(test)]
fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.kinds.keys().map(|(group, kind)| (group.as_str(), kind.as_str()))
}

/// What is known of kinds: the lines of each, the first that holds decides.
#[derive(Debug, Default)]
struct Table {
    kinds: BTreeMap<(String, String), usize>,
    rules: Vec<Vec<Line>>,
    /// What rules share, by name; known to all texts that are read later.
    defined: BTreeMap<String, Vec<String>>,
}

impl Table {
    /// Exact groups go before patterns, and exact kinds before all kinds of a group; of patterns the longest wins.
    fn find(&self, group: &str, kind: &str) -> Option<&[Line]> {
        let at = |group: &str| {
            let key = |kind: &str| (group.to_owned(), kind.to_owned());
            self.kinds.get(&key(kind)).or_else(|| self.kinds.get(&key("*")))
        };
        let found = at(group).or_else(|| {
            let dots = group.match_indices('.').map(|(dot, _)| dot);
            dots.map(|dot| format!("*{}", &group[dot..])).find_map(|pattern| at(&pattern))
        })?;
        Some(&self.rules[*found])
    }
}

/// One line of a rule: the health that it tells, when, and in what words.
#[derive(Debug, Clone)]
struct Line {
    status: HealthStatus,
    /// All must hold.
    when: Vec<Test>,
    /// Empty for the words of the condition that decided.
    say: Vec<Part>,
}

/// A part of a message.
#[derive(Debug, Clone)]
enum Part {
    Text(String),
    /// What the object says at a path; several texts are put in a row.
    At(Path),
    /// What a condition of this type says: its message, or the reason if it has none; or the reason at any rate.
    Condition {
        kind: String,
        only_reason: bool,
    },
}

fn judge(lines: &[Line], object: &Object) -> Health {
    for line in lines {
        let mut decided = None;
        let holds = line.when.iter().all(|test| {
            let (holds, by) = test.holds(object);
            decided = decided.or(by.filter(|_| holds));
            holds
        });
        if holds {
            return Health::new(line.status, words(line, decided, object));
        }
    }
    progressing(format!("Waiting for {}", object.kind()))
}

fn words(line: &Line, decided: Option<Condition<'_>>, object: &Object) -> String {
    if line.say.is_empty() {
        return decided.map(|condition| condition.words().to_owned()).unwrap_or_default();
    }
    line.say
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::At(path) => path.texts(object.value()).collect::<Vec<_>>().join(", "),
            Part::Condition { kind, only_reason } => crate::fields::condition(object, kind)
                .map(|condition| if *only_reason { condition.reason } else { condition.words() }.to_owned())
                .unwrap_or_default(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{TABLE, TEXTS, kinds};

    #[test]
    fn every_table_can_be_read() {
        assert!(TABLE.kinds.len() > 300, "{} kinds", TABLE.kinds.len());
        let groups: BTreeSet<&str> = kinds().map(|(group, _)| group).collect();
        assert!(groups.len() > 150, "{} groups", groups.len());
    }

    /// A section begins with the project's name and what is read of it.
    #[test]
    fn every_section_names_its_project() {
        for (name, text) in TEXTS {
            let mut is_named = false;
            for line in text.lines() {
                if line.starts_with("# ") {
                    is_named = true;
                } else if line.is_empty() {
                    is_named = false;
                } else if !line.starts_with(' ') {
                    assert!(is_named, "table `{name}`: no project is named above `{line}`");
                }
            }
        }
    }

    #[test]
    fn exact_groups_go_before_patterns() {
        let lines = |group: &str, kind: &str| TABLE.find(group, kind).map(<[_]>::as_ptr);
        assert_eq!(lines("s3.aws.crossplane.io", "Bucket"), lines("x.crossplane.io", "Any"));
        assert_ne!(lines("pkg.crossplane.io", "Provider"), lines("x.crossplane.io", "Provider"));
        assert_eq!(lines("example.org", "Bucket"), None);
        assert_eq!(lines("crossplane.io", "Bucket"), None);
    }
}
