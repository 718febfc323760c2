//! Random sequences of writes to one object: valid more often than not, the same for the same seed.

use serde_json::{Map, Value, json};

/// A seeded generator (SplitMix64).
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

const MANAGERS: [&str; 4] = ["alpha", "beta", "gamma", "kubectl"];
const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The definitions every cluster gets first.
pub(crate) fn definitions() -> Vec<Value> {
    kinds()["definitions"].as_array().cloned().unwrap_or_default()
}

fn kinds() -> Value {
    serde_json::from_str(include_str!("kinds.json")).expect("the table of kinds is JSON")
}

/// Everything a generator of sequences knows.
pub(crate) struct Generator {
    kinds: Vec<Value>,
}

/// A kind in one of its versions.
#[derive(Clone)]
struct View {
    api_version: String,
    version: String,
    path: String,
}

impl Generator {
    pub(crate) fn new() -> Self {
        let table = kinds();
        let mut all = Vec::new();
        for kind in table["kinds"].as_array().into_iter().flatten() {
            for _ in 0..kind["weight"].as_u64().unwrap_or(1) {
                all.push(kind.clone());
            }
        }
        Self { kinds: all }
    }

    /// Makes the sequence of a seed; `only` restricts it to one plural.
    pub(crate) fn sequence(&self, seed: u64, only: Option<&str>) -> Vec<Value> {
        let mut rng = Rng::new(seed);
        rng.next();
        let kinds: Vec<&Value> =
            self.kinds.iter().filter(|kind| only.is_none_or(|only| kind["plural"] == only)).collect();
        let kind = *rng.pick(&kinds);
        Writer { rng, kind, created: false, seed }.sequence()
    }
}

struct Writer<'a> {
    rng: Rng,
    kind: &'a Value,
    created: bool,
    seed: u64,
}

