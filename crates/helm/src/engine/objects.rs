//! What templates see beside values: `.Files`, `.Capabilities` and `.Chart`.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bowline_gotmpl::{
    Context, Field, FuncError, IntKind, List, Map, Named, Object, Shape, Signature, Str, Type, Value,
};
use bytes::Bytes;
use serde_json::Value as Json;

use super::glob::Glob;
use crate::capabilities::{Capabilities, GO_VERSION, HELM_VERSION, KUBE_CLIENT_VERSION, KubeVersion};
use crate::chart::{Chart, Dependency, File, ImportValue};
use crate::value::to_template;

/// The type of `.Values`, and of what templates are executed with.
pub(super) static VALUES: Type = Type::Named(&Named { name: "common.Values", underlying: Type::MAP });

static FILE_MAP: Type = Type::Map(&Type::BYTES);

const NO_PARAMS: &[Type] = &[];
const ONE_STRING: &[Type] = &[Type::String];

/// `.Files`: the files of a chart that are nothing else.
pub(super) struct Files {
    files: BTreeMap<Str, Bytes>,
    /// The files as templates see all of them together: most never do. From then on templates may change it.
    map: OnceCell<Map>,
}

impl Files {
    pub(super) fn new(files: &[File]) -> Self {
        let files = files.iter().map(|file| (Str::from(&file.name), file.data.clone())).collect();
        Self { files, map: OnceCell::new() }
    }

    fn map(&self) -> &Map {
        self.map.get_or_init(|| {
            let map = Map::typed(&FILE_MAP);
            for (name, content) in &self.files {
                map.insert(name.clone(), Value::bytes(content));
            }
            map
        })
    }

    fn len(&self) -> usize {
        self.map.get().map_or(self.files.len(), Map::len)
    }

    fn content(&self, name: &[u8]) -> Rc<[u8]> {
        match self.map.get() {
            None => self.files.get(name).map_or_else(Rc::default, |content| Rc::from(&**content)),
            Some(map) => match map.get(name) {
                Some(Value::Bytes(Some(bytes))) => bytes,
                _ => Rc::default(),
            },
        }
    }

    fn glob(&self, pattern: &str) -> Self {
        let glob = Glob::new(pattern);
        let matches = |name: &Str| glob.matches(&name.to_text());
        let Some(map) = self.map.get() else {
            let chosen = self.files.iter().filter(|(name, _)| matches(name));
            let files = chosen.map(|(name, content)| (name.clone(), content.clone())).collect();
            return Self { files, map: OnceCell::new() };
        };
        let chosen = Map::typed(&FILE_MAP);
        for (name, content) in map.entries() {
            if matches(&name) {
                chosen.insert(name, content);
            }
        }
        Self { files: BTreeMap::new(), map: OnceCell::from(chosen) }
    }

    fn names(&self) -> Vec<Str> {
        self.map.get().map_or_else(|| self.files.keys().cloned().collect(), Map::keys)
    }

    /// Writes the files as a YAML map from their last names to what `show` makes of their contents.
    fn as_yaml(&self, show: impl Fn(&[u8]) -> String) -> String {
        let mut entries = serde_json::Map::new();
        for name in self.names() {
            let content = self.content(&name);
            let name = name.to_text();
            let base = name.trim_end_matches('/').rsplit('/').next().unwrap_or(&name).to_owned();
            entries.insert(base, Json::String(show(&content)));
        }
        let text = bowline_yaml::to_yaml(&Json::Object(entries));
        text.strip_suffix('\n').map_or_else(|| text.clone(), str::to_owned)
    }
}

