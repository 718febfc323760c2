//! Whether to write now: a function from what is known to what is done.

use bowline_model::{App, Failure, Reason, Revisions, SyncRequest};
use bowline_plan::{Action, Item, Plan};
use tokio::time::Instant;

use crate::happening::Cause;

/// What the decision depends on beside the app and its plan.
pub(crate) struct Situation<'a> {
    pub(crate) revision: &'a Revisions,
    /// The last revision whose sync wrote everything.
    pub(crate) written: Option<&'a Revisions>,
    /// What that revision was rendered to is known, and this is something else: other settings, other values.
    pub(crate) renders_anew: bool,
    /// A sync was begun and has not ended: a former process was broken off, or an attempt failed.
    pub(crate) is_begun: bool,
    /// A request that has not been carried out.
    pub(crate) request: Option<&'a SyncRequest>,
    /// The sync before this one failed, and is to be tried again then.
    pub(crate) retry_at: Option<Instant>,
    pub(crate) now: Instant,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decision {
    /// Live is as desired: the revision counts as applied.
    InSync,
    /// Live departs, and nobody may write.
    Leave,
    /// Live departs, and writing must wait until then.
    Later(Instant),
    /// Writing would do harm.
    Refuse(Failure),
    /// Write.
    Sync(Mandate),
}

/// What a sync may do, and why it is made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mandate {
    pub(crate) cause: Cause,
    pub(crate) dry_run: bool,
    /// Hooks accompany what is new. To put back what drifted, or to apply a part, runs none.
    pub(crate) runs_hooks: bool,
    pub(crate) request: Option<SyncRequest>,
}

/// Tells whether the plan may prune: what the app's rules, or the request in hand, say.
pub(crate) fn may_prune(app: &App, request: Option<&SyncRequest>) -> bool {
    match request {
        Some(request) => request.prune,
        None => app.sync.automatic.is_some_and(|automatic| automatic.prune),
    }
}

