//! One cluster: its state under one lock, its knobs, and the ways in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::admin::Admin;
use crate::auth::tokens::SigningKey;
use crate::auth::{Authorization, User};
use crate::authority::Authority;
use crate::builtins::Allocator;
use crate::catalog::Catalog;
use crate::clock::{Clock, Random};
use crate::faults::{Faults, RequestInfo};
use crate::http::{ClusterService, Identity};
use crate::owners::Owners;
use crate::registry::Registry;
use crate::registry::settle::Work;
use crate::resource::StoreKey;
use crate::seeds::Seeds;
use crate::store::Store;
use crate::webhooks::{self, Replay};

/// How a cluster behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its time comes from.
    pub clock: Clock,
    /// What its uids and generated names start from.
    pub seed: u64,
    /// Whether Deployments, Jobs, Pods and the like are acted upon; needs a tokio runtime. Garbage collection and the
    /// end of namespaces happen in any case.
    pub controllers: bool,
    /// The bearer token of the administrator: user `admin` in the group `system:masters`, who may do everything.
    pub token: Option<String>,
    /// Further users by their bearer tokens.
    pub users: BTreeMap<String, User>,
    /// Who decides what users may do. The default decides nothing; [`Authorization::Rbac`] decides as a real cluster.
    pub authorization: Authorization,
    /// Whether a request without credentials is let in: as the administrator's where nothing is decided
    /// ([`Authorization::AlwaysAllow`]), as `system:anonymous`'s otherwise. Where nothing is decided, wrong
    /// credentials count as none.
    pub allow_anonymous: bool,
    /// The identity it is served with, whose authority signs the certificates that users ask for. Without one the cluster
    /// has an authority of its own, which no listener trusts.
    pub identity: Option<Arc<Identity>>,
    /// How many nodes the cluster is born with.
    pub nodes: u32,
    /// How long a pod takes from its node to being ready, in whole seconds; a pod's own `slow` fault overrides it.
    pub start_delay: Duration,
    /// Where services listen that webhook configurations and conversions name, since no pod of a cluster in memory does.
    pub services: BTreeMap<ServicePort, SocketAddr>,
    /// How many events each collection remembers for watchers; older revisions answer 410.
    pub watch_window: usize,
}

/// A port of a service; port 0 stands for all of its ports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServicePort {
    /// The service's namespace.
    pub namespace: String,
    /// The service's name.
    pub name: String,
    /// Its port, or 0 for any.
    pub port: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            seed: 0,
            controllers: true,
            token: None,
            users: BTreeMap::new(),
            authorization: Authorization::default(),
            allow_anonymous: true,
            identity: None,
            nodes: 1,
            start_delay: Duration::ZERO,
            services: BTreeMap::new(),
            watch_window: 1024,
        }
    }
}

/// How many requests came, by verb and resource; admin access is not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestLog {
    /// Requests by verb and then by `plural.group`, or by path when they are not about resources.
    pub counts: BTreeMap<String, BTreeMap<String, u64>>,
}

impl RequestLog {
    /// Returns the number of all requests.
    pub fn total(&self) -> u64 {
        self.counts.values().flat_map(BTreeMap::values).sum()
    }

    /// Returns the number of requests with a verb.
    pub fn verb(&self, verb: &str) -> u64 {
        self.counts.get(verb).map_or(0, |by_resource| by_resource.values().sum())
    }

    /// Returns the number of requests that may have changed something.
    pub fn writes(&self) -> u64 {
        ["create", "update", "patch", "apply", "delete", "deletecollection"].iter().map(|verb| self.verb(verb)).sum()
    }

    fn add(&mut self, request: &RequestInfo) {
        let what = match (request.resource.as_str(), request.group.as_str()) {
            ("", _) => request.path.clone(),
            (plural, "") => plural.to_owned(),
            (plural, group) => format!("{plural}.{group}"),
        };
        *self.counts.entry(request.verb.clone()).or_default().entry(what).or_default() += 1;
    }
}

