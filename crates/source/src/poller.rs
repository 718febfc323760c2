use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bowline_model::{Remote, Revision, Wanted};
use futures::FutureExt as _;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::SourceError;
use crate::limits::{FIRST_BACKOFF, MAX_BACKOFF};
use crate::mirror::Mirror;
use crate::remote::{Address, Located as _, RemoteKey};
use crate::sources::Hub;
use crate::store::lock;

/// What the latest check of a reference showed.
#[derive(Debug, Clone)]
pub struct Polled {
    /// What the reference means, or why that is unknown.
    pub outcome: Result<Revision, Arc<SourceError>>,
    /// The revision of the latest check that succeeded.
    pub last_good: Option<Revision>,
    /// When the check ended.
    pub checked_at: Timestamp,
    /// How many checks there have been, this one included.
    pub sequence: u64,
}

/// An interest in one reference of one remote. Dropping it ends the interest.
pub struct Subscription {
    hub: Arc<Hub>,
    poller: Arc<Poller>,
    id: u64,
    /// Wakes when an outcome differs from the one before.
    outcomes: watch::Receiver<Option<Polled>>,
    /// Counts the requests that have been answered by a check.
    answered: watch::Receiver<u64>,
}

/// Looks at one reference of one remote, again and again.
pub(crate) struct Poller {
    key: (RemoteKey, Wanted),
    remote: Remote,
    /// Who is interested, and how eagerly. Locked while the hub's pollers are, never the other way round.
    subscribers: Mutex<BTreeMap<u64, Subscriber>>,
    next_id: AtomicU64,
    /// Counts requests for a check.
    requested: AtomicU64,
    /// Wakes the poller: a request, a new subscriber, a gone one.
    wake: Notify,
    latest: Mutex<Option<Polled>>,
}

/// Who is interested: how eagerly, and what is told of outcomes and of answered requests.
///
/// Each has channels of its own: tokio wakes the receivers of one channel in an order of chance, and a simulated run
/// must be able to happen again.
struct Subscriber {
    eagerness: Eagerness,
    outcomes: watch::Sender<Option<Polled>>,
    answered: watch::Sender<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Eagerness {
    interval: Duration,
    timeout: Duration,
}

impl Poller {
    pub(crate) fn subscribe(
        hub: &Arc<Hub>,
        remote: &Remote,
        wanted: &Wanted,
        interval: Duration,
        timeout: Duration,
    ) -> Subscription {
        let key = (remote.key(), wanted.clone());
        let mut pollers = lock(&hub.pollers);
        let poller = match pollers.get(&key) {
            Some(poller) => Arc::clone(poller),
            None => Self::start(hub, &mut pollers, remote.clone(), key),
        };
        let id = poller.next_id.fetch_add(1, Ordering::Relaxed);
        let mut subscribers = lock(&poller.subscribers);
        let (sender, mut outcomes) = watch::channel(lock(&poller.latest).clone());
        // What was found for others is news to this one.
        outcomes.mark_changed();
        let (answered_sender, answered) = watch::channel(0);
        let eagerness = Eagerness { interval, timeout };
        subscribers.insert(id, Subscriber { eagerness, outcomes: sender, answered: answered_sender });
        drop(subscribers);
        drop(pollers);
        poller.wake.notify_one();
        Subscription { hub: Arc::clone(hub), poller, id, outcomes, answered }
    }

    fn start(
        hub: &Arc<Hub>,
        pollers: &mut HashMap<(RemoteKey, Wanted), Arc<Self>>,
        remote: Remote,
        key: (RemoteKey, Wanted),
    ) -> Arc<Self> {
        let poller = Arc::new(Self {
            key: key.clone(),
            remote,
            subscribers: Mutex::default(),
            next_id: AtomicU64::new(0),
            requested: AtomicU64::new(0),
            wake: Notify::new(),
            latest: Mutex::default(),
        });
        pollers.insert(key, Arc::clone(&poller));
        hub.runtime.spawn(Arc::clone(&poller).run(Arc::clone(hub)));
        poller
    }

    pub(crate) fn remote(&self) -> &Remote {
        &self.remote
    }

    pub(crate) fn wanted(&self) -> &Wanted {
        &self.key.1
    }

    /// Returns the revision of the latest check that succeeded.
    pub(crate) fn newest(&self) -> Option<Revision> {
        lock(&self.latest).as_ref()?.last_good.clone()
    }

    /// Sorts pollers.
    pub(crate) fn order(&self) -> (&Wanted, &[u8]) {
        (&self.key.1, &self.key.0.0)
    }

