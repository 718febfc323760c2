//! Random questions: an object of a built-in kind, and what several people made of it.

use std::collections::BTreeMap;

use bowline_apiserver::builtins::Builtins;
use bowline_smd::{Format, Gvk, Kind, ScalarKind, TypeRef};
use serde_json::{Map, Value, json};

use crate::ours;
use crate::rng::Rng;

/// Makes questions from the server's own documents.
pub(crate) struct Generator {
    documents: Vec<Value>,
    /// The kinds, as `apps/v1/Deployment`, with their types.
    kinds: Vec<(String, TypeRef)>,
}

/// Kinds with lists that merge and maps that keep only named fields; they are asked about more often.
const RICH: &[&str] = &["v1/Pod", "apps/v1/Deployment", "apps/v1/StatefulSet", "batch/v1/CronJob", "v1/Service"];

/// How much of an object is sane.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Only what its type allows.
    Valid,
    /// Nulls, unknown fields, values of other kinds, repeated and nameless items.
    Wild,
    /// The same, with directives of strategic patches among the fields.
    Patch,
}

impl Generator {
    pub(crate) fn new() -> Self {
        let builtins = Builtins::get();
        let mut documents = BTreeMap::new();
        let mut kinds = Vec::new();
        for kind in builtins.resources().iter().filter(|kind| kind.verbs.iter().any(|verb| verb == "patch")) {
            let gv =
                if kind.group.is_empty() { kind.version.clone() } else { format!("{}/{}", kind.group, kind.version) };
            let path = if kind.group.is_empty() { format!("api/{gv}") } else { format!("apis/{gv}") };
            let known = builtins.schemas(&kind.group, &kind.version);
            let gvk = Gvk::new(&*kind.group, &*kind.version, &*kind.kind);
            let Some(ty) = known.and_then(|schemas| schemas.type_of(&gvk)) else { continue };
            documents.entry(path).or_insert_with_key(|path| {
                let bytes = builtins.openapi_v3(path).expect("every group version has a document");
                serde_json::from_slice(&bytes).expect("documents are JSON")
            });
            kinds.push((format!("{gv}/{}", kind.kind), ty));
        }
        kinds.sort_by(|(one, _), (other, _)| one.cmp(other));
        kinds.dedup_by(|(one, _), (other, _)| one == other);
        Self { documents: documents.into_values().collect(), kinds }
    }

    pub(crate) fn documents(&self) -> &[Value] {
        &self.documents
    }

    /// The questions that belong to a seed: of every sort one.
    pub(crate) fn questions(&self, seed: usize) -> Vec<Value> {
        let mut rng = Rng::new(seed as u64);
        let (kind, ty) = if rng.chance(60) {
            let name = rng.pick(RICH);
            (name.to_owned(), ours::type_of(name))
        } else {
            let (name, ty) = &self.kinds[rng.below(self.kinds.len())];
            (name.clone(), ty.clone())
        };
        let manner = if rng.chance(70) { Manner::Valid } else { Manner::Wild };
        let base = Chance { rng: &mut rng, manner }.object(&ty, &kind);
        let mut changed = |percent, manner| {
            let mut chance = Chance { rng: &mut rng, manner };
            (0..2).fold(base.clone(), |object, _| chance.change(Some(&ty), object, percent))
        };
        let percent = [12, 3, 1][seed % 3];
        let (original, modified) = (changed(percent, manner), changed(percent, manner));
        let current = changed(percent, manner);
        let patch = changed(20, Manner::Patch);
        let (left, right) = (changed(4, manner), changed(4, manner));
        let preconditions = rng.pick(&[&[][..], &["apiVersion", "kind", "metadata.name"], &["kind"]]);
        let objects = json!({
            "kind": kind, "original": original, "modified": modified, "current": current, "preconditions": preconditions,
        });
        let asked = |sort: &str, more: Value| {
            let mut ask = objects.clone();
            ask["do"] = json!(sort);
            for (name, value) in more.as_object().into_iter().flatten() {
                ask[name] = value.clone();
            }
            ask
        };
        vec![
            asked("two-way", json!({})),
            asked("three-way", json!({ "overwrite": true })),
            asked("three-way", json!({ "overwrite": true, "schema": "openapi" })),
            asked("three-way", json!({ "overwrite": false, "preconditions": [] })),
            asked("json-two-way", json!({})),
            asked("json-three-way", json!({})),
            json!({ "do": "apply", "kind": kind, "original": base, "patch": patch }),
            json!({ "do": "conflicts", "kind": kind, "left": left, "right": right }),
            json!({ "do": "json-conflicts", "left": left, "right": right }),
        ]
    }
}

const WORDS: [&str; 6] = ["a", "b", "c", "d", "TCP", "UDP"];

struct Chance<'a> {
    rng: &'a mut Rng,
    manner: Manner,
}

