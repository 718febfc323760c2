//! Events: what controllers have to say about an object. One that is said again is counted, not recorded anew.
//!
//! They are forgotten an hour after they were last said, as upstream lets them expire.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Simulation;
use super::object::{self, time};
use super::world::Kind;
use crate::clock::{rfc3339_micros, rfc3339_seconds};
use crate::patch::PatchKind;
use crate::registry::DeleteOptions;
use crate::resource::Gvr;

/// How many different events are remembered to be counted.
const MAX_TOLD: usize = 4096;
/// How long an event is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(1);
/// How often expired ones are looked for, at most.
const SWEEP: SignedDuration = SignedDuration::from_mins(1);

/// The events recorded lately.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Namespace, name and count by what was said of what.
    counts: BTreeMap<(String, String, String), (String, String, u64)>,
    order: VecDeque<(String, String, String)>,
    swept: Option<Timestamp>,
}

fn events() -> Gvr {
    Gvr::new("", "v1", "events")
}

impl Simulation {
    /// Records an Event about an object; one that cannot be recorded is no reason to fail.
    pub(super) fn event(&self, kind: Kind, about: &Value, warning: bool, reason: &str, message: &str) {
        let component = match kind {
            Kind::Pod if reason == "Scheduled" || reason == "FailedScheduling" => "default-scheduler",
            Kind::Pod => "kubelet",
            Kind::Deployment => "deployment-controller",
            Kind::ReplicaSet => "replicaset-controller",
            Kind::ReplicationController => "replication-controller",
            Kind::StatefulSet => "statefulset-controller",
            Kind::DaemonSet => "daemonset-controller",
            Kind::Job => "job-controller",
            Kind::CronJob => "cronjob-controller",
            _ => "persistentvolume-controller",
        };
        self.sweep();
        let key = (object::uid(about).to_owned(), reason.to_owned(), message.to_owned());
        if self.count_again(&key) {
            return;
        }
        let now = self.admin.now();
        let namespace = Some(object::namespace(about)).filter(|namespace| !namespace.is_empty()).unwrap_or("default");
        let name = format!(
            "{}.{:x}",
            object::name(about),
            now.as_nanosecond() as u64 ^ u64::from(fold(&self.admin.suffix(5)))
        );
        let event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": { "name": name, "namespace": namespace },
            "involvedObject": {
                "apiVersion": kind.api_version(),
                "kind": kind.api_kind(),
                "name": object::name(about),
                "namespace": about["metadata"]["namespace"],
                "resourceVersion": about["metadata"]["resourceVersion"],
                "uid": about["metadata"]["uid"],
            },
            "reason": reason,
            "message": message,
            "type": if warning { "Warning" } else { "Normal" },
            "source": { "component": component },
            "reportingComponent": component,
            "count": 1,
            "firstTimestamp": rfc3339_seconds(now),
            "lastTimestamp": rfc3339_seconds(now),
            "eventTime": Value::Null,
        });
        match self.recorder.create(&events(), event) {
            Ok(_) => self.told.borrow_mut().remember(key, (namespace.to_owned(), name, 1)),
            Err(error) => tracing::debug!(%error, at = rfc3339_micros(now), "An event could not be recorded"),
        }
    }

    /// Counts an event that was recorded before; `false` when there is none.
    fn count_again(&self, key: &(String, String, String)) -> bool {
        let mut told = self.told.borrow_mut();
        let Some((namespace, name, count)) = told.counts.get_mut(key) else { return false };
        *count += 1;
        let patch = json!({ "count": *count, "lastTimestamp": rfc3339_seconds(self.admin.now()) });
        let counted = self.recorder.patch(&events(), (namespace, name), "", PatchKind::Merge, &patch).is_ok();
        if !counted {
            told.counts.remove(key);
        }
        counted
    }

    /// Deletes the events that nothing was added to for an hour.
    fn sweep(&self) {
        let now = self.admin.now();
        let mut told = self.told.borrow_mut();
        if told.swept.is_some_and(|swept| now.duration_since(swept) < SWEEP) {
            return;
        }
        told.swept = Some(now);
        let Ok(all) = self.admin.list(&events(), None) else { return };
        for event in all {
            let said = ["lastTimestamp", "eventTime"].iter().find_map(|key| time(&event[*key]));
            let said = said.or_else(|| time(&event["metadata"]["creationTimestamp"]));
            if said.is_some_and(|said| now.duration_since(said) > KEPT) {
                let options = DeleteOptions::default();
                if let Err(error) =
                    self.recorder.delete(&events(), object::namespace(&event), object::name(&event), &options)
                {
                    tracing::debug!(%error, "An event of old could not be deleted");
                }
            }
        }
    }
}

impl Told {
    fn remember(&mut self, key: (String, String, String), event: (String, String, u64)) {
        self.counts.insert(key.clone(), event);
        self.order.push_back(key);
        if self.order.len() > MAX_TOLD
            && let Some(oldest) = self.order.pop_front()
        {
            self.counts.remove(&oldest);
        }
    }
}

/// Folds a few letters to a number, to tell events of one moment apart.
fn fold(text: &str) -> u32 {
    text.bytes().fold(0, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)))
}
