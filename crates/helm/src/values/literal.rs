//! The grammar of `--set-literal`: as `--set`, but the value is everything after `=`.

use serde_json::Value as Json;

use super::strvals::{
    Cursor, SetError, Stop, check_item, nested_key, nested_list, nested_map, runes, set, set_index, take_list, wrong,
};
use crate::yaml::Table;

/// Sets what a line of `--set-literal` says.
pub fn parse_literal_into(line: &str, values: &mut Table) -> Result<(), SetError> {
    let mut text = Cursor::new(line);
    loop {
        match key(&mut text, values, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Wrong(text)) => return Err(SetError(text)),
        }
    }
}

fn key(text: &mut Cursor<'_>, values: &mut Table, level: usize) -> Result<(), Stop> {
    let (name, stop) = text.until(&['=', '[', '.'], false);
    match stop {
        None if name.is_empty() => Err(Stop::End),
        None => wrong(format!("key {} has no value", bowline_gotmpl::quote(&name))),
        Some('=') => {
            set(values, &name, Json::String(rest(text)));
            Ok(())
        }
        Some('[') => {
            let index = text.index(false)?;
            let mut list = take_list(values, &name)?;
            let result = item(text, &mut list, index, level, 0);
            set(values, &name, Json::Array(list));
            result
        }
        Some(_) => nested_key(values, &name, level, |inner, level| key(text, inner, level)),
    }
}

fn item(text: &mut Cursor<'_>, list: &mut Vec<Json>, index: i64, level: usize, depth: usize) -> Result<(), Stop> {
    check_item(index, depth)?;
    let (name, stop) = text.until(&['[', '.', '='], false);
    if !name.is_empty() {
        let name = runes(&name);
        return wrong(format!("unexpected data at end of array index: {name}"));
    }
    match stop {
        None => Err(Stop::End),
        Some('=') => set_index(list, index, Json::String(rest(text))),
        Some('[') => {
            let next = text.index(false)?;
            nested_list(list, index, |inner| item(text, inner, next, level, depth + 1))
        }
        Some(_) => nested_map(list, index, |inner| key(text, inner, level)),
    }
}

fn rest(text: &mut Cursor<'_>) -> String {
    std::mem::take(&mut text.rest).to_owned()
}
