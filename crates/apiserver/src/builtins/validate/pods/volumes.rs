//! Volumes of pods, and the sources that persistent volumes share with them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::errors::at;
use super::super::{Errors, entries, internal, is_empty, items, meta, names, number, storage, text};
use super::Of;
use super::containers::{FILE_FIELDS, field_selector, resource_selector};
use crate::builtins::Quantity;

/// The sources in the order they are checked: field, name in "more than one" messages, name in their own messages.
const SOURCES: [(&str, &str, &str); 30] = [
    ("emptyDir", "emptyDir", "emptyDir"),
    ("hostPath", "hostPath", "hostPath"),
    ("gitRepo", "gitRepo", "gitRepo"),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore"),
    ("secret", "secret", "secret"),
    ("nfs", "nfs", "nfs"),
    ("iscsi", "iscsi", "iscsi"),
    ("glusterfs", "glusterfs", "glusterfs"),
    ("flocker", "flocker", "flocker"),
    ("persistentVolumeClaim", "persistentVolumeClaim", "persistentVolumeClaim"),
    ("rbd", "rbd", "rbd"),
    ("cinder", "cinder", "cinder"),
    ("cephfs", "cephFS", "cephfs"),
    ("quobyte", "quobyte", "quobyte"),
    ("downwardAPI", "downwarAPI", "downwardAPI"),
    ("fc", "fc", "fc"),
    ("flexVolume", "flexVolume", "flexVolume"),
    ("configMap", "configMap", "configMap"),
    ("azureFile", "azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk", "azureDisk"),
    ("storageos", "storageos", "storageos"),
    ("projected", "projected", "projected"),
    ("scaleIO", "scaleIO", "scaleIO"),
    ("csi", "csi", "csi"),
    ("ephemeral", "ephemeral", "ephemeral"),
    ("image", "image", "image"),
];

/// Checks a pod's volumes and returns the sound ones by name.
pub(super) fn volumes<'a>(
    list: &'a Value,
    pod: &Value,
    of: Of,
    path: &str,
    errors: &mut Errors,
) -> BTreeMap<&'a str, &'a Value> {
    let pod_name = text(pod, "name");
    let created: BTreeSet<String> = items(list)
        .filter(|(_, volume)| !pod_name.is_empty() && !volume["ephemeral"].is_null())
        .map(|(_, volume)| format!("{pod_name}-{}", text(volume, "name")))
        .collect();
    let mut sound = BTreeMap::new();
    for (index, volume) in items(list) {
        let path = format!("{path}[{index}]");
        let before = errors.len();
        let name = text(volume, "name");
        source(volume, pod_name, of, &path, errors);
        let field = format!("{path}.name");
        if name.is_empty() {
            errors.required(&field, "");
        } else {
            errors.invalid_each(&field, name, names::dns_label(name));
        }
        if sound.contains_key(name) {
            errors.duplicate(&field, &volume["name"]);
        }
        if errors.len() == before {
            sound.insert(name, volume);
        }
        let claim = text(&volume["persistentVolumeClaim"], "claimName");
        if created.contains(claim) {
            let detail = "must not reference a PVC that gets created for an ephemeral volume";
            errors.invalid_text(&format!("{path}.persistentVolumeClaim.claimName"), claim, detail);
        }
    }
    sound
}

fn source(volume: &Value, pod_name: &str, of: Of, path: &str, errors: &mut Errors) {
    let name = text(volume, "name");
    let mut found = 0;
    for (kind, plural_name, own_name) in SOURCES {
        let source = &volume[kind];
        if source.is_null() {
            continue;
        }
        found += 1;
        let own = format!("{path}.{own_name}");
        if found > 1 {
            errors.forbidden(&format!("{path}.{plural_name}"), "may not specify more than 1 volume type");
        } else {
            match kind {
                "projected" => projected(source, &own, errors),
                "ephemeral" => ephemeral(source, volume, pod_name, path, errors),
                "image" => image(source, of, &own, errors),
                _ => one_source(kind, source, &own, errors),
            }
        }
        let portal = text(source, "targetPortal");
        if kind == "iscsi" && source["initiatorName"].is_string() && name.len() + 1 + portal.len() > 64 {
            errors.invalid_text(&format!("{path}.name"), name, TOO_LONG_FOR_ISCSI);
        }
    }
    if found == 0 {
        errors.required(path, "must specify a volume type");
    }
}

