//! Marks on objects: what is written on desired ones, what is read off live ones.

use bowline_argo::{Argo, ArgoOptions, TrackingMethod, app_id_of_instance};
use bowline_engine::Dialect;
use bowline_model::{AppId, ApplyRule, Object, ObjectRules, Phase};
use serde_json::{Value, json};

const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";

fn app() -> AppId {
    app_id_of_instance("shop", "argocd")
}

fn deployment(annotations: &Value) -> Object {
    let metadata = json!({"name": "cart", "namespace": "web", "annotations": annotations});
    let value = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata});
    Object::from_value(value).expect("is an object")
}

fn definition() -> Object {
    let value = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "carts.example.com"}});
    Object::from_value(value).expect("is an object")
}

fn adopted(mut object: Object, options: ArgoOptions) -> (Object, ObjectRules) {
    let rules = Argo::new(options).adopt(&app(), None, &mut object);
    (object, rules)
}

#[test]
fn objects_carry_the_tracking_id_and_definitions_do_not() {
    let (object, rules) = adopted(deployment(&json!({"mine": "stays"})), ArgoOptions::default());
    assert_eq!(object.annotation(TRACKING_ID), Some("shop:apps/Deployment:web/cart"));
    assert_eq!(object.annotation("mine"), Some("stays"));
    assert_eq!(object.at("/metadata/labels"), None);
    assert_eq!((rules.phase, rules.wave, rules.apply, rules.prune), (Phase::Sync, 0, ApplyRule::Always, true));

    let (object, rules) = adopted(definition(), ArgoOptions::default());
    assert_eq!(object, definition());
    assert!(!rules.prune);
}

#[test]
fn labels_are_written_where_they_are_asked_for() {
    let with = |tracking| ArgoOptions { tracking, ..ArgoOptions::default() };
    let (object, _) = adopted(deployment(&json!({})), with(TrackingMethod::Label));
    assert_eq!((object.label("app.kubernetes.io/instance"), object.annotation(TRACKING_ID)), (Some("shop"), None));
    let (object, _) = adopted(deployment(&json!({})), with(TrackingMethod::AnnotationAndLabel));
    assert_eq!(object.label("app.kubernetes.io/instance"), Some("shop"));
    assert!(object.annotation(TRACKING_ID).is_some());
}

#[test]
fn rules_come_from_annotations() {
    let rules = |annotations: Value| adopted(deployment(&annotations), ArgoOptions::default()).1;
    let options = |text: &str| rules(json!({"argocd.argoproj.io/sync-options": text}));
    assert!(!options("Replace=true, Prune=false").prune);
    assert!(!options("Prune=confirm").prune);
    assert!(options("Force=true").force);
    assert!(!options("Prune=true,Force=false").force);
    assert!(rules(json!({"argocd.argoproj.io/ignore-healthcheck": "true"})).ignore_health);
    let skipped = rules(json!({"argocd.argoproj.io/hook": "Skip"}));
    assert_eq!((skipped.phase, skipped.apply), (Phase::Never, ApplyRule::Never));
}

#[test]
fn marks_say_whose_a_live_object_is() {
    let argo = Argo::default();
    let owner = |annotations: Value| argo.marks(&deployment(&annotations)).owner;
    assert_eq!(owner(json!({TRACKING_ID: "shop:apps/Deployment:web/cart"})), Some(app()));
    assert_eq!(
        owner(json!({TRACKING_ID: "team_shop:apps/Deployment:web/cart"})),
        Some(AppId::new("argoproj.io", "Application", "team", "shop"))
    );
    assert_eq!(owner(json!({TRACKING_ID: "shop:apps/Deployment:web/another"})), None);
    assert_eq!(owner(json!({})), None);
    // What another installation marked is not ours to touch.
    let theirs = json!({TRACKING_ID: "shop:apps/Deployment:web/cart", "argocd.argoproj.io/installation-id": "b"});
    assert_eq!(owner(theirs.clone()), None);
    let ours = Argo::new(ArgoOptions { installation_id: Some("b".to_owned()), ..ArgoOptions::default() });
    assert_eq!(ours.marks(&deployment(&theirs)).owner, Some(app()));
}

#[test]
fn what_is_adopted_is_owned() {
    for tracking in [TrackingMethod::Annotation, TrackingMethod::Label, TrackingMethod::AnnotationAndLabel] {
        for installation_id in [None, Some("a".to_owned())] {
            let options = ArgoOptions { tracking, installation_id, ..ArgoOptions::default() };
            let (object, _) = adopted(deployment(&json!({})), options.clone());
            assert_eq!(Argo::new(options.clone()).marks(&object).owner, Some(app()), "{options:?}");
            assert_eq!(Argo::new(options).marks_are_proof(), tracking != TrackingMethod::Label);
        }
    }
}

#[test]
fn objects_may_ask_to_stay() {
    let argo = Argo::default();
    for (annotations, want) in [
        (json!({}), false),
        (json!({"argocd.argoproj.io/sync-options": "Prune=false"}), true),
        (json!({"argocd.argoproj.io/sync-options": "Force=true,Delete=false"}), true),
        (json!({"helm.sh/resource-policy": "keep"}), true),
    ] {
        assert_eq!(argo.marks(&deployment(&annotations)).keep, want, "{annotations}");
    }
    let mut crd = definition();
    assert!(!argo.marks(&crd).keep, "another tool's definition says nothing to us");
    crd.value_mut()["metadata"]["managedFields"] = json!([{"manager": "argocd-controller"}]);
    assert!(argo.marks(&crd).keep);
}

#[test]
fn cluster_scoped_objects_carry_the_destinations_namespace() {
    let value = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}});
    let mut object = Object::from_value(value).expect("is an object");
    Argo::new(ArgoOptions::default()).adopt(&app(), Some("shop"), &mut object);
    let id = object.annotation("argocd.argoproj.io/tracking-id").map(str::to_owned);
    assert!(id.as_deref().is_some_and(|id| id.ends_with(":/Namespace:shop/team")), "{id:?}");
    let owner = Argo::new(ArgoOptions::default()).marks(&object).owner;
    assert_eq!(owner, Some(app()));
}
