use bowline_model::{Object, Renderer};
use serde_json::{Map, Value, json};

/// How many entries the history keeps where the spec says nothing.
const HISTORY_LIMIT: usize = 10;

/// What status repeats of a spec, as stored.
pub(super) struct Spec<'a> {
    spec: &'a Value,
}

impl<'a> Spec<'a> {
    pub(super) fn of(resource: &'a Object) -> Self {
        Self { spec: resource.at("/spec").unwrap_or(&Value::Null) }
    }

    /// Returns `sources` when the application uses them: then lists stand where single values would.
    fn sources(&self) -> Option<&'a Value> {
        self.spec.get("sources").filter(|list| list.as_array().is_some_and(|list| !list.is_empty()))
    }

    /// Writes the source, or the sources.
    pub(super) fn write_source(&self, record: &mut Map<String, Value>) {
        match self.sources() {
            Some(sources) => record.insert("sources".to_owned(), sources.clone()),
            None => {
                record.insert("source".to_owned(), self.spec.get("source").cloned().unwrap_or(json!({"repoURL": ""})))
            }
        };
    }

    /// Writes the commit, or the commits.
    pub(super) fn write_revision(&self, record: &mut Map<String, Value>, commit: &str) {
        match self.sources() {
            Some(_) => record.insert("revisions".to_owned(), json!([commit])),
            None => record.insert("revision".to_owned(), json!(commit)),
        };
    }

    /// Writes how the source, or each source, is rendered.
    pub(super) fn write_source_type(&self, status: &mut Map<String, Value>, renderer: Option<Renderer>) {
        let name = match renderer {
            Some(Renderer::Chart) => "Helm",
            Some(Renderer::Directory) | None => "Directory",
        };
        let (field, other, value) = match self.sources() {
            Some(_) => ("sourceTypes", "sourceType", json!([name])),
            None => ("sourceType", "sourceTypes", json!(name)),
        };
        status.insert(field.to_owned(), value);
        status.remove(other);
    }

    pub(super) fn compared_to(&self) -> Value {
        let mut compared = Map::new();
        self.write_source(&mut compared);
        compared.insert("destination".to_owned(), self.spec.get("destination").cloned().unwrap_or(json!({})));
        Value::Object(compared)
    }

    pub(super) fn history_limit(&self) -> usize {
        let limit = self.spec.get("revisionHistoryLimit").and_then(Value::as_i64);
        limit.map_or(HISTORY_LIMIT, |limit| usize::try_from(limit).unwrap_or(0))
    }

    pub(super) fn sync_policy(&self, field: &str) -> Option<&'a Value> {
        self.spec.get("syncPolicy")?.get(field).filter(|value| !value.is_null())
    }
}
