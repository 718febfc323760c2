//! Jobs: pods until enough have succeeded, or too many have failed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Simulation;
use super::job_failures::{Action, action, back_off};
use super::object::{
    annotation, int, is_active, is_deleted, is_ready, is_true, items, left, name, namespace, pod_from, set_condition,
    text,
};
use super::world::{Id, Kind};
use crate::error::ApiError;

const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// What a Job's pods amount to.
struct Tally {
    active: Vec<Arc<Value>>,
    succeeded: i64,
    failed: i64,
    /// The completion indexes that are done, of an indexed job.
    done: BTreeSet<i64>,
    terminating: usize,
    /// Why the job's policy ends it, once a pod has failed in a way it names.
    fatal: Option<String>,
    /// How long the next pod must wait after those that failed.
    back_off: Duration,
}

fn is_indexed(job: &Value) -> bool {
    job["spec"]["completionMode"] == "Indexed"
}

impl Simulation {
    pub(super) fn job(&mut self, namespace: &str, job_name: &str) -> Result<(), ApiError> {
        let Some(job) = self.world.get(Kind::Job, namespace, job_name) else { return Ok(()) };
        if is_true(&job, "Complete") || is_true(&job, "Failed") {
            return self.expire(&job);
        }
        if is_deleted(&job) || job["spec"].get("managedBy").is_some_and(|by| by != "kubernetes.io/job-controller") {
            return Ok(());
        }
        let mut tally = tally(&job, &self.claimed(Kind::Job, &job, Kind::Pod, |_| true)?, self.admin.now());
        let mut conditions: Vec<Value> = items(&job, "/status/conditions").cloned().collect();
        let now = self.now();
        let suspended = job["spec"]["suspend"] == true;
        let verdict = if suspended { None } else { self.verdict(&job, &tally) };
        if let Some((kind, reason, message)) = verdict {
            for pod in tally.active.drain(..) {
                self.delete(Kind::Pod, &pod)?;
            }
            let first = if kind == "Complete" { "SuccessCriteriaMet" } else { "FailureTarget" };
            for kind in [first, kind] {
                let want = json!({ "type": kind, "status": "True", "reason": reason, "message": message, "lastProbeTime": now });
                set_condition(&mut conditions, want, &now);
            }
            let event = if kind == "Complete" { ("Completed", "Job completed") } else { (reason, message.as_str()) };
            self.event(Kind::Job, &job, kind != "Complete", event.0, event.1);
        } else if suspended {
            for pod in tally.active.drain(..) {
                self.delete(Kind::Pod, &pod)?;
            }
            suspend_condition(&mut conditions, "True", "JobSuspended", "Job suspended", &now);
        } else {
            if conditions.iter().any(|condition| condition["type"] == "Suspended" && condition["status"] == "True") {
                suspend_condition(&mut conditions, "False", "JobResumed", "Job resumed", &now);
            }
            if tally.back_off == Duration::ZERO {
                self.staff(&job, &mut tally)?;
            } else {
                self.later(Id::new(Kind::Job, namespace, job_name), tally.back_off);
            }
        }
        self.job_status(&job, &tally, &conditions)
    }

    /// Decides whether a Job is over: the condition's type, reason and message.
    fn verdict(&mut self, job: &Value, tally: &Tally) -> Option<(&'static str, &'static str, String)> {
        let wanted = job["spec"]["completions"].as_i64();
        let enough = match wanted {
            Some(wanted) => tally.succeeded >= wanted,
            // Without a number the job is done when one pod has succeeded and all have ended.
            None => tally.succeeded > 0 && tally.active.is_empty(),
        };
        if enough {
            return Some(("Complete", "CompletionsReached", "Reached expected number of succeeded pods".to_owned()));
        }
        if let Some(why) = &tally.fatal {
            return Some(("Failed", "PodFailurePolicy", why.clone()));
        }
        if tally.failed > int(job, "/spec/backoffLimit") {
            return Some(("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit".to_owned()));
        }
        let limit_secs = job["spec"]["activeDeadlineSeconds"].as_i64()?;
        let started = job["status"].get("startTime")?;
        let wait = left(started, limit_secs, self.admin.now());
        if wait == Duration::ZERO {
            let message = "Job was active longer than specified deadline".to_owned();
            return Some(("Failed", "DeadlineExceeded", message));
        }
        self.later(Id::new(Kind::Job, namespace(job), name(job)), wait);
        None
    }

    /// Starts the pods that may run now, or ends those that are too many.
    fn staff(&self, job: &Value, tally: &mut Tally) -> Result<(), ApiError> {
        let parallel = int(job, "/spec/parallelism");
        let active = tally.active.len() as i64;
        let room = match job["spec"]["completions"].as_i64() {
            Some(wanted) => parallel.min(wanted - tally.succeeded),
            None if tally.succeeded > 0 => active.min(parallel),
            None => parallel,
        };
        for _ in room..active {
            if let Some(pod) = tally.active.pop() {
                self.delete(Kind::Pod, &pod)?;
            }
        }
        let mut taken: BTreeSet<i64> =
            tally.active.iter().map(|pod| index_of(pod)).chain(tally.done.iter().copied()).collect();
        for _ in active..room {
            let mut pod = pod_from(&job["spec"]["template"], job, Kind::Job.api_version(), "Job");
            let mut prefix = format!("{}-", name(job));
            if is_indexed(job) {
                let wanted = int(job, "/spec/completions");
                let Some(index) = (0..wanted).find(|index| !taken.contains(index)) else { break };
                taken.insert(index);
                prefix = format!("{}-{index}-", name(job));
                if pod["metadata"]["annotations"].is_null() {
                    pod["metadata"]["annotations"] = json!({});
                }
                pod["metadata"]["annotations"][INDEX] = json!(index.to_string());
                pod["metadata"]["labels"][INDEX] = json!(index.to_string());
                pod["spec"]["hostname"] = json!(format!("{}-{index}", name(job)));
            }
            pod["metadata"]["generateName"] = json!(prefix);
            let pod = self.create(Kind::Pod, pod)?;
            self.event(Kind::Job, job, false, "SuccessfulCreate", &format!("Created pod: {}", name(&pod)));
            tally.active.push(pod);
        }
        Ok(())
    }