    async fn run(self: Arc<Self>, hub: Arc<Hub>) {
        let mut failures = 0;
        let mut answered = 0;
        let mut kept = None;
        while let Some(eagerness) = self.eagerness(&hub) {
            let requested = self.requested.load(Ordering::Acquire);
            // What others were told lately serves a check that is merely due; who asks for one wants it new.
            let now = Instant::now();
            let since = if requested > answered { now } else { now.checked_sub(eagerness.interval / 2).unwrap_or(now) };
            let outcome = self.check(&hub, &mut kept, since, eagerness.timeout).await;
            answered = requested;
            failures = match &outcome {
                Err(error) if error.is_transient() => failures + 1,
                _ => 0,
            };
            self.publish(&hub, outcome);
            if failures > 0 && bowline_model::is_planted(bowline_model::Planted::SourceFailsOnce) {
                std::future::pending::<()>().await;
            }
            for subscriber in lock(&self.subscribers).values() {
                subscriber.answered.send_replace(requested);
            }
            if !self.pause(&hub, requested, failures).await {
                break;
            }
        }
        if let (Some(mirror), Wanted::Git(wanted)) = (kept, &self.key.1) {
            mirror.forget(wanted);
        }
        tracing::debug!(url = %self.remote.shown_url(), wanted = %self.key.1, "Poller ends");
    }

    /// Checks once. The mirror is kept from check to check, and so is the clone.
    async fn check(
        &self,
        hub: &Arc<Hub>,
        mirror: &mut Option<Arc<Mirror>>,
        since: Instant,
        timeout: Duration,
    ) -> Result<Revision, SourceError> {
        let resolved = async {
            match &self.key.1 {
                Wanted::Git(wanted) => {
                    if let Some(git) = &hub.options.git {
                        return git.resolve(&self.remote, wanted).await;
                    }
                    let mirror = match mirror {
                        Some(mirror) => Arc::clone(mirror),
                        None => Arc::clone(mirror.insert(hub.mirror(&self.remote)?)),
                    };
                    mirror.resolve(wanted, timeout).await
                }
                Wanted::Chart { .. } | Wanted::Oci(_) => {
                    hub.archives.resolve(&self.remote, &self.key.1, since, timeout).await
                }
            }
        };
        // Subscribers would wait for ever on a poller that has panicked.
        let checked = AssertUnwindSafe(resolved).catch_unwind().await;
        checked.unwrap_or_else(|_| Err(SourceError::Internal { why: "a bug; the log has its trace".into() }))
    }

    fn publish(&self, hub: &Hub, outcome: Result<Revision, SourceError>) {
        let checked_at = (hub.options.now)();
        let subscribers = lock(&self.subscribers);
        let mut latest = lock(&self.latest);
        let (last_good, sequence) = match &*latest {
            Some(polled) => (polled.last_good.clone(), polled.sequence + 1),
            None => (None, 1),
        };
        let last_good = outcome.as_ref().ok().cloned().or(last_good);
        let polled = Polled { outcome: outcome.map_err(Arc::new), last_good, checked_at, sequence };
        let is_news = latest.as_ref().is_none_or(|before| !before.says_the_same(&polled));
        if is_news {
            self.tell(&polled);
        }
        *latest = Some(polled.clone());
        for subscriber in subscribers.values() {
            subscriber.outcomes.send_if_modified(|known| {
                *known = Some(polled.clone());
                is_news
            });
        }
    }

    fn tell(&self, polled: &Polled) {
        let (url, wanted) = (self.remote.shown_url(), &self.key.1);
        match &polled.outcome {
            Ok(revision) => tracing::info!(%url, %wanted, %revision, "Source resolved"),
            Err(error) => tracing::warn!(%url, %wanted, %error, "Source cannot be resolved"),
        }
    }

    /// Waits for the next check to be due; `false` when nobody is interested any more.
    async fn pause(&self, hub: &Hub, answered: u64, failures: u32) -> bool {
        let ended = Instant::now();
        let chance = (hub.options.random)();
        loop {
            let Some(eagerness) = self.eagerness(hub) else { return false };
            if self.requested.load(Ordering::Acquire) > answered {
                return true;
            }
            let wait = wait(self.interval(hub, eagerness), failures, chance);
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(ended + wait) => return true,
                () = self.wake.notified() => {}
            }
        }
    }

    fn interval(&self, hub: &Hub, eagerness: Eagerness) -> Duration {
        match self.remote.address() {
            Ok(Address::Local(_)) => eagerness.interval.min(hub.options.local_interval),
            _ => eagerness.interval,
        }
    }

    /// Sums up the subscribers. Without any the poller is taken off the list, so that the next subscriber
    /// starts another.
    fn eagerness(&self, hub: &Hub) -> Option<Eagerness> {
        let mut pollers = lock(&hub.pollers);
        let subscribers = lock(&self.subscribers);
        let interval = subscribers.values().map(|subscriber| subscriber.eagerness.interval).min();
        let timeout = subscribers.values().map(|subscriber| subscriber.eagerness.timeout).max();
        let eagerness = interval.zip(timeout).map(|(interval, timeout)| Eagerness { interval, timeout });
        if eagerness.is_none() {
            pollers.remove(&self.key);
        }
        eagerness
    }
}

/// Returns how long to wait after a check.
///
/// After a success, or an error that only a person can mend, it is the interval. After `failures` transient
/// errors in a row it is 1 s, doubled each time, up to the interval or 5 minutes, whichever is less. Either is
/// shortened by up to a tenth, by chance, so that many do not come at once.
fn wait(interval: Duration, failures: u32, chance: u64) -> Duration {
    let whole = match failures {
        0 => interval,
        failures => {
            let doubled = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(failures - 1));
            doubled.min(interval.clamp(FIRST_BACKOFF, MAX_BACKOFF))
        }
    };
    whole.mul_f64(1.0 - 0.1 * (chance as f64 / u64::MAX as f64))
}

