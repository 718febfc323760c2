use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bowline_engine::Cause;
use serde_json::Value;
use tokio::time::Instant;

use crate::model::{ItemKey, Snapshot, VERSION};
use crate::promises::{Seen, item_of};

/// What happened in a run, in the words people ask for.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// How long each drift lasted until a write answered it.
    pub drifts: Vec<Duration>,
    /// How long each changed content took from its commit to its first write.
    pub latencies: Vec<Duration>,
    /// Syncs that carried a new revision out.
    pub deployments: u64,
    pub failed_syncs: u64,
    pub heals: u64,
    /// Commits that took contents back.
    pub rollbacks: u64,
    pub writes: u64,
    pub deletions: u64,
    pub requests: u64,
    pub engines: u64,
    /// Simulated time, of all clusters of a world together as one.
    pub simulated: Duration,
    open_drifts: BTreeMap<(usize, ItemKey), Instant>,
    commits: BTreeMap<(ItemKey, u64), Instant>,
}

impl Summary {
    pub(crate) fn drifted(&mut self, cluster: usize, key: &ItemKey) {
        self.open_drifts.entry((cluster, key.clone())).or_insert_with(Instant::now);
    }

    pub(crate) fn committed(&mut self, before: &Snapshot, after: &Snapshot) {
        for (name, directory) in after {
            let had = before.get(name);
            for (key, item) in &directory.items {
                if had.and_then(|had| had.items.get(key)) != Some(item) {
                    self.commits.insert((key.clone(), item.version), Instant::now());
                }
            }
        }
    }

    pub(crate) fn synced(&mut self, cause: Cause, is_success: bool) {
        match (cause, is_success) {
            (_, false) => self.failed_syncs += 1,
            (Cause::Drift, true) => self.heals += 1,
            (_, true) => self.deployments += 1,
        }
    }

    pub(crate) fn note(&mut self, seen: &Seen<'_>) {
        self.requests += 1;
        if seen.method != "PATCH" || !seen.is_success {
            return;
        }
        let Some((key, _)) = item_of(seen.path) else { return };
        let body: Value = serde_json::from_slice(seen.body).unwrap_or_default();
        let version = body.pointer("/metadata/annotations").and_then(|annotations| annotations.get(VERSION));
        let version = version.and_then(Value::as_str).and_then(|text| text.parse().ok());
        if let Some(since) = version.and_then(|version| self.commits.remove(&(key.clone(), version))) {
            self.latencies.push(since.elapsed());
        }
        if let Some(since) = self.open_drifts.remove(&(seen.cluster, key)) {
            self.drifts.push(since.elapsed());
        }
    }

    /// Adds another run to this one.
    pub fn add(&mut self, other: &Self) {
        self.drifts.extend(&other.drifts);
        self.latencies.extend(&other.latencies);
        self.deployments += other.deployments;
        self.failed_syncs += other.failed_syncs;
        self.heals += other.heals;
        self.rollbacks += other.rollbacks;
        self.writes += other.writes;
        self.deletions += other.deletions;
        self.requests += other.requests;
        self.engines += other.engines;
        self.simulated += other.simulated;
    }
}

/// Returns the median and the 99th of a hundred.
fn quantiles(times: &[Duration]) -> (Duration, Duration) {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |share: usize| sorted.get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1))).copied();
    (at(50).unwrap_or_default(), at(99).unwrap_or_default())
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.simulated.as_secs_f64() / 86_400.0;
        let (drift, late_drift) = quantiles(&self.drifts);
        let (latency, late) = quantiles(&self.latencies);
        writeln!(f, "drift detection time   median {drift:.1?}, p99 {late_drift:.1?}, of {}", self.drifts.len())?;
        writeln!(f, "reconcile latency      median {latency:.1?}, p99 {late:.1?}, of {}", self.latencies.len())?;
        let often = if days > 0.0 { self.deployments as f64 / days } else { 0.0 };
        writeln!(f, "deploy frequency       {often:.0} a simulated day ({} in all)", self.deployments)?;
        writeln!(f, "rollback count         {}", self.rollbacks)?;
        writeln!(f, "heals, failed syncs    {}, {}", self.heals, self.failed_syncs)?;
        write!(
            f,
            "simulated              {days:.1} days, {} engines, {} requests, {} writes, {} deletions",
            self.engines, self.requests, self.writes, self.deletions
        )
    }
}
