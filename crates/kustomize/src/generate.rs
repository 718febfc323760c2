//! Config maps and secrets made of files, literals and lines of variables.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bowline_yaml::nodes::{Style, Tag};

use crate::error::BuildError;
use crate::kustomization::GeneratorArgs;
use crate::loader::Loader;
use crate::node::{Kind, Node, NodeId, Store};
use crate::resource::{BEHAVIOR, ENABLED, NEEDS_HASH, Texts};

/// What is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generated {
    ConfigMap,
    Secret,
}

impl Generated {
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// Makes a config map or a secret.
pub(crate) fn generate(
    store: &mut Store,
    loader: &Loader<'_>,
    what: Generated,
    args: &GeneratorArgs,
) -> Result<NodeId, BuildError> {
    if args.name.is_empty() {
        return Err(BuildError::new("a configmap must have a name"));
    }
    let root = store.add(Node { tag: Tag::Map, ..Node::new(Kind::Map) });
    store.set_text_field(root, "apiVersion", "v1")?;
    store.set_text_field(root, "kind", what.kind())?;
    let metadata = store.lookup(root, &["metadata"], Some(Kind::Map))?.expect("holds because it is made");
    set_text(store, metadata, "name", &args.name)?;
    if !args.namespace.is_empty() {
        set_text(store, metadata, "namespace", &args.namespace)?;
    }
    if what == Generated::Secret {
        let kind = if args.secret_type.is_empty() { "Opaque" } else { &args.secret_type };
        set_text(store, root, "type", kind)?;
    }
    let pairs = pairs(loader, args).map_err(|error| error.within("loading KV pairs"))?;
    let mut data = std::collections::BTreeMap::new();
    for (key, value) in pairs {
        if data.contains_key(&key) {
            return Err(BuildError::new(format!("configmap {} illegally repeats the key `{key}`", args.name)));
        }
        data.insert(key, value);
    }
    if what == Generated::Secret {
        store.lookup(root, &["data"], Some(Kind::Map))?;
    }
    for (key, value) in &data {
        let (field, text) = match (what, std::str::from_utf8(value)) {
            (Generated::ConfigMap, Ok(text)) => ("data", text.to_owned()),
            (Generated::ConfigMap, Err(_)) => ("binaryData", encode(value)),
            (Generated::Secret, _) => ("data", encode(value)),
        };
        let map = store.lookup(root, &[field], Some(Kind::Map))?.expect("holds because it is made");
        set_text(store, map, key, &text)?;
    }
    let options = args.options.as_ref();
    for (map, texts) in [
        ("labels", options.and_then(|it| it.labels.as_ref())),
        ("annotations", options.and_then(|it| it.annotations.as_ref())),
    ] {
        for (key, value) in texts.into_iter().flatten() {
            store.set_metadata_text(root, map, key, value)?;
        }
    }
    if options.is_some_and(|options| options.immutable) {
        let value = store.add(Node { tag: Tag::Bool, ..Node::scalar("true") });
        store.set_field(root, "immutable", value)?;
    }
    let mut annotations = store.annotations(root);
    if !options.is_some_and(|options| options.disable_name_suffix_hash) {
        annotations.insert(NEEDS_HASH.to_owned(), ENABLED.to_owned());
    }
    let behavior = match args.behavior.as_str() {
        known @ ("merge" | "replace" | "create") => known,
        _ => "unspecified",
    };
    annotations.insert(BEHAVIOR.to_owned(), behavior.to_owned());
    store.set_annotations(root, &annotations)?;
    Ok(root)
}

fn set_text(store: &mut Store, map: NodeId, key: &str, text: &str) -> Result<(), BuildError> {
    let value = store.add(Node::text(text));
    store.set_field(map, key, value).map(|_| ())
}

/// Base64 in lines of 70, as soon as there is more than one.
fn encode(bytes: &[u8]) -> String {
    const LINE: usize = 70;
    let text = STANDARD.encode(bytes);
    if text.len() < LINE {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / LINE + 1);
    for line in text.as_bytes().chunks(LINE) {
        lines.extend(line.iter().copied().map(char::from));
        lines.push('\n');
    }
    lines
}

type Pair = (String, Vec<u8>);

fn pairs(loader: &Loader<'_>, args: &GeneratorArgs) -> Result<Vec<Pair>, BuildError> {
    let mut pairs = Vec::new();
    for path in &args.envs {
        let told = |error: BuildError| error.within(format!("env source files: [{}]", args.envs.join(" ")));
        let content = loader.load(path).map_err(told)?;
        lines(&content, &mut pairs).map_err(told)?;
    }
    for source in &args.literals {
        pairs.push(
            literal(source).map_err(|error| error.within(format!("literal sources [{}]", args.literals.join(" "))))?,
        );
    }
    for source in &args.files {
        let told = |error: BuildError| error.within(format!("file sources: [{}]", args.files.join(" ")));
        let (key, path) = file_source(source).map_err(told)?;
        pairs.push((key.to_owned(), loader.load(path).map_err(told)?.to_vec()));
    }
    Ok(pairs)
}

/// Reads `key=value` lines; comments and empty lines are left out.
fn lines(content: &[u8], pairs: &mut Vec<Pair>) -> Result<(), BuildError> {
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    if content.is_empty() {
        return Ok(());
    }
    for (at, line) in content.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Ok(text) = std::str::from_utf8(line) else {
            let bytes: Vec<String> = line.iter().map(u8::to_string).collect();
            let text = String::from_utf8_lossy(line);
            return Err(BuildError::new(format!("line [{}] has invalid utf8 bytes : {text}", bytes.join(" "))));
        };
        let text = if at == 0 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        let text = text.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if !key.is_empty() {
            pairs.push((key.to_owned(), value.as_bytes().to_vec()));
        }
    }
    Ok(())
}