const TOO_LONG_FOR_ISCSI: &str = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if \
                                  iscsi.initiatorName is specified.";

/// Fields that only need to be there, by source.
const NEEDED: &[(&str, &[&str])] = &[
    ("awsElasticBlockStore", &["volumeID"]),
    ("azureFile", &["secretName", "shareName"]),
    ("cinder", &["volumeID"]),
    ("flexVolume", &["driver"]),
    ("gcePersistentDisk", &["pdName"]),
    ("gitRepo", &["repository"]),
    ("glusterfs", &["endpoints", "path"]),
    ("nfs", &["server", "path"]),
    ("persistentVolumeClaim", &["claimName"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
    ("secret", &["secretName"]),
    ("configMap", &["name"]),
    ("vsphereVolume", &["volumePath"]),
];

fn one_source(kind: &str, source: &Value, path: &str, errors: &mut Errors) {
    let needed = NEEDED.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, fields)| *fields);
    for field in needed {
        errors.wants_text(source, field, path);
    }
    match kind {
        "emptyDir" => {
            let size = source["sizeLimit"].as_str().and_then(|size| size.parse::<Quantity>().ok());
            if size.is_some_and(|size| size.nanos() < 0) {
                errors.forbidden(&at(path, "sizeLimit"), "SizeLimit field must be a valid resource quantity");
            }
        }
        "hostPath" => host_path(source, path, errors),
        "gitRepo" => descending_path(text(source, "directory"), &at(path, "directory"), errors),
        "gcePersistentDisk" | "awsElasticBlockStore" => range(source, "partition", 255, path, errors),
        "secret" | "configMap" => {
            mode(source, "defaultMode", path, errors);
            for (index, item) in items(&source["items"]) {
                key_to_path(item, &format!("{path}.items[{index}]"), errors);
            }
        }
        "nfs" if !text(source, "path").starts_with('/') => {
            errors.invalid(&at(path, "path"), &source["path"], "must be an absolute path");
        }
        "iscsi" => iscsi(source, "must be valid format starting with iqn, eui, or naa", path, errors),
        "flocker" => flocker(source, path, errors),
        "rbd" => {
            if is_empty(&source["monitors"]) {
                errors.required(&at(path, "monitors"), "");
            }
            errors.wants_text(source, "image", path);
        }
        "cinder" => secret_name(source, path, errors),
        "cephfs" if is_empty(&source["monitors"]) => errors.required(&at(path, "monitors"), ""),
        "quobyte" => quobyte(source, path, errors),
        "downwardAPI" => {
            mode(source, "defaultMode", path, errors);
            for (_, file) in items(&source["items"]) {
                downward_file(file, path, errors);
            }
        }
        "fc" => fibre_channel(source, path, errors),
        "flexVolume" => reserved_options(&source["options"], path, errors),
        "azureDisk" => azure_disk(source, path, errors),
        "storageos" => {
            storage_os(source, path, errors);
            secret_name(source, path, errors);
        }
        "csi" => {
            csi_driver_name(source, "driver", path, errors);
            let secret = &source["nodePublishSecretRef"];
            if !secret.is_null() && errors.wants_text(secret, "name", &at(path, "nodePublishSecretRef")) {
                let name = text(secret, "name");
                errors.invalid_each(&at(path, "name"), name, names::dns_subdomain(name));
            }
        }
        _ => {}
    }
}

