//! Asking webhooks about a write (k8s: `apiserver/pkg/admission/plugin/webhook/{generic,mutating,validating}`).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::call::{Answer, Question};
use super::index::{Chosen, Hook};
use super::replay::unanswered;
use super::response::{Verdict, refusal};
use super::service;
use crate::auth::User;
use crate::builtins::Builtins;
use crate::crd;
use crate::error::ApiError;
use crate::json_patch;
use crate::policies::matching;
use crate::policies::{self, Inputs, Review};
use crate::registry::{Registry, Target, WriteOptions};
use crate::resource::Resource;

/// What is written, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes<'a> {
    pub(crate) target: &'a Target<'a>,
    /// The object's name; empty while the server has yet to make one up.
    pub(crate) name: &'a str,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub(crate) operation: &'static str,
    /// The object before an update or a deletion.
    pub(crate) old: Option<&'a Value>,
}

impl<'a> Attributes<'a> {
    fn review(&self, object: Option<&'a Value>, user: &'a User, dry_run: bool, options: &'a Value) -> Review<'a> {
        let Self { target, name, operation, old } = *self;
        Review { target, name, operation, object, old, user, dry_run, options }
    }
}

/// Which webhooks have to be asked a second time, since something changed after they were asked.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    is_second: bool,
    /// Whether a webhook changed the object in the first round.
    pub(crate) is_second_due: bool,
    /// Whether the object was written and read again on behalf of a webhook.
    is_read_again: bool,
    output: Option<Value>,
    asked: BTreeSet<String>,
    again: BTreeSet<String>,
}

impl Rounds {
    /// Begins the second round.
    pub(crate) fn begin_second(&mut self) {
        self.is_second = true;
    }

    fn repeat_those_asked(&mut self) {
        self.again.append(&mut self.asked);
    }
}

/// Asks the mutating webhooks one after the other, each about what the one before made of the object.
pub(crate) fn mutate(
    registry: &mut Registry<'_>,
    attributes: &Attributes<'_>,
    mut object: Option<&mut Value>,
    rounds: &mut Rounds,
    options: &mut WriteOptions,
) -> Result<(), ApiError> {
    let Some(user) = options.user.clone() else { return Ok(()) };
    let chosen = choose(registry, attributes, &user, true);
    if chosen.is_empty() {
        return Ok(());
    }
    if rounds.is_second && rounds.output.as_ref() != object.as_deref() {
        rounds.repeat_those_asked();
    }
    let sent = options.typed(attributes.operation);
    for (hook, matched) in chosen.iter() {
        let current = object.as_deref().cloned();
        let review = attributes.review(current.as_ref(), &user, options.dry_run, &sent);
        if !applies(registry, &review, hook, matched)? {
            continue;
        }
        if rounds.is_second && !rounds.again.contains(&hook.id) {
            continue;
        }
        let question = question(registry, &review, hook, matched, Some(rounds.is_second));
        let Some(answer) = registry.replay.as_ref().and_then(|replay| replay.answer(&question.key)).cloned() else {
            if let Some(replay) = &mut registry.replay {
                replay.want(question);
            }
            return Err(unanswered());
        };
        let made = heed(hook, answer, options).and_then(|verdict| match verdict {
            Some(verdict) => {
                let fresh = !rounds.is_read_again && has_fresh_owners(attributes, object.as_deref());
                let changed = revise(attributes.target.resource, matched, hook, &verdict, object.as_deref_mut())?;
                rounds.is_read_again |= changed.is_some();
                Ok(changed.is_some_and(|changed| changed || fresh))
            }
            None => Ok(false),
        });
        if matches!(made, Ok(true)) {
            rounds.repeat_those_asked();
            rounds.is_second_due = true;
        }
        if hook.spec["reinvocationPolicy"] == "IfNeeded" {
            rounds.asked.insert(hook.id.clone());
        }
        made?;
    }
    rounds.output = object.as_deref().cloned();
    Ok(())
}

