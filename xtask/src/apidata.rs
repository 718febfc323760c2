//! Makes `crates/apiserver/data`: what a default Kubernetes API server serves, taken from the release itself.
//!
//! The published discovery documents come out of the Go module `k8s.io/kubernetes`, the OpenAPI documents from the server
//! itself; how Go encodes each type comes from `conformance/shapes`, a small Go program. All are reached through the Go
//! module proxy, so this chore needs Go; its output is committed, so nothing else does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use crate::referee;

const KUBERNETES: &str = "k8s.io/kubernetes@v1.35.4";

/// The highest level: the data is made once a release and read at every start.
const LEVEL: i32 = 22;

/// The document all others are compressed against. It holds the pod types and the metadata types, which repeat most.
const DICTIONARY: &str = "apis/apps/v1";

/// The most that the data may add to the binary.
const LIMIT_BYTES: u64 = 400_000;

/// Writes the data files and returns an error when a step fails or the result is too large.
pub(crate) fn run() -> Result<()> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let module = module_dir(&root)?;
    let data = root.join("crates/apiserver/data");
    fs::create_dir_all(&data)?;

    let documents = openapi_documents()?;
    let archive = pack(&documents)?;
    fs::write(data.join("openapi-v3.zst"), &archive)?;

    let (groups, resources) = discovery(&module)?;
    fs::write(data.join("resources.json"), lines(&groups, &resources))?;

    let shapes = shapes(&root)?;
    let types = types(&shapes, &documents)?;
    fs::write(data.join("types.zst"), zstd::bulk::compress(&serde_json::to_vec(&types)?, LEVEL)?)?;
    let wire = wire(&shapes)?;
    fs::write(data.join("wire.zst"), zstd::bulk::compress(&serde_json::to_vec(&wire)?, LEVEL)?)?;
    fs::write(data.join("SOURCE.md"), source_note())?;

    let mut total = 0;
    for entry in fs::read_dir(&data)? {
        let entry = entry?;
        let size = entry.metadata()?.len();
        eprintln!("{size:>8}  {}", entry.file_name().to_string_lossy());
        total += size;
    }
    ensure!(total <= LIMIT_BYTES, "the data is {total} bytes, more than {LIMIT_BYTES}");
    Ok(())
}

