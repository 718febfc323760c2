//! Real objects of custom kinds, with the health that Argo CD's own tests expect of them: one JSON object a line.
//!
//! The file is no part of this repository; `BOWLINE_CORPUS` names the folder that holds it. Messages are not
//! compared: they are worded here by what each project says, not by what Argo CD says of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use bowline_health::assess;
use bowline_model::{HealthJudge, Object};
use bowline_yaml::{Limits, parse_documents};
use serde_json::{Value, json};

/// Returns the first document that is an object. Some cases leave the name out, which every real object has.
fn object(text: &str) -> Object {
    let (documents, problems) = parse_documents(text.as_bytes(), &Limits::default());
    let mut values = documents.into_iter().map(|document| document.value);
    let mut value = values.find(Value::is_object).unwrap_or_else(|| panic!("no object: {problems:?}\n{text}"));
    if value.pointer("/metadata/name").is_none() {
        if value["metadata"].is_null() {
            value["metadata"] = json!({});
        }
        value["metadata"]["name"] = json!("unnamed");
    }
    Object::from_value(value).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the folder is named from outside, and the counts are for who runs it"
)]
fn real_objects_have_the_health_that_argo_cd_expects() {
    let Some(folder) = std::env::var_os("BOWLINE_CORPUS") else {
        eprintln!("skipped: real_objects_have_the_health_that_argo_cd_expects (BOWLINE_CORPUS is not set)");
        return;
    };
    let file = Path::new(&folder).join("health-cases.jsonl");
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("skipped: real_objects_have_the_health_that_argo_cd_expects (no `{}`)", file.display());
        return;
    };
    let mut groups: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut wrong = String::new();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).expect("is JSON");
        let field = |name: &str| row[name].as_str().unwrap_or_default();
        let object = object(field("object"));
        let health = assess(HealthJudge::ArgoCd, &object);
        let have = health.as_ref().map_or("", |health| health.status.as_str());
        let count = groups.entry(field("group_dir").to_owned()).or_default();
        if have == field("status") {
            count.0 += 1;
        } else {
            count.1 += 1;
            let case = format!("{}/{} {}", field("group_dir"), field("kind"), field("case"));
            writeln!(wrong, "{case}: want {}, have {health:?}", field("status")).expect("memory takes it");
        }
    }
    for (group, (equal, different)) in &groups {
        println!("{group}: {equal} equal, {different} different");
    }
    let equal: usize = groups.values().map(|count| count.0).sum();
    println!("{equal} equal in {} groups", groups.len());
    assert!(wrong.is_empty() && equal > 0, "{wrong}");
}