    fn job_status(&mut self, job: &Value, tally: &Tally, conditions: &[Value]) -> Result<(), ApiError> {
        let now = self.now();
        let finished = conditions.iter().any(|condition| {
            ["Complete", "Failed"].iter().any(|kind| condition["type"] == *kind) && condition["status"] == "True"
        });
        let complete = conditions.iter().any(|condition| condition["type"] == "Complete");
        let mut status = json!({ "uncountedTerminatedPods": {} });
        let suspended = job["spec"]["suspend"] == true;
        if !suspended {
            status["startTime"] = job["status"].get("startTime").cloned().unwrap_or_else(|| json!(now));
        }
        for (field, value) in
            [("active", tally.active.len() as i64), ("succeeded", tally.succeeded), ("failed", tally.failed)]
        {
            if value != 0 {
                status[field] = json!(value);
            }
        }
        status["ready"] = json!(tally.active.iter().filter(|pod| is_ready(pod)).count());
        status["terminating"] = json!(if finished { 0 } else { tally.terminating });
        if complete {
            status["completionTime"] = json!(now);
        }
        if is_indexed(job) && !tally.done.is_empty() {
            status["completedIndexes"] = json!(ranges(&tally.done));
        }
        if !conditions.is_empty() {
            status["conditions"] = json!(conditions);
        }
        if let (true, Some(ttl_secs)) = (finished, job["spec"]["ttlSecondsAfterFinished"].as_u64()) {
            self.later(Id::new(Kind::Job, namespace(job), name(job)), Duration::from_secs(ttl_secs));
        }
        self.write_status(Kind::Job, job, status)
    }

    /// Deletes a finished Job when its time is up.
    fn expire(&mut self, job: &Value) -> Result<(), ApiError> {
        let Some(ttl_secs) = job["spec"]["ttlSecondsAfterFinished"].as_i64() else { return Ok(()) };
        let over = items(job, "/status/conditions").find(|condition| {
            ["Complete", "Failed"].iter().any(|kind| condition["type"] == *kind) && condition["status"] == "True"
        });
        let since = over.map_or(&Value::Null, |condition| &condition["lastTransitionTime"]);
        let wait = left(since, ttl_secs, self.admin.now());
        if wait > Duration::ZERO {
            self.later(Id::new(Kind::Job, namespace(job), name(job)), wait);
            return Ok(());
        }
        if is_deleted(job) { Ok(()) } else { self.delete(Kind::Job, job) }
    }
}

fn suspend_condition(conditions: &mut Vec<Value>, status: &str, reason: &str, message: &str, now: &str) {
    if conditions.iter().any(|have| have["type"] == "Suspended" && have["status"] == status) {
        return;
    }
    let want =
        json!({ "type": "Suspended", "status": status, "reason": reason, "message": message, "lastProbeTime": now });
    set_condition(conditions, want, now);
}

fn index_of(pod: &Value) -> i64 {
    annotation(pod, INDEX).and_then(|text| text.parse().ok()).unwrap_or(-1)
}

fn tally(job: &Value, pods: &[Arc<Value>], now: Timestamp) -> Tally {
    let phase = |pod: &Value, phase: &str| text(pod, "/status/phase") == phase;
    let done: BTreeSet<i64> = pods.iter().filter(|pod| phase(pod, "Succeeded")).map(|pod| index_of(pod)).collect();
    let succeeded =
        if is_indexed(job) { done.len() } else { pods.iter().filter(|pod| phase(pod, "Succeeded")).count() } as i64;
    // Ended pods may be deleted by hand; what was counted stays counted.
    let (mut failed, mut fatal) = (0, None);
    for pod in pods.iter().filter(|pod| phase(pod, "Failed")) {
        match action(job, pod) {
            Action::Ignore => {}
            Action::Count => failed += 1,
            Action::FailJob(why) => {
                failed += 1;
                fatal.get_or_insert(why);
            }
        }
    }
    Tally {
        active: pods.iter().filter(|pod| is_active(pod)).cloned().collect(),
        succeeded: succeeded.max(int(job, "/status/succeeded")),
        failed: failed.max(int(job, "/status/failed")),
        done: if is_indexed(job) { done } else { BTreeSet::new() },
        terminating: pods.iter().filter(|pod| is_deleted(pod)).count(),
        fatal,
        back_off: back_off(pods, now),
    }
}

/// Prints indexes as `0-2,4`.
fn ranges(indexes: &BTreeSet<i64>) -> String {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for index in indexes {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == *index => *end = *index,
            _ => runs.push((*index, *index)),
        }
    }
    let print = |(start, end): (i64, i64)| if start == end { start.to_string() } else { format!("{start}-{end}") };
    runs.into_iter().map(print).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_printed_in_runs() {
        assert_eq!(ranges(&BTreeSet::from([0, 1, 2, 4])), "0-2,4");
        assert_eq!(ranges(&BTreeSet::new()), "");
    }
}
