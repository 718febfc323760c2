//! How a render and its trace are written down.

use bowline_model::{
    ApplyRule, ChartReport, Hook, LastRelease, Location, Object, ObjectKey, Phase, Renderer, Unstable,
};
use bowline_tree::{ContentId, Mark, ReadSet, TreePath};
use serde_json::{Value, json};

use super::store::Name;
use crate::render::{Written, WrittenHook};

/// What one render read and what came of it; the objects are kept apart, by their digest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trace {
    /// Names what was seen of the cluster; `None` where nothing was.
    pub(super) surroundings: Option<String>,
    /// Names the revisions, where what was rendered names one.
    pub(super) named: Option<String>,
    /// The release before.
    pub(super) last: Option<LastRelease>,
    pub(super) reads: Vec<ReadSet>,
    pub(super) by: Vec<Option<Renderer>>,
    pub(super) digest: String,
    pub(super) objects: Name,
    pub(super) chart: Option<ChartReport>,
    pub(super) unstable: Vec<Unstable>,
}

pub(super) fn write_traces(traces: &[Trace]) -> Vec<u8> {
    Value::Array(traces.iter().map(write_trace).collect()).to_string().into_bytes()
}

/// Reads traces; `None` where they are not what this program writes.
pub(super) fn read_traces(content: &[u8]) -> Option<Vec<Trace>> {
    let value: Value = serde_json::from_slice(content).ok()?;
    value.as_array()?.iter().map(read_trace).collect()
}

fn write_trace(trace: &Trace) -> Value {
    let release = |last: &LastRelease| json!([last.number, last.digest]);
    json!({
        "surroundings": trace.surroundings,
        "named": trace.named,
        "last": trace.last.as_ref().map(release),
        "reads": trace.reads.iter().map(write_reads).collect::<Vec<_>>(),
        "by": trace.by.iter().map(|by| by.map(word)).collect::<Vec<_>>(),
        "digest": trace.digest,
        "objects": trace.objects.to_string(),
        "chart": trace.chart.as_ref().map(|chart| json!({
            "name": chart.name, "version": chart.version, "appVersion": chart.app_version,
            "release": chart.release, "config": chart.config_digest,
        })),
        "unstable": trace.unstable.iter().map(|unstable| {
            let key = &unstable.key;
            json!([key.group, key.kind, key.namespace, key.name, unstable.paths])
        }).collect::<Vec<_>>(),
    })
}

fn read_trace(value: &Value) -> Option<Trace> {
    let optional = |field: &str| -> Option<Option<String>> {
        match &value[field] {
            Value::Null => Some(None),
            text => Some(Some(text.as_str()?.to_owned())),
        }
    };
    let last = match &value["last"] {
        Value::Null => None,
        last => Some(LastRelease { number: number(&last[0])?, digest: text(&last[1])? }),
    };
    let chart = match &value["chart"] {
        Value::Null => None,
        chart => Some(ChartReport {
            name: text(&chart["name"])?,
            version: text(&chart["version"])?,
            app_version: text(&chart["appVersion"])?,
            release: number(&chart["release"])?,
            config_digest: text(&chart["config"])?,
        }),
    };
    let by = |by: &Value| match by {
        Value::Null => Some(None),
        by => renderer(by.as_str()?).map(Some),
    };
    Some(Trace {
        surroundings: optional("surroundings")?,
        named: optional("named")?,
        last,
        reads: value["reads"].as_array()?.iter().map(read_reads).collect::<Option<_>>()?,
        by: value["by"].as_array()?.iter().map(by).collect::<Option<_>>()?,
        digest: text(&value["digest"])?,
        objects: Name::parse(value["objects"].as_str()?)?,
        chart,
        unstable: value["unstable"].as_array()?.iter().map(read_unstable).collect::<Option<_>>()?,
    })
}

fn write_reads(reads: &ReadSet) -> Value {
    let mark = |(path, mark): (&TreePath, &Mark)| match mark {
        Mark::Absent => json!([path.as_str()]),
        Mark::Content(id) => json!([path.as_str(), id.0]),
    };
    Value::Array(reads.iter().map(mark).collect())
}

fn read_reads(value: &Value) -> Option<ReadSet> {
    let mark = |mark: &Value| {
        let path = TreePath::parse(mark[0].as_str()?).ok()?;
        let id = mark.get(1).map(|id| id.as_str().map(|id| ContentId(id.to_owned())));
        Some((
            path,
            match id {
                None => Mark::Absent,
                Some(id) => Mark::Content(id?),
            },
        ))
    };
    value.as_array()?.iter().map(mark).collect()
}

fn read_unstable(value: &Value) -> Option<Unstable> {
    let at = |at: usize| value[at].as_str();
    let paths = value[4].as_array()?.iter().map(text).collect::<Option<_>>()?;
    Some(Unstable { key: ObjectKey::new(at(0)?, at(1)?, at(2)?, at(3)?), paths })
}

fn word(by: Renderer) -> &'static str {
    match by {
        Renderer::Directory => "directory",
        Renderer::Chart => "chart",
        Renderer::Kustomize => "kustomize",
    }
}

fn renderer(word: &str) -> Option<Renderer> {
    Some(match word {
        "directory" => Renderer::Directory,
        "chart" => Renderer::Chart,
        "kustomize" => Renderer::Kustomize,
        _ => return None,
    })
}