impl Writer<'_> {
    fn sequence(mut self) -> Vec<Value> {
        let length = 4 + self.rng.below(6);
        let mut steps = Vec::new();
        if self.rng.chance(2) {
            steps = self.many_updaters();
        }
        while steps.len() < length {
            let next = if self.created { self.step() } else { self.first() };
            steps.extend(next);
        }
        steps
    }

    fn text(&self, key: &str) -> &str {
        self.kind[key].as_str().unwrap_or_default()
    }

    fn name(&self) -> String {
        format!("s{:x}-${{run}}", self.seed)
    }

    fn view(&mut self) -> View {
        let versions: Vec<String> = self.kind["versions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|version| version.as_str().map(str::to_owned))
            .collect();
        let version = self.rng.pick(&versions).clone();
        self.view_of(&version)
    }

    fn view_of(&self, version: &str) -> View {
        let group = self.text("group");
        let api_version = match (version.contains('/'), group) {
            (true, _) | (_, "") => version.to_owned(),
            _ => format!("{group}/{version}"),
        };
        let root = if api_version.contains('/') { "/apis" } else { "/api" };
        let plural = self.text("plural");
        let path = if self.kind["cluster"] == true {
            format!("{root}/{api_version}/{plural}")
        } else {
            format!("{root}/{api_version}/namespaces/${{ns}}/{plural}")
        };
        View { api_version, version: version.to_owned(), path }
    }

    fn template(&self, part: &str, view: &View) -> Value {
        let own = format!("{part}:{}", view.version);
        self.kind.get(&own).or_else(|| self.kind.get(part)).cloned().unwrap_or_else(|| json!({}))
    }

    /// A configuration: all that is required when `full`, else any part of what there is.
    fn config(&mut self, view: &View, full: bool) -> Value {
        let template = self.template("object", view);
        let mut config = fill(&mut self.rng, &template, full);
        let mut meta = json!({ "name": self.name() });
        if self.rng.chance(50) {
            meta["labels"] = fill(&mut self.rng, &json!({"a?": ["1", "2"], "b?": ["1", "2"], "c?": ["3"]}), false);
        }
        if self.rng.chance(25) {
            meta["annotations"] = fill(&mut self.rng, &json!({"x?": ["1", "2"], "y.io/z?": ["<a&b>"]}), false);
        }
        if self.rng.chance(10) {
            meta["finalizers"] = fill(&mut self.rng, &json!({"$list": ["f.io/a", "f.io/b", "f.io/c"]}), false);
        }
        config["metadata"] = meta;
        config["apiVersion"] = json!(view.api_version);
        config["kind"] = json!(self.text("kind"));
        config
    }

    fn manager(&mut self) -> String {
        (*self.rng.pick(&MANAGERS)).to_owned()
    }

    fn first(&mut self) -> Vec<Value> {
        let view = match self.kind["first"].as_str() {
            Some(version) => self.view_of(version),
            None => self.view(),
        };
        self.created = true;
        let mut config = self.config(&view, true);
        let path = format!("{}/{}", view.path, self.name());
        match self.rng.below(10) {
            0..=4 => vec![self.apply(&view, config, &path)],
            5 => {
                let manager = "kubectl-client-side-apply";
                let text = format!("{config}\n");
                config["metadata"]["annotations"][LAST_APPLIED] = json!(text);
                vec![json!({"do": format!("POST {}?fieldManager={manager}", view.path), "body": config})]
            }
            6 => {
                config["metadata"]["managedFields"] = json!([]);
                vec![json!({"do": format!("POST {}?fieldManager=alpha", view.path), "body": config})]
            }
            7 => {
                config["status"] = self.status(&view).unwrap_or_else(|| json!({}));
                vec![json!({"do": format!("POST {}", view.path), "body": config})]
            }
            _ => {
                let manager = self.manager();
                vec![json!({"do": format!("POST {}?fieldManager={manager}", view.path), "body": config})]
            }
        }
    }

    fn status(&mut self, view: &View) -> Option<Value> {
        self.kind.get("status")?;
        let template = self.template("status", view);
        Some(fill(&mut self.rng, &template, true))
    }

    fn apply(&mut self, view: &View, mut config: Value, path: &str) -> Value {
        let manager = self.manager();
        let mut query = format!("fieldManager={manager}");
        if self.rng.chance(35) {
            query.push_str("&force=true");
        }
        if self.rng.chance(12) {
            self.spoil(&mut config);
        }
        if self.rng.chance(5) {
            self.null_somewhere(view, &mut config);
        }
        if self.rng.chance(3) {
            query.push_str("&dryRun=All");
        }
        if self.rng.chance(4) {
            let validation: &&str = self.rng.pick(&["&fieldValidation=Strict", "&fieldValidation=Ignore"]);
            query.push_str(validation);
        }
        json!({"do": format!("PATCH {path}?{query}"), "type": APPLY, "body": config})
    }

    /// Makes a configuration wrong, or says more in it than is usual.
    fn spoil(&mut self, config: &mut Value) {
        match self.rng.below(12) {
            0 => config["unknown"] = json!(1),
            1 => config["spec"]["unknown"] = json!({"a": 1}),
            2 => config["metadata"]["managedFields"] = self.rng.pick(&[json!([]), json!([{}]), json!(null)]).clone(),
            3 => {
                config["apiVersion"] =
                    self.rng.pick(&[json!("apps/v1"), json!("v1"), json!("apps/v2"), json!(""), json!(null)]).clone();
            }
            4 => config["kind"] = self.rng.pick(&[json!("Deployment"), json!("Other"), json!(""), json!(null)]).clone(),
            5 => config["metadata"]["name"] = json!("other"),
            6 => config["metadata"]["resourceVersion"] = self.rng.pick(&[json!("1"), json!("0"), json!("")]).clone(),
            7 => config["metadata"]["generateName"] = json!("x-"),
            8 => config["metadata"]["labels"] = self.rng.pick(&[json!({"a": 1}), json!("x"), json!(["a"])]).clone(),
            9 => duplicate_item(&mut self.rng, config),
            10 => config["metadata"]["namespace"] = json!("elsewhere"),
            _ => config["metadata"]["finalizers"] = json!(["f.io/a", "f.io/a"]),
        }
    }

    /// Pointers to what may be left out.
    fn optional(&self, view: &View, config: &Value) -> Vec<String> {
        let mut optional = Vec::new();
        optional_fields(&self.template("object", view), "", &mut optional);
        let of_metadata = ["/metadata/labels", "/metadata/annotations", "/metadata/finalizers", "/metadata/labels/a"];
        optional.extend(of_metadata.map(str::to_owned));
        optional.retain(|path| config.pointer(path).is_some());
        optional
    }

    fn null_somewhere(&mut self, view: &View, config: &mut Value) {
        let mut paths = self.optional(view, config);
        if self.rng.chance(10) {
            paths = pointers(config).into_iter().filter(|path| is_content(path)).collect();
        }
        if paths.is_empty() {
            return;
        }
        let path = self.rng.pick(&paths).clone();
        if let Some(at) = config.pointer_mut(&path) {
            *at = Value::Null;
        }
    }

    fn step(&mut self) -> Vec<Value> {
        let view = self.view();
        let path = format!("{}/{}", view.path, self.name());
        let manager = self.manager();
        match self.rng.below(100) {
            0..=39 => {
                let full = self.rng.chance(60);
                let config = self.config(&view, full);
                vec![self.apply(&view, config, &path)]
            }
            40..=54 => {
                let change = self.partial(&view, true);
                let query = self.update_query(&manager);
                vec![json!({"do": format!("PUT {path}{query}"), "edit": [{"merge": change}]})]
            }
            55..=63 => {
                let change = self.partial(&view, true);
                let query = self.update_query(&manager);
                vec![json!({"do": format!("PATCH {path}{query}"), "type": MERGE, "body": change})]
            }
            64..=72 => {
                let mut change = self.partial(&view, false);
                self.direct(&mut change);
                let query = self.update_query(&manager);
                vec![json!({"do": format!("PATCH {path}{query}"), "type": STRATEGIC, "body": change})]
            }
            73..=78 => vec![self.json_patch(&view, &path, &manager)],
            79..=83 => vec![self.remove_something(&view, &path, &manager)],
            84..=88 => vec![self.on_status(&view, &path, &manager)],
            89..=92 => vec![self.on_scale(&path, &manager)],
            93..=97 => vec![self.edit_owners(&path, &manager)],
            98 if self.kind["noput"] != true => {
                let config = self.config(&view, true);
                vec![json!({"do": format!("PUT {path}?fieldManager={manager}"), "body": config})]
            }
            _ if self.kind["lasting"] == true => vec![json!({"do": format!("GET {path}")})],
            _ => vec![json!({"do": format!("DELETE {path}")}), json!({"do": format!("GET {path}")})],
        }
    }

    fn update_query(&mut self, manager: &str) -> String {
        match self.rng.below(12) {
            0 => String::new(),
            1 => format!("?fieldManager={manager}&dryRun=All"),
            2 => format!("?fieldManager={manager}&fieldValidation=Strict"),
            _ => format!("?fieldManager={manager}"),
        }
    }

    /// A part of an object to lay over the live one; may say `null`.
    fn partial(&mut self, view: &View, nulls: bool) -> Value {
        let mut config = self.config(view, false);
        if let Some(map) = config.as_object_mut() {
            map.remove("apiVersion");
            map.remove("kind");
        }
        if let Some(meta) = config["metadata"].as_object_mut() {
            meta.remove("name");
        }
        if nulls && self.rng.chance(20) {
            self.null_somewhere(view, &mut config);
        }
        if self.rng.chance(5) {
            config["status"] = self.status(view).unwrap_or_else(|| json!({}));
        }
        if self.rng.chance(2) {
            config["spec"]["unknown"] = json!(1);
        }
        config
    }

    /// Puts directives of strategic merge into a patch.
    fn direct(&mut self, change: &mut Value) {
        if !self.rng.chance(45) {
            return;
        }
        match self.rng.below(8) {
            0 => {
                let gone = self.rng.pick(&[json!(["f.io/a"]), json!(["f.io/b", "f.io/x"]), json!("f.io/a")]).clone();
                // Upstream goes over a patch in no order: what it both adds and deletes is there or not by chance.
                if let (Some(names), Some(gone)) = (change["metadata"]["finalizers"].as_array_mut(), gone.as_array()) {
                    names.retain(|name| !gone.contains(name));
                }
                change["metadata"]["$deleteFromPrimitiveList/finalizers"] = gone;
            }
            1 => {
                change["metadata"]["$setElementOrder/finalizers"] = json!(["f.io/c", "f.io/a", "f.io/b"]);
                change["metadata"].as_object_mut().map(|meta| meta.remove("finalizers"));
            }
            2 => {
                change["metadata"]["labels"]["$patch"] = self.rng.pick(&[json!("replace"), json!("delete")]).clone();
            }
            3 => {
                if let Some(list) = find_named_list(change) {
                    let name = list.as_array().and_then(|items| items.first()).map(|item| item["name"].clone());
                    if let (Some(items), Some(name)) = (list.as_array_mut(), name) {
                        items[0] = json!({"$patch": "delete", "name": name});
                    }
                }
            }
            4 => {
                if let Some(items) = find_named_list(change).and_then(Value::as_array_mut) {
                    items.push(json!({"$patch": "replace"}));
                }
            }
            5 => {
                if let Some(items) = find_named_list(change).and_then(Value::as_array_mut) {
                    items.push(json!({"nameless": 1}));
                }
            }
            6 => change["spec"]["strategy"] = json!({"$retainKeys": ["type"], "type": "Recreate"}),
            _ => change["$patch"] = self.rng.pick(&[json!("merge"), json!("bogus"), json!("replace")]).clone(),
        }
    }

    fn json_patch(&mut self, view: &View, path: &str, manager: &str) -> Value {
        let config = self.config(view, true);
        let mut operations = Vec::new();
        for _ in 0..=self.rng.below(2) {
            let mut content = self.optional(view, &config);
            if self.rng.chance(10) {
                content = pointers(&config).into_iter().filter(|path| is_content(path)).collect();
            }
            let operation = if content.is_empty() || self.rng.chance(30) {
                match self.rng.below(4) {
                    0 => json!({"op": "add", "path": "/metadata/labels", "value": {"j": "1"}}),
                    1 => json!({"op": "remove", "path": "/metadata/labels/a"}),
                    2 => json!({"op": "add", "path": "/metadata/finalizers", "value": ["f.io/b"]}),
                    _ => json!({"op": "test", "path": "/metadata/labels/a", "value": "1"}),
                }
            } else {
                let at = self.rng.pick(&content).clone();
                let value = config.pointer(&at).cloned().unwrap_or_default();
                match self.rng.below(4) {
                    0 => json!({"op": "remove", "path": at}),
                    1 => json!({"op": "add", "path": at, "value": value}),
                    _ => json!({"op": "replace", "path": at, "value": value}),
                }
            };
            operations.push(operation);
        }
        let query = self.update_query(manager);
        json!({"do": format!("PATCH {path}{query}"), "type": JSON_PATCH, "body": operations})
    }

    fn remove_something(&mut self, view: &View, path: &str, manager: &str) -> Value {
        let config = self.config(view, true);
        let content = self.optional(view, &config);
        let edit = if content.is_empty() || self.rng.chance(40) {
            let at = *self.rng.pick(&[
                "/metadata/labels",
                "/metadata/annotations",
                "/metadata/finalizers",
                "/metadata/labels/a",
                "/metadata/managedFields",
                "/metadata/resourceVersion",
                "/metadata/creationTimestamp",
                "/status",
            ]);
            json!({ "remove": at })
        } else {
            json!({ "remove": self.rng.pick(&content) })
        };
        json!({"do": format!("PUT {path}?fieldManager={manager}"), "edit": [edit]})
    }

    fn on_status(&mut self, view: &View, path: &str, manager: &str) -> Value {
        let Some(status) = self.status(view) else {
            let labels = fill(&mut self.rng, &json!({"l?": ["1", "2"], "a?": ["1", null]}), false);
            let change = json!({"metadata": {"labels": labels}});
            return json!({"do": format!("PATCH {path}?fieldManager={manager}"), "type": MERGE, "body": change});
        };
        let mut change = json!({"status": status});
        if self.rng.chance(25) {
            change["metadata"] = json!({"labels": {"s": "1"}, "annotations": {"s": "1"}});
        }
        if self.rng.chance(15) {
            let extra = self.partial(view, false);
            change["spec"] = extra["spec"].clone();
        }
        match self.rng.below(5) {
            0 => json!({"do": format!("PUT {path}/status?fieldManager={manager}"), "edit": [{"merge": change}]}),
            1 => json!({"do": format!("PATCH {path}/status?fieldManager={manager}"), "type": MERGE, "body": change}),
            2 if self.kind["custom"] != true => {
                json!({"do": format!("PATCH {path}/status?fieldManager={manager}"), "type": STRATEGIC, "body": change})
            }
            _ => {
                change["apiVersion"] = json!(view.api_version);
                change["kind"] = json!(self.text("kind"));
                change["metadata"]["name"] = json!(self.name());
                let force = if self.rng.chance(50) { "&force=true" } else { "" };
                json!({"do": format!("PATCH {path}/status?fieldManager={manager}{force}"), "type": APPLY, "body": change})
            }
        }
    }

    fn on_scale(&mut self, path: &str, manager: &str) -> Value {
        if self.kind["scale"] != true {
            let change = json!({"metadata": {"annotations": {"scaled": self.rng.pick(&["1", "2", "3"])}}});
            return json!({"do": format!("PATCH {path}?fieldManager={manager}"), "type": MERGE, "body": change});
        }
        let replicas = self.rng.below(5);
        let change = json!({"spec": {"replicas": replicas}});
        match self.rng.below(6) {
            0 | 1 => json!({"do": format!("PUT {path}/scale?fieldManager={manager}"), "edit": [{"merge": change}]}),
            2 => json!({"do": format!("PATCH {path}/scale?fieldManager={manager}"), "type": MERGE, "body": change}),
            3 => {
                let operations = json!([{"op": "replace", "path": "/spec/replicas", "value": replicas}]);
                json!({"do": format!("PATCH {path}/scale?fieldManager={manager}"), "type": JSON_PATCH, "body": operations})
            }
            4 if self.kind["custom"] != true => {
                json!({"do": format!("PATCH {path}/scale?fieldManager={manager}"), "type": STRATEGIC, "body": change})
            }
            _ => {
                let config = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": self.name()},
                                    "spec": {"replicas": replicas}});
                let force = if self.rng.chance(60) { "&force=true" } else { "" };
                json!({"do": format!("PATCH {path}/scale?fieldManager={manager}{force}"), "type": APPLY, "body": config})
            }
        }
    }

    fn edit_owners(&mut self, path: &str, manager: &str) -> Value {
        let reset = self.rng.pick(&[json!([]), json!([{}])]).clone();
        match self.rng.below(9) {
            0 => json!({"do": format!("PUT {path}?fieldManager={manager}"),
                        "edit": [{"set": "/metadata/managedFields", "value": reset}]}),
            1 => json!({"do": format!("PATCH {path}?fieldManager={manager}"), "type": MERGE,
                        "body": {"metadata": {"managedFields": reset}}}),
            2 => json!({"do": format!("PATCH {path}?fieldManager={manager}"), "type": JSON_PATCH,
                        "body": [{"op": "replace", "path": "/metadata/managedFields", "value": reset}]}),
            3 => json!({"do": format!("PATCH {path}?fieldManager={manager}"), "type": JSON_PATCH,
                        "body": [{"op": "remove", "path": "/metadata/managedFields/0"}]}),
            4 => json!({"do": format!("PUT {path}?fieldManager={manager}"),
                        "edit": [{"entry": self.rng.below(3), "set": {"operation": "Apply", "manager": "kubectl"}}]}),
            5 => json!({"do": format!("PUT {path}?fieldManager={manager}"),
                        "edit": [{"entry": self.rng.below(3), "set": self.rng.pick(&[
                            json!({"manager": "renamed"}), json!({"apiVersion": "gone/v9"}), json!({"operation": "Odd"}),
                            json!({"fieldsType": "Other"}), json!({"fieldsType": ""}), json!({"subresource": "status"}),
                            json!({"fieldsV1": {"f:metadata": {"f:labels": {"f:zz": {}}}}}), json!({"fieldsV1": {"bad": {}}}),
                            json!({"time": "2020-01-01T00:00:00Z"}), json!({"apiVersion": ""}), json!({"manager": ""}),
                            json!({"time": null}), json!({"fieldsV1": null}), json!({"operation": "Apply"}),
                        ]).clone()}]}),
            6 => json!({"do": format!("PUT {path}?fieldManager={manager}"),
                        "edit": [{"merge": {"metadata": {"labels": {"o": "1"}}}}, {"drop-entry": self.rng.below(3)}]}),
            7 => json!({"do": format!("PATCH {path}?fieldManager={manager}"), "type": JSON_PATCH,
                        "migrate": "kubectl"}),
            _ => json!({"do": format!("PUT {path}/status?fieldManager={manager}"),
                        "edit": [{"set": "/metadata/managedFields", "value": reset}]}),
        }
    }

    /// More updaters than an object keeps apart.
    fn many_updaters(&mut self) -> Vec<Value> {
        let mut steps = self.first();
        let view = self.view();
        let path = format!("{}/{}", view.path, self.name());
        for number in 0..12 {
            let view = self.view();
            let path = if self.rng.chance(50) { format!("{}/{}", view.path, self.name()) } else { path.clone() };
            let change = json!({"metadata": {"labels": {format!("u{number}"): "1"}}});
            steps.push(json!({"do": format!("PATCH {path}?fieldManager=u{number}"), "type": MERGE, "body": change}));
        }
        steps
    }
}

