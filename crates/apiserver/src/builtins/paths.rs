//! Files of one volume that would stand in each other's way (`pkg/api/pod/warnings.go`).

use serde_json::Value;

/// A file's path, and where it comes from.
type File<'a> = (&'a str, String);

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn files<'a>(source: &'a Value, name: &str) -> Vec<File<'a>> {
    let items = source["items"].as_array().into_iter().flatten();
    items.map(|item| (text(item, "path"), name.to_owned())).collect()
}

/// Warns of files of a volume that overlap.
pub(super) fn warn(volume: &Value, out: &mut Vec<String>) {
    let name = text(volume, "name");
    let (config, secret) = (&volume["configMap"], &volume["secret"]);
    let sources = [
        (config, format!("ConfigMap {:?}", text(config, "name"))),
        (secret, format!("Secret {:?}", text(secret, "secretName"))),
        (&volume["downwardAPI"], "DownwardAPI".to_owned()),
    ];
    for (source, what) in sources {
        let mut known = Vec::new();
        for file in files(source, "") {
            add(file, &mut known, name, &what, out);
        }
    }
    let mut known = Vec::new();
    for source in volume["projected"]["sources"].as_array().into_iter().flatten() {
        if source.as_object().is_none_or(serde_json::Map::is_empty) {
            out.push(format!("volume {name:?} (Projected) has no sources provided"));
            continue;
        }
        for file in projected(source) {
            add(file, &mut known, name, "Projected", out);
        }
    }
}

/// Returns the files of the first source that says which it has.
fn projected(source: &Value) -> Vec<File<'_>> {
    for (kind, what) in [("configMap", "ConfigMap"), ("secret", "Secret")] {
        if source[kind]["items"].is_array() {
            return files(&source[kind], &format!("{what} {:?}", text(&source[kind], "name")));
        }
    }
    if source["downwardAPI"]["items"].is_array() {
        return files(&source["downwardAPI"], "DownwardAPI");
    }
    if source["serviceAccountToken"].is_object() {
        return vec![(text(&source["serviceAccountToken"], "path"), "ServiceAccountToken".to_owned())];
    }
    Vec::new()
}

fn add<'a>((path, from): File<'a>, known: &mut Vec<File<'a>>, volume: &str, what: &str, out: &mut Vec<String>) {
    let path = path.trim_end_matches('/');
    let shown =
        |(path, from): &File<'_>| if from.is_empty() { format!("{path:?}") } else { format!("{path:?} ({from})") };
    let within = |inner: &str, outer: &str| format!("{inner}/").starts_with(&format!("{outer}/"));
    let file = (path, from);
    for other in known.iter().filter(|(other, _)| !path.is_empty() && !other.is_empty()) {
        if within(other.0, path) || within(path, other.0) {
            out.push(format!("volume {volume:?} ({what}): overlapping paths: {} with {}", shown(&file), shown(other)));
        }
    }
    known.push(file);
}
