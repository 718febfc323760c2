//! Bringing values together: those of the user over those of a chart over those of the charts it holds.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::chart::Chart;
use crate::yaml::Table;

const GLOBAL: &str = "global";

/// The values for a dependency are no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("type mismatch on {name}: {shown}")]
pub struct CoalesceError {
    /// The dependency's name.
    pub name: String,
    /// The value, as Go's `%t` shows it.
    pub shown: String,
}

/// Whether a null stays (so that charts further up still see it), or takes away what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Merge,
    Coalesce,
}

/// Puts the user's values over those of the chart and its dependencies; nulls take defaults away.
///
/// What Helm would log is added to `warnings`.
pub fn coalesce_values(chart: &Chart, values: &Table, warnings: &mut Vec<String>) -> Result<Table, CoalesceError> {
    Coalescing { warnings }.chart(chart, values.clone(), "", Mode::Coalesce)
}

/// As [`coalesce_values`], but nulls stay.
pub fn merge_values(chart: &Chart, values: &Table, warnings: &mut Vec<String>) -> Result<Table, CoalesceError> {
    Coalescing { warnings }.chart(chart, values.clone(), "", Mode::Merge)
}

/// Puts `over` over `under`; nulls stay.
pub(crate) fn merge_tables(over: &mut Table, under: Table, warnings: &mut Vec<String>) {
    Coalescing { warnings }.tables(over, under, "", Mode::Merge);
}

struct Coalescing<'w> {
    warnings: &'w mut Vec<String>,
}

impl Coalescing<'_> {
    fn warn(&mut self, text: String) {
        self.warnings.push(text);
    }

    fn chart(&mut self, chart: &Chart, values: Table, prefix: &str, mode: Mode) -> Result<Table, CoalesceError> {
        let mut values = values;
        let prefix = join(prefix, chart.name());
        self.defaults(chart, &mut values, &prefix, mode);
        for dependency in &chart.dependencies {
            let name = dependency.name();
            let mut own = match values.remove(name) {
                None => Table::new(),
                Some(Json::Object(own)) => own,
                Some(other) => {
                    return Err(CoalesceError { name: name.to_owned(), shown: shown_as_truth(&other) });
                }
            };
            self.globals(&mut own, &values, &prefix);
            let own = self.chart(dependency, own, &prefix, mode)?;
            values.insert(name.to_owned(), Json::Object(own));
        }
        Ok(values)
    }

    /// Gives a dependency the globals of the chart that holds it, which win.
    fn globals(&mut self, own: &mut Table, parent: &Table, prefix: &str) {
        let mut globals = match own.get_mut(GLOBAL) {
            None => Table::new(),
            Some(Json::Object(globals)) => std::mem::take(globals),
            Some(_) => {
                return self.warn(format!("warning: skipping globals because destination {GLOBAL} is not a table."));
            }
        };
        let none = Table::new();
        match parent.get(GLOBAL) {
            Some(Json::Object(from)) => self.add_globals(&mut globals, from, prefix),
            None => self.add_globals(&mut globals, &none, prefix),
            Some(_) => {
                self.warn(format!("warning: skipping globals because source {GLOBAL} is not a table."));
                if globals.is_empty() && !own.contains_key(GLOBAL) {
                    return;
                }
            }
        }
        own.insert(GLOBAL.to_owned(), Json::Object(globals));
    }

    fn add_globals(&mut self, globals: &mut Table, from: &Table, prefix: &str) {
        for (key, value) in from {
            match (value, globals.get_mut(key)) {
                (Json::Object(table), Some(Json::Object(below))) => {
                    let mut merged = table.clone();
                    let below = std::mem::take(below);
                    self.tables(&mut merged, below, &join(prefix, key), Mode::Merge);
                    globals.insert(key.clone(), Json::Object(merged));
                }
                (Json::Object(_), Some(_)) => {
                    let key = bowline_gotmpl::quote(key);
                    self.warn(format!("Conflict: cannot merge map onto non-map for {key}. Skipping."));
                }
                (Json::Object(_), None) => {
                    globals.insert(key.clone(), value.clone());
                }
                (_, Some(Json::Object(_))) => self.warn(format!("key {key} is table. Skipping")),
                _ => {
                    globals.insert(key.clone(), value.clone());
                }
            }
        }
    }

    /// Puts the values over the chart's defaults.
    fn defaults(&mut self, chart: &Chart, values: &mut Table, prefix: &str, mode: Mode) {
        for (key, default) in &chart.values {
            match values.get_mut(key) {
                None => {
                    let mut default = default.clone();
                    if mode == Mode::Coalesce {
                        if default.is_null() {
                            continue;
                        }
                        if let Json::Object(table) = &mut default {
                            without_nulls(table);
                        }
                    }
                    values.insert(key.clone(), default);
                }
                Some(Json::Null) if mode == Mode::Coalesce => {
                    values.remove(key);
                }
                Some(Json::Object(table)) => match default {
                    Json::Object(default) => {
                        let is_dependency = chart.dependencies.iter().any(|dependency| dependency.name() == key);
                        let mode = if is_dependency { Mode::Merge } else { mode };
                        let mut default = default.clone();
                        if mode == Mode::Coalesce {
                            without_nulls(&mut default);
                        }
                        self.tables(table, default, &join(prefix, key), mode);
                    }
                    Json::Null => {}
                    _ => self.warn(format!("warning: skipped value for {prefix}.{key}: Not a table.")),
                },
                Some(_) => {}
            }
        }
    }

    fn tables(&mut self, over: &mut Table, under: Table, prefix: &str, mode: Mode) {
        let given: BTreeSet<String> =
            under.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key.clone()).collect();
        let mut under = under;
        for (key, _) in over.iter().filter(|(_, value)| value.is_null()) {
            under.insert(key.clone(), Json::Null);
        }
        for (key, value) in under {
            let full = join(prefix, &key);
            match (over.get_mut(&key), value) {
                (None, value) => {
                    over.insert(key, value);
                }
                (Some(Json::Null), _) if mode == Mode::Coalesce && given.contains(&key) => {
                    over.remove(&key);
                }
                (Some(Json::Object(above)), Json::Object(below)) => self.tables(above, below, &full, mode),
                (Some(_), below @ Json::Object(_)) => {
                    let below = shown(&below);
                    self.warn(format!("warning: cannot overwrite table with non table for {full} ({below})"));
                }
                (Some(Json::Object(_)), below) if !below.is_null() => {
                    let below = shown(&below);
                    self.warn(format!(
                        "warning: destination for {full} is a table. Ignoring non-table value ({below})"
                    ));
                }
                _ => {}
            }
        }
    }
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

fn without_nulls(table: &mut Table) {
    table.retain(|_, value| !value.is_null());
    for value in table.values_mut() {
        if let Json::Object(table) = value {
            without_nulls(table);
        }
    }
}

fn shown(value: &Json) -> String {
    bowline_gotmpl::sprint(&[crate::value::to_template(value)]).to_text().into_owned()
}

fn shown_as_truth(value: &Json) -> String {
    bowline_gotmpl::sprintf("%t", &[crate::value::to_template(value)]).to_text().into_owned()
}