fn literal(source: &str) -> Result<Pair, BuildError> {
    match source.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), without_quotes(value).as_bytes().to_vec())),
        _ => Err(BuildError::new(format!("invalid literal source {source}, expected key=value"))),
    }
}

fn without_quotes(text: &str) -> &str {
    let inside = ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    inside.unwrap_or(text)
}

/// Takes `key=path` apart; a path alone is a key by its last part.
fn file_source(source: &str) -> Result<(&str, &str), BuildError> {
    let refused = |message: String| Err(BuildError::new(message));
    match source.split_once('=') {
        None => {
            let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or(source);
            Ok((if name.is_empty() { "." } else { name }, source))
        }
        Some((_, path)) if path.contains('=') => {
            refused(format!("source {source:?} key name or file path contains '='"))
        }
        Some(("", path)) => refused(format!("missing key name for file path {path:?} in source {source:?}")),
        Some((key, "")) => refused(format!("missing file path for key name {key:?} in source {source:?}")),
        Some(pair) => Ok(pair),
    }
}

/// The texts of a map of data.
pub(crate) fn data(store: &Store, object: NodeId, field: &str) -> Texts {
    let Some(map) = store.field(object, field) else { return Texts::new() };
    if store[map].kind != Kind::Map {
        return Texts::new();
    }
    let text = |id: NodeId| if store[id].is_null() { String::new() } else { store[id].text.to_string() };
    store[map].content.chunks_exact(2).map(|pair| (text(pair[0]), text(pair[1]))).collect()
}

/// The data of a secret, with what it has in clear.
pub(crate) fn secret_data(store: &Store, object: NodeId) -> Result<Texts, BuildError> {
    let mut texts = data(store, object, "data");
    let Some(clear) = store.field(object, "stringData").filter(|clear| !store[*clear].is_null()) else {
        return Ok(texts);
    };
    for pair in store[clear].content.chunks_exact(2) {
        let (key, value) = (&store[pair[0]], &store[pair[1]]);
        if value.kind != Kind::Scalar {
            let why = format!("read stringData: stringData value for key {:?} must be a scalar", &*key.text);
            return Err(BuildError::new(format!(
                "failed to normalize stringData for {}: {why}",
                store.current_id(object)
            )));
        }
        let text = if value.is_null() { "" } else { &value.text };
        texts.insert(key.text.to_string(), encode(text.as_bytes()));
    }
    Ok(texts)
}

/// Writes a map of data anew; an empty one goes.
pub(crate) fn set_data(store: &mut Store, object: NodeId, field: &str, texts: &Texts) -> Result<(), BuildError> {
    store.clear(object, field)?;
    for (key, text) in texts {
        let map = store.lookup(object, &[field], Some(Kind::Map))?.expect("holds because it is made");
        let style = if text.contains('\n') { Style::Literal } else { Style::Plain };
        let value = store.add(Node { tag: Tag::Text, style, ..Node::scalar(text) });
        store.set_field(map, key, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_lose_their_quotes() {
        assert_eq!(literal("a=\"b c\"").expect("is good").1, b"b c");
        assert_eq!(literal("a='b=c'").expect("is good").1, b"b=c");
        assert_eq!(literal("a=\"b").expect("is good").1, b"\"b");
        assert_eq!(literal("a=\"").expect("is good").1, b"\"");
        assert!(literal("=b").is_err());
        assert!(literal("ab").is_err());
    }

    #[test]
    fn lines_are_pairs() {
        let mut pairs = Vec::new();
        lines(b"\xef\xbb\xbfa=1\r\n# no\n\n  b=2 \nc\n", &mut pairs).expect("is good");
        let want = [("a", "1"), ("b", "2 "), ("c", "")];
        let have: Vec<_> =
            pairs.iter().map(|(key, value)| (key.as_str(), std::str::from_utf8(value).expect("is text"))).collect();
        assert_eq!(have, want);
    }

    #[test]
    fn long_base64_has_lines() {
        assert_eq!(encode(b"abc"), "YWJj");
        let text = encode(&[b'x'; 100]);
        assert_eq!(text.lines().next().map(str::len), Some(70));
        assert!(text.ends_with('\n'));
    }
}