/// Asks all validating webhooks at once.
pub(crate) fn validate(
    registry: &mut Registry<'_>,
    attributes: &Attributes<'_>,
    object: Option<&Value>,
    options: &mut WriteOptions,
) -> Result<(), ApiError> {
    let Some(user) = options.user.clone() else { return Ok(()) };
    let chosen = choose(registry, attributes, &user, false);
    if chosen.is_empty() {
        return Ok(());
    }
    let sent = options.typed(attributes.operation);
    let review = attributes.review(object, &user, options.dry_run, &sent);
    let (mut answers, mut wanted) = (Vec::new(), Vec::new());
    for (hook, matched) in chosen.iter() {
        if !applies(registry, &review, hook, matched)? {
            continue;
        }
        let question = question(registry, &review, hook, matched, None);
        match registry.replay.as_ref().and_then(|replay| replay.answer(&question.key)) {
            Some(answer) => answers.push((hook, answer.clone())),
            None => wanted.push(question),
        }
    }
    if let Some(replay) = registry.replay.as_mut().filter(|_| !wanted.is_empty()) {
        for question in wanted {
            replay.want(question);
        }
        return Err(unanswered());
    }
    // Of several refusals the first that came is told.
    answers.sort_by_key(|(_, answer)| answer.order);
    let mut refused = None;
    for (hook, answer) in answers {
        if let Err(error) = heed(hook, answer, options) {
            refused.get_or_insert(error);
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Returns the webhooks whose rules choose a request.
fn choose(
    registry: &mut Registry<'_>,
    attributes: &Attributes<'_>,
    user: &User,
    is_mutating: bool,
) -> Arc<Vec<Chosen>> {
    let own = attributes.target.resource;
    let Some(index) = registry.state.hooks.as_ref().filter(|_| registry.replay.is_some()) else {
        return Arc::default();
    };
    let hooks = if is_mutating { &index.mutating } else { &index.validating };
    if hooks.all.is_empty() || matching::is_exempt(own) {
        return Arc::default();
    }
    let key = (own.gvr(), attributes.target.subresource.to_owned(), attributes.operation);
    if let Some(chosen) = hooks.chosen.get(&key) {
        return Arc::clone(chosen);
    }
    let review = attributes.review(None, user, false, &Value::Null);
    let chosen = hooks.all.iter().filter_map(|hook| {
        let rules = hook.spec["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
        let matched = matching::find(registry, &review, rules, hook.spec["matchPolicy"] == "Exact")?;
        Some((Arc::clone(hook), matched))
    });
    let chosen = Arc::new(chosen.collect::<Vec<_>>());
    if let Some(index) = &mut registry.state.hooks {
        let hooks = if is_mutating { &mut index.mutating } else { &mut index.validating };
        hooks.chosen.insert(key, Arc::clone(&chosen));
    }
    chosen
}

/// Returns whether selectors and conditions choose a request, too.
fn applies(
    registry: &mut Registry<'_>,
    review: &Review<'_>,
    hook: &Hook,
    matched: &Arc<Resource>,
) -> Result<bool, ApiError> {
    if !matching::selected(registry, review, &hook.spec) {
        return Ok(false);
    }
    if hook.conditions.is_empty() {
        return Ok(true);
    }
    match Inputs::new(registry, review, matched, None).meet(&hook.conditions) {
        Ok(holds) => Ok(holds),
        Err(why) if hook.fails() => Err(ApiError::forbidden(review.target.resource, review.name, &why)),
        Err(_) => Ok(false),
    }
}

fn question(
    registry: &mut Registry<'_>,
    review: &Review<'_>,
    hook: &Hook,
    matched: &Resource,
    round: Option<bool>,
) -> Question {
    let present = |object: Option<&Value>| {
        object.map_or(Value::Null, |object| Arc::unwrap_or_clone(policies::as_matched(matched, object)))
    };
    let mut request = policies::request(review, matched);
    request["object"] = present(review.object);
    request["oldObject"] = present(review.old);
    let known = ["v1", "v1beta1"];
    let versions = hook.spec["admissionReviewVersions"].as_array().into_iter().flatten();
    let version = versions.into_iter().find_map(|asked| known.into_iter().find(|known| asked == known));
    Question {
        key: format!("{}/{round:?}/{request}", hook.id),
        version: version.unwrap_or("v1"),
        kind: "AdmissionReview",
        group: "admission.k8s.io",
        is_mutating: round.is_some(),
        timeout_secs: hook.spec["timeoutSeconds"].as_u64().unwrap_or(10),
        place: service::find(registry, &hook.spec["clientConfig"]),
        request,
    }
}

/// Returns what a webhook decided, or `None` where its failure does not matter.
fn heed(hook: &Hook, answer: Answer, options: &mut WriteOptions) -> Result<Option<Verdict>, ApiError> {
    let verdict = match answer.verdict {
        Ok(verdict) => verdict,
        Err(why) if hook.fails() => return Err(failed(hook, &why)),
        Err(why) => {
            tracing::debug!(why, hook = hook.name, configuration = hook.configuration, "A webhook could not be asked");
            return Ok(None);
        }
    };
    options.warnings.extend(verdict.warnings.iter().cloned());
    if verdict.allowed { Ok(Some(verdict)) } else { Err(refusal(&hook.name, verdict.status)) }
}

fn failed(hook: &Hook, why: &str) -> ApiError {
    ApiError::internal(format!("failed calling webhook {:?}: {why}", hook.name))
}

/// Returns whether the write has changed an owner's entry of a typed object.
///
/// To Go the entry has the time to the nanosecond, until it is written for the first patch; so that patch always makes a
/// difference.
fn has_fresh_owners(attributes: &Attributes<'_>, object: Option<&Value>) -> bool {
    let owners = |object: Option<&Value>| object.map(|object| object["metadata"]["managedFields"].clone());
    let now = owners(object).filter(Value::is_array);
    attributes.target.resource.custom().is_none() && now.is_some() && now != owners(attributes.old)
}

/// Changes the object as a webhook wants it; returns whether that made a difference, or `None` without a patch.
fn revise(
    own: &Arc<Resource>,
    matched: &Arc<Resource>,
    hook: &Hook,
    verdict: &Verdict,
    object: Option<&mut Value>,
) -> Result<Option<bool>, ApiError> {
    if verdict.patch.is_empty() {
        return Ok(None);
    }
    // A failure of this kind is one to call the webhook, and may not matter.
    let unless_ignored = |why: String| if hook.fails() { Err(failed(hook, &why)) } else { Ok(None) };
    let operations = match serde_json::from_slice::<Value>(&verdict.patch) {
        Ok(Value::Array(operations)) => operations,
        Ok(Value::Null) => Vec::new(),
        Ok(other) => {
            let found = super::call::json_word(&other);
            let why = format!("json: cannot unmarshal {found} into Go value of type jsonpatch.Patch");
            return unless_ignored(format!("received undecodable patch in webhook response: {why}"));
        }
        Err(_) => {
            let why = super::call::json_problem(&verdict.patch);
            return unless_ignored(format!("received undecodable patch in webhook response: {why}"));
        }
    };
    if operations.is_empty() {
        return Ok(None);
    }
    let Some(object) = object else {
        let name = &hook.name;
        return Err(ApiError::internal(format!(
            "admission webhook {name:?} attempted to modify the object, which is not supported for this operation"
        )));
    };
    if verdict.patch_type != "JSONPatch" {
        return unless_ignored(format!("unsupported patch type {:?}", verdict.patch_type));
    }
    let before = policies::as_matched(matched, object);
    let mut after = json_patch::apply_or_say(&before, &operations).map_err(ApiError::internal)?;
    tidy(matched, &mut after)?;
    let changed = after != *before;
    *object = Arc::unwrap_or_clone(policies::as_matched(own, &after));
    Ok(Some(changed))
}

/// Reads a changed object as its kind says.
fn tidy(resource: &Resource, object: &mut Value) -> Result<(), ApiError> {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    match resource.custom().filter(|_| kind == resource.kind) {
        Some(custom) => {
            crd::apply_defaults(object, &custom.schema);
        }
        None => {
            let (group, version) =
                crate::resource::split_api_version(object["apiVersion"].as_str().unwrap_or_default());
            let (group, version) = (group.to_owned(), version.to_owned());
            Builtins::get()
                .normalize(&group, &version, &kind, object)
                .map_err(|error| ApiError::internal(error.to_string()))?;
        }
    }
    if object.get("metadata").is_none_or(Value::is_null) && resource.custom().is_none() {
        object["metadata"] = json!({});
    }
    Ok(())
}
