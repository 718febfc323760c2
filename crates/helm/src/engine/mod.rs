//! Rendering: the templates of a chart and of those it holds, in one set, in Helm's order.

mod error;
mod glob;
mod objects;

pub use error::{Place, RenderError};

use std::any::Any;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use bowline_gotmpl::{Functions, Limits, Map, MissingKey, Set, Value};
use bytes::Bytes;

use self::objects::{Files, TemplateCapabilities, VALUES, chart_map, release_map};
use crate::capabilities::Capabilities;
use crate::chart::Chart;
use crate::functions::{self, Host};
use crate::value::to_map;
use crate::yaml::Table;

/// What templates see as `.Release`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The release's name.
    pub name: String,
    /// The namespace that it goes to.
    pub namespace: String,
    /// Whether there is one already.
    pub is_upgrade: bool,
    /// How often it was installed or upgraded, this time included.
    pub revision: i64,
}

/// How templates are executed.
#[derive(Debug)]
pub struct Execution<'a> {
    /// What templates may call.
    pub functions: Functions,
    /// The state that the functions ask for; see [`bowline_gotmpl::Context::host`].
    pub host: &'a mut dyn Any,
    /// What each template may use.
    pub limits: Limits,
}

impl<'a> Execution<'a> {
    /// Executes templates with the functions of sprig and Helm, and the usual limits.
    pub fn new(host: &'a mut Host) -> Self {
        Self { functions: functions::table(), host, limits: Limits::default() }
    }
}

/// Renders every template of a chart and its dependencies, and returns the outputs by their full paths.
///
/// `values` are those of the whole chart, already brought together.
pub fn render(
    chart: &Chart,
    values: &Table,
    release: &Release,
    capabilities: &Capabilities,
    execution: &mut Execution<'_>,
) -> Result<BTreeMap<String, Vec<u8>>, RenderError> {
    let mut gathered = Gathered {
        release: Value::Map(release_map(release)),
        capabilities: Value::object(TemplateCapabilities::new(capabilities)),
        templates: BTreeMap::new(),
    };
    gathered.chart(chart, chart.name(), &to_map(values).retyped(&VALUES), true);
    let mut templates: Vec<(String, Template)> = gathered.templates.into_iter().collect();
    // The deepest first, and the last of the alphabet first: a name that is defined twice means the later one.
    let depth = |path: &str| path.bytes().filter(|byte| *byte == b'/').count();
    templates.sort_by_cached_key(|(path, _)| Reverse((depth(path), path.clone())));

    let mut set = Set::new(execution.functions.clone());
    set.set_name("gotpl");
    set.set_missing_key(MissingKey::Zero);
    for (path, template) in &templates {
        set.parse_shared(path, &template.text).map_err(|error| RenderError::parse(path, &error))?;
    }
    let mut rendered = BTreeMap::new();
    let mut out = Vec::new();
    for (path, template) in templates {
        if path.rsplit('/').next().is_some_and(|base| base.starts_with('_')) {
            continue;
        }
        let about = Map::typed(&VALUES);
        about.insert("Name", path.as_str());
        about.insert("BasePath", template.base_path.as_str());
        template.dot.insert("Template", about);
        out.clear();
        let dot = Value::Map(template.dot.retyped(&VALUES));
        set.execute(&path, &dot, &mut out, execution.limits, &mut *execution.host)
            .map_err(|error| RenderError::exec(&path, &error))?;
        rendered.insert(path, without_no_values(&out));
    }
    Ok(rendered)
}

struct Template {
    text: Bytes,
    dot: Map,
    base_path: String,
}

struct Gathered {
    release: Value,
    capabilities: Value,
    templates: BTreeMap<String, Template>,
}

impl Gathered {
    /// Gathers a chart's templates, and returns what they are executed with.
    fn chart(&mut self, chart: &Chart, path: &str, values: &Map, is_root: bool) -> Map {
        let subcharts = Map::new();
        let entries: [(&str, Value); 6] = [
            ("Chart", Value::Map(chart_map(chart, is_root))),
            ("Files", Value::object(Files::new(&chart.files))),
            ("Release", self.release.clone()),
            ("Capabilities", self.capabilities.clone()),
            ("Values", Value::Map(values.clone())),
            ("Subcharts", Value::Map(subcharts.clone())),
        ];
        let dot: Map = entries.into_iter().collect();
        for dependency in &chart.dependencies {
            let name = dependency.name();
            // The very map that the parent holds: what one side sets, the other sees.
            let own = name.split('.').try_fold(values.clone(), |map, part| map.get(part)?.as_map().cloned());
            let own = own.map_or_else(|| Map::typed(&VALUES), |map| map.retyped(&VALUES));
            let below = self.chart(dependency, &format!("{path}/charts/{name}"), &own, false);
            subcharts.insert(name, below);
        }
        for file in &chart.templates {
            let base = file.name.rsplit('/').next().unwrap_or(&file.name);
            if chart.is_library() && !base.starts_with('_') {
                continue;
            }
            let template =
                Template { text: file.data.clone(), dot: dot.clone(), base_path: format!("{path}/templates") };
            self.templates.insert(format!("{path}/{}", file.name), template);
        }
        dot
    }
}

/// Takes out what Go prints for values that are not there.
fn without_no_values(text: &[u8]) -> Vec<u8> {
    const NO_VALUE: &[u8] = b"<no value>";
    let mut found = memchr::memmem::find_iter(text, NO_VALUE).peekable();
    if found.peek().is_none() {
        return text.to_vec();
    }
    let mut clean = Vec::with_capacity(text.len());
    let mut from = 0;
    for at in found {
        clean.extend_from_slice(&text[from..at]);
        from = at + NO_VALUE.len();
    }
    clean.extend_from_slice(&text[from..]);
    clean
}