/// Checks the source of a persistent volume; returns whether the kind of source is one of theirs.
pub(in super::super) fn one_persistent_source(
    kind: &str,
    source: &Value,
    volume: &str,
    path: &str,
    errors: &mut Errors,
) {
    match kind {
        "glusterfs" => {
            one_source(kind, source, path, errors);
            if let Some(namespace) = source["endpointsNamespace"].as_str() {
                let field = at(path, "endpointsNamespace");
                if namespace.is_empty() {
                    let detail = "if the endpointnamespace is set, it must be a valid namespace name";
                    errors.invalid_text(&field, namespace, detail);
                } else {
                    errors.invalid_each(&field, namespace, names::dns_label(namespace));
                }
            }
        }
        "iscsi" => {
            errors.wants_text(source, "targetPortal", path);
            let portal = text(source, "targetPortal");
            if source["initiatorName"].is_string() && volume.len() + 1 + portal.len() > 64 {
                errors.invalid_text(&at(path, "targetportal"), portal, TOO_LONG_FOR_ISCSI);
            }
            iscsi_of_volume(source, path, errors);
        }
        "cinder" => {
            errors.wants_text(source, "volumeID", path);
            secret_with_namespace(source, path, errors);
        }
        "azureFile" => {
            one_source(kind, source, path, errors);
            if source["secretNamespace"].as_str() == Some("") {
                errors.required(&at(path, "secretNamespace"), "");
            }
        }
        "storageos" => {
            storage_os(source, path, errors);
            secret_with_namespace(source, path, errors);
        }
        "local" => {
            if errors.wants_text(source, "path", path) {
                no_backsteps(text(source, "path"), &at(path, "path"), errors);
            }
        }
        "csi" => {
            csi_driver_name(source, "driver", path, errors);
            errors.wants_text(source, "volumeHandle", path);
            for field in [
                "controllerPublishSecretRef",
                "controllerExpandSecretRef",
                "nodePublishSecretRef",
                "nodeExpandSecretRef",
            ] {
                let secret = &source[field];
                if secret.is_null() {
                    continue;
                }
                let path = at(path, field);
                if errors.wants_text(secret, "name", &path) {
                    let name = text(secret, "name");
                    errors.invalid_each(&at(&path, "name"), name, names::dns_subdomain(name));
                }
                if errors.wants_text(secret, "namespace", &path) {
                    let namespace = text(secret, "namespace");
                    errors.invalid_each(&at(&path, "namespace"), namespace, names::dns_label(namespace));
                }
            }
        }
        _ => one_source(kind, source, path, errors),
    }
}

fn range(source: &Value, field: &str, most: i64, path: &str, errors: &mut Errors) {
    let number = number(source, field).unwrap_or(0);
    if !(0..=most).contains(&number) {
        // Zero is allowed, though the message says one.
        let least = i64::from(field == "partition");
        errors.invalid_number(&at(path, field), number, &format!("must be between {least} and {most}, inclusive"));
    }
}

fn mode(source: &Value, field: &str, path: &str, errors: &mut Errors) {
    if let Some(bits) = number(source, field).filter(|bits| !(0..=0o777).contains(bits)) {
        errors.invalid_number(&at(path, field), bits, "must be a number between 0 and 0777 (octal), both inclusive");
    }
}

fn secret_name(source: &Value, path: &str, errors: &mut Errors) {
    if !source["secretRef"].is_null() {
        errors.wants_text(&source["secretRef"], "name", &at(path, "secretRef"));
    }
}

fn secret_with_namespace(source: &Value, path: &str, errors: &mut Errors) {
    if !source["secretRef"].is_null() {
        for field in ["name", "namespace"] {
            errors.wants_text(&source["secretRef"], field, &at(path, "secretRef"));
        }
    }
}

fn host_path(source: &Value, path: &str, errors: &mut Errors) {
    if !errors.wants_text(source, "path", path) {
        return;
    }
    no_backsteps(text(source, "path"), &at(path, "path"), errors);
    let kinds = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    errors.one_of(&at(path, "type"), &source["type"], &kinds);
}

fn is_initiator(name: &str) -> bool {
    let alphanumeric =
        |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if let Some(rest) = name.strip_prefix("eui") {
        return rest.len() == 17 && alphanumeric(&rest[1..], 16);
    }
    if let Some(rest) = name.strip_prefix("naa") {
        return rest.len() == 33 && alphanumeric(&rest[1..], 32);
    }
    let Some((date, rest)) = name.strip_prefix("iqn.").and_then(|rest| rest.split_once('.')) else { return false };
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    let dated = date.split_once('-').is_some_and(|(year, month)| digits(year, 4) && digits(month, 2));
    let (authority, unique) = rest.split_once(':').map_or((rest, ""), |(authority, unique)| (authority, unique));
    dated
        && !authority.is_empty()
        && authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        && !unique.is_empty()
        && !unique.contains(|letter: char| letter.is_whitespace() || ",;*&$|".contains(letter))
}