impl Chance<'_> {
    fn object(&mut self, ty: &TypeRef, kind: &str) -> Value {
        let (version, kind) = kind.rsplit_once('/').unwrap_or_default();
        let mut object = self.value(Some(ty), 9);
        if !object.is_object() {
            object = json!({});
        }
        object["apiVersion"] = json!(version);
        object["kind"] = json!(kind);
        let wanted = ["metadata", "spec"];
        for name in wanted.into_iter().filter(|name| ty.declared(name).is_some()) {
            if object.get(name).is_none() {
                object[name] = self.value(ty.field(name).as_ref(), 8);
            }
        }
        object
    }

    /// A value of a type. The deeper, the less of what may be left out.
    fn value(&mut self, ty: Option<&TypeRef>, depth: usize) -> Value {
        let Some(ty) = ty else { return self.anything(depth.min(2)) };
        // What Go says of a list for a number, a time or free JSON goes by whether its type is a pointer, which schemas
        // do not tell.
        let is_open = matches!(ty.kind(), Kind::Scalar(_) | Kind::Any) || ty.fields().is_empty() && ty.item().is_none();
        if self.manner != Manner::Valid && self.rng.chance(2) {
            return self.anything(if is_open { 0 } else { depth.min(2) });
        }
        match ty.kind() {
            Kind::Map { fields, additional, .. } if !fields.is_empty() || additional => {
                let names: Vec<String> = fields.iter().map(|field| field.name.to_string()).collect();
                let percent = (depth * 55 / names.len().max(1)).min(75);
                let mut map = Map::new();
                for name in &names {
                    let is_required = ty.declared(name).is_some_and(|field| field.required);
                    let is_key =
                        ["name", "containerPort", "port", "key", "type", "ip", "uid", "mountPath", "topologyKey"]
                            .contains(&name.as_str());
                    let leads = ["template", "spec", "containers", "volumes", "ports", "strategy", "jobTemplate"]
                        .contains(&name.as_str());
                    let percent = if is_required || is_key {
                        97
                    } else if leads {
                        80
                    } else {
                        percent
                    };
                    if depth > 0 && self.rng.chance(percent) {
                        map.insert(name.clone(), self.value(ty.field(name).as_ref(), depth - 1));
                    }
                }
                if names.is_empty() && depth > 0 {
                    for _ in 0..self.rng.below(3) {
                        let name = self.rng.pick(&WORDS);
                        map.insert(name.to_owned(), self.value(ty.additional().as_ref(), depth - 1));
                    }
                }
                self.strange_fields(&mut map);
                Value::Object(map)
            }
            Kind::Scalar(scalar) => self.scalar(scalar, ty.format()),
            Kind::List(_) => {
                let length = if depth == 0 { 0 } else { self.rng.below(4) };
                (0..length).map(|_| self.value(ty.item().as_ref(), depth - 1)).collect()
            }
            _ => self.anything(0),
        }
    }

    fn scalar(&mut self, scalar: ScalarKind, format: Format) -> Value {
        match (scalar, format) {
            (ScalarKind::Numeric, Format::Float) => json!(self.rng.pick(&[1.5, 2.0, 1e7])),
            (ScalarKind::Numeric, _) => json!(self.rng.pick(&[1, 2, 80, 443])),
            (ScalarKind::Boolean, _) => json!(self.rng.chance(50)),
            (_, Format::DateTime) => json!(self.rng.pick(&["2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"])),
            (_, Format::IntOrString) if self.rng.chance(50) => json!(self.rng.pick(&[80, 443])),
            _ => json!(self.rng.pick(&WORDS)),
        }
    }

    fn anything(&mut self, depth: usize) -> Value {
        match self.rng.below(if depth == 0 { 7 } else { 10 }) {
            0 => Value::Null,
            1 => json!(self.rng.chance(50)),
            2 => json!(self.rng.pick(&[1, 2, -3])),
            3 => json!(self.rng.pick(&[1.5, 1.0, 1e21])),
            4 => json!(self.rng.pick(&[9_007_199_254_740_993_u64, u64::MAX])),
            5 | 6 => json!(self.rng.pick(&WORDS)),
            7 => (0..self.rng.below(3)).map(|_| self.anything(depth - 1)).collect(),
            _ => {
                let count = self.rng.below(3);
                let names: Vec<&str> = (0..count).map(|_| self.rng.pick(&WORDS)).collect();
                Value::Object(names.into_iter().map(|name| (name.to_owned(), self.anything(depth - 1))).collect())
            }
        }
    }

    /// Fields that no type has, and directives.
    fn strange_fields(&mut self, map: &mut Map<String, Value>) {
        if self.manner != Manner::Valid && self.rng.chance(2) {
            let name = self.rng.pick(&["stranger", "Name", "METADATA"]);
            let value = self.anything(2);
            map.insert(name.to_owned(), value);
        }
        if self.manner == Manner::Wild && self.rng.chance(1) {
            map.insert("$patch".to_owned(), json!(self.rng.pick(&["replace", "delete"])));
        }
        if self.manner == Manner::Patch && self.rng.chance(15) {
            self.directive(map);
        }
    }

    fn directive(&mut self, map: &mut Map<String, Value>) {
        let names: Vec<String> = map.keys().cloned().collect();
        let lists: Vec<(String, Vec<Value>)> =
            map.iter().filter_map(|(name, value)| Some((name.clone(), value.as_array()?.clone()))).collect();
        match self.rng.below(4) {
            0 => {
                let word = self.rng.pick(&["replace", "delete", "delete", "merge", "other"]);
                map.insert("$patch".to_owned(), json!(word));
            }
            1 => {
                let mut names = names;
                if self.rng.chance(20) {
                    names.pop();
                }
                map.insert("$retainKeys".to_owned(), json!(names));
            }
            _ if lists.is_empty() => {}
            2 => {
                let (name, items) = &lists[self.rng.below(lists.len())];
                let mut order = items.clone();
                if self.rng.chance(60) {
                    order = order.into_iter().map(|item| named(&item)).collect();
                }
                if self.rng.chance(40) && !order.is_empty() {
                    order.remove(self.rng.below(order.len()));
                }
                if self.rng.chance(40) {
                    order.reverse();
                }
                map.insert(format!("$setElementOrder/{name}"), json!(order));
                if self.rng.chance(40) {
                    map.remove(name);
                }
            }
            _ => {
                let (name, items) = &lists[self.rng.below(lists.len())];
                map.insert(format!("$deleteFromPrimitiveList/{name}"), json!(items));
                if self.rng.chance(50) {
                    map.remove(name);
                }
            }
        }
    }

    /// What becomes of a value when somebody edits it.
    fn change(&mut self, ty: Option<&TypeRef>, value: Value, percent: usize) -> Value {
        match value {
            Value::Object(map) => {
                let mut out = Map::new();
                for (name, value) in map {
                    let is_identity = ["apiVersion", "kind", "metadata", "spec"].contains(&name.as_str());
                    let of_field = ty.and_then(|ty| ty.field(&name));
                    if self.rng.chance(percent) && (!is_identity || self.rng.chance(3)) {
                        match self.rng.below(4) {
                            0 | 1 => continue,
                            2 if self.manner != Manner::Valid => {
                                out.insert(name, Value::Null);
                                continue;
                            }
                            _ => {
                                let value = self.value(of_field.as_ref(), 3);
                                out.insert(name, value);
                                continue;
                            }
                        }
                    }
                    let changed = if value.is_object() || !is_identity {
                        self.change(of_field.as_ref(), value, percent)
                    } else {
                        value
                    };
                    out.insert(name, changed);
                }
                if let Some(ty) = ty.filter(|_| self.rng.chance(percent)) {
                    self.add_field(ty, &mut out);
                }
                self.strange_fields(&mut out);
                Value::Object(out)
            }
            Value::Array(items) => self.change_list(ty, items, percent),
            scalar if self.rng.chance(percent) => match ty {
                Some(_) => self.value(ty, 2),
                None => scalar,
            },
            scalar => scalar,
        }
    }

    fn add_field(&mut self, ty: &TypeRef, map: &mut Map<String, Value>) {
        let fields = ty.fields();
        let name = if fields.is_empty() {
            self.rng.pick(&WORDS).to_owned()
        } else {
            fields[self.rng.below(fields.len())].name.to_string()
        };
        let value = self.value(ty.field(&name).or_else(|| ty.additional()).as_ref(), 3);
        map.insert(name, value);
    }

    fn change_list(&mut self, ty: Option<&TypeRef>, items: Vec<Value>, percent: usize) -> Value {
        let item_type = ty.and_then(TypeRef::item);
        let mut out: Vec<Value> = Vec::new();
        for item in items {
            if self.rng.chance(percent) {
                match self.rng.below(3) {
                    0 => {}
                    1 if self.manner == Manner::Patch => {
                        let mut gone = named(&item);
                        if gone.is_object() {
                            gone["$patch"] = json!(self.rng.pick(&["delete", "delete", "replace", "merge"]));
                        }
                        out.push(gone);
                    }
                    _ => out.extend([item.clone(), self.change(item_type.as_ref(), item, 40)]),
                }
                continue;
            }
            let changed = self.change(item_type.as_ref(), item, percent);
            out.push(changed);
        }
        if self.rng.chance(2 * percent) {
            let at = self.rng.below(out.len() + 1);
            let item = self.value(item_type.as_ref(), 3);
            out.insert(at, item);
        }
        if self.rng.chance(percent) {
            out.reverse();
        }
        if self.rng.chance(percent) && out.len() > 1 {
            out.rotate_left(1);
        }
        json!(out)
    }
}

/// What an item is called by, without the rest.
fn named(item: &Value) -> Value {
    let Value::Object(map) = item else { return item.clone() };
    let keys = ["name", "containerPort", "port", "key", "type", "ip", "uid", "mountPath", "topologyKey", "devicePath"];
    Value::Object(
        map.iter().filter(|(name, _)| keys.contains(&name.as_str())).map(|(a, b)| (a.clone(), b.clone())).collect(),
    )
}
