//! Printed charts, compared as the objects they are.

use bowline_yaml::{Limits, Rules, parse_documents_as};
use serde_json::Value as Json;

/// Reads what a chart was printed as.
pub(crate) fn documents(text: &[u8]) -> Vec<Json> {
    let limits = Limits { max_bytes: 100 << 20, ..Limits::default() };
    let (documents, _) = parse_documents_as(Rules::Sigs, text, &limits);
    documents.into_iter().map(|document| document.value).filter(|value| !value.is_null()).collect()
}

/// Tells where `got` departs from what two runs of Helm agree on; leaves that they do not agree on are free.
pub(crate) fn departure(got: &[Json], one: &[Json], other: &[Json]) -> Option<String> {
    if got.len() != one.len() || one.len() != other.len() {
        return Some(format!("{} documents, Helm has {} and {}", got.len(), one.len(), other.len()));
    }
    let all = got.iter().zip(one.iter().zip(other)).enumerate();
    all.into_iter().find_map(|(number, (got, (one, other)))| leaf(&format!("document {number}"), got, one, other))
}

fn leaf(place: &str, got: &Json, one: &Json, other: &Json) -> Option<String> {
    match (got, one, other) {
        (Json::Object(got), Json::Object(one), Json::Object(other)) => {
            if !got.keys().eq(one.keys()) || !one.keys().eq(other.keys()) {
                return Some(format!("{place}: other keys"));
            }
            got.iter().find_map(|(key, value)| leaf(&format!("{place}.{key}"), value, &one[key], &other[key]))
        }
        (Json::Array(got), Json::Array(one), Json::Array(other)) => {
            if got.len() != one.len() || one.len() != other.len() {
                return Some(format!("{place}: another length"));
            }
            let items = got.iter().zip(one.iter().zip(other)).enumerate();
            items.into_iter().find_map(|(at, (got, (one, other)))| leaf(&format!("{place}[{at}]"), got, one, other))
        }
        _ if one == other && got != one => Some(format!("{place}: got {got}, want {one}")),
        _ => None,
    }
}

/// How the documents of Helm 3 depart from ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Older {
    /// Not at all.
    Same,
    /// They come in another order.
    Order,
    /// Helm 3 leaves nulls of a chart's defaults in.
    Nulls,
    /// Otherwise.
    Other(String),
}

/// Compares with what Helm 3 printed.
pub(crate) fn older(ours: &[Json], older: &[Json]) -> Older {
    if ours == older {
        return Older::Same;
    }
    let sorted = |documents: &[Json]| {
        let mut texts: Vec<String> = documents.iter().map(Json::to_string).collect();
        texts.sort();
        texts
    };
    if sorted(ours) == sorted(older) {
        return Older::Order;
    }
    let without_nulls = |documents: &[Json]| {
        let mut documents = documents.to_vec();
        documents.iter_mut().for_each(drop_nulls);
        sorted(&documents)
    };
    let (mine, theirs) = (without_nulls(ours), without_nulls(older));
    if mine == theirs {
        return Older::Nulls;
    }
    let shown = |text: Option<&String>| text.map_or("(none)".to_owned(), |text| text.chars().take(160).collect());
    let differing = mine.iter().find(|text| !theirs.contains(text));
    let instead = theirs.iter().find(|text| !mine.contains(text));
    Older::Other(format!("ours {}, Helm 3's {}", shown(differing), shown(instead)))
}

fn drop_nulls(value: &mut Json) {
    match value {
        Json::Object(entries) => {
            entries.values_mut().for_each(drop_nulls);
            // What held nothing but nulls is empty to one and missing to the other.
            entries.retain(|_, value| !value.is_null() && *value != Json::Object(serde_json::Map::new()));
        }
        Json::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