/// Everything that changes.
#[derive(Debug)]
pub(crate) struct State {
    /// The revision of the newest write.
    pub(crate) rv: u64,
    pub(crate) stores: HashMap<StoreKey, Store>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) owners: Owners,
    pub(crate) random: Random,
    pub(crate) allocator: Allocator,
    pub(crate) authorization: Authorization,
    /// What the tokens of Secrets are signed with; `None` where nobody fills Secrets.
    pub(crate) secret_key: Option<Arc<SigningKey>>,
    /// What has yet to follow from the writes so far; empty between requests.
    pub(crate) work: Vec<Work>,
    /// The uids of objects that upstream's storage keeps otherwise than they are read back: their next write is stored
    /// though it changes nothing.
    pub(crate) unsettled: BTreeSet<String>,
    /// The uids of objects whose owned fields are stored in the order of their texts.
    pub(crate) reordered: BTreeSet<String>,
    /// What is stored of objects and shown to nobody who reads them, by uid.
    pub(crate) concealed: HashMap<String, serde_json::Value>,
    /// The webhooks there are; `None` when that has to be found out anew.
    pub(crate) hooks: Option<webhooks::Index>,
    compacted: u64,
    window: usize,
}

impl State {
    /// Returns a collection's store, made at first use.
    pub(crate) fn store(&mut self, key: &StoreKey) -> &mut Store {
        let (window, compacted) = (self.window, self.compacted);
        if !self.stores.contains_key(key) {
            self.stores.insert(key.clone(), Store::new(window, compacted));
        }
        self.stores.get_mut(key).expect("holds because it was just put there")
    }

    /// Goes on at a revision, from which on nothing of the past can be asked for.
    pub(crate) fn resume(&mut self, rv: u64) {
        self.rv = rv;
        self.compacted = rv;
    }

    /// Takes up the objects that a real server makes by itself; the state must be new.
    fn begin_with(&mut self, seeds: &Arc<Seeds>) {
        for ((store, key), kept) in &seeds.objects {
            self.store(store).seed(key.clone(), kept);
            self.rv = self.rv.max(kept.rv());
        }
        self.owners.begin_with(Arc::clone(seeds));
    }

    pub(crate) fn next_rv(&mut self) -> u64 {
        self.rv += 1;
        self.rv
    }
}

pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) state: Mutex<State>,
    pub(crate) faults: Mutex<Option<Faults>>,
    pub(crate) log: Mutex<RequestLog>,
    pub(crate) signing_key: Arc<SigningKey>,
    authority: OnceLock<Option<Arc<Authority>>>,
    asked: AtomicU64,
    pub(crate) stop: CancellationToken,
}

/// A Kubernetes-compatible cluster in memory; clones share it.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cluster")
    }
}

impl Cluster {
    /// Starts a cluster with the objects every cluster is born with.
    ///
    /// With [`Options::controllers`] it must be called within a tokio runtime.
    pub fn new(options: Options) -> Self {
        let cluster = Self::unborn(options);
        cluster.with_state(|state, inner| state.begin_with(&Seeds::at(inner.options.clock.now())));
        crate::births::populate(&cluster);
        cluster.begin();
        cluster
    }

    /// Starts a cluster whose first objects go through the whole pipeline.
    #[cfg(test)]
    pub(crate) fn by_the_pipeline(options: Options) -> Self {
        let cluster = Self::unborn(options);
        cluster.with_state(|state, inner| state.begin_with(&Seeds::at(inner.options.clock.now())));
        crate::bootstrap::populate(&cluster.admin());
        cluster
    }

    /// Makes a cluster that holds nothing and does nothing.
    pub(crate) fn unborn(options: Options) -> Self {
        let signing_key = Arc::new(SigningKey::default());
        let state = State {
            rv: 1,
            stores: HashMap::new(),
            catalog: Catalog::builtin(),
            owners: Owners::default(),
            random: Random::new(options.seed),
            allocator: Allocator::default(),
            authorization: options.authorization,
            secret_key: options.controllers.then(|| Arc::clone(&signing_key)),
            work: Vec::new(),
            unsettled: BTreeSet::new(),
            reordered: BTreeSet::new(),
            concealed: HashMap::new(),
            hooks: None,
            compacted: 0,
            window: options.watch_window.max(1),
        };
        Self(Arc::new(Inner {
            options,
            state: Mutex::new(state),
            faults: Mutex::new(None),
            log: Mutex::new(RequestLog::default()),
            signing_key,
            authority: OnceLock::new(),
            asked: AtomicU64::new(0),
            stop: CancellationToken::new(),
        }))
    }

    /// Starts the controllers, if it is to have any.
    pub(crate) fn begin(&self) {
        if self.0.options.controllers {
            crate::controllers::start(&self.admin(), &self.0.stop);
        }
    }

    /// Returns the cluster as a service: a client built on it needs no socket.
    pub fn service(&self) -> ClusterService {
        ClusterService::new(self.clone())
    }

