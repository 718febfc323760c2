//! The options of a kustomization, as Argo CD hands them to `kustomize edit`.

use std::collections::BTreeMap;

use bowline_model::{Failure, KustomizeImage, KustomizeLabels, KustomizeOptions, KustomizePairs, Reason, Revision};
use serde_json::{Map, Value, json};

use super::helm::{Environment, Escape, Subject};
use super::{filled, listed, unsupported};
use crate::types::{ApplicationSource, IntOrString, KustomizePatch};

/// Returns how the kustomization of a source is built.
///
/// A `version` that the settings register brings its own build options; whichever it is, builds are those of the one
/// Kustomize that Bowline is equal to.
pub(super) fn options(
    source: &ApplicationSource,
    path: &str,
    subject: &Subject<'_>,
) -> Result<KustomizeOptions, Failure> {
    let kustomize = source.kustomize.clone().unwrap_or_default();
    let (reads_everywhere, mut build) = subject.kustomize.build(filled(kustomize.version.as_deref()))?;
    if let Some(charts) = &mut build.charts {
        charts.kube_version = kustomize.kube_version.clone().unwrap_or_default();
        charts.api_versions = kustomize.api_versions.clone().unwrap_or_default();
    }
    let environment = Environment { source, subject };
    let text = |text: &Option<String>| filled(text.as_deref()).map(str::to_owned);
    let mut annotations = kustomize.common_annotations.unwrap_or_default();
    if kustomize.common_annotations_envsubst == Some(true) {
        for value in annotations.values_mut() {
            let filled = environment.fill(value, Escape::Nothing);
            if filled.names_revision() {
                return Err(unsupported("kustomize.commonAnnotations with a revision"));
            }
            *value = filled.at(&Revision::of_commit(""));
        }
    }
    Ok(KustomizeOptions {
        path: path.to_owned(),
        reads_everywhere,
        build,
        namespace: text(&kustomize.namespace),
        name_prefix: text(&kustomize.name_prefix),
        name_suffix: text(&kustomize.name_suffix),
        images: images(listed(kustomize.images.as_ref()))?,
        replicas: listed(kustomize.replicas.as_ref())
            .iter()
            .map(|replica| Ok((replica.name.clone(), count(&replica.count)?)))
            .collect::<Result<_, Failure>>()?,
        labels: KustomizeLabels {
            labels: KustomizePairs {
                pairs: kustomize.common_labels.unwrap_or_default(),
                force: kustomize.force_common_labels == Some(true),
            },
            without_selectors: kustomize.label_without_selector == Some(true),
            in_templates: kustomize.label_include_templates == Some(true),
        },
        annotations: KustomizePairs { pairs: annotations, force: kustomize.force_common_annotations == Some(true) },
        patches: listed(kustomize.patches.as_ref()).iter().map(patch).collect(),
        components: kustomize.components.unwrap_or_default(),
        ignore_missing_components: kustomize.ignore_missing_components == Some(true),
        ..KustomizeOptions::default()
    })
}

fn count(count: &IntOrString) -> Result<i64, Failure> {
    match count {
        IntOrString::Int(count) => Ok(*count),
        IntOrString::Text(text) => text.parse().map_err(|_| {
            Failure::new(Reason::InvalidSpec, format!("`count` of `kustomize.replicas` is no number: `{text}`"))
        }),
    }
}

/// Reads images as `kustomize edit set image` does: the last of a name counts, and they are in the order of names.
fn images(texts: &[String]) -> Result<Vec<KustomizeImage>, Failure> {
    let mut by_name = BTreeMap::new();
    for text in texts {
        let image = image(text).ok_or_else(|| {
            let message = format!("`{text}` of `kustomize.images` is no image");
            Failure::new(Reason::InvalidSpec, message)
                .help("write `name:tag`, `name@digest`, `name=new`, `name=new:tag` or `name=new@digest`")
        })?;
        by_name.insert(image.name.clone(), image);
    }
    Ok(by_name.into_values().collect())
}

fn image(text: &str) -> Option<KustomizeImage> {
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (Some(name), value),
        None => (None, text),
    };
    let is_tag = |tag: &str| tag == "*" || tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let (other, tag, digest) = if let Some((other, digest)) = value.split_once('@') {
        (other, None, filled(digest))
    } else if let Some((other, tag)) = value.rsplit_once(':').filter(|(_, tag)| is_tag(tag)) {
        (other, filled(tag), None)
    } else if name.is_some() && !value.is_empty() {
        (value, None, None)
    } else {
        return None;
    };
    // A star keeps what the file says.
    let star = "*";
    let keeps = other == star || tag.as_deref() == Some(star) || digest.as_deref() == Some(star);
    Some(KustomizeImage {
        name: name.unwrap_or(other).to_owned(),
        new_name: name.and_then(|_| filled(other)).filter(|name| name != star),
        new_tag: tag.filter(|tag| tag != star),
        digest: digest.filter(|digest| digest != star),
        replaces: !keeps,
    })
}

fn patch(patch: &KustomizePatch) -> Value {
    let mut out = Map::new();
    let mut put = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(field.to_owned(), value);
        }
    };
    put("path", filled(patch.path.as_deref()).map(|text| json!(text)));
    put("patch", filled(patch.patch.as_deref()).map(|text| json!(text)));
    put("options", patch.options.as_ref().map(|options| json!(options)));
    put(
        "target",
        patch.target.as_ref().map(|target| {
            let fields = [
                ("group", &target.group),
                ("version", &target.version),
                ("kind", &target.kind),
                ("name", &target.name),
                ("namespace", &target.namespace),
                ("annotationSelector", &target.annotation_selector),
                ("labelSelector", &target.label_selector),
            ];
            let fields = fields.into_iter().filter_map(|(field, text)| Some((field, filled(text.as_deref())?)));
            json!(fields.collect::<BTreeMap<_, _>>())
        }),
    );
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_read_as_by_kustomize() {
        let read = |text: &str| {
            image(text).map(|image| {
                let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
                let keeps = if image.replaces { "" } else { " keeps" };
                format!("{} {} {} {}{keeps}", image.name, or(image.new_name), or(image.new_tag), or(image.digest))
            })
        };
        for (text, want) in [
            ("nginx:1.27", Some("nginx - 1.27 -")),
            ("nginx@sha256:aa", Some("nginx - - sha256:aa")),
            ("nginx=r.io/n", Some("nginx r.io/n - -")),
            ("nginx=r.io:5000/n:2", Some("nginx r.io:5000/n 2 -")),
            ("nginx=r.io:5000/n", Some("nginx r.io:5000/n - -")),
            ("nginx=r.io/n@sha256:aa", Some("nginx r.io/n - sha256:aa")),
            ("nginx=*:2", Some("nginx - 2 - keeps")),
            ("nginx=r.io/n:*", Some("nginx r.io/n - - keeps")),
            ("nginx", None),
            ("nginx=", None),
            ("", None),
        ] {
            assert_eq!(read(text).as_deref(), want, "{text}");
        }
    }
}