pub(crate) fn decide(app: &App, plan: &Plan, situation: &Situation<'_>) -> Decision {
    // By commit: what is read back from status after a restart need not name the branch.
    let is_new = situation.renders_anew || situation.written.is_none_or(|written| !written.is_same(situation.revision));
    let retries = situation.retry_at.is_some();
    let cause = match (situation.request, is_new, retries) {
        (Some(_), ..) => Cause::Request,
        (None, _, true) => Cause::Retry,
        (None, true, false) => Cause::Revision,
        (None, false, false) => Cause::Drift,
    };
    let mandate = |request: Option<&SyncRequest>| {
        Decision::Sync(Mandate {
            cause,
            dry_run: request.is_some_and(|request| request.dry_run),
            runs_hooks: request.map_or(is_new || situation.is_begun, |request| request.only.is_empty()),
            request: request.cloned(),
        })
    };
    let allows_empty = app.sync.automatic.is_some_and(|automatic| automatic.allow_empty);
    if !bowline_model::is_planted(bowline_model::Planted::EmptyRenderPrunes)
        && plan.wipes_everything()
        && may_prune(app, situation.request)
        && !allows_empty
    {
        let count = plan.prunes().count();
        let failure = Failure::new(
            Reason::EmptyRender,
            format!("the source has no objects any more, and pruning would delete all {count} of them"),
        );
        return Decision::Refuse(failure.help("delete the app itself, or allow empty renders in its sync policy"));
    }
    if let Some(request) = situation.request {
        return match situation.retry_at {
            Some(at) if request.resumes && at > situation.now => Decision::Later(at),
            _ => mandate(Some(request)),
        };
    }
    if plan.is_quiet() {
        if !situation.is_begun || app.sync.automatic.is_none() {
            return Decision::InSync;
        }
        // What is left of a sync that was broken off: hooks, perhaps, and to say how it ended.
        // What is blocked would fail at once, and again.
        let waits = |item: &Item| item.is_hook || matches!(item.action, Action::Blocked(_));
        let has_waits = plan.items.iter().any(waits);
        return match situation.retry_at {
            Some(at) if has_waits && at > situation.now => Decision::Later(at),
            _ => mandate(None),
        };
    }
    let Some(automatic) = app.sync.automatic else {
        if bowline_model::is_planted(bowline_model::Planted::SyncsWhatIsManual) {
            return mandate(None);
        }
        return Decision::Leave;
    };
    if !is_new && !automatic.self_heal && !retries {
        return Decision::Leave;
    }
    match situation.retry_at {
        Some(at) if at > situation.now => Decision::Later(at),
        _ => mandate(None),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use bowline_model::*;

    fn app(automatic: Option<Automatic>) -> App {
        let retry = Retry { limit: Some(1), first: Duration::from_secs(1), factor: 2, max: Duration::from_secs(9) };
        App {
            id: ObjectKey::new("g", "K", "ns", "app"),
            uid: String::new(),
            generation: 1,
            sources: vec![AppSource::rendered(
                SourceSpec {
                    remote: Remote { url: "file:///x".to_owned(), credentials: Credentials::default() },
                    wanted: GitRef::Head.into(),
                    interval: Duration::from_mins(1),
                    timeout: Duration::from_mins(1),
                    pinned: None,
                },
                Render::Directory(DirectoryOptions {
                    path: String::new(),
                    recurse: false,
                    include: String::new(),
                    exclude: String::new(),
                    any_extension: false,
                    rules: DirectoryRules::ArgoCd,
                }),
            )],
            destination: Destination { namespace: None, overrides_namespace: false },
            sync: SyncRules {
                automatic,
                request: None,
                create_namespace: None,
                prune_last: false,
                propagation: Propagation::Background,
                force: false,
                fail_on_shared: false,
                wait_between_waves: true,
                retry,
                timeout: Duration::from_mins(1),
            },
            health: HealthRules {
                judge: HealthJudge::ArgoCd,
                wait_for: WaitFor::Nothing,
                timeout: Duration::from_mins(1),
                custom: std::sync::Arc::default(),
            },
            diff: std::sync::Arc::default(),
            field_manager: "m".to_owned(),
        }
    }

    fn plan(actions: &[(Action, bool)]) -> Plan {
        let item = |(at, (action, desired)): (usize, &(Action, bool))| Item {
            key: ObjectKey::new("", "ConfigMap", "ns", format!("c{at}")),
            version: "v1".to_owned(),
            action: action.clone(),
            phase: Phase::Sync,
            wave: 0,
            rank: 0,
            is_hook: false,
            drift: Vec::new(),
            desired: desired.then_some(at),
        };
        Plan { items: actions.iter().enumerate().map(item).collect() }
    }

    fn prune() -> Action {
        Action::Prune { uid: "u".to_owned() }
    }

    #[test]
    fn each_situation_has_its_decision() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let new = Revisions::from(Revision::named("main", "b"));
        let old = Revisions::from(Revision::named("main", "a"));
        let heals = Automatic { prune: true, self_heal: true, allow_empty: false };
        let no_heal = Automatic { self_heal: false, ..heals };
        let drifted = plan(&[(Action::Configure, true)]);
        let quiet = plan(&[(Action::Keep, true)]);
        let sync = |cause| {
            let runs_hooks = cause != Cause::Drift;
            Decision::Sync(Mandate { cause, dry_run: false, runs_hooks, request: None })
        };
        let cases = [
            ("in sync", Some(heals), &quiet, &new, None, Decision::InSync),
            ("new revision", Some(no_heal), &drifted, &old, None, sync(Cause::Revision)),
            ("drift is healed", Some(heals), &drifted, &new, None, sync(Cause::Drift)),
            ("drift is left", Some(no_heal), &drifted, &new, None, Decision::Leave),
            ("nothing is automatic", None, &drifted, &old, None, Decision::Leave),
            ("not yet again", Some(heals), &drifted, &old, Some(later), Decision::Later(later)),
            ("again now", Some(heals), &drifted, &old, Some(now), sync(Cause::Retry)),
        ];
        for (story, automatic, plan, written, retry_at, want) in cases {
            let situation = Situation {
                revision: &new,
                written: Some(written),
                renders_anew: false,
                is_begun: false,
                request: None,
                retry_at,
                now,
            };
            assert_eq!(decide(&app(automatic), plan, &situation), want, "{story}");
        }
    }

    #[test]
    fn what_is_blocked_is_not_tried_in_a_circle() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let revision = Revisions::from(Revision::named("main", "a"));
        let heals = Automatic { prune: true, self_heal: true, allow_empty: false };
        let failure = Failure::new(Reason::UnknownKind, "no such kind");
        let rest_is_done = plan(&[(Action::Keep, true), (Action::Blocked(failure), true)]);
        let situation = Situation {
            revision: &revision,
            written: None,
            renders_anew: false,
            is_begun: true,
            request: None,
            retry_at: Some(later),
            now,
        };
        assert_eq!(decide(&app(Some(heals)), &rest_is_done, &situation), Decision::Later(later));
    }

    #[test]
    fn an_empty_render_does_not_wipe_everything() {
        let now = Instant::now();
        let revision = Revisions::from(Revision::named("main", "a"));
        let careful = Automatic { prune: true, self_heal: true, allow_empty: false };
        let situation = Situation {
            revision: &revision,
            written: None,
            renders_anew: false,
            is_begun: false,
            request: None,
            retry_at: None,
            now,
        };
        let empty = plan(&[(prune(), false), (prune(), false)]);
        assert!(matches!(decide(&app(Some(careful)), &empty, &situation),
            Decision::Refuse(failure) if failure.reason == Reason::EmptyRender));
        let allowed = Automatic { allow_empty: true, ..careful };
        assert!(matches!(decide(&app(Some(allowed)), &empty, &situation), Decision::Sync(_)));
        let some_left = plan(&[(prune(), false), (Action::Keep, true)]);
        assert!(matches!(decide(&app(Some(careful)), &some_left, &situation), Decision::Sync(_)));
    }
}