fn has_initiator_form(name: &str) -> bool {
    ["iqn", "eui", "naa"].iter().any(|start| name.starts_with(start))
}

fn iscsi(source: &Value, unknown: &str, path: &str, errors: &mut Errors) {
    errors.wants_text(source, "targetPortal", path);
    iscsi_names(source, unknown, path, errors);
    chap(source, path, errors);
    initiator(source, unknown, path, errors);
}

fn iscsi_of_volume(source: &Value, path: &str, errors: &mut Errors) {
    iscsi_names(source, "must be valid format", path, errors);
    chap(source, path, errors);
    secret_name(source, path, errors);
    initiator(source, "must be valid format", path, errors);
}

fn iscsi_names(source: &Value, unknown: &str, path: &str, errors: &mut Errors) {
    if errors.wants_text(source, "iqn", path) {
        let name = text(source, "iqn");
        if !has_initiator_form(name) {
            errors.invalid_text(&at(path, "iqn"), name, unknown);
        } else if !is_initiator(name) {
            errors.invalid_text(&at(path, "iqn"), name, "must be valid format");
        }
    }
    range(source, "lun", 255, path, errors);
}

fn chap(source: &Value, path: &str, errors: &mut Errors) {
    let authenticates = source["chapAuthDiscovery"] == true || source["chapAuthSession"] == true;
    if authenticates && source["secretRef"].is_null() {
        errors.required(&at(path, "secretRef"), "");
    }
}

fn initiator(source: &Value, unknown: &str, path: &str, errors: &mut Errors) {
    let Some(name) = source["initiatorName"].as_str() else { return };
    let field = at(path, "initiatorname");
    if !has_initiator_form(name) {
        errors.invalid_text(&field, name, unknown);
    } else if !is_initiator(name) {
        errors.invalid_text(&field, name, "must be valid format");
    }
}

fn flocker(source: &Value, path: &str, errors: &mut Errors) {
    let (name, uuid) = (text(source, "datasetName"), text(source, "datasetUUID"));
    match (name.is_empty(), uuid.is_empty()) {
        (true, true) => errors.required(path, "one of datasetName and datasetUUID is required"),
        (false, false) => {
            errors.invalid_text(path, "resource", "datasetName and datasetUUID can not be specified simultaneously");
        }
        _ => {}
    }
    if name.contains('/') {
        errors.invalid_text(&at(path, "datasetName"), name, "must not contain '/'");
    }
}

fn quobyte(source: &Value, path: &str, errors: &mut Errors) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    let registry = text(source, "registry");
    if registry.is_empty() {
        errors.required(&at(path, "registry"), PAIRS);
    } else if text(source, "tenant").len() >= 65 {
        errors.required(&at(path, "tenant"), "must be a UUID and may not exceed a length of 64 characters");
    } else {
        for pair in registry.split(',') {
            let sound = pair
                .rsplit_once(':')
                .is_some_and(|(host, _)| !host.contains(':') || (host.starts_with('[') && host.ends_with(']')));
            if !sound {
                errors.invalid_text(&at(path, "registry"), registry, PAIRS);
            }
        }
    }
    errors.wants_text(source, "volume", path);
}

fn fibre_channel(source: &Value, path: &str, errors: &mut Errors) {
    let (wwns, wwids) = (is_empty(&source["targetWWNs"]), is_empty(&source["wwids"]));
    let field = at(path, "targetWWNs");
    if wwns && wwids {
        errors.required(&field, "must specify either targetWWNs or wwids, but not both");
    }
    if !wwns && !wwids {
        let detail = "targetWWNs and wwids can not be specified simultaneously";
        errors.invalid_object(&field, &source["targetWWNs"], detail);
    }
    if !wwns {
        match number(source, "lun") {
            None => errors.required(&at(path, "lun"), "lun is required if targetWWNs is specified"),
            Some(_) => range(source, "lun", 255, path, errors),
        }
    }
}