impl Object for Files {
    fn type_name(&self) -> Cow<'_, str> {
        "engine.files".into()
    }

    fn shape(&self) -> Shape {
        Shape::Plain(Value::Map(self.map().clone()))
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        static GET: Signature = Signature { params: ONE_STRING, variadic: false, result: Type::String };
        static BYTES: Signature = Signature { params: ONE_STRING, variadic: false, result: Type::BYTES };
        static GLOB: Signature = Signature { params: ONE_STRING, variadic: false, result: Type::Host("engine.files") };
        static LINES: Signature = Signature { params: ONE_STRING, variadic: false, result: Type::STRINGS };
        static TEXT: Signature = Signature { params: NO_PARAMS, variadic: false, result: Type::String };
        match name {
            "Get" => Some(&GET),
            "GetBytes" => Some(&BYTES),
            "Glob" => Some(&GLOB),
            "Lines" => Some(&LINES),
            "AsConfig" | "AsSecrets" => Some(&TEXT),
            _ => None,
        }
    }

    fn call(&self, name: &str, ctx: &mut Context<'_, '_>, args: &mut [Value]) -> Result<Value, FuncError> {
        let argument = args.first().and_then(Value::as_str).cloned().unwrap_or_default();
        ctx.charge(self.len() as u64)?;
        Ok(match name {
            "Get" => Value::str(&*self.content(&argument)),
            "GetBytes" => Value::Bytes(Some(self.content(&argument))),
            "Glob" => Value::object(self.glob(&argument.to_text())),
            "Lines" => {
                let content = self.content(&argument);
                let text = content.strip_suffix(b"\n").unwrap_or(&content);
                let lines: Vec<&[u8]> =
                    if content.is_empty() { Vec::new() } else { text.split(|byte| *byte == b'\n').collect() };
                Value::List(List::strings(lines))
            }
            "AsConfig" => Value::from(self.as_yaml(|content| String::from_utf8_lossy(content).into_owned())),
            _ => Value::from(self.as_yaml(|content| STANDARD.encode(content))),
        })
    }
}

/// `.Capabilities`.
pub(super) struct TemplateCapabilities(Vec<Field>);

impl TemplateCapabilities {
    pub(super) fn new(capabilities: &Capabilities) -> Self {
        let field = |name, ty, value| Field { name, ty: Type::Host(ty), value };
        let versions = List::strings(capabilities.api_versions.iter().map(Str::from));
        Self(vec![
            field(
                "KubeVersion",
                "common.KubeVersion",
                Value::object(KubeVersionObject(capabilities.kube_version.clone())),
            ),
            field("APIVersions", "common.VersionSet", Value::object(VersionSet(versions))),
            field("HelmVersion", "version.BuildInfo", Value::object(BuildInfo)),
        ])
    }
}

impl Object for TemplateCapabilities {
    fn type_name(&self) -> Cow<'_, str> {
        "*common.Capabilities".into()
    }

    fn shape(&self) -> Shape {
        Shape::Pointer(self.0.clone())
    }

    fn field(&self, name: &str) -> Option<(Value, Type)> {
        self.0.iter().find(|field| field.name == name).map(|field| (field.value.clone(), field.ty))
    }
}

fn text_field(name: &'static str, text: &str) -> Field {
    Field { name, ty: Type::String, value: Value::str(text) }
}

struct KubeVersionObject(KubeVersion);

impl Object for KubeVersionObject {
    fn type_name(&self) -> Cow<'_, str> {
        "common.KubeVersion".into()
    }

    fn shape(&self) -> Shape {
        Shape::Struct(vec![
            text_field("Version", &self.0.version),
            text_field("Major", &self.0.major),
            text_field("Minor", &self.0.minor),
        ])
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        static TEXT: Signature = Signature { params: NO_PARAMS, variadic: false, result: Type::String };
        matches!(name, "String" | "GitVersion").then_some(&TEXT)
    }

    fn call(&self, name: &str, _: &mut Context<'_, '_>, _: &mut [Value]) -> Result<Value, FuncError> {
        Ok(Value::str(if name == "String" { self.0.normalized.as_str() } else { self.0.version.as_str() }))
    }

    fn text(&self) -> Option<Str> {
        Some(Str::from(&self.0.normalized))
    }
}

struct VersionSet(List);

impl Object for VersionSet {
    fn type_name(&self) -> Cow<'_, str> {
        "common.VersionSet".into()
    }

    fn shape(&self) -> Shape {
        Shape::Plain(Value::List(self.0.clone()))
    }

    fn method(&self, name: &str) -> Option<&'static Signature> {
        static HAS: Signature = Signature { params: ONE_STRING, variadic: false, result: Type::Bool };
        (name == "Has").then_some(&HAS)
    }

    fn call(&self, _: &str, _: &mut Context<'_, '_>, args: &mut [Value]) -> Result<Value, FuncError> {
        let wanted = args.first().and_then(Value::as_str);
        Ok(Value::Bool(self.0.iter().any(|version| version.as_str() == wanted)))
    }
}

