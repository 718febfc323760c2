//! Volume claims: bound to a volume that is there, or to one made for them; and released when they go.

use serde_json::{Value, json};

use super::Simulation;
use super::object::{is_deleted, items, name, namespace, text, uid};
use super::world::Kind;
use crate::builtins::Quantity;
use crate::error::ApiError;
use crate::resource::Gvr;

const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
const PROVISIONER: &str = "sim.bowline.dev/volumes";

fn size(value: &Value) -> i128 {
    value.as_str().and_then(|text| text.parse::<Quantity>().ok()).map_or(0, |quantity| quantity.nanos())
}

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    items(object, "/metadata/finalizers").any(|have| have == finalizer)
}

impl Simulation {
    pub(super) fn claim(&mut self, namespace: &str, claim_name: &str) -> Result<(), ApiError> {
        let Some(claim) = self.world.get(Kind::Claim, namespace, claim_name) else { return Ok(()) };
        if is_deleted(&claim) {
            let used = self.world.list(Kind::Pod, namespace).iter().any(|pod| {
                items(pod, "/spec/volumes").any(|volume| volume["persistentVolumeClaim"]["claimName"] == claim_name)
            });
            if used || !has_finalizer(&claim, CLAIM_PROTECTION) {
                return Ok(());
            }
            return self.drop_finalizer(Kind::Claim, &claim, CLAIM_PROTECTION);
        }
        let volume_name = text(&claim, "/spec/volumeName").to_owned();
        if volume_name.is_empty() {
            return self.bind(&claim);
        }
        let Some(volume) = self.world.get(Kind::Volume, "", &volume_name) else {
            if text(&claim, "/status/phase") == "Bound" {
                let mut status = claim["status"].clone();
                status["phase"] = json!("Lost");
                return self.write_status(Kind::Claim, &claim, status);
            }
            return Ok(());
        };
        let mut status = claim["status"].clone();
        status["phase"] = json!("Bound");
        status["accessModes"] = volume["spec"]["accessModes"].clone();
        status["capacity"] = json!({ "storage": volume["spec"]["capacity"]["storage"] });
        self.write_status(Kind::Claim, &claim, status)
    }