fn reserved_options(options: &Value, path: &str, errors: &mut Errors) {
    for (key, _) in entries(options) {
        let domain = key.split_once('/').map_or(key.as_str(), |(domain, _)| domain).to_lowercase();
        let domain = format!(".{domain}");
        if domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io") {
            let field = at(path, &format!("options[{key}]"));
            errors.invalid_text(&field, key, "kubernetes.io and k8s.io namespaces are reserved");
        }
    }
}

fn azure_disk(source: &Value, path: &str, errors: &mut Errors) {
    const MANAGED: &str =
        "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
    const BLOB: &str = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
    errors.wants_text(source, "diskName", path);
    errors.wants_text(source, "diskURI", path);
    errors.one_of(&at(path, "cachingMode"), &source["cachingMode"], &["None", "ReadOnly", "ReadWrite"]);
    errors.one_of(&at(path, "kind"), &source["kind"], &["Dedicated", "Managed", "Shared"]);
    let uri = text(source, "diskURI");
    match source["kind"].as_str() {
        Some("Managed") if !uri.starts_with("/subscriptions/") => {
            errors.not_supported(&at(path, "diskURI"), &source["diskURI"], &[MANAGED]);
        }
        Some(kind) if kind != "Managed" && !uri.starts_with("https://") => {
            errors.not_supported(&at(path, "diskURI"), &source["diskURI"], &[BLOB]);
        }
        _ => {}
    }
}

fn storage_os(source: &Value, path: &str, errors: &mut Errors) {
    if errors.wants_text(source, "volumeName", path) {
        let name = text(source, "volumeName");
        errors.invalid_each(&at(path, "volumeName"), name, names::dns_label(name));
    }
    let namespace = text(source, "volumeNamespace");
    if !namespace.is_empty() {
        errors.invalid_each(&at(path, "volumeNamespace"), namespace, names::dns_label(namespace));
    }
}

/// Checks the name of a CSI driver.
pub(in super::super) fn csi_driver_name(owner: &Value, field: &str, path: &str, errors: &mut Errors) {
    let name = text(owner, field);
    let field = at(path, field);
    if name.is_empty() {
        return errors.required(&field, "");
    }
    if name.len() > 63 {
        errors.too_long(&field, 63);
    }
    errors.invalid_each(&field, name, names::dns_subdomain(&name.to_lowercase()));
}

fn ephemeral(source: &Value, volume: &Value, pod_name: &str, path: &str, errors: &mut Errors) {
    let (template, own) = (&source["volumeClaimTemplate"], format!("{path}.ephemeral.volumeClaimTemplate"));
    if template.is_null() {
        errors.required(&own, "");
    } else {
        meta::of_claim_template(&template["metadata"], &format!("{own}.metadata"), errors);
        storage::claim_spec(&template["spec"], &format!("{own}.spec"), errors);
    }
    let name = text(volume, "name");
    if !pod_name.is_empty() && !name.is_empty() {
        let claim = format!("{pod_name}-{name}");
        for problem in names::dns_subdomain(&claim) {
            errors.invalid_text(&format!("{path}.name"), name, &format!("PVC name {claim:?}: {problem}"));
        }
    }
}

fn image(source: &Value, of: Of, path: &str, errors: &mut Errors) {
    if of == Of::Pod {
        errors.wants_text(source, "reference", path);
    }
    let policies = ["Always", "IfNotPresent", "Never"];
    errors.needs_one_of(&at(path, "pullPolicy"), &source["pullPolicy"], &policies);
}

fn key_to_path(item: &Value, path: &str, errors: &mut Errors) {
    errors.wants_text(item, "key", path);
    errors.wants_text(item, "path", path);
    local_path(text(item, "path"), &at(path, "path"), errors);
    mode(item, "mode", path, errors);
}

fn downward_file(file: &Value, path: &str, errors: &mut Errors) {
    errors.wants_text(file, "path", path);
    local_path(text(file, "path"), &at(path, "path"), errors);
    let (field, resource) = (&file["fieldRef"], &file["resourceFieldRef"]);
    if !field.is_null() {
        field_selector(field, &FILE_FIELDS, &at(path, "fieldRef"), errors);
        if !resource.is_null() {
            let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
            errors.invalid_text(path, "resource", detail);
        }
    } else if !resource.is_null() {
        resource_selector(resource, true, &at(path, "resourceFieldRef"), errors);
    } else {
        errors.required(path, "one of fieldRef and resourceFieldRef is required");
    }
    mode(file, "mode", path, errors);
}