/// Writes objects, one on a line.
pub(super) fn write_objects(objects: &[Written]) -> Vec<u8> {
    let mut text = String::new();
    for written in objects {
        let Location { file, line, column } = &written.origin;
        let hook = written.hook.map(|WrittenHook { phase, wave, hook }| {
            json!([
                phase.as_str(),
                wave,
                hook.delete_before_creation,
                hook.delete_when_succeeded,
                hook.delete_when_failed
            ])
        });
        let rest = json!([file, line, column, written.apply.map(apply_word), hook]);
        text.push_str(&rest.to_string());
        text.push('\n');
        text.push_str(&written.object.value().to_string());
        text.push('\n');
    }
    text.into_bytes()
}

/// Reads objects; `None` where they are not what this program writes.
pub(super) fn read_objects(content: &[u8]) -> Option<Vec<Written>> {
    let mut lines = std::str::from_utf8(content).ok()?.lines();
    let mut objects = Vec::new();
    while let Some(rest) = lines.next() {
        let rest: Value = serde_json::from_str(rest).ok()?;
        let object = Object::from_value(serde_json::from_str(lines.next()?).ok()?).ok()?;
        let place = |value: &Value| match value {
            Value::Null => Some(None),
            place => number(place).map(Some),
        };
        objects.push(Written {
            object,
            origin: Location { file: text(&rest[0])?, line: place(&rest[1])?, column: place(&rest[2])? },
            apply: match &rest[3] {
                Value::Null => None,
                word => Some(apply_rule(word.as_str()?)?),
            },
            hook: match &rest[4] {
                Value::Null => None,
                hook => Some(read_hook(hook)?),
            },
        });
    }
    Some(objects)
}

fn read_hook(value: &Value) -> Option<WrittenHook> {
    let phases = [Phase::PreSync, Phase::Sync, Phase::PostSync, Phase::SyncFail, Phase::Never];
    let word = value[0].as_str()?;
    Some(WrittenHook {
        phase: phases.into_iter().find(|phase| phase.as_str() == word)?,
        wave: value[1].as_i64()?.try_into().ok()?,
        hook: Hook {
            delete_before_creation: value[2].as_bool()?,
            delete_when_succeeded: value[3].as_bool()?,
            delete_when_failed: value[4].as_bool()?,
        },
    })
}

fn apply_word(apply: ApplyRule) -> &'static str {
    match apply {
        ApplyRule::Always => "always",
        ApplyRule::IfAbsent => "if-absent",
        ApplyRule::Never => "never",
    }
}

fn apply_rule(word: &str) -> Option<ApplyRule> {
    Some(match word {
        "always" => ApplyRule::Always,
        "if-absent" => ApplyRule::IfAbsent,
        "never" => ApplyRule::Never,
        _ => return None,
    })
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_read_as_they_were_written() {
        let path = |text: &str| TreePath::parse(text).expect("a path");
        let full = Trace {
            surroundings: Some("here".to_owned()),
            named: Some("main@sha1:aa".to_owned()),
            last: Some(LastRelease { number: 3, digest: "sha256:00".to_owned() }),
            reads: vec![
                [(path("a/b"), Mark::Content(ContentId("id".to_owned()))), (path("a/c"), Mark::Absent)]
                    .into_iter()
                    .collect(),
                ReadSet::default(),
            ],
            by: vec![Some(Renderer::Chart), None, Some(Renderer::Kustomize), Some(Renderer::Directory)],
            digest: "sha256:11".to_owned(),
            objects: Name::of(b"objects"),
            chart: Some(ChartReport {
                name: "web".to_owned(),
                version: "1.2.3".to_owned(),
                app_version: "4".to_owned(),
                release: 2,
                config_digest: String::new(),
            }),
            unstable: vec![Unstable {
                key: ObjectKey::new("apps", "Deployment", "ns", "web"),
                paths: vec![".metadata.annotations.rolled".to_owned()],
            }],
        };
        let bare = Trace {
            surroundings: None,
            named: None,
            last: None,
            reads: Vec::new(),
            by: Vec::new(),
            chart: None,
            unstable: Vec::new(),
            ..full.clone()
        };
        let traces = vec![full, bare];
        assert_eq!(read_traces(&write_traces(&traces)), Some(traces));
        for other in ["", "{}", "[{}]", "[1]"] {
            assert_eq!(read_traces(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn objects_are_read_as_they_were_written() {
        let object = |name: &str| {
            Object::from_value(json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                "data": {"text": "two\nlines\u{2028}and \"more\"", "number": 1.5, "big": u64::MAX},
            }))
            .expect("is an object")
        };
        let hook = Hook { delete_when_failed: true, ..Hook::default() };
        let objects = vec![
            Written {
                object: object("a"),
                origin: Location::line("a.yaml", 7),
                apply: Some(ApplyRule::IfAbsent),
                hook: Some(WrittenHook { phase: Phase::PostSync, wave: -3, hook }),
            },
            Written {
                object: object("b"),
                origin: Location { file: "b.yaml".to_owned(), line: None, column: None },
                apply: None,
                hook: None,
            },
        ];
        let read = read_objects(&write_objects(&objects)).expect("is what was written");
        assert_eq!(write_objects(&read), write_objects(&objects));
        assert_eq!(read[0].object, objects[0].object);
        assert_eq!(read[0].apply, objects[0].apply);
        assert!(read_objects(b"[]\n").is_none());
        assert!(read_objects(b"[\"a\",null,null,null,null]\n").is_none(), "an object is missing");
    }
}
