//! `bowline drift`: what others changed in the cluster, by the record of a Bowline that runs or ran here.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use bowline_engine::{DriftLine, read_ledger};
use bowline_model::ObjectKey;
use serde_json::{Value, json};

use crate::run::DRIFT_FOLDER;
use crate::trouble::{Trouble, harmless};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The state folder of `bowline run`
    #[arg(long, value_name = "DIR", default_value = ".bowline")]
    state_dir: PathBuf,

    /// Tells of what is over, too
    #[arg(long)]
    all: bool,

    /// Tells of the app of this name alone
    #[arg(long, value_name = "NAME")]
    app: Option<String>,

    /// How it is told
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

/// One field of an object, from the moment it was found changed.
struct Drift {
    began: DriftLine,
    ended: Option<DriftLine>,
}

pub(crate) fn drift(options: &Options) -> anyhow::Result<()> {
    if !options.state_dir.is_dir() {
        let what = format!("there is no folder `{}`", options.state_dir.display());
        let help = "name the folder that `bowline run` was given with `--state-dir`";
        return Err(Trouble::because(what, "nothing is known of drift without its record", help).into());
    }
    let folder = options.state_dir.join(DRIFT_FOLDER);
    let lines = read_ledger(&folder).with_context(|| format!("cannot read the record in `{}`", folder.display()))?;
    let is_wanted = |drift: &Drift| {
        (options.all || drift.ended.is_none()) && options.app.as_ref().is_none_or(|name| drift.began.app.name == *name)
    };
    let drifts: Vec<Drift> = pair(lines).into_iter().filter(is_wanted).collect();
    let mut out = std::io::stdout().lock();
    let printed = match options.output {
        Output::Json => writeln!(out, "{:#}", Value::Array(drifts.iter().map(view).collect())),
        Output::Text => write!(out, "{}", table(&drifts)),
    };
    printed.context("cannot print")
}

/// Finds the end of each drift. What was found twice without an end, for Bowline was away, is one.
fn pair(lines: Vec<DriftLine>) -> Vec<Drift> {
    let mut drifts: Vec<Drift> = Vec::new();
    let mut open: BTreeMap<(ObjectKey, ObjectKey, String), usize> = BTreeMap::new();
    for line in lines {
        let name = (line.app.clone(), line.object.clone(), line.field.path.clone());
        match (line.end.is_some(), open.get(&name).copied()) {
            (true, Some(at)) => {
                drifts[at].ended = Some(line);
                open.remove(&name);
            }
            (true, None) => {}
            (false, Some(at)) => drifts[at].began.field = line.field,
            (false, None) => {
                open.insert(name, drifts.len());
                drifts.push(Drift { began: line, ended: None });
            }
        }
    }
    drifts
}

fn state(drift: &Drift) -> &'static str {
    drift.ended.as_ref().and_then(|line| line.end).map_or("open", bowline_engine::DriftEnd::as_str)
}

fn view(drift: &Drift) -> Value {
    let key =
        |key: &ObjectKey| json!({"group": key.group, "kind": key.kind, "namespace": key.namespace, "name": key.name});
    let DriftLine { at, app, object, field, .. } = &drift.began;
    json!({
        "app": key(app), "object": key(object), "path": field.path, "want": field.want, "have": field.have,
        "manager": field.manager, "operation": field.operation.map(bowline_model::DriftOperation::as_str),
        "managerTime": field.since, "seen": at.to_string(), "state": state(drift),
        "ended": drift.ended.as_ref().map(|line| line.at.to_string()),
    })
}

fn table(drifts: &[Drift]) -> String {
    if drifts.is_empty() {
        return "nothing drifted\n".to_owned();
    }
    let rows: Vec<[String; 5]> = drifts
        .iter()
        .map(|drift| {
            let DriftLine { at, app, object, .. } = &drift.began;
            let seen = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            let app = format!("{} {}/{}", app.kind, app.namespace, app.name);
            // Names of managers and values are others' words.
            let what = harmless(&drift.began.sentence()).replace('\n', " ");
            [seen, state(drift).to_owned(), app, object.to_string(), what]
        })
        .collect();
    let heads = ["SEEN", "STATE", "APP", "OBJECT", "WHAT"].map(str::to_owned);
    let width =
        |column: usize| rows.iter().chain([&heads]).map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 4] = std::array::from_fn(width);
    let line = |row: &[String; 5]| {
        let [seen, state, app, object, what] = row;
        let [a, b, c, d] = widths;
        format!("{seen:a$}  {state:b$}  {app:c$}  {object:d$}  {what}\n")
    };
    [&heads].into_iter().chain(&rows).map(line).collect()
}

#[cfg(test)]
mod tests {
    use bowline_engine::DriftEnd;
    use bowline_model::{AppId, Drifted};

    use super::*;

    fn line(second: i64, path: &str, end: Option<DriftEnd>) -> DriftLine {
        DriftLine {
            at: jiff::Timestamp::from_second(second).expect("a time"),
            app: AppId::new("argoproj.io", "Application", "argocd", "shop"),
            object: ObjectKey::new("", "ConfigMap", "shop", "settings"),
            field: Drifted {
                path: path.to_owned(),
                want: Some("1".to_owned()),
                have: Some("\"\u{1b}[2J\"".to_owned()),
                manager: Some("kubectl-edit".to_owned()),
                ..Drifted::default()
            },
            end,
        }
    }

    #[test]
    fn beginnings_find_their_ends() {
        let drifts = pair(vec![
            line(0, ".a", Some(DriftEnd::Over)),
            line(1, ".a", None),
            line(2, ".b", None),
            line(3, ".a", None),
            line(4, ".a", Some(DriftEnd::Healed)),
            line(5, ".a", None),
        ]);
        let told: Vec<_> =
            drifts.iter().map(|drift| (drift.began.at.as_second(), &*drift.began.field.path, state(drift))).collect();
        assert_eq!(told, [(1, ".a", "healed"), (2, ".b", "open"), (5, ".a", "open")]);
        let table = table(&drifts);
        assert!(table.starts_with("SEEN                  STATE   APP                      OBJECT"), "{table}");
        assert!(table.contains("`.b` is ") && table.contains(", not 1, by kubectl-edit\n"), "{table}");
        assert!(!table.contains('\u{1b}'), "{table:?}");
    }
}