    /// Finds the smallest free volume that will do, or makes one, and writes its name into the claim.
    fn bind(&self, claim: &Value) -> Result<(), ApiError> {
        let wanted = size(&claim["spec"]["resources"]["requests"]["storage"]);
        let mine = |volume: &Value| {
            let of = &volume["spec"]["claimRef"];
            of["namespace"] == claim["metadata"]["namespace"] && of["name"] == claim["metadata"]["name"]
        };
        let free = |volume: &Value| {
            let modes: Vec<&Value> = items(volume, "/spec/accessModes").collect();
            volume["spec"].get("claimRef").is_none()
                && text(volume, "/spec/storageClassName") == text(claim, "/spec/storageClassName")
                && volume["spec"]["volumeMode"] == claim["spec"]["volumeMode"]
                && size(&volume["spec"]["capacity"]["storage"]) >= wanted
                && items(claim, "/spec/accessModes").all(|mode| modes.contains(&mode))
        };
        let mut volumes = self.world.list(Kind::Volume, "");
        volumes.retain(|volume| !is_deleted(volume) && (mine(volume) || free(volume)));
        let best =
            volumes.into_iter().min_by_key(|volume| (!mine(volume), size(&volume["spec"]["capacity"]["storage"])));
        let reference = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": namespace(claim),
            "name": name(claim),
            "uid": uid(claim),
        });
        let volume = match best {
            Some(volume) => {
                let mut next = Value::clone(&volume);
                next["spec"]["claimRef"] = reference;
                self.update(Kind::Volume, next)?
            }
            None if self.waits_for_consumer(claim) => {
                let message = "waiting for first consumer to be created before binding";
                self.event(Kind::Claim, claim, false, "WaitForFirstConsumer", message);
                return Ok(());
            }
            None => self.create(Kind::Volume, provisioned(claim, reference))?,
        };
        let mut next = claim.clone();
        next["spec"]["volumeName"] = volume["metadata"]["name"].clone();
        if next["metadata"]["annotations"].is_null() {
            next["metadata"]["annotations"] = json!({});
        }
        next["metadata"]["annotations"]["pv.kubernetes.io/bind-completed"] = json!("yes");
        next["metadata"]["annotations"]["pv.kubernetes.io/bound-by-controller"] = json!("yes");
        self.update(Kind::Claim, next).map(drop)
    }

    /// Returns whether a claim's class makes volumes only where a pod needs one, and no pod does yet.
    fn waits_for_consumer(&self, claim: &Value) -> bool {
        let classes = Gvr::new("storage.k8s.io", "v1", "storageclasses");
        let class = self.admin.get(&classes, "", text(claim, "/spec/storageClassName")).ok().flatten();
        class.is_some_and(|class| class["volumeBindingMode"] == "WaitForFirstConsumer")
            && !self.world.list(Kind::Pod, namespace(claim)).iter().any(|pod| {
                items(pod, "/spec/volumes")
                    .any(|volume| volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"])
            })
    }

    pub(super) fn volume(&mut self, volume_name: &str) -> Result<(), ApiError> {
        let Some(volume) = self.world.get(Kind::Volume, "", volume_name) else { return Ok(()) };
        let reference = &volume["spec"]["claimRef"];
        let claim = self.world.get(Kind::Claim, text(reference, "/namespace"), text(reference, "/name"));
        let held = claim.is_some_and(|claim| reference["uid"].is_null() || uid(&claim) == text(reference, "/uid"));
        if is_deleted(&volume) {
            if held || !has_finalizer(&volume, VOLUME_PROTECTION) {
                return Ok(());
            }
            return self.drop_finalizer(Kind::Volume, &volume, VOLUME_PROTECTION);
        }
        let phase = match (reference.is_object(), held) {
            (false, _) => "Available",
            (true, true) => "Bound",
            // A volume set aside for a claim that does not exist yet is free for that one alone.
            (true, false) if reference["uid"].is_null() => "Available",
            (true, false) => "Released",
        };
        let made_here = volume["metadata"]["annotations"][PROVISIONED_BY] == PROVISIONER;
        if phase == "Released" && made_here && volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete" {
            return self.delete(Kind::Volume, &volume);
        }
        if text(&volume, "/status/phase") == phase {
            return Ok(());
        }
        let mut status = volume["status"].clone();
        status["phase"] = json!(phase);
        status["lastPhaseTransitionTime"] = json!(self.now());
        self.write_status(Kind::Volume, &volume, status)
    }

    fn drop_finalizer(&self, kind: Kind, object: &Value, finalizer: &str) -> Result<(), ApiError> {
        let mut next = object.clone();
        let left: Vec<Value> =
            items(object, "/metadata/finalizers").filter(|have| *have != finalizer).cloned().collect();
        next["metadata"]["finalizers"] = json!(left);
        self.update(kind, next).map(drop)
    }
}

fn provisioned(claim: &Value, reference: Value) -> Value {
    let volume = format!("pvc-{}", uid(claim));
    let mut object = json!({
        "metadata": { "name": volume, "annotations": { PROVISIONED_BY: PROVISIONER } },
        "spec": {
            "accessModes": claim["spec"]["accessModes"],
            "capacity": { "storage": claim["spec"]["resources"]["requests"]["storage"] },
            "claimRef": reference,
            "hostPath": { "path": format!("/simulated/{volume}") },
            "persistentVolumeReclaimPolicy": "Delete",
            "volumeMode": claim["spec"]["volumeMode"],
        },
    });
    if let Some(class) = claim["spec"].get("storageClassName") {
        object["spec"]["storageClassName"] = class.clone();
    }
    object
}