fn module_dir(root: &Path) -> Result<PathBuf> {
    let output = Command::new("go")
        .args(["mod", "download", "-json", KUBERNETES])
        .current_dir(root.join("conformance/shapes"))
        .output()
        .context("cannot run `go`")?;
    ensure!(output.status.success(), "`go mod download`: {}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let dir = answer["Dir"].as_str().context("`go mod download` names no directory")?;
    Ok(PathBuf::from(dir))
}

fn shapes(root: &Path) -> Result<Value> {
    let output = Command::new("go")
        .args(["run", "."])
        .env("GOFLAGS", "-mod=mod")
        .current_dir(root.join("conformance/shapes"))
        .output()
        .context("cannot run `go`")?;
    ensure!(output.status.success(), "`go run .`: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A default server serves only stable versions; the published files come from one that serves everything.
fn is_stable(version: &str) -> bool {
    !version.contains("alpha") && !version.contains("beta")
}

/// Reads the OpenAPI documents, named as `/openapi/v3` names them: `api/v1`, `apis/apps/v1`, `version`.
///
/// They come from the release's own server with default settings: the published files are those of one with every feature
/// on, and leave out the values of enumerations.
fn openapi_documents() -> Result<BTreeMap<String, Vec<u8>>> {
    let program = referee::control_plane()?.context("the real kube-apiserver needs Go to build, and there is none")?;
    let mut plane = Command::new(program)
        .args(["-housekeeping", "-service-accounts", "-nodes", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run the control plane")?;
    let mut ready = String::new();
    BufReader::new(plane.stdout.take().context("the control plane has an output")?).read_line(&mut ready)?;
    let ready: Value = serde_json::from_str(&ready).context("the control plane did not start")?;
    let (server, token) = (ready["server"].as_str().unwrap_or_default(), ready["token"].as_str().unwrap_or_default());
    let get = |path: &str| -> Result<Value> {
        let output = Command::new("curl")
            .args(["-sfk", "-H", &format!("Authorization: Bearer {token}"), &format!("{server}{path}")])
            .output()
            .context("cannot run `curl`")?;
        ensure!(output.status.success(), "`{path}`: {}", output.status);
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    let mut documents = BTreeMap::new();
    for (key, entry) in get("/openapi/v3")?["paths"].as_object().context("the index lists no paths")? {
        let path = entry["serverRelativeURL"].as_str().context("an entry without an address")?;
        documents.insert(key.clone(), serde_json::to_vec(&get(path)?)?);
    }
    // Its standard input closes, and it ends.
    drop(plane.stdin.take());
    plane.wait()?;
    Ok(documents)
}

/// Lays the documents out as one zstd frame each behind a JSON index, all but one compressed against `DICTIONARY`.
fn pack(documents: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>> {
    let dictionary = documents.get(DICTIONARY).context("the dictionary document is missing")?;
    let mut frames = Vec::new();
    let mut index = Vec::new();
    for (key, document) in documents {
        let mut compressor = if key == DICTIONARY {
            zstd::bulk::Compressor::new(LEVEL)?
        } else {
            zstd::bulk::Compressor::with_dictionary(LEVEL, dictionary)?
        };
        compressor.long_distance_matching(true)?;
        compressor.window_log(23)?;
        let frame = compressor.compress(document)?;
        let hash: String = Sha512::digest(document).iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02X}");
            text
        });
        index.push(
            json!({ "key": key, "offset": frames.len(), "size": frame.len(), "raw": document.len(), "hash": hash }),
        );
        frames.extend(frame);
    }
    let index = serde_json::to_vec(&json!({ "dictionary": DICTIONARY, "entries": index }))?;
    let mut archive = u32::try_from(index.len())?.to_le_bytes().to_vec();
    archive.extend(index);
    archive.extend(frames);
    Ok(archive)
}

/// Returns the groups in the server's own order, and the resources of each stable version.
fn discovery(module: &Path) -> Result<(Vec<Value>, Vec<Value>)> {
    let dir = module.join("api/discovery");
    let read = |name: &str| -> Result<Value> {
        let bytes = fs::read(dir.join(name)).with_context(|| format!("cannot read `{name}`"))?;
        Ok(serde_json::from_slice(&bytes)?)
    };
    let mut groups = vec![json!({ "name": "", "versions": ["v1"] })];
    let mut resources = resources_of("", "v1", &read("api__v1.json")?)?;
    for group in read("apis.json")?["groups"].as_array().context("`apis.json` lists no groups")? {
        let name = group["name"].as_str().context("a group without a name")?;
        let versions: Vec<&str> = (group["versions"].as_array().into_iter().flatten())
            .filter_map(|version| version["version"].as_str())
            .filter(|version| is_stable(version))
            .collect();
        for version in &versions {
            resources.extend(resources_of(name, version, &read(&format!("apis__{name}__{version}.json"))?)?);
        }
        if !versions.is_empty() {
            groups.push(json!({ "name": name, "versions": versions }));
        }
    }
    Ok((groups, resources))
}

fn resources_of(group: &str, version: &str, list: &Value) -> Result<Vec<Value>> {
    let mut found: Vec<Value> = Vec::new();
    let entries = list["resources"].as_array().context("a list without resources")?;
    for entry in entries {
        let name = entry["name"].as_str().context("a resource without a name")?;
        let mut fields = entry.as_object().cloned().unwrap_or_default();
        if let Some((parent, subresource)) = name.split_once('/') {
            fields.insert("name".to_owned(), json!(subresource));
            for unneeded in ["namespaced", "singularName"] {
                fields.remove(unneeded);
            }
            let parent = found.iter_mut().find(|have| have["name"] == parent);
            let parent = parent.with_context(|| format!("`{name}` comes before its parent"))?;
            if parent.get("subresources").is_none() {
                parent["subresources"] = json!([]);
            }
            parent["subresources"].as_array_mut().context("subresources is a list")?.push(Value::Object(fields));
            continue;
        }
        let mut whole = Map::new();
        whole.insert("group".to_owned(), json!(group));
        whole.insert("version".to_owned(), json!(version));
        whole.extend(fields);
        found.push(Value::Object(whole));
    }
    Ok(found)
}

/// One resource a line, so that a change of release reads well in a diff.
fn lines(groups: &[Value], resources: &[Value]) -> String {
    let join = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>().join(",\n");
    format!("{{\"groups\":[\n{}\n],\n\"resources\":[\n{}\n]}}\n", join(groups), join(resources))
}

/// Joins the Go shapes with the defaults that the OpenAPI documents declare.
///
/// A field that is no pointer may carry a placeholder (`""`, `{}`, `0`, `false`): it only says that Go always emits the
/// field, which the flags already do, so it is left out.
fn types(shapes: &Value, documents: &BTreeMap<String, Vec<u8>>) -> Result<Value> {
    let mut defaults: BTreeMap<(String, String), Value> = BTreeMap::new();
    for document in documents.values() {
        let document: Value = serde_json::from_slice(document)?;
        let Some(schemas) = document["components"]["schemas"].as_object() else { continue };
        for (name, schema) in schemas {
            for (field, property) in schema["properties"].as_object().into_iter().flatten() {
                let Some(default) = property.get("default") else { continue };
                defaults.insert((name.clone(), field.clone()), default.clone());
            }
        }
    }
    let mut types = Map::new();
    for (name, fields) in shapes["types"].as_object().context("the shapes hold no types")? {
        let mut rows = Vec::new();
        for field in fields.as_array().context("a type is a list of fields")? {
            let mut row = field.as_array().cloned().unwrap_or_default();
            let key = (name.clone(), row[0].as_str().unwrap_or_default().to_owned());
            let pointer = row[1].as_str().is_some_and(|flags| flags.contains('p'));
            let placeholder = |value: &Value| [json!(""), json!({}), json!(0), json!(false)].contains(value);
            row.extend(defaults.remove(&key).filter(|default| pointer || !placeholder(default)));
            rows.push(Value::Array(row));
        }
        types.insert(name.clone(), Value::Array(rows));
    }
    Ok(json!({ "kinds": shapes["kinds"], "types": types }))
}

/// Returns each type's protobuf numbers in the order of its fields' names, which is how the server keeps the fields.
fn wire(shapes: &Value) -> Result<Value> {
    let mut all = Map::new();
    for (name, fields) in shapes["types"].as_object().context("the shapes hold no types")? {
        let names = fields.as_array().into_iter().flatten().map(|field| field[0].as_str().unwrap_or_default());
        let numbers = shapes["wire"][name].as_array().with_context(|| format!("`{name}` has no numbers"))?;
        let mut rows: Vec<(&str, &Value)> = names.zip(numbers).collect();
        rows.sort_by_key(|(name, _)| *name);
        all.insert(name.clone(), rows.into_iter().map(|(_, number)| number.clone()).collect());
    }
    Ok(Value::Object(all))
}

fn source_note() -> String {
    format!(
        "# Where this data comes from\n\n\
         Made by `cargo xtask apidata` from the Go module `{KUBERNETES}` and from `conformance/shapes`, which reflects over\n\
         the Go types of the same release (`v0.35.4` of its staging modules). Kubernetes is licensed under the Apache License 2.0.\n\
         Do not edit: run the chore again.\n\n\
         | file | holds |\n|---|---|\n\
         | `openapi-v3.zst` | the OpenAPI v3 documents that the release's own server gives with default settings: a little-endian length, a JSON index, one zstd frame a document |\n\
         | `resources.json` | groups in discovery order; resources with verbs, short names, categories, subresources |\n\
         | `types.zst` | each Go type's fields: name, flags (p pointer, o omitempty, z omitzero), type (and what Go calls it; after @ the structs it is inlined from), declared default |\n\
         | `wire.zst` | each type's protobuf field numbers, in the order of the fields' names, as its Go tags and `generated.proto` have them |\n\
         | `internals.json` | the fields of the internal types that messages quote: printed name, name in v1, type, flag; printed by `conformance/control-plane/internals` |\n\
         | `columns.zst` | table columns, recorded from a real server of that release by `tests/defaults/record.sh` |\n\
         | `bootstrap.zst` | the objects a server makes at its first start, recorded from a real one of that release by \
         `tests/bootstrap/record.sh` |\n\
         | `root-ca.crt` | a certificate made for the simulation; nothing is signed with it |\n"
    )
}
