//! CronJobs: a Job at each scheduled minute of their time zone.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Simulation;
use super::object::{is_deleted, is_true, items, name, owner_reference, text, time, uid};
use super::schedule::{self, Schedule, Zone};
use super::world::{Id, Kind};
use crate::clock::rfc3339_seconds;
use crate::error::ApiError;

impl Simulation {
    pub(super) fn cron_job(&mut self, namespace: &str, cron_name: &str) -> Result<(), ApiError> {
        let Some(cron) = self.world.get(Kind::CronJob, namespace, cron_name) else { return Ok(()) };
        if is_deleted(&cron) {
            return Ok(());
        }
        let mut jobs = self.world.owned(uid(&cron), Kind::Job);
        jobs.retain(|job| !is_deleted(job));
        let mut status = cron["status"].clone();
        let active: Vec<&Arc<Value>> = jobs.iter().filter(|job| !is_over(job)).collect();
        let mut references: Vec<Value> = active.iter().map(|job| reference(job)).collect();
        let succeeded =
            jobs.iter().filter(|job| is_true(job, "Complete")).map(|job| text(job, "/status/completionTime")).max();
        if let Some(last) = succeeded {
            status["lastSuccessfulTime"] = json!(last);
        }
        if let (Some((schedule, zone)), false) = (self.plan_of(&cron), cron["spec"]["suspend"] == true) {
            let now = self.admin.now();
            let since =
                time(&cron["status"]["lastScheduleTime"]).or_else(|| time(&cron["metadata"]["creationTimestamp"]));
            // What should have started too long ago is not started any more.
            let deadline_secs = cron["spec"]["startingDeadlineSeconds"].as_i64();
            let oldest = deadline_secs.and_then(|secs| now.checked_sub(jiff::SignedDuration::from_secs(secs)).ok());
            let since = since.unwrap_or(now).max(oldest.unwrap_or(Timestamp::MIN));
            if let Some((due, many_missed)) = schedule.latest(since, now, zone) {
                if many_missed {
                    let message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
                    self.event(Kind::CronJob, &cron, true, "TooManyMissedTimes", message);
                }
                let policy = text(&cron, "/spec/concurrencyPolicy");
                if policy == "Replace" {
                    active.iter().try_for_each(|job| self.delete(Kind::Job, job))?;
                    references.clear();
                }
                if policy != "Forbid" || active.is_empty() {
                    let job = self.start_job(&cron, due)?;
                    references.push(reference(&job));
                    status["lastScheduleTime"] = json!(rfc3339_seconds(due));
                } else {
                    let message =
                        "Not starting job because prior execution is running and concurrency policy is Forbid";
                    self.event(Kind::CronJob, &cron, false, "JobAlreadyActive", message);
                }
            }
            if let Some(next) = schedule.next(now, zone) {
                let wait_ms = u64::try_from(next.as_millisecond() - now.as_millisecond()).unwrap_or(0);
                // A clock that tells no finer than this must not make the task spin.
                self.later(Id::new(Kind::CronJob, namespace, cron_name), Duration::from_millis(wait_ms.max(100)));
            }
        }
        if references.is_empty() {
            drop(status.as_object_mut().map(|status| status.remove("active")));
        } else {
            status["active"] = json!(references);
        }
        self.forget_jobs(&cron, &jobs)?;
        self.write_status(Kind::CronJob, &cron, status)
    }

    /// Reads the schedule and its zone; what cannot be read is told by an event.
    fn plan_of(&self, cron: &Value) -> Option<(Schedule, Zone)> {
        let zone = match cron["spec"]["timeZone"].as_str() {
            None => Zone::UTC,
            Some(name) => match Zone::named(name) {
                Some(zone) => zone,
                None => {
                    let message = format!("invalid timeZone: {name:?}: unknown time zone {name}");
                    self.event(Kind::CronJob, cron, true, "UnknownTimeZone", &message);
                    return None;
                }
            },
        };
        let plan = text(cron, "/spec/schedule");
        match schedule::parse(plan) {
            Ok(schedule) => Some((schedule, zone)),
            Err(why) => {
                let message = format!("unparseable schedule: {plan:?} : {why}");
                self.event(Kind::CronJob, cron, true, "UnparseableSchedule", &message);
                None
            }
        }
    }

    fn start_job(&self, cron: &Value, due: Timestamp) -> Result<Arc<Value>, ApiError> {
        let template = &cron["spec"]["jobTemplate"];
        let mut metadata = json!({
            "name": format!("{}-{}", name(cron), due.as_second() / 60),
            "namespace": cron["metadata"]["namespace"],
            "annotations": { "batch.kubernetes.io/cronjob-scheduled-timestamp": rfc3339_seconds(due) },
            "ownerReferences": [owner_reference(cron, Kind::CronJob.api_version(), "CronJob")],
        });
        for (key, value) in template["metadata"]["annotations"].as_object().into_iter().flatten() {
            metadata["annotations"][key] = value.clone();
        }
        if let Some(labels) = template["metadata"].get("labels") {
            metadata["labels"] = labels.clone();
        }
        let job = self.create(Kind::Job, json!({ "metadata": metadata, "spec": template["spec"] }))?;
        self.event(Kind::CronJob, cron, false, "SuccessfulCreate", &format!("Created job {}", name(&job)));
        Ok(job)
    }

    fn forget_jobs(&self, cron: &Value, jobs: &[Arc<Value>]) -> Result<(), ApiError> {
        for (condition, limit) in [("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")] {
            let Some(limit) = cron["spec"][limit].as_u64() else { continue };
            let mut over: Vec<&Arc<Value>> = jobs.iter().filter(|job| is_true(job, condition)).collect();
            over.sort_by_key(|job| text(job, "/metadata/creationTimestamp").to_owned() + name(job));
            let surplus = over.len().saturating_sub(limit as usize);
            over.into_iter().take(surplus).try_for_each(|job| self.delete(Kind::Job, job))?;
        }
        Ok(())
    }
}

fn is_over(job: &Value) -> bool {
    items(job, "/status/conditions")
        .any(|have| have["status"] == "True" && (have["type"] == "Complete" || have["type"] == "Failed"))
}

fn reference(job: &Value) -> Value {
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": name(job),
        "namespace": job["metadata"]["namespace"],
        "resourceVersion": job["metadata"]["resourceVersion"],
        "uid": uid(job),
    })
}