/// Fills in a template: `k?` may be left out, `k!` may be left out unless `full`, a list stands for one of its items, and
/// `{"$list": […]}` for a list of some of them.
fn fill(rng: &mut Rng, template: &Value, full: bool) -> Value {
    match template {
        Value::Array(choices) => {
            let choice = rng.pick(choices).clone();
            if choice.is_object() { fill(rng, &choice, full) } else { choice }
        }
        Value::Object(map) => {
            if let Some(items) = map.get("$all").and_then(Value::as_array) {
                return items.iter().map(|item| fill(rng, item, true)).collect();
            }
            if let Some(items) = map.get("$list1").and_then(Value::as_array) {
                return json!([fill(rng, &items[0], full)]);
            }
            if let Some(items) = map.get("$list").and_then(Value::as_array) {
                return some_of(rng, items, full);
            }
            let mut out = Map::new();
            for (key, below) in map {
                let (name, keep) = match (key.strip_suffix('?'), key.strip_suffix('!')) {
                    (Some(name), _) => (name, rng.chance(45)),
                    (_, Some(name)) => (name, full || rng.chance(60)),
                    _ => (key.as_str(), true),
                };
                if keep {
                    out.insert(name.to_owned(), fill(rng, below, full));
                }
            }
            Value::Object(out)
        }
        scalar => scalar.clone(),
    }
}