/// The files of a projected volume, none of which may be written twice.
#[derive(Default)]
struct Paths(BTreeSet<String>);

impl Paths {
    fn add(&mut self, path: &str, shown: &str, volume: &str, errors: &mut Errors) {
        if !self.0.insert(path.to_owned()) {
            errors.invalid_text(volume, shown, "conflicting duplicate paths");
        }
    }
}

fn projected(source: &Value, path: &str, errors: &mut Errors) {
    mode(source, "defaultMode", path, errors);
    let mut paths = Paths::default();
    for (index, one) in items(&source["sources"]) {
        let own = format!("{path}.sources[{index}]");
        let mut found = 0;
        for kind in ["secret", "configMap"].into_iter().filter(|kind| !one[*kind].is_null()) {
            found += 1;
            let own = format!("{own}.{kind}");
            errors.wants_text(&one[kind], "name", &own);
            for (index, item) in items(&one[kind]["items"]) {
                key_to_path(item, &format!("{own}.items[{index}]"), errors);
                let file = text(item, "path");
                if !file.is_empty() {
                    paths.add(file, text(&one[kind], "name"), path, errors);
                }
            }
        }
        if !one["downwardAPI"].is_null() {
            found += 1;
            for (_, file) in items(&one["downwardAPI"]["items"]) {
                downward_file(file, &format!("{own}.downwardAPI"), errors);
                let name = text(file, "path");
                if !name.is_empty() {
                    paths.add(name, name, path, errors);
                }
            }
        }
        if !one["serviceAccountToken"].is_null() {
            found += 1;
            token(&one["serviceAccountToken"], path, &format!("{own}.serviceAccountToken"), errors);
        }
        if !one["clusterTrustBundle"].is_null() {
            found += 1;
            let bundle = &one["clusterTrustBundle"];
            trust_bundle(bundle, &format!("{own}.clusterTrustBundle"), errors);
            paths.add(text(bundle, "path"), text(bundle, "path"), path, errors);
        }
        if !one["podCertificate"].is_null() {
            found += 1;
            certificate(&one["podCertificate"], &mut paths, path, &format!("{own}.podCertificate"), errors);
        }
        if found > 1 {
            errors.forbidden(&own, "may not specify more than 1 volume type per source");
        }
    }
}

fn token(source: &Value, volume: &str, path: &str, errors: &mut Errors) {
    let secs = number(source, "expirationSeconds").unwrap_or(0);
    let field = format!("{path}.expirationSeconds");
    if secs < 600 {
        errors.invalid_number(&field, secs, "may not specify a duration less than 10 minutes");
    }
    if secs > 1 << 32 {
        errors.invalid_number(&field, secs, "may not specify a duration larger than 2^32 seconds");
    }
    if errors.wants_text(source, "path", volume) {
        local_path(text(source, "path"), &at(volume, "path"), errors);
    }
}

fn trust_bundle(bundle: &Value, path: &str, errors: &mut Errors) {
    match (bundle["name"].as_str(), bundle["signerName"].as_str()) {
        (Some(_), Some(_)) => {
            let printed = internal::print("io.k8s.api.core.v1.ClusterTrustBundleProjection", bundle);
            errors.invalid_printed(path, &printed, "only one of name and signerName may be used");
        }
        (Some(name), None) => {
            let field = format!("{path}.name");
            if name.is_empty() {
                errors.required(&field, "must be a valid object name");
            }
            let bare = name.rsplit_once(':').map_or(name, |(_, bare)| bare);
            for problem in names::dns_subdomain(bare) {
                errors.invalid_text(&field, name, &format!("not a valid clustertrustbundlename: {problem}"));
            }
            if !bundle["labelSelector"].is_null() {
                let detail = "labelSelector must be unset if name is specified";
                errors.invalid_object(&format!("{path}.labelSelector"), &bundle["labelSelector"], detail);
            }
        }
        (None, Some(signer)) => {
            let field = format!("{path}.signerName");
            if signer.is_empty() {
                errors.required(&field, "must be a valid signer name");
            }
            qualified_signer(signer, &field, errors);
            meta::selector(&bundle["labelSelector"], &format!("{path}.labelSelector"), errors);
        }
        (None, None) => errors.required(path, "either name or signerName must be specified"),
    }
    errors.wants_text(bundle, "path", path);
    local_path(text(bundle, "path"), &at(path, "path"), errors);
}

