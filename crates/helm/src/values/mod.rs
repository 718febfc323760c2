//! Values: where they come from, and how they come together.

mod coalesce;
mod literal;
mod options;
mod strvals;

pub(crate) use coalesce::merge_tables;
pub use coalesce::{CoalesceError, coalesce_values, merge_values};
pub use literal::parse_literal_into;
pub use options::{ValueError, ValueSources};
pub use strvals::{SetError, parse_into, parse_into_file, parse_into_string, parse_json_into};

use serde_json::Value as Json;

use crate::yaml;
pub use crate::yaml::Table;

/// Reads a file of values: of several documents, later ones win.
pub fn load_values(text: &[u8]) -> Result<Table, String> {
    let documents = yaml::tables(text).map_err(|why| format!("cannot unmarshal yaml document: {why}"))?;
    Ok(documents.into_iter().fold(Table::new(), merge_maps))
}

/// Puts `over` over `under`: tables are merged, everything else is replaced.
pub fn merge_maps(under: Table, over: Table) -> Table {
    let mut merged = under;
    for (key, value) in over {
        match (merged.get_mut(&key), value) {
            (Some(Json::Object(below)), Json::Object(above)) => {
                *below = merge_maps(std::mem::take(below), above);
            }
            (_, value) => {
                merged.insert(key, value);
            }
        }
    }
    merged
}

/// Returns the table that a path of names leads to.
pub(crate) fn table<'v>(values: &'v Table, path: &str) -> Option<&'v Table> {
    path.split('.').try_fold(values, |table, name| table.get(name)?.as_object())
}

/// Returns what a path of names leads to, if it is there and no table.
pub(crate) fn path_value<'v>(values: &'v Table, path: &str) -> Option<&'v Json> {
    let (table_path, name) = match path.rsplit_once('.') {
        Some((path, name)) => (table(values, path)?, name),
        None => (values, path),
    };
    table_path.get(name).filter(|value| !value.is_object())
}
