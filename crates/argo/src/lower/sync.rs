//! When and how to write.

use std::time::Duration;

use bowline_model::{
    Automatic, Failure, NamespaceMetadata, Propagation, Reason, Retry, SyncRequest, SyncRules, parse_go_duration,
};

use super::listed;
use crate::ArgoOptions;
use crate::types::{ApplicationSpec, Operation, RetryStrategy, SyncPolicy};

/// How often a sync is tried again that nobody asked for, where the policy says nothing.
const AUTOMATIC_RETRIES: u32 = 5;
/// The first wait, where the policy says nothing.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait, where the policy says nothing.
const LONGEST_WAIT: Duration = Duration::from_mins(3);
/// What waits grow by, where the policy says nothing.
const FACTOR: u32 = 2;

/// Options such as `CreateNamespace=true`, of a policy or of an operation.
///
/// Those without a meaning here are read over: server-side apply is always on, so that `ServerSideApply`,
/// `ClientSideApplyMigration`, `Replace` and `Validate` change nothing; `ApplyOutOfSyncOnly` is what always
/// happens, and missing kinds are always waited for, as `SkipDryRunOnMissingResource` asks.
#[derive(Debug, Clone, Copy)]
struct SyncOptions<'a>(&'a [String]);

impl SyncOptions<'_> {
    fn has(self, option: &str) -> bool {
        self.0.iter().any(|have| have.trim() == option)
    }

    fn propagation(self) -> Propagation {
        let word = self.0.iter().find_map(|option| option.trim().strip_prefix("PrunePropagationPolicy="));
        match word.map(str::to_ascii_lowercase).as_deref() {
            Some("background") => Propagation::Background,
            Some("orphan") => Propagation::Orphan,
            _ => Propagation::Foreground,
        }
    }
}

/// Returns the options that hold: those of an operation replace those of the policy.
fn sync_options<'a>(
    spec: &'a ApplicationSpec,
    operation: Option<&'a Operation>,
    is_requested: bool,
) -> SyncOptions<'a> {
    let asked = operation.filter(|_| is_requested).and_then(|operation| operation.sync.as_ref());
    let policy = spec.sync_policy.as_ref().and_then(|policy| policy.sync_options.as_ref());
    SyncOptions(match asked.map(|sync| listed(sync.sync_options.as_ref())) {
        Some(options) if !options.is_empty() => options,
        _ => listed(policy),
    })
}

/// Tells whether fields whose differences do not count keep their values in a sync.
pub(super) fn respects_ignored(spec: &ApplicationSpec, operation: Option<&Operation>, is_requested: bool) -> bool {
    sync_options(spec, operation, is_requested).has("RespectIgnoreDifferences=true")
}

pub(super) fn rules(
    spec: &ApplicationSpec,
    operation: Option<&Operation>,
    request: Option<SyncRequest>,
    options: &ArgoOptions,
) -> Result<SyncRules, Failure> {
    let nothing = SyncPolicy::default();
    let policy = spec.sync_policy.as_ref().unwrap_or(&nothing);
    let asked = operation.filter(|_| request.is_some()).and_then(|operation| operation.sync.as_ref());
    let sync_options = sync_options(spec, operation, request.is_some());
    let never_prune = sync_options.has("Prune=false");
    let forced = asked.and_then(|sync| sync.sync_strategy.as_ref()).is_some_and(|strategy| {
        strategy.hook.as_ref().is_some_and(|hook| hook.force == Some(true))
            || strategy.apply.as_ref().is_some_and(|apply| apply.force == Some(true))
    });
    let retry = match &policy.retry {
        Some(strategy) => retry(Some(strategy), "spec.syncPolicy.retry")?,
        None => Retry { limit: Some(AUTOMATIC_RETRIES), ..retry(None, "")? },
    };
    Ok(SyncRules {
        automatic: automatic(policy).map(|rules| Automatic { prune: rules.prune && !never_prune, ..rules }),
        request: request.map(|request| SyncRequest { prune: request.prune && !never_prune, ..request }),
        create_namespace: sync_options.has("CreateNamespace=true").then(|| namespace_metadata(policy)),
        prune_last: sync_options.has("PruneLast=true"),
        propagation: sync_options.propagation(),
        force: sync_options.has("Force=true") || forced,
        fail_on_shared: sync_options.has("FailOnSharedResource=true"),
        wait_between_waves: true,
        retry,
        timeout: options.sync_timeout,
    })
}

/// Reads a retry strategy; where `strategy` is silent, Argo CD's defaults hold.
///
/// # Errors
/// A wait that is no duration; `field` names the strategy.
pub(super) fn retry(strategy: Option<&RetryStrategy>, field: &str) -> Result<Retry, Failure> {
    let nothing = RetryStrategy::default();
    let strategy = strategy.unwrap_or(&nothing);
    let backoff = strategy.backoff.clone().unwrap_or_default();
    let wait = |text: Option<&String>, name: &str, default: Duration| match text.filter(|text| !text.is_empty()) {
        None => Ok(default),
        Some(text) => parse_wait(text).ok_or_else(|| {
            Failure::new(Reason::InvalidSpec, format!("`{field}.backoff.{name}` `{text}` is not a duration"))
                .help("write it as `5s` or `3m`")
        }),
    };
    let max = wait(backoff.max_duration.as_ref(), "maxDuration", LONGEST_WAIT)?;
    Ok(Retry {
        // Below 0 means for ever.
        limit: match strategy.limit {
            None => Some(0),
            Some(limit) if limit < 0 => None,
            Some(limit) => Some(u32::try_from(limit).unwrap_or(u32::MAX)),
        },
        first: wait(backoff.duration.as_ref(), "duration", FIRST_WAIT)?,
        factor: backoff.factor.map_or(FACTOR, |factor| u32::try_from(factor.max(1)).unwrap_or(u32::MAX)),
        max: if max.is_zero() { Duration::MAX } else { max },
    })
}

/// A bare number counts seconds.
fn parse_wait(text: &str) -> Option<Duration> {
    text.parse::<u64>().ok().map(Duration::from_secs).or_else(|| parse_go_duration(text).ok())
}

fn automatic(policy: &SyncPolicy) -> Option<Automatic> {
    let automated = policy.automated.as_ref().filter(|automated| automated.enabled != Some(false))?;
    Some(Automatic {
        prune: automated.prune == Some(true),
        self_heal: automated.self_heal == Some(true),
        allow_empty: automated.allow_empty == Some(true),
    })
}

fn namespace_metadata(policy: &SyncPolicy) -> NamespaceMetadata {
    let metadata = policy.managed_namespace_metadata.clone().unwrap_or_default();
    NamespaceMetadata {
        labels: metadata.labels.unwrap_or_default(),
        annotations: metadata.annotations.unwrap_or_default(),
    }
}
