use bowline_model::{Algorithm, Object, Renderer, Revision, Revisions};
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

    /// Writes the revision, or the revisions.
    pub(super) fn write_revision(&self, record: &mut Map<String, Value>, shown: &[String]) {
        match self.sources() {
            Some(_) => record.insert("revisions".to_owned(), json!(shown)),
            None => record.insert("revision".to_owned(), json!(shown.first())),
        };
    }

    /// Returns revisions as Argo CD shows them: a commit, the version of a chart, the digest of an artifact.
    pub(super) fn shown(&self, revisions: &Revisions) -> Vec<String> {
        let is_chart = |at: usize| {
            let source = match self.sources() {
                Some(sources) => sources.get(at),
                None => self.spec.get("source"),
            };
            source.and_then(|source| source["chart"].as_str()).is_some_and(|chart| !chart.is_empty())
        };
        let shown = |(at, revision): (usize, &Revision)| match (revision.algorithm, &revision.name) {
            (Algorithm::Sha256, Some(version)) if is_chart(at) || revision.digest.is_empty() => version.clone(),
            (Algorithm::Sha256, _) => format!("sha256:{}", revision.digest),
            (Algorithm::Sha1, _) => revision.digest.clone(),
        };
        revisions.all().enumerate().map(shown).collect()
    }

    /// Writes how the source, or each source, is rendered.
    pub(super) fn write_source_type(&self, status: &mut Map<String, Value>, renderers: &[Option<Renderer>]) {
        let name = |renderer: &Option<Renderer>| match renderer {
            Some(Renderer::Chart) => "Helm",
            Some(Renderer::Kustomize) => "Kustomize",
            Some(Renderer::Directory) => "Directory",
            None => "",
        };
        let names: Vec<&str> = renderers.iter().map(name).collect();
        let (field, other, value) = match self.sources() {
            Some(_) => ("sourceTypes", "sourceType", json!(names)),
            None => ("sourceType", "sourceTypes", json!(names.first().unwrap_or(&"Directory"))),
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