fn some_of(rng: &mut Rng, items: &[Value], full: bool) -> Value {
    let mut left: Vec<&Value> = items.iter().collect();
    let count = 1 + rng.below(items.len());
    let mut out = Vec::new();
    for _ in 0..count {
        let at = if rng.chance(60) { 0 } else { rng.below(left.len()) };
        out.push(fill(rng, left.remove(at), full));
    }
    Value::Array(out)
}

/// Pointers to all that is in a value.
fn pointers(value: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, out: &mut Vec<String>) {
        let mut put = |step: &str, below: &Value| {
            let at = format!("{at}/{}", step.replace('~', "~0").replace('/', "~1"));
            out.push(at.clone());
            walk(below, &at, out);
        };
        match value {
            Value::Object(map) => map.iter().for_each(|(key, below)| put(key, below)),
            Value::Array(items) => items.iter().enumerate().for_each(|(at, below)| put(&at.to_string(), below)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(value, "", &mut out);
    out
}

fn is_content(path: &str) -> bool {
    !["/apiVersion", "/kind", "/metadata", "/metadata/name"].contains(&path)
}

fn duplicate_item(rng: &mut Rng, config: &mut Value) {
    let lists: Vec<String> = pointers(config)
        .into_iter()
        .filter(|path| config.pointer(path).is_some_and(|value| value.as_array().is_some_and(|list| !list.is_empty())))
        .collect();
    if lists.is_empty() {
        return;
    }
    let path = rng.pick(&lists).clone();
    if let Some(list) = config.pointer_mut(&path).and_then(Value::as_array_mut) {
        let first = list[0].clone();
        list.push(first);
    }
}

/// Pointers to the fields a template marks as optional.
fn optional_fields(template: &Value, at: &str, out: &mut Vec<String>) {
    for (key, below) in template.as_object().into_iter().flatten() {
        let name = key.trim_end_matches(['?', '!']);
        let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        if key.ends_with('?') {
            out.push(at.clone());
        }
        optional_fields(below, &at, out);
    }
}

/// The first list of named things.
fn find_named_list(value: &mut Value) -> Option<&mut Value> {
    let path = pointers(value).into_iter().find(|path| {
        value
            .pointer(path)
            .and_then(Value::as_array)
            .is_some_and(|list| list.first().is_some_and(|item| item["name"].is_string()))
    })?;
    value.pointer_mut(&path)
}