fn certificate(source: &Value, paths: &mut Paths, volume: &str, path: &str, errors: &mut Errors) {
    let signer = text(source, "signerName");
    qualified_signer(signer, &format!("{path}.signerName"), errors);
    for (key, _) in entries(&source["userAnnotations"]) {
        let (field, key) = (format!("{path}.userAnnotations"), key.to_lowercase());
        let problems = names::label_key(&key);
        if problems.is_empty() && !key.contains('/') {
            errors.invalid_text(&field, &key, "must be a domain-prefixed key (such as \"acme.io/foo\")");
        }
        errors.invalid_each(&field, &key, problems);
    }
    let kinds = ["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"];
    if !kinds.contains(&text(source, "keyType")) {
        errors.not_supported(&format!("{path}.keyType"), &source["keyType"], &kinds);
    }
    if let Some(secs) = number(source, "maxExpirationSeconds") {
        let field = format!("{path}.maxExpirationSeconds");
        if secs < 3600 {
            errors.invalid_number(&field, secs, "if provided, maxExpirationSeconds must be >= 3600");
        }
        let host = signer.split('/').next().unwrap_or_default();
        let own = host == "kubernetes.io" || host.ends_with(".kubernetes.io");
        let most = if own { 24 * 3600 } else { 91 * 24 * 3600 };
        if secs > most {
            errors.invalid_number(&field, secs, &format!("if provided, maxExpirationSeconds must be <= {most}"));
        }
    }
    let mut found = 0;
    for field in ["credentialBundlePath", "keyPath", "certificateChainPath"] {
        let file = text(source, field);
        if !file.is_empty() {
            found += 1;
            local_path(file, &at(path, field), errors);
            paths.add(file, file, volume, errors);
        }
    }
    if found == 0 {
        errors.required(path, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath");
    }
}

/// Checks the name of a signer of certificates, such as `example.com/signer` (`ValidateSignerName`).
pub(in super::super) fn qualified_signer(name: &str, path: &str, errors: &mut Errors) {
    if name.is_empty() {
        return errors.required(path, "");
    }
    let Some((domain, rest)) = name.split_once('/').filter(|(_, rest)| !rest.contains('/')) else {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        return errors.invalid_text(path, name, detail);
    };
    if domain.len() > 253 {
        errors.too_long(path, 253);
    }
    let first_bad = |text: &str, check: fn(&str) -> Vec<String>| {
        text.split('.').map(|label| (label.to_owned(), check(label))).find(|(_, problems)| !problems.is_empty())
    };
    if let Some((label, problems)) = first_bad(domain, names::dns_label) {
        for problem in problems {
            errors.invalid_text(path, domain, &format!("validating label {label:?}: {problem}"));
        }
    }
    if !domain.contains('.') {
        errors.invalid_text(path, domain, "should be a domain with at least two segments separated by dots");
    }
    if let Some((label, problems)) = first_bad(rest, names::dns_subdomain) {
        for problem in problems {
            errors.invalid_text(path, rest, &format!("validating label {label:?}: {problem}"));
        }
    }
    const LONGEST: usize = 253 + 1 + 253 + 1 + 63;
    if name.len() > LONGEST {
        errors.too_long(path, LONGEST);
    }
}

pub(super) fn descending_path(file: &str, path: &str, errors: &mut Errors) {
    if file.starts_with('/') {
        errors.invalid_text(path, file, "must be a relative path");
    }
    no_backsteps(file, path, errors);
}

pub(super) fn no_backsteps(file: &str, path: &str, errors: &mut Errors) {
    if file.split('/').any(|part| part == "..") {
        errors.invalid_text(path, file, "must not contain '..'");
    }
}

fn local_path(file: &str, path: &str, errors: &mut Errors) {
    descending_path(file, path, errors);
    if file.starts_with("..") && !file.starts_with("../") {
        errors.invalid_text(path, file, "must not start with '..'");
    }
}
