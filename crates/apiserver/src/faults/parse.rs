//! The fault file: YAML in, a plan or all its mistakes out, each with its line.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::Fault;
use super::plan::{Action, Delay, FaultPlan, Often, Rule, Scope};

/// One mistake in a fault file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanProblem {
    /// The line, from 1.
    pub line: u32,
    /// Where in the document, such as `rules[2].match.verbs[0]`; empty for the document itself.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead, when that can be told.
    pub help: Option<String>,
}

impl fmt::Display for PlanProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if !self.path.is_empty() {
            write!(f, "`{}`: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

const VERBS: [&str; 13] = [
    "*",
    "apply",
    "create",
    "delete",
    "deletecollection",
    "get",
    "head",
    "list",
    "patch",
    "read",
    "update",
    "watch",
    "write",
];

impl FaultPlan {
    /// Reads a fault file; all mistakes are told together.
    pub fn parse(text: &[u8]) -> Result<Self, Vec<PlanProblem>> {
        let limits = bowline_yaml::Limits::default();
        let (documents, problems) = bowline_yaml::parse_documents_as(bowline_yaml::Rules::SigsStrict, text, &limits);
        if !problems.is_empty() {
            let told = problems.into_iter().map(|problem| PlanProblem {
                line: problem.line,
                path: String::new(),
                message: problem.message,
                help: None,
            });
            return Err(told.collect());
        }
        let [document] = &documents[..] else {
            let message = format!("a fault file is one document, this has {}", documents.len());
            return Err(vec![PlanProblem { line: 1, path: String::new(), message, help: None }]);
        };
        let mut reader = Reader { problems: Vec::new() };
        let plan = reader.plan(&document.value);
        if reader.problems.is_empty() {
            return Ok(plan);
        }
        let told = reader.problems.into_iter().map(|(place, message, help)| PlanProblem {
            line: document.line_of(&place.pointer),
            path: place.path,
            message,
            help,
        });
        Err(told.collect())
    }
}

/// A place in the document, as people and as JSON pointers write it.
#[derive(Debug, Clone, Default)]
struct Place {
    path: String,
    pointer: String,
}

impl Place {
    fn field(&self, name: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        Self { path: format!("{}{dot}{name}", self.path), pointer: format!("{}/{name}", self.pointer) }
    }

    fn item(&self, at: usize) -> Self {
        Self { path: format!("{}[{at}]", self.path), pointer: format!("{}/{at}", self.pointer) }
    }
}

struct Reader {
    problems: Vec<(Place, String, Option<String>)>,
}

impl Reader {
    fn wrong(&mut self, place: &Place, message: impl Into<String>) {
        self.problems.push((place.clone(), message.into(), None));
    }

    /// Returns a map, having told of keys it may not have.
    fn map<'v>(&mut self, place: &Place, value: &'v Value, known: &[&str]) -> Option<&'v Map<String, Value>> {
        let Some(map) = value.as_object() else {
            self.wrong(place, format!("want a map of {}, have {}", known.join(", "), kind_of(value)));
            return None;
        };
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let help = match nearest(key, known) {
                Some(near) => format!("write `{near}`"),
                None => format!("known here: {}", known.join(", ")),
            };
            self.problems.push((place.field(key), "is not known".to_owned(), Some(help)));
        }
        Some(map)
    }

    fn plan(&mut self, value: &Value) -> FaultPlan {
        let top = Place::default();
        let mut plan = FaultPlan { seed: 0, rules: Vec::new() };
        let Some(map) = self.map(&top, value, &["seed", "rules"]) else { return plan };
        if let Some(seed) = map.get("seed") {
            plan.seed = self.number(&top.field("seed"), seed, 0).unwrap_or(0);
        }
        let rules = top.field("rules");
        match map.get("rules") {
            Some(Value::Array(items)) => {
                for (at, item) in items.iter().enumerate() {
                    plan.rules.extend(self.rule(&rules.item(at), item));
                }
            }
            Some(other) => self.wrong(&rules, format!("want a list, have {}", kind_of(other))),
            None => self.wrong(&top, "has no `rules`"),
        }
        plan
    }

    fn rule(&mut self, place: &Place, value: &Value) -> Option<Rule> {
        let map = self.map(place, value, &["match", "when", "do"])?;
        let scope = map.get("match").map(|value| self.scope(&place.field("match"), value)).unwrap_or_default();
        let often = map.get("when").map(|value| self.often(&place.field("when"), value)).unwrap_or_default();
        let Some(what) = map.get("do") else {
            self.wrong(place, "has no `do`");
            return None;
        };
        let (delay, action) = self.action(&place.field("do"), what)?;
        Some(Rule { scope, often, delay, action })
    }

    fn scope(&mut self, place: &Place, value: &Value) -> Scope {
        const KNOWN: [&str; 7] = ["verbs", "groups", "resources", "namespaces", "names", "userAgents", "clusters"];
        let Some(map) = self.map(place, value, &KNOWN) else { return Scope::default() };
        let mut texts = |key: &str| map.get(key).map(|value| self.texts(&place.field(key), value)).unwrap_or_default();
        let scope = Scope {
            verbs: texts("verbs"),
            groups: texts("groups"),
            resources: texts("resources"),
            namespaces: texts("namespaces"),
            names: texts("names"),
            user_agents: texts("userAgents"),
            clusters: texts("clusters"),
        };
        for (at, verb) in scope.verbs.iter().enumerate().filter(|(_, verb)| !VERBS.contains(&verb.as_str())) {
            let help = nearest(verb, &VERBS)
                .map_or_else(|| format!("known verbs: {}", VERBS.join(", ")), |near| format!("write `{near}`"));
            let place = place.field("verbs").item(at);
            self.problems.push((place, format!("there is no verb `{verb}`"), Some(help)));
        }
        scope
    }

    fn texts(&mut self, place: &Place, value: &Value) -> Vec<String> {
        let items = match value {
            Value::Array(items) => items.iter().collect::<Vec<_>>(),
            Value::String(_) => vec![value],
            other => {
                self.wrong(place, format!("want a list of texts, have {}", kind_of(other)));
                return Vec::new();
            }
        };
        let mut out = Vec::new();
        for (at, item) in items.into_iter().enumerate() {
            match item.as_str() {
                Some(text) => out.push(text.to_owned()),
                None => self.wrong(&place.item(at), format!("want a text, have {}", kind_of(item))),
            }
        }
        out
    }

    fn often(&mut self, place: &Place, value: &Value) -> Often {
        let mut often = Often::default();
        let Some(map) = self.map(place, value, &["after", "every", "probability", "count"]) else { return often };
        let mut number = |key: &str, least: u64, into: &mut u64| {
            if let Some(number) = map.get(key).and_then(|value| self.number(&place.field(key), value, least)) {
                *into = number;
            }
        };
        number("after", 0, &mut often.after);
        number("every", 1, &mut often.every);
        number("count", 1, &mut often.count);
        if let Some(value) = map.get("probability") {
            match value.as_f64().filter(|chance| (0.0..=1.0).contains(chance)) {
                Some(chance) => often.probability = chance,
                None => self.wrong(&place.field("probability"), format!("want a number from 0 to 1, have {value}")),
            }
        }
        often
    }

    fn action(&mut self, place: &Place, value: &Value) -> Option<(Option<Delay>, Action)> {
        const ACTIONS: [&str; 7] = ["status", "drop", "expire", "hangWatch", "slowWatch", "closeWatchAfter", "delay"];
        let map = self.map(place, value, &ACTIONS)?;
        let delay = map.get("delay").and_then(|value| self.delay(&place.field("delay"), value));
        let mut faults = Vec::new();
        for (key, value) in map.iter().filter(|(key, _)| *key != "delay") {
            let at = place.field(key);
            faults.extend(match key.as_str() {
                "status" => self.status(&at, value),
                "drop" => match value.as_str() {
                    Some("before") => Some(Fault::DropBefore),
                    Some("afterCommit") => Some(Fault::DropAfterCommit),
                    _ => {
                        self.wrong(&at, format!("want `before` or `afterCommit`, have {value}"));
                        None
                    }
                },
                "expire" => self.flag(&at, value, Fault::Expire),
                "hangWatch" => self.flag(&at, value, Fault::HangWatch),
                "slowWatch" => self.duration(&at, value).map(Fault::SlowWatch),
                "closeWatchAfter" => {
                    let events = self.number(&at, value, 0);
                    events.map(|events| Fault::CloseWatchAfter(usize::try_from(events).unwrap_or(usize::MAX)))
                }
                _ => None,
            });
        }
        if map.is_empty() {
            self.wrong(place, format!("does nothing; it may be one of {}", ACTIONS.join(", ")));
        }
        if faults.len() > 1 {
            self.wrong(place, "does two things; only `delay` goes with another");
        }
        Some((delay, faults.pop().map_or(Action::Serve, Action::Fault)))
    }

    fn status(&mut self, place: &Place, value: &Value) -> Option<Fault> {
        let Some(map) = value.as_object() else {
            return self.known_status(place, value, None);
        };
        self.map(place, value, &["code", "retryAfterSeconds", "message"])?;
        let Some(code) = map.get("code") else {
            self.wrong(place, "has no `code`");
            return None;
        };
        let retry = map
            .get("retryAfterSeconds")
            .and_then(|value| self.number(&place.field("retryAfterSeconds"), value, 0))
            .map(|secs| u32::try_from(secs).unwrap_or(u32::MAX));
        let mut fault = self.known_status(&place.field("code"), code, retry)?;
        if let (Some(text), Fault::Status { message, .. }) = (map.get("message"), &mut fault) {
            match text.as_str() {
                Some(text) => text.clone_into(message),
                None => self.wrong(&place.field("message"), format!("want a text, have {}", kind_of(text))),
            }
        }
        Some(fault)
    }

    fn known_status(&mut self, place: &Place, value: &Value, retry_after_secs: Option<u32>) -> Option<Fault> {
        let mut fault = match value.as_u64() {
            Some(409) => Fault::conflict(),
            Some(429) => Fault::too_many_requests(1),
            Some(500) => Fault::internal(),
            Some(503) => Fault::unavailable(),
            Some(504) => Fault::timeout(),
            _ => {
                self.wrong(place, format!("want 409, 429, 500, 503 or 504, have {value}"));
                return None;
            }
        };
        if let (Some(secs), Fault::Status { retry_after_secs, .. }) = (retry_after_secs, &mut fault) {
            *retry_after_secs = Some(secs);
        }
        Some(fault)
    }

    fn flag(&mut self, place: &Place, value: &Value, fault: Fault) -> Option<Fault> {
        match value {
            Value::Bool(true) => Some(fault),
            _ => {
                self.wrong(place, format!("want `true`, have {value}"));
                None
            }
        }
    }

    fn delay(&mut self, place: &Place, value: &Value) -> Option<Delay> {
        if !value.is_object() {
            let time = self.duration(place, value)?;
            return Some(Delay { from: time, to: time });
        }
        let map = self.map(place, value, &["from", "to"])?;
        let mut bound = |key: &str| match map.get(key) {
            Some(value) => self.duration(&place.field(key), value),
            None => {
                self.wrong(place, format!("has no `{key}`"));
                None
            }
        };
        let (from, to) = (bound("from")?, bound("to")?);
        if from > to {
            self.wrong(place, "ends before it begins");
            return None;
        }
        Some(Delay { from, to })
    }

    fn duration(&mut self, place: &Place, value: &Value) -> Option<Duration> {
        let read = value.as_str().and_then(|text| {
            let (number, unit) = text.split_at(text.find(|letter: char| letter.is_ascii_alphabetic())?);
            let number: f64 = number.parse().ok()?;
            let secs = match unit {
                "us" | "µs" => number / 1e6,
                "ms" => number / 1e3,
                "s" => number,
                "m" => number * 60.0,
                "h" => number * 3600.0,
                _ => return None,
            };
            Duration::try_from_secs_f64(secs).ok()
        });
        if read.is_none() {
            self.wrong(place, format!("want a time such as `250ms` or `2s`, have {value}"));
        }
        read
    }

    fn number(&mut self, place: &Place, value: &Value, least: u64) -> Option<u64> {
        let number = value.as_u64().filter(|number| *number >= least);
        if number.is_none() {
            self.wrong(place, format!("want a whole number from {least} up, have {value}"));
        }
        number
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// Returns the known word that was probably meant.
fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_lowercase();
    known
        .iter()
        .map(|known| (distance(&word, &known.to_lowercase()), *known))
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len())
        .min()
        .map(|(_, known)| known)
}

