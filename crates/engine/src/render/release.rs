//! A chart as Helm installs and upgrades it: which objects one step writes, with which marks.

use std::collections::BTreeMap;

use bowline_helm::manifest::{self, Manifest};
use bowline_helm::template;
use bowline_manifest::{Limits, read_printed};
use bowline_model::{
    ApplyRule, Definitions, Failure, Hook, Location, Object, Phase, PostRenderedHooks, PostRendering, ReleaseStep,
};

use super::kustomize::{post_render, post_rendered_place};
use super::{Written, WrittenHook, complete};

/// What Helm says of whose object it is.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "Helm");
const RELEASE_NAME: &str = "meta.helm.sh/release-name";
const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";

/// One step of a release.
pub(super) struct Step<'a> {
    pub(super) rules: &'a ReleaseStep,
    pub(super) post: &'a PostRendering,
    pub(super) is_upgrade: bool,
    /// The release's name.
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
}

impl Step<'_> {
    /// Returns the objects of the step, definitions first.
    pub(super) fn objects(
        &self,
        rendered: &template::Rendered,
        here: &dyn Fn(Location) -> Location,
    ) -> Result<Vec<Written>, Failure> {
        let read = |path: &str, text: &[u8]| {
            let found = complete(read_printed([(path, text)], &Limits::default()))?;
            Ok::<_, Failure>(found.into_iter().map(|(object, at)| Written::new((object, here(at)))))
        };
        let mut objects = Vec::new();
        let apply = match self.rules.definitions {
            Definitions::Skip => None,
            Definitions::Create => Some(ApplyRule::IfAbsent),
            Definitions::Replace => Some(ApplyRule::Always),
        };
        if let Some(apply) = apply {
            for (path, text) in &rendered.crds {
                objects.extend(read(path, text)?.map(|written| Written { apply: Some(apply), ..written }));
            }
        }
        let mut manifests = Vec::new();
        for manifest in &rendered.sorted.manifests {
            manifests.extend(read(&manifest.path, manifest.content.as_bytes())?);
        }
        let mut hooks = Vec::new();
        for manifest in rendered.sorted.hooks.iter().filter(|_| self.rules.runs_hooks) {
            let Some(hook) = self.hook(manifest) else { continue };
            let found = read(&manifest.path, manifest.content.as_bytes())?;
            hooks.extend(found.map(|written| Written { hook: Some(hook), ..written }));
        }
        for mut written in self.post_rendered(manifests, hooks)? {
            if written.hook.is_none() {
                self.mark(&mut written.object);
            }
            objects.push(written);
        }
        Ok(objects)
    }

    /// Does to the objects what is to be done once they are rendered.
    fn post_rendered(&self, mut manifests: Vec<Written>, mut hooks: Vec<Written>) -> Result<Vec<Written>, Failure> {
        match self.post.hooks {
            _ if self.post.is_nothing() => {}
            PostRenderedHooks::Together => {
                manifests.append(&mut hooks);
                manifests = self.through_post_renderers(manifests)?;
            }
            PostRenderedHooks::Apart => {
                manifests = self.through_post_renderers(manifests)?;
                hooks = self.through_post_renderers(hooks)?;
            }
            PostRenderedHooks::Never => manifests = self.through_post_renderers(manifests)?,
        }
        manifests.append(&mut hooks);
        Ok(manifests)
    }

    fn through_post_renderers(&self, written: Vec<Written>) -> Result<Vec<Written>, Failure> {
        if written.is_empty() {
            return Ok(written);
        }
        let name = |object: &Object| (object.gvk(), object.namespace().to_owned(), object.name().to_owned());
        let known: BTreeMap<_, _> =
            written.iter().map(|written| (name(&written.object), (written.origin.clone(), written.hook))).collect();
        let mut objects: Vec<Object> = written.into_iter().map(|written| written.object).collect();
        for options in &self.post.kustomizations {
            objects = post_render(&objects, options)?;
        }
        let back = |mut object: Object| {
            for (name, value) in &self.post.common_labels {
                object.set_label(name, value);
            }
            for (name, value) in &self.post.common_annotations {
                object.set_annotation(name, value);
            }
            // What goes by another name now was made by a patch, as far as anybody can tell.
            let (origin, hook) = known.get(&name(&object)).cloned().unwrap_or_else(|| (post_rendered_place(), None));
            Written { hook, ..Written::new((object, origin)) }
        };
        Ok(objects.into_iter().map(back).collect())
    }

    /// Says on an object that it is the release's, as Helm does.
    fn mark(&self, object: &mut Object) {
        object.set_label(MANAGED_BY.0, MANAGED_BY.1);
        object.set_annotation(RELEASE_NAME, self.name);
        object.set_annotation(RELEASE_NAMESPACE, self.namespace);
    }

    /// Returns when a hook is run in this step; `None` for one of other steps.
    ///
    /// One that is to be run before and after is run before: an object can stand in one place only.
    fn hook(&self, manifest: &Manifest) -> Option<WrittenHook> {
        let hook = manifest.hook.as_ref()?;
        let (before, after) =
            if self.is_upgrade { ("pre-upgrade", "post-upgrade") } else { ("pre-install", "post-install") };
        let phase = if hook.events.contains(&before) {
            Phase::PreSync
        } else if hook.events.contains(&after) {
            Phase::PostSync
        } else {
            return None;
        };
        let bounds = i64::from(i32::MIN)..=i64::from(i32::MAX);
        let wave = hook.weight.clamp(*bounds.start(), *bounds.end()) as i32;
        Some(WrittenHook { phase, wave, hook: deletion(hook) })
    }
}

/// Reads when a hook's object goes away: before the next one is made, where the chart says nothing.
fn deletion(hook: &manifest::Hook) -> Hook {
    let has = |policy: &str| hook.delete_policies.iter().any(|have| have == policy);
    let deletion = Hook {
        delete_before_creation: has("before-hook-creation"),
        delete_when_succeeded: has("hook-succeeded"),
        delete_when_failed: has("hook-failed"),
    };
    if deletion == Hook::default() { Hook { delete_before_creation: true, ..deletion } } else { deletion }
}