struct BuildInfo;

impl Object for BuildInfo {
    fn type_name(&self) -> Cow<'_, str> {
        "version.BuildInfo".into()
    }

    fn shape(&self) -> Shape {
        Shape::Struct(vec![
            text_field("Version", HELM_VERSION),
            text_field("GitCommit", ""),
            text_field("GitTreeState", ""),
            text_field("GoVersion", GO_VERSION),
            text_field("KubeClientVersion", KUBE_CLIENT_VERSION),
        ])
    }
}

/// `.Chart`: Chart.yaml as a map of Go's field names.
pub(super) fn chart_map(chart: &Chart, is_root: bool) -> Map {
    let metadata = &chart.metadata;
    let texts = |texts: &[String]| Value::List(texts.iter().map(|text| Value::str(text.as_str())).collect());
    let annotations = match &metadata.annotations {
        None => Map::nil(&Type::STRING_MAP),
        Some(annotations) => {
            let map = Map::typed(&Type::STRING_MAP);
            for (key, value) in annotations {
                map.insert(key.as_str(), value.as_str());
            }
            map
        }
    };
    let maintainers = metadata.maintainers.iter().flatten().map(|maintainer| {
        Value::Map(Map::from_iter([
            ("Name", maintainer.name.as_str()),
            ("Email", maintainer.email.as_str()),
            ("URL", maintainer.url.as_str()),
        ]))
    });
    let entries: [(&str, Value); 18] = [
        ("Name", Value::str(metadata.name.as_str())),
        ("Home", Value::str(metadata.home.as_str())),
        ("Sources", texts(&metadata.sources)),
        ("Version", Value::str(metadata.version.as_str())),
        ("Description", Value::str(metadata.description.as_str())),
        ("Keywords", texts(&metadata.keywords)),
        ("Maintainers", Value::List(maintainers.collect())),
        ("Icon", Value::str(metadata.icon.as_str())),
        ("APIVersion", Value::str(metadata.api_version.as_str())),
        ("Condition", Value::str(metadata.condition.as_str())),
        ("Tags", Value::str(metadata.tags.as_str())),
        ("AppVersion", Value::str(metadata.app_version.as_str())),
        ("Deprecated", Value::Bool(metadata.deprecated)),
        ("Annotations", Value::Map(annotations)),
        ("KubeVersion", Value::str(metadata.kube_version.as_str())),
        ("Dependencies", Value::List(metadata.requirements().map(dependency).collect())),
        ("Type", Value::str(metadata.chart_type.as_str())),
        ("IsRoot", Value::Bool(is_root)),
    ];
    entries.into_iter().collect()
}

fn dependency(dependency: &Dependency) -> Value {
    let imports = dependency.import_values.iter().map(|import| match import {
        ImportValue::Written(value) => to_template(value),
        ImportValue::Resolved { child, parent } => {
            let map = Map::typed(&Type::STRING_MAP);
            map.insert("child", child.as_str());
            map.insert("parent", parent.as_str());
            Value::Map(map)
        }
    });
    let entries: [(&str, Value); 8] = [
        ("Name", Value::str(dependency.name.as_str())),
        ("Version", Value::str(dependency.version.as_str())),
        ("Repository", Value::str(dependency.repository.as_str())),
        ("Condition", Value::str(dependency.condition.as_str())),
        ("Tags", Value::List(dependency.tags.iter().map(|tag| Value::str(tag.as_str())).collect())),
        ("Enabled", Value::Bool(dependency.enabled)),
        ("ImportValues", Value::List(imports.collect())),
        ("Alias", Value::str(dependency.alias.as_str())),
    ];
    Value::Map(entries.into_iter().collect())
}

/// `.Release`.
pub(super) fn release_map(release: &super::Release) -> Map {
    let entries: [(&str, Value); 6] = [
        ("Name", Value::str(release.name.as_str())),
        ("Namespace", Value::str(release.namespace.as_str())),
        ("IsUpgrade", Value::Bool(release.is_upgrade)),
        ("IsInstall", Value::Bool(!release.is_upgrade)),
        ("Revision", Value::Int(IntKind::Int, release.revision)),
        ("Service", Value::str("Helm")),
    ];
    entries.into_iter().collect()
}