/// Returns how many letters must be changed, added or taken away (Levenshtein's distance).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let cost = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let found = FaultPlan::parse(text.as_bytes()).expect_err("it is wrong");
        found.into_iter().map(|problem| format!("{problem} [{}]", problem.help.clone().unwrap_or_default())).collect()
    }

    #[test]
    fn the_documented_file_can_be_read() {
        let text = include_str!("../../../../examples/faults.yaml");
        let plan = FaultPlan::parse(text.as_bytes()).expect("it is a plan");
        assert_eq!((plan.seed, plan.len()), (42, 7));
    }

    #[test]
    fn all_mistakes_are_told_with_their_lines() {
        let text = "seed: -1
rules:
- match:
    verbs: [get, udpate]
    ressources: [pods]
  do: {status: 418}
- when: {probability: 2, every: 0}
  do: {delay: soon}
- do: {drop: after, expire: false}
- do: {status: 503, expire: true}
- match: {}
";
        assert_eq!(
            problems(text),
            [
                "line 1: `seed`: want a whole number from 0 up, have -1 []",
                "line 5: `rules[0].match.ressources`: is not known [write `resources`]",
                "line 4: `rules[0].match.verbs[1]`: there is no verb `udpate` [write `update`]",
                "line 6: `rules[0].do.status`: want 409, 429, 500, 503 or 504, have 418 []",
                "line 7: `rules[1].when.every`: want a whole number from 1 up, have 0 []",
                "line 7: `rules[1].when.probability`: want a number from 0 to 1, have 2 []",
                "line 8: `rules[1].do.delay`: want a time such as `250ms` or `2s`, have \"soon\" []",
                "line 9: `rules[2].do.drop`: want `before` or `afterCommit`, have \"after\" []",
                "line 9: `rules[2].do.expire`: want `true`, have false []",
                "line 10: `rules[3].do`: does two things; only `delay` goes with another []",
                "line 11: `rules[4]`: has no `do` []",
            ]
        );
    }

    #[test]
    fn what_is_no_yaml_or_no_map_is_told() {
        assert!(problems("rules: [").first().is_some_and(|told| told.starts_with("line ")));
        assert_eq!(problems("- a"), ["line 1: want a map of seed, rules, have a list []"]);
        assert_eq!(problems("{}"), ["line 1: has no `rules` []"]);
    }
}
