//! Simulated controllers: what kube-controller-manager, the scheduler and the kubelets would do.
//!
//! One task watches the cluster, keeps an index of it, and looks at one object at a time until nothing is left to do; then
//! it sleeps until the next event or timer. Each look compares what is with what should be and writes only the
//! difference, so a cluster at rest is quiet. Reasons and messages are those of Kubernetes v1.35, since health checks
//! read them.
//!
//! What goes wrong is told by the annotation `sim.bowline.dev/fault` on a pod or a pod template: `crashloop`, `fail-job`,
//! `imagepull`, `notready`, `oom`, `pending` or `slow=30s`. It may be set and removed at any time.
//!
//! Left out: resource requests, taints, probes, preemption, token Secrets.
//! Garbage collection and the end of namespaces are the registry's.

mod budgets;
mod claims;
mod cron_jobs;
mod daemon_sets;
mod deployments;
mod events;
mod job_failures;
mod jobs;
mod kubelet;
mod object;
mod pods;
mod policies;
mod replica_sets;
mod requests;
mod revisions;
mod schedule;
mod services;
mod stateful_sets;
mod volumes;
mod world;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::{BoxFuture, select_all};
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admin::Admin;
use crate::auth::User;
use crate::clock::rfc3339_seconds;
use crate::deferral::Deferral;
use crate::error::ApiError;
use crate::registry::{DeleteOptions, Propagation};

use world::{Id, Kind, World};

/// How long nothing must happen before decoded objects are let go of.
const REST_AFTER: Duration = Duration::from_secs(2);

/// How many objects are looked at before other tasks of the runtime get a turn.
const BATCH: usize = 32;

/// Starts the controllers; they end when `stop` is cancelled. Must be called within a tokio runtime.
pub(crate) fn start(admin: &Admin, stop: &CancellationToken) {
    let deferral = Deferral::default();
    let named = |manager: &str| admin.named(manager).controlled(&deferral);
    let mut scheduler = named("kube-scheduler");
    scheduler.act_as(Some(&Arc::new(User::new("system:kube-scheduler").authenticated())));
    let simulation = Simulation {
        world: World::new(admin),
        admin: named("kube-controller-manager"),
        recorder: named("kube-controller-manager").aside(),
        kubelet: named("kubelet"),
        scheduler,
        users: BTreeMap::new(),
        deferral,
        asked: FuturesUnordered::new(),
        waiting: BTreeSet::new(),
        refused: BTreeMap::new(),
        queue: Queue::default(),
        timers: BTreeSet::new(),
        due: BTreeMap::new(),
        failures: BTreeMap::new(),
        told: RefCell::default(),
        rest_at: None,
    };
    let stop = stop.clone();
    tokio::spawn(async move { stop.run_until_cancelled(simulation.run()).await });
}

/// Returns the service account of who looks after a kind; `None` for what the server does itself.
fn controller_of(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Deployment => "deployment-controller",
        Kind::ReplicaSet => "replicaset-controller",
        Kind::ReplicationController => "replication-controller",
        Kind::StatefulSet => "statefulset-controller",
        Kind::DaemonSet => "daemon-set-controller",
        Kind::Job => "job-controller",
        Kind::CronJob => "cronjob-controller",
        Kind::Service => "endpointslice-controller",
        Kind::Claim | Kind::Volume => "persistent-volume-binder",
        Kind::Budget => "disruption-controller",
        Kind::Autoscaler => "horizontal-pod-autoscaler",
        _ => return None,
    })
}

/// Objects to look at, each once, first come first served.
#[derive(Debug, Default)]
struct Queue {
    order: VecDeque<Id>,
    queued: BTreeSet<Id>,
}

impl Queue {
    fn push(&mut self, id: Id) {
        if self.queued.insert(id.clone()) {
            self.order.push_back(id);
        }
    }

    fn pop(&mut self) -> Option<Id> {
        let id = self.order.pop_front()?;
        self.queued.remove(&id);
        Some(id)
    }
}

