//! What is allocated to claims of devices, as it is written (`validateResourceClaimStatusUpdate` in
//! `pkg/apis/resource/validation`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::devices::{self, Requests, distinct, each};
use super::errors::at;
use super::{Errors, internal, is_empty, items, names, network, pods, status, text};

const MOST_CONSUMERS: usize = 256;
const MOST_RESULTS: usize = 32;
const MOST_CONFIGS: usize = 64;
const MOST_CONDITIONS: usize = 8;
const MOST_ADDRESSES: usize = 16;
const DATA_BYTES: usize = 10 * 1024;
const INTERFACE_BYTES: usize = 256;
const HARDWARE_BYTES: usize = 128;

pub(super) fn check(old: &Value, new: &Value, errors: &mut Errors) {
    let (before, status) = (&old["status"], &new["status"]);
    let allocation = &status["allocation"];
    consumers(status, errors);
    let allocated: BTreeSet<String> = items(&allocation["devices"]["results"]).map(|(_, result)| id(result)).collect();
    let list = &status["devices"];
    for (index, device) in items(list) {
        self::device(device, &allocated, &format!("status.devices[{index}]"), errors);
    }
    let mut known = BTreeSet::new();
    for (index, device) in items(list) {
        let id = id(device);
        if !known.insert(id.clone()) {
            errors.duplicate_printed(&format!("status.devices[{index}]"), &id, "");
        }
    }
    reservations(before, new, errors);
    if !before["allocation"].is_null() && !allocation.is_null() {
        if before["allocation"] != *allocation {
            let printed = internal::print("io.k8s.api.resource.v1.AllocationResult", allocation);
            errors.invalid_printed("status.allocation", &printed, "field is immutable");
        }
    } else if !allocation.is_null() {
        self::allocation(allocation, &devices::requests(&new["spec"]["devices"]), errors);
    }
}

/// Prints what tells one device from others.
fn id(device: &Value) -> String {
    let part = |field: &str| json!(text(device, field)).to_string();
    format!(
        "{{\"Driver\":{},\"Pool\":{},\"Device\":{},\"ShareID\":{}}}",
        part("driver"),
        part("pool"),
        part("device"),
        part("shareID")
    )
}

fn consumers(status: &Value, errors: &mut Errors) {
    const PATH: &str = "status.reservedFor";
    let list = &status["reservedFor"];
    each(list, MOST_CONSUMERS, PATH, errors, |consumer, path, errors| {
        for field in ["resource", "name", "uid"] {
            errors.wants_text(consumer, field, path);
        }
    });
    if items(list).count() <= MOST_CONSUMERS {
        distinct(items(list).map(|(_, consumer)| text(consumer, "uid")), PATH, errors);
    }
}

fn reservations(before: &Value, new: &Value, errors: &mut Errors) {
    const PATH: &str = "status.reservedFor";
    let status = &new["status"];
    if is_empty(&status["reservedFor"]) {
        return;
    }
    if status["allocation"].is_null() {
        return errors.forbidden(PATH, "may not be specified when `allocated` is not set");
    }
    let known: Vec<&Value> = items(&before["reservedFor"]).map(|(_, consumer)| consumer).collect();
    let is_going = new["metadata"]["deletionTimestamp"].is_string();
    if is_going && items(&status["reservedFor"]).any(|(_, consumer)| !known.contains(&consumer)) {
        let detail = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
        errors.forbidden(PATH, detail);
    }
}

fn device(device: &Value, allocated: &BTreeSet<String>, path: &str, errors: &mut Errors) {
    named(device, path, errors);
    let id = id(device);
    if !allocated.contains(&id) {
        errors.invalid_printed(path, &id, "must be an allocated device in the claim");
    }
    let (conditions, field) = (&device["conditions"], at(path, "conditions"));
    if items(conditions).count() > MOST_CONDITIONS {
        errors.too_many(&field, items(conditions).count(), MOST_CONDITIONS);
    }
    status::conditions(conditions, &field, errors);
    let (data, field) = (&device["data"], at(path, "data"));
    match data {
        Value::Null | Value::Object(_) if data.to_string().len() <= DATA_BYTES => {}
        _ if data.to_string().len() > DATA_BYTES => errors.too_long(&field, DATA_BYTES),
        _ => errors.invalid_text(&field, "<value omitted>", "must be a valid JSON object"),
    }
    network_data(&device["networkData"], &at(path, "networkData"), errors);
}

/// Checks the names of a device and of where it comes from.
fn named(device: &Value, path: &str, errors: &mut Errors) {
    pods::csi_driver_name(device, "driver", path, errors);
    devices::pool_name(device, "pool", path, errors);
    let name = text(device, "device");
    errors.invalid_each(&at(path, "device"), name, names::dns_label(name));
    if let Some(uid) = device["shareID"].as_str() {
        share_id(uid, &at(path, "shareID"), errors);
    }
}

fn share_id(uid: &str, path: &str, errors: &mut Errors) {
    const LENGTHS: [usize; 4] = [32, 36, 38, 45];
    let is_plain = uid.len() == 36
        && uid.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if !LENGTHS.contains(&uid.len()) {
        let detail = format!("error validating uid: invalid UUID length: {}", uid.len());
        errors.invalid_text(path, uid, &detail);
    } else if !is_plain {
        errors.invalid_text(path, uid, "error validating uid: invalid UUID format");
    } else if uid.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let detail = "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase \
                      hexadecimal characters";
        errors.invalid_text(path, uid, detail);
    }
}

fn network_data(data: &Value, path: &str, errors: &mut Errors) {
    for (field, most) in [("interfaceName", INTERFACE_BYTES), ("hardwareAddress", HARDWARE_BYTES)] {
        if text(data, field).len() > most {
            errors.too_long(&at(path, field), most);
        }
    }
    let (list, path) = (&data["ips"], at(path, "ips"));
    each(list, MOST_ADDRESSES, &path, errors, |address, path, errors| {
        network::interface_address(address.as_str().unwrap_or_default(), path, errors);
    });
    if items(list).count() <= MOST_ADDRESSES {
        distinct(items(list).filter_map(|(_, address)| address.as_str()), &path, errors);
    }
}

fn allocation(allocation: &Value, known: &Requests<'_>, errors: &mut Errors) {
    const PATH: &str = "status.allocation.devices";
    let devices = &allocation["devices"];
    each(&devices["results"], MOST_RESULTS, &at(PATH, "results"), errors, |result, path, errors| {
        devices::reference(text(result, "request"), known, &at(path, "request"), errors);
        named(result, path, errors);
    });
    each(&devices["config"], MOST_CONFIGS, &at(PATH, "config"), errors, |config, path, errors| {
        errors.needs_one_of(&at(path, "source"), &config["source"], &["FromClaim", "FromClass"]);
        devices::references(&config["requests"], known, &at(path, "requests"), errors);
        devices::opaque(config, path, errors);
    });
    if !allocation["nodeSelector"].is_null() {
        pods::node_selector(&allocation["nodeSelector"], true, "status.allocation.nodeSelector", errors);
    }
}
