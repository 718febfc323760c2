//! How an application goes away.

use bowline_model::{Deletion, Object, Propagation};

use crate::words;

/// Reads an application's finalizers: the first that speaks of its objects says how they go.
///
/// The finalizers of deletion hooks are taken off with the others; such hooks are not run.
pub(crate) fn deletion(resource: &Object) -> Option<Deletion> {
    let mut deletion = Deletion { finalizers: Vec::new(), prune: None };
    for finalizer in resource.finalizers() {
        let prune = match finalizer {
            words::RESOURCES_FINALIZER | words::FOREGROUND_FINALIZER => Some(Propagation::Foreground),
            words::BACKGROUND_FINALIZER => Some(Propagation::Background),
            other if is_delete_hook(other) => None,
            _ => continue,
        };
        deletion.prune = deletion.prune.or(prune);
        deletion.finalizers.push(finalizer.to_owned());
    }
    (!deletion.finalizers.is_empty()).then_some(deletion)
}

fn is_delete_hook(finalizer: &str) -> bool {
    words::DELETE_HOOK_FINALIZERS
        .iter()
        .any(|name| finalizer.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finalizers_say_how_objects_go() {
        let base = words::RESOURCES_FINALIZER;
        let cases = [
            (vec![], None),
            (vec!["example.com/other"], None),
            (vec![base], Some((vec![base], Some(Propagation::Foreground)))),
            (
                vec!["example.com/other", words::BACKGROUND_FINALIZER],
                Some((vec![words::BACKGROUND_FINALIZER], Some(Propagation::Background))),
            ),
            (
                vec!["post-delete-finalizer.argocd.argoproj.io/cleanup"],
                Some((vec!["post-delete-finalizer.argocd.argoproj.io/cleanup"], None)),
            ),
            (
                vec!["pre-delete-finalizer.argocd.argoproj.io", words::FOREGROUND_FINALIZER],
                Some((
                    vec!["pre-delete-finalizer.argocd.argoproj.io", words::FOREGROUND_FINALIZER],
                    Some(Propagation::Foreground),
                )),
            ),
        ];
        for (finalizers, want) in cases {
            let value = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
                "metadata": {"name": "a", "finalizers": finalizers}});
            let have = deletion(&Object::from_value(value).expect("is an object"));
            let have = have.map(|deletion| (deletion.finalizers, deletion.prune));
            let want = want.map(|(names, prune)| (names.into_iter().map(str::to_owned).collect::<Vec<_>>(), prune));
            assert_eq!(have, want);
        }
    }
}