/// What a write came to that waited for webhooks, and which object waited for it.
type CameTo = (Option<Id>, Result<(), ApiError>);

/// The one task's state.
struct Simulation {
    world: World,
    admin: Admin,
    /// Writes events.
    recorder: Admin,
    kubelet: Admin,
    scheduler: Admin,
    /// Who the controllers are.
    users: BTreeMap<&'static str, Arc<User>>,
    deferral: Deferral,
    /// Writes that wait for webhooks, each with the object whose look ended with it.
    asked: FuturesUnordered<BoxFuture<'static, CameTo>>,
    /// The objects that are not looked at meanwhile.
    waiting: BTreeSet<Id>,
    /// What such writes of an object came to, until it is looked at again.
    refused: BTreeMap<Id, ApiError>,
    queue: Queue,
    timers: BTreeSet<(Instant, Id)>,
    /// The timer of each object that has one.
    due: BTreeMap<Id, Instant>,
    /// How often in a row an object could not be dealt with.
    failures: BTreeMap<Id, u32>,
    /// Which events were recorded lately, so that a repeated one is counted.
    told: RefCell<events::Told>,
    /// When to let go of decoded objects; `None` when that is done.
    rest_at: Option<Instant>,
}

impl Simulation {
    async fn run(mut self) {
        loop {
            let mut looked_at = 0;
            loop {
                self.take_in();
                let Some(id) = self.queue.pop() else { break };
                self.look_at(&id);
                looked_at += 1;
                self.rest_at = Some(Instant::now() + REST_AFTER);
                if looked_at % BATCH == 0 {
                    tokio::task::yield_now().await;
                }
            }
            self.sleep().await;
        }
    }

    fn take_in(&mut self) {
        for id in self.world.refresh() {
            self.queue.push(id);
        }
        let now = Instant::now();
        while let Some((due, _)) = self.timers.first() {
            if *due > now {
                break;
            }
            if let Some((_, id)) = self.timers.pop_first() {
                self.due.remove(&id);
                self.queue.push(id);
            }
        }
    }