    /// Returns in-process access for controllers and tests.
    pub fn admin(&self) -> Admin {
        Admin::new(self.clone(), "kube-controller-manager")
    }

    /// Sets or clears what goes wrong.
    pub fn set_faults(&self, faults: Option<Faults>) {
        *lock(&self.0.faults) = faults;
    }

    /// Forgets all history, so that any watch or continue token from before is answered 410.
    pub fn compact(&self) {
        let mut state = lock(&self.0.state);
        let rv = state.rv;
        state.compacted = rv;
        for store in state.stores.values_mut() {
            store.compact(rv);
        }
    }

    /// Returns the revision of the newest write.
    pub fn resource_version(&self) -> u64 {
        lock(&self.0.state).rv
    }

    /// Returns how many requests came through [`Cluster::service`] and the listeners so far.
    pub fn requests(&self) -> RequestLog {
        lock(&self.0.log).clone()
    }

    /// Ends the controllers and open watches; stored objects remain readable.
    pub fn shutdown(&self) {
        self.0.stop.cancel();
    }

    pub(crate) fn stopped(&self) -> &CancellationToken {
        &self.0.stop
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    /// Returns a new name for a request.
    pub(crate) fn request_id(&self) -> String {
        let count = self.0.asked.fetch_add(1, Ordering::Relaxed);
        // Requests have a sequence of their own, so that what objects are called does not depend on who looked at them.
        Random::new(!self.0.options.seed ^ count.wrapping_mul(0x2545_f491_4f6c_dd1d)).uid()
    }

    pub(crate) fn signing_key(&self) -> &SigningKey {
        &self.0.signing_key
    }

    /// Returns who signs certificates; `None` when the machine has no randomness to give.
    pub(crate) fn authority(&self) -> Option<Arc<Authority>> {
        let own = || match &self.0.options.identity {
            Some(identity) => Some(identity.authority()),
            None => Authority::generate().ok().map(Arc::new),
        };
        self.0.authority.get_or_init(own).clone()
    }

    /// Takes up the authority of an earlier process, unless this one's identity has its own.
    pub(crate) fn take_up_authority(&self, authority: Authority) {
        if self.0.options.identity.is_none() {
            let _ = self.0.authority.set(Some(Arc::new(authority)));
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.options.clock
    }

    pub(crate) fn faults(&self) -> Option<Faults> {
        lock(&self.0.faults).clone()
    }

    pub(crate) fn count(&self, request: &RequestInfo) {
        lock(&self.0.log).add(request);
    }

    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&lock(&self.0.state).catalog)
    }

    pub(crate) fn with_state<T>(&self, act: impl FnOnce(&mut State, &Inner) -> T) -> T {
        act(&mut lock(&self.0.state), &self.0)
    }

    /// Runs a request against the registry, and all that follows from it (garbage collection, the end of namespaces).
    pub(crate) fn with_registry<T>(&self, act: impl FnOnce(&mut Registry<'_>) -> T) -> T {
        let mut state = lock(&self.0.state);
        let mut registry = self.registry(&mut state, &self.0.options.clock, None);
        let out = act(&mut registry);
        webhooks::convert::suspended(|| registry.settle());
        out
    }

    fn registry<'a>(&'a self, state: &'a mut State, clock: &'a Clock, replay: Option<&'a mut Replay>) -> Registry<'a> {
        Registry { state, clock, services: &self.0.options.services, replay }
    }

    /// Does the same for a request that webhooks may have to be asked about.
    pub(crate) fn with_replay<T>(&self, replay: &mut Replay, act: impl FnOnce(&mut Registry<'_>) -> T) -> T {
        let mut state = lock(&self.0.state);
        let clock = &self.0.options.clock;
        let State { hooks, stores, catalog, .. } = &mut *state;
        let has_conversions = catalog.has_conversions;
        if hooks.get_or_insert_with(|| webhooks::Index::read(stores)).is_empty() && !has_conversions {
            let mut registry = self.registry(&mut state, clock, Some(replay));
            let out = act(&mut registry);
            webhooks::convert::suspended(|| registry.settle());
            return out;
        }
        let (clock, chance) = replay.fix(clock, &mut state.random);
        let own = std::mem::replace(&mut state.random, chance);
        let mut registry = self.registry(&mut state, &clock, Some(replay));
        let out = act(&mut registry);
        webhooks::convert::suspended(|| registry.settle());
        state.random = own;
        out
    }
}

/// Takes a lock; a panic elsewhere does not poison the cluster, whose state is replaced whole objects at a time.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
