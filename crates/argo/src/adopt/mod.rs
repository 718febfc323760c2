//! The marks on an application's objects: whose they are, when they are written, what may be done to them.

mod hooks;
mod order;
mod tracking;

use bowline_model::{AppId, ApplyRule, LiveMarks, Object, ObjectRules, Phase};

use crate::{ArgoOptions, TrackingMethod, words};

pub use tracking::{app_id_of_instance, instance_name, tracking_id};

/// Marks a desired object as `app`'s and reads what its annotations ask for.
///
/// `Replace`, `Validate` and `ServerSideApply` among an object's sync options change nothing: every write is
/// a server-side apply. `Prune=confirm` and `Delete=confirm` keep the object, for nobody can confirm.
pub(crate) fn adopt(app: &AppId, destination: Option<&str>, object: &mut Object, options: &ArgoOptions) -> ObjectRules {
    if !is_crd(object) {
        mark(app, destination, object, options);
    }
    let (phase, hook) = hooks::read(object);
    ObjectRules {
        phase,
        wave: hooks::wave(object),
        rank: order::rank(object.kind()),
        hook,
        apply: if phase == Phase::Never { ApplyRule::Never } else { ApplyRule::Always },
        prune: !(is_crd(object) || has_option(object, &["Prune=false", "Prune=confirm"])),
        force: has_option(object, &["Force=true"]),
        ignore_health: object.annotation(words::IGNORE_HEALTHCHECK) == Some("true"),
    }
}

/// Reads off a live object whose it is and whether it asks to stay.
///
/// The contract has one word for staying, so that an object with `Prune=false` also outlives its application,
/// and one with `Delete=false` also outlives its manifest; Argo CD tells the two apart.
pub(crate) fn marks(live: &Object, options: &ArgoOptions) -> LiveMarks {
    let keeps = has_option(live, &["Prune=false", "Prune=confirm", "Delete=false", "Delete=confirm"])
        || live.annotation(words::HELM_RESOURCE_POLICY).is_some_and(|policy| policy.trim() == "keep")
        // A definition carries no tracking mark, and taking it away takes every resource of its kind away.
        || (is_crd(live) && is_written_by_us(live));
    LiveMarks { owner: owner(live, options), keep: keeps, leave_alone: false }
}

pub(crate) fn is_crd(object: &Object) -> bool {
    object.kind() == "CustomResourceDefinition" && object.gvk().group == "apiextensions.k8s.io"
}

fn mark(app: &AppId, destination: Option<&str>, object: &mut Object, options: &ArgoOptions) {
    if let Some(id) = &options.installation_id {
        object.set_annotation(words::INSTALLATION_ID, id);
    }
    let instance = instance_name(app, &options.control_namespace);
    if options.tracking != TrackingMethod::Label {
        let mut key = object.key();
        // Argo CD writes the destination's namespace into the ids of cluster-scoped objects too.
        if let (true, Some(destination)) = (key.namespace.is_empty(), destination) {
            destination.clone_into(&mut key.namespace);
        }
        object.set_annotation(words::TRACKING_ID, &tracking_id(&instance, &key));
    }
    match options.tracking {
        TrackingMethod::Annotation => {}
        TrackingMethod::Label => object.set_label(&options.instance_label_key, &instance),
        TrackingMethod::AnnotationAndLabel => {
            object.set_label(&options.instance_label_key, tracking::cut_for_label(&instance));
        }
    }
}

fn owner(live: &Object, options: &ArgoOptions) -> Option<AppId> {
    let installation = live.annotation(words::INSTALLATION_ID).filter(|id| !id.is_empty());
    if installation != options.installation_id.as_deref() {
        return None;
    }
    match options.tracking {
        TrackingMethod::Label => {
            live.label(&options.instance_label_key).map(|name| app_id_of_instance(name, &options.control_namespace))
        }
        TrackingMethod::Annotation | TrackingMethod::AnnotationAndLabel => {
            let id = live.annotation(words::TRACKING_ID)?;
            let is_lax = bowline_model::is_planted(bowline_model::Planted::CopiedMarksCount);
            let lax = id.split_once(':').map(|(instance, _)| instance).filter(|_| is_lax);
            let instance = lax.or_else(|| tracking::instance_of(id, &live.key()))?;
            Some(app_id_of_instance(instance, &options.control_namespace))
        }
    }
}

fn has_option(object: &Object, any_of: &[&str]) -> bool {
    words::comma_separated(object.annotation(words::SYNC_OPTIONS)).any(|option| any_of.contains(&option))
}

fn is_written_by_us(live: &Object) -> bool {
    let entries = live.at("/metadata/managedFields").and_then(serde_json::Value::as_array);
    entries.into_iter().flatten().any(|entry| entry["manager"] == words::FIELD_MANAGER)
}