    async fn sleep(&mut self) {
        let next = self.timers.first().map(|(due, _)| *due).into_iter().chain(self.rest_at).min();
        let mut touched = Vec::new();
        {
            let changes = self.world.watches.iter_mut().map(|(kind, watch)| {
                let kind = *kind;
                Box::pin(async move { (kind, watch.next_told().await) })
            });
            let timer = async {
                match next {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let change = tokio::select! {
                // In this order, so that a simulated run can happen again.
                biased;
                ((kind, notices), ..) = select_all(changes) => notices.map(|notices| (kind, notices)),
                Some((id, came_to)) = self.asked.next() => {
                    let Some(id) = id else { return };
                    self.waiting.remove(&id);
                    if let Err(error) = came_to {
                        self.refused.insert(id.clone(), error);
                    }
                    self.queue.push(id);
                    return;
                }
                () = timer => None,
            };
            if let Some((kind, notices)) = change {
                self.world.take(kind, notices, &mut touched);
            }
        }
        if self.rest_at.is_some_and(|at| at <= Instant::now()) {
            self.world.rest();
            self.rest_at = None;
        }
        for id in touched {
            self.queue.push(id);
        }
    }

    fn look_at(&mut self, id: &Id) {
        // It is looked at when its write has been carried out.
        if self.waiting.contains(id) {
            return;
        }
        let user = controller_of(id.kind).map(|name| {
            Arc::clone(
                self.users
                    .entry(name)
                    .or_insert_with(|| Arc::new(User::service_account("kube-system", name).authenticated())),
            )
        });
        self.admin.act_as(user.as_ref());
        self.recorder.act_as(user.as_ref());
        self.deferral.begin(self.refused.remove(id));
        let result = self.reconcile(id);
        for aside in self.deferral.take_asides() {
            self.asked.push(Box::pin(async move { (None, aside.carry_out().await) }));
        }
        if let Some(deferred) = self.deferral.take() {
            self.waiting.insert(id.clone());
            let id = id.clone();
            self.asked.push(Box::pin(async move { (Some(id), deferred.carry_out().await) }));
            return;
        }
        let Err(error) = result else {
            self.failures.remove(id);
            return;
        };
        let failures = self.failures.entry(id.clone()).or_default();
        *failures += 1;
        // A lost race is settled by the event that comes with it; the rest waits, up to a minute.
        let wait_ms = if error.is_conflict() { 1 } else { 500 << (*failures).min(7) };
        let (kind, namespace, name) = (id.kind.api_kind(), &id.namespace, &id.name);
        tracing::debug!(kind, namespace, name, %error, "A simulated controller will try again");
        self.later(id.clone(), Duration::from_millis(wait_ms));
    }

    fn reconcile(&mut self, id: &Id) -> Result<(), ApiError> {
        let (namespace, name) = (id.namespace.as_str(), id.name.as_str());
        match id.kind {
            Kind::Deployment => self.deployment(namespace, name),
            Kind::ReplicaSet | Kind::ReplicationController => self.replica_set(id.kind, namespace, name),
            Kind::StatefulSet => self.stateful_set(namespace, name),
            Kind::DaemonSet => self.daemon_set(namespace, name),
            Kind::Job => self.job(namespace, name),
            Kind::CronJob => self.cron_job(namespace, name),
            Kind::Pod => self.pod(namespace, name),
            Kind::Service => self.service(namespace, name),
            Kind::Ingress => self.ingress(namespace, name),
            Kind::Claim => self.claim(namespace, name),
            Kind::Volume => self.volume(name),
            Kind::Budget => self.budget(namespace, name),
            Kind::Autoscaler => self.autoscaler(namespace, name),
            Kind::SigningRequest => self.signing_request(name),
            Kind::Policy => self.policy(name),
            Kind::Node | Kind::ControllerRevision => Ok(()),
            Kind::EndpointSlice | Kind::Endpoints => Ok(()),
        }
    }

    /// Has an object looked at again after a while, or earlier when it already has an earlier timer.
    fn later(&mut self, id: Id, wait: Duration) {
        let due = Instant::now() + wait;
        if let Some(have) = self.due.get(&id).copied() {
            if have <= due {
                return;
            }
            self.timers.remove(&(have, id.clone()));
        }
        self.due.insert(id.clone(), due);
        self.timers.insert((due, id));
    }

    fn now(&self) -> String {
        rfc3339_seconds(self.admin.now())
    }

    fn create(&self, kind: Kind, mut object: Value) -> Result<Arc<Value>, ApiError> {
        object["apiVersion"] = json!(kind.api_version());
        object["kind"] = json!(kind.api_kind());
        self.admin.create(&kind.gvr(), object)
    }

    fn update(&self, kind: Kind, object: Value) -> Result<Arc<Value>, ApiError> {
        self.admin.update(&kind.gvr(), object)
    }

    /// Writes a status when it differs from the one there is.
    fn write_status(&self, kind: Kind, object: &Value, status: Value) -> Result<(), ApiError> {
        Self::write_status_as(&self.admin, kind, object, status)
    }

    fn write_status_as(admin: &Admin, kind: Kind, object: &Value, status: Value) -> Result<(), ApiError> {
        if object["status"] == status {
            return Ok(());
        }
        let mut object = object.clone();
        object["status"] = status;
        admin.update_status(&kind.gvr(), object).map(drop)
    }

    fn delete(&self, kind: Kind, object: &Value) -> Result<(), ApiError> {
        let options = DeleteOptions {
            propagation: Some(Propagation::Background),
            uid: Some(object::uid(object).to_owned()),
            ..DeleteOptions::default()
        };
        self.admin.delete(&kind.gvr(), object::namespace(object), object::name(object), &options).map(drop)
    }
}
