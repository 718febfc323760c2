//! Upstream's own encoders are the judge: of the objects recorded from them, and of the samples in their Go module.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::DefaultKind;
use crate::builtins::Builtins;
use crate::builtins::decode::round_trip;
use crate::resource::split_api_version;

const UNNAMED: DefaultKind<'_> = DefaultKind { api_version: "", kind: "" };

/// Compares one object with its protobuf form, both ways, and returns what differs.
fn differences(name: &str, json: &Value, protobuf: &[u8]) -> Vec<String> {
    let builtins = Builtins::get();
    let written = |value: &Value| {
        let mut value = value.clone();
        let (group, version) = split_api_version(value["apiVersion"].as_str().unwrap_or_default());
        let types = &builtins.types().0;
        let id = types.of_kind(group, version, value["kind"].as_str().unwrap_or_default());
        round_trip(types, id.expect("the kind is built in"), &mut value).expect("it was encoded by Go");
        value
    };
    let mut found = Vec::new();
    match builtins.decode_protobuf(protobuf, UNNAMED) {
        Err(error) => found.push(format!("{name}: {error}")),
        Ok(have) if written(&have) != written(json) => {
            found.push(format!("{name}: decoded\n  have {}\n  want {}", written(&have), written(json)));
        }
        Ok(_) => {}
    }
    match builtins.encode_protobuf(json) {
        Some(have) if have == protobuf => {}
        have => {
            let have = have.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            found.push(format!("{name}: encoded\n  have {have:?}\n  want {:?}", String::from_utf8_lossy(protobuf)));
        }
    }
    found
}

#[test]
fn recorded_objects_are_read_and_written_as_upstream_does() {
    let recorded = include_str!("../../../tests/protobuf/recorded.jsonl");
    let mut found = Vec::new();
    let mut count = 0;
    for line in recorded.lines() {
        let line: Value = serde_json::from_str(line).expect("one JSON object a line");
        let protobuf = STANDARD.decode(line["protobuf"].as_str().unwrap_or_default()).expect("it is base64");
        let name = format!("{}/{}", line["json"]["kind"], line["json"]["metadata"]["name"]);
        found.extend(differences(&name, &line["json"], &protobuf));
        count += 1;
    }
    assert!(count > 20, "{count} objects");
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

/// The samples of every kind, where Go has them on this machine.
fn samples() -> Option<PathBuf> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/shapes");
    let output = Command::new("go")
        .args(["list", "-mod=mod", "-m", "-f", "{{.Dir}}", "k8s.io/api"])
        .env("GOFLAGS", "-mod=mod")
        .env("GOPROXY", "off")
        .current_dir(module)
        .output()
        .ok()?;
    let dir = Path::new(String::from_utf8(output.stdout).ok()?.trim()).join("testdata/HEAD");
    dir.is_dir().then_some(dir)
}

#[test]
fn upstreams_samples_of_every_kind_are_read_and_written() {
    let Some(dir) = samples() else { return };
    let mut found = Vec::new();
    let mut count = 0;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("it is a folder").map(|entry| entry.expect("it is readable").path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|kind| kind == "json")) {
        let json: Value = serde_json::from_slice(&std::fs::read(path).expect("it is readable")).expect("it is JSON");
        let (group, version) = split_api_version(json["apiVersion"].as_str().unwrap_or_default());
        let kind = json["kind"].as_str().unwrap_or_default();
        if !Builtins::get().knows(group, version, kind) {
            continue;
        }
        let protobuf = std::fs::read(path.with_extension("pb")).expect("every sample has both forms");
        found.extend(differences(&path.file_name().unwrap_or_default().to_string_lossy(), &json, &protobuf));
        count += 1;
    }
    assert!(count > 80, "{count} samples");
    assert!(found.is_empty(), "{} differences in {count}:\n{}", found.len(), found.join("\n"));
}

#[test]
fn what_is_no_envelope_is_refused_in_upstreams_words() {
    let rows: &[(&[u8], &str)] = &[
        (b"", "empty data"),
        (b"k8s\0", "empty body"),
        (b"{}", "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
        (b"k8s\0\x0a\xff", "unexpected EOF"),
        (b"k8s\0\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "proto: integer overflow"),
        (b"k8s\0\x0c", "proto: Unknown: wiretype end group for non-group"),
        (b"k8s\0\x02\0", "proto: Unknown: illegal tag 0 (wire type 2)"),
        (b"k8s\0\x0b", "proto: wrong wireType = 3 for field TypeMeta"),
        (b"k8s\0\x2f", "proto: illegal wireType 7"),
        (b"k8s\0\x12\0", "Object 'Kind' is missing"),
    ];
    for (bytes, want) in rows {
        let error = Builtins::get().decode_protobuf(bytes, UNNAMED).expect_err("it is malformed");
        assert!(error.to_string().starts_with(want), "{bytes:?}: {error}");
    }
}

#[test]
fn nesting_has_an_end() {
    let mut schema = Vec::new();
    for _ in 0..100_000 {
        let mut outer = Vec::new();
        super::put_bytes(&mut outer, 28, &schema);
        schema = outer;
        if schema.len() > 200_000 {
            break;
        }
    }
    let mut bytes = schema;
    // CustomResourceDefinition.spec.versions[].schema.openAPIV3Schema
    for number in [1, 4, 7, 2] {
        let mut outer = Vec::new();
        super::put_bytes(&mut outer, number, &bytes);
        bytes = outer;
    }
    let body = super::envelope("apiextensions.k8s.io/v1", "CustomResourceDefinition", &bytes);
    let error = Builtins::get().decode_protobuf(&body, UNNAMED).expect_err("it is too deep");
    assert_eq!(error.to_string(), "exceeded max depth");
}

#[test]
fn a_watch_event_has_a_length_before_it() {
    let frame = Builtins::protobuf_watch_event("ADDED", b"k8s\0");
    assert_eq!(frame, b"\0\0\0\x0f\x0a\x05ADDED\x12\x06\x0a\x04k8s\0");
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "code": 404 });
    assert!(Builtins::get().encode_protobuf(&status).is_some_and(|bytes| bytes.starts_with(super::PREFIX)));
}