impl Polled {
    fn says_the_same(&self, other: &Self) -> bool {
        match (&self.outcome, &other.outcome) {
            (Ok(one), Ok(other)) => one == other,
            (Err(one), Err(other)) => one.to_string() == other.to_string(),
            _ => false,
        }
    }
}

impl Subscription {
    /// Returns the latest check; `None` before the first has ended.
    pub fn latest(&self) -> Option<Polled> {
        self.outcomes.borrow().clone()
    }

    /// Waits for an outcome that this subscription has not seen; one that says the same as the one before
    /// does not count.
    ///
    /// Safe to drop before it ends: no outcome is lost.
    pub async fn changed(&mut self) -> Polled {
        loop {
            self.outcomes.changed().await.expect("holds because the poller keeps the sender as long as we keep it");
            if let Some(polled) = self.outcomes.borrow_and_update().clone() {
                return polled;
            }
        }
    }

    /// Asks for a check now. Requests that come while a check has not begun are answered by that one.
    pub fn poke(&self) {
        self.request();
    }

    /// Asks for a check and waits for it to end. What it showed is not shown by [`Self::changed`] again.
    pub async fn fresh(&mut self) -> Polled {
        let request = self.request();
        let answered = self.answered.wait_for(|answered| *answered >= request).await;
        answered.expect("holds because the poller keeps the sender as long as we keep it");
        let latest = self.outcomes.borrow_and_update().clone();
        latest.expect("holds because an outcome is published before its request counts as answered")
    }

    fn request(&self) -> u64 {
        let request = self.poller.requested.fetch_add(1, Ordering::AcqRel) + 1;
        self.poller.wake.notify_one();
        request
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // The hub's lock comes first, as everywhere: then no poller ends with a subscriber just coming.
        let _pollers = lock(&self.hub.pollers);
        lock(&self.poller.subscribers).remove(&self.id);
        self.poller.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use bowline_model::GitRef;

    use super::*;
    use crate::{Options, Sources};

    const HOUR: Duration = Duration::from_hours(1);
    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn waits_grow_with_failures_and_end_at_the_interval() {
        assert_eq!(wait(MINUTE, 0, 0), MINUTE);
        let waits: Vec<u64> = (1..=8).map(|failures| wait(MINUTE, failures, 0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(wait(HOUR, u32::MAX, 0), MAX_BACKOFF);
        assert_eq!(wait(Duration::from_millis(250), 3, 0), FIRST_BACKOFF);
    }

    #[test]
    fn chance_shortens_a_wait_by_a_tenth_at_most() {
        let interval = Duration::from_secs(100);
        assert_eq!(wait(interval, 0, u64::MAX), Duration::from_secs(90));
        assert!(wait(interval, 0, u64::MAX / 2) < interval);
    }

    #[tokio::test]
    async fn the_most_eager_subscriber_counts_and_the_poller_ends_with_the_last() {
        let dir = tempfile::tempdir().expect("a directory");
        let sources = Sources::new(dir.path(), Options::default());
        let remote = Remote::new(dir.path().join("none").display().to_string());
        let subscribe = |interval, timeout| sources.subscribe(&remote, &GitRef::Head.into(), interval, timeout);
        let slow = subscribe(HOUR, MINUTE);
        let mut eager = subscribe(MINUTE, HOUR);
        let hub = &sources.hub;
        assert_eq!(lock(&hub.pollers).len(), 1);
        assert_eq!(slow.poller.eagerness(hub), Some(Eagerness { interval: MINUTE, timeout: HOUR }));
        eager.fresh().await.outcome.expect_err("is not there");

        let mut late = subscribe(HOUR, MINUTE);
        assert!(late.changed().await.outcome.is_err(), "what others know is news to a late one");
        drop(eager);
        assert_eq!(slow.poller.eagerness(hub), Some(Eagerness { interval: HOUR, timeout: MINUTE }));

        drop((slow, late));
        let ended = async {
            while !lock(&hub.pollers).is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(MINUTE, ended).await.expect("the poller ends");
        let mut again = sources.subscribe(&remote, &GitRef::Head.into(), HOUR, MINUTE);
        assert_eq!(again.changed().await.sequence, 1, "another poller");
    }

    #[tokio::test]
    async fn impossible_references_are_refused_before_anyone_is_asked() {
        let dir = tempfile::tempdir().expect("a directory");
        let sources = Sources::new(dir.path(), Options::default());
        let remote = Remote::new("http://localhost:1/x");
        for name in ["x".repeat(100_000), "a\nb".to_owned(), "a b".to_owned()] {
            let mut subscription = sources.subscribe(&remote, &GitRef::Branch(name).into(), HOUR, MINUTE);
            let error = subscription.changed().await.outcome.expect_err("is refused");
            assert!(matches!(*error, SourceError::InvalidReference { .. }), "{error}");
        }
    }
}
