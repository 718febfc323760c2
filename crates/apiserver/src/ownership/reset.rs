//! Fields an endpoint does not write, as each kind's strategy names them (k8s: `GetResetFields`).

use bowline_smd::{Path, Set};

use crate::resource::Resource;

/// Kinds whose `/status` writes nothing of the metadata.
const STATUS_ALONE: [(&str, &str); 12] = [
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "apiservices"),
    ("flowcontrol.apiserver.k8s.io", "flowschemas"),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
    ("internal.apiserver.k8s.io", "storageversions"),
    ("networking.k8s.io", "servicecidrs"),
    ("certificates.k8s.io", "podcertificaterequests"),
    ("resource.k8s.io", "devicetaintrules"),
    ("resource.k8s.io", "resourceclaims"),
    ("storage.k8s.io", "volumeattachments"),
    ("storagemigration.k8s.io", "storageversionmigrations"),
];

/// Whether a kind's `/status` leaves metadata as it is.
pub(crate) fn status_stands_alone(resource: &Resource) -> bool {
    resource.custom().is_none() && STATUS_ALONE.contains(&(resource.group.as_str(), resource.plural.as_str()))
}

/// Returns the fields an endpoint does not write: it neither records them nor finds conflicts in them.
pub(super) fn fields(resource: &Resource, subresource: &str) -> Set {
    let set = |paths: &[&[&str]]| paths.iter().map(|path| Path::of_fields(path.iter().copied())).collect();
    let (group, plural) = (resource.group.as_str(), resource.plural.as_str());
    if group == "certificates.k8s.io" && plural == "certificatesigningrequests" {
        return match subresource {
            "status" => set(&[&["spec"], &["status", "conditions"]]),
            "approval" => set(&[&["spec"], &["status", "certificate"]]),
            _ => set(&[&["spec"], &["status"]]),
        };
    }
    match subresource {
        // Its strategy names a group that there is not.
        "" if resource.is("networking.k8s.io", "servicecidrs") => Set::new(),
        "" if resource.has_status() => set(&[&["status"]]),
        "finalize" => set(&[&["status"]]),
        "status" if group == "networking.k8s.io" && plural == "servicecidrs" => set(&[&["spec"]]),
        "status" if group == "certificates.k8s.io" && plural == "podcertificaterequests" => set(&[&["spec"]]),
        "status" if status_stands_alone(resource) => set(&[&["spec"], &["metadata"]]),
        "status" if resource.is("apps", "deployments") => set(&[&["spec"], &["metadata", "labels"]]),
        "status" if resource.is("", "pods") => {
            set(&[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]])
        }
        "status" => set(&[&["spec"]]),
        _ => Set::new(),
    }
}
