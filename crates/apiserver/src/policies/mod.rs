//! ValidatingAdmissionPolicies: what clusters refuse by expressions of their own
//! (k8s: `apiserver/pkg/admission/plugin/policy/validating`).
//!
//! A policy is asked once an object is valid. Audit annotations are evaluated, for their errors count, but written nowhere,
//! since this server keeps no audit log. The status of policies, with what type checking found, is the business of a
//! controller of the controller manager, which is not simulated.

mod check;
mod compile;
pub(crate) mod matching;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

pub(crate) use check::{check_binding, check_conditions, check_policy, check_rules, check_selectors};
pub(crate) use compile::go_name;

use crate::auth::{self, Access, Subject, User};
use crate::cel::Variables;
use crate::cel::authorizer::{Question, Step};
use crate::cel::value::{Key, Value as CelValue};
use crate::cluster::State;
use crate::error::{ApiError, Cause};
use crate::registry::{Registry, Target, WriteOptions};
use crate::resource::{Gvr, Resource};
use crate::rules;
use compile::Policy;
pub(crate) use compile::{Named, compile_conditions};

/// A request to be judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Review<'a> {
    pub(crate) target: &'a Target<'a>,
    /// The object's name; empty while the server has yet to make one up.
    pub(crate) name: &'a str,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub(crate) operation: &'static str,
    /// Absent for deletions.
    pub(crate) object: Option<&'a Value>,
    /// Absent for creations.
    pub(crate) old: Option<&'a Value>,
    pub(crate) user: &'a User,
    pub(crate) dry_run: bool,
    /// The options as the client sent them, of the type that the operation has.
    pub(crate) options: &'a Value,
}

/// A policy's word against a request.
struct Denial {
    policy: String,
    binding: Option<String>,
    message: String,
    reason: String,
}

const GROUP: &str = "admissionregistration.k8s.io";

/// Asks all policies about a write; `old` is absent for creations, `object` for deletions.
pub(crate) fn judge(
    registry: &mut Registry<'_>,
    target: &Target<'_>,
    name: &str,
    (old, object): (Option<&Value>, Option<&Value>),
    options: &mut WriteOptions,
) -> Result<(), ApiError> {
    // The cluster's own hands are asked no questions.
    let Some(user) = options.user.clone() else { return Ok(()) };
    let operation = match (old, object) {
        (None, _) => "CREATE",
        (Some(_), Some(_)) => "UPDATE",
        (Some(_), None) => "DELETE",
    };
    let (dry_run, sent) = (options.dry_run, options.typed(operation));
    let review = Review { target, name, operation, object, old, user: &user, dry_run, options: &sent };
    judge_review(registry, &review, options)
}

fn judge_review(registry: &mut Registry<'_>, review: &Review<'_>, options: &mut WriteOptions) -> Result<(), ApiError> {
    if matching::is_exempt(review.target.resource) {
        return Ok(());
    }
    let bindings = stored(registry, "validatingadmissionpolicybindings");
    if bindings.is_empty() {
        return Ok(());
    }
    let mut denials = Vec::new();
    for policy in stored(registry, "validatingadmissionpolicies") {
        let name = policy["metadata"]["name"].as_str().unwrap_or_default();
        let bound: Vec<&Arc<Value>> = bindings.iter().filter(|binding| binding["spec"]["policyName"] == name).collect();
        if !bound.is_empty() {
            ask_policy(registry, review, &policy, &bound, &mut denials, &mut options.warnings);
        }
    }
    match denials.into_iter().next() {
        Some(denial) => Err(refuse(review, &denial)),
        None => Ok(()),
    }
}

fn stored(registry: &mut Registry<'_>, plural: &str) -> Vec<Arc<Value>> {
    let Ok(resource) = registry.resource(&Gvr::new(GROUP, "v1", plural)) else { return Vec::new() };
    registry.all(&resource, None).into_iter().map(|stored| Arc::clone(&stored.value)).collect()
}

pub(crate) fn namespace(registry: &mut Registry<'_>, name: &str) -> Option<Arc<Value>> {
    let resource = registry.resource(&Gvr::new("", "v1", "namespaces")).ok()?;
    registry.find(&resource, "", name).map(|stored| Arc::clone(&stored.value))
}

fn refuse(review: &Review<'_>, denial: &Denial) -> ApiError {
    let message = match &denial.binding {
        Some(binding) => format!(
            "ValidatingAdmissionPolicy '{}' with binding '{binding}' denied request: {}",
            denial.policy, denial.message
        ),
        None => format!("ValidatingAdmissionPolicy '{}' denied request: {}", denial.policy, denial.message),
    };
    let mut error = forbidden(review, &message);
    (error.code, error.reason) = match denial.reason.as_str() {
        "Forbidden" => (403, "Forbidden"),
        "Unauthorized" => (401, "Unauthorized"),
        "RequestEntityTooLarge" => (413, "RequestEntityTooLarge"),
        _ => (422, "Invalid"),
    };
    error.with_causes(vec![Cause { reason: "", message, field: String::new() }])
}

/// Says that something is forbidden, of an object whose name may not be known yet.
pub(crate) fn forbidden(review: &Review<'_>, why: &str) -> ApiError {
    let of_object = |key: &str| review.object.and_then(|object| object["metadata"][key].as_str());
    let made = || of_object("name").filter(|name| !name.is_empty()).or_else(|| of_object("generateName"));
    let name = match review.name {
        "" => made().filter(|name| !name.is_empty()).unwrap_or("Unknown"),
        name => name,
    };
    ApiError::forbidden(review.target.resource, name, why)
}

fn ask_policy(
    registry: &mut Registry<'_>,
    review: &Review<'_>,
    policy: &Value,
    bindings: &[&Arc<Value>],
    denials: &mut Vec<Denial>,
    warnings: &mut Vec<String>,
) {
    let spec = &policy["spec"];
    let name = policy["metadata"]["name"].as_str().unwrap_or_default();
    let constraints = &spec["matchConstraints"];
    if constraints["resourceRules"].as_array().is_none_or(Vec::is_empty) {
        return;
    }
    let Some(matched) = matching::choose(registry, review, constraints, "resourceRules") else { return };
    let compiled = Policy::of(spec);
    let fails = spec["failurePolicy"] != "Ignore";
    for binding in bindings {
        let binding_name = binding["metadata"]["name"].as_str().unwrap_or_default();
        let limits = &binding["spec"]["matchResources"];
        if limits.is_object() && matching::choose(registry, review, limits, "resourceRules").is_none() {
            continue;
        }
        let params = match collect_params(registry, review, spec, &binding["spec"]["paramRef"]) {
            Ok(params) => params,
            Err(why) => {
                if fails {
                    denials.push(Denial {
                        policy: name.to_owned(),
                        binding: Some(binding_name.to_owned()),
                        message: format!("failed to configure binding: {why}"),
                        reason: String::new(),
                    });
                }
                continue;
            }
        };
        for param in params {
            let inputs = Inputs::new(registry, review, &matched, param.as_deref());
            let verdicts = evaluate(&compiled, &inputs, fails);
            for (message, reason) in verdicts {
                tell(&message, &reason, (name, binding_name), binding, denials, warnings);
            }
        }
    }
}

/// Does with a denial what the binding asks for.
fn tell(
    message: &str,
    reason: &str,
    (policy, binding_name): (&str, &str),
    binding: &Value,
    denials: &mut Vec<Denial>,
    warnings: &mut Vec<String>,
) {
    for action in binding["spec"]["validationActions"].as_array().into_iter().flatten() {
        match action.as_str() {
            Some("Deny") => denials.push(Denial {
                policy: policy.to_owned(),
                binding: Some(binding_name.to_owned()),
                message: message.to_owned(),
                reason: reason.to_owned(),
            }),
            Some("Warn") => warnings.push(format!(
                "Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{binding_name}': {message}"
            )),
            _ => {}
        }
    }
}

/// Finds the parameters of a binding; `None` is one evaluation without any.
fn collect_params(
    registry: &mut Registry<'_>,
    review: &Review<'_>,
    spec: &Value,
    reference: &Value,
) -> Result<Vec<Option<Arc<Value>>>, String> {
    let kind = &spec["paramKind"];
    if kind.is_null() || reference.is_null() {
        return Ok(vec![None]);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text(&kind["apiVersion"]), text(&kind["kind"]));
    let (group, version) = crate::resource::split_api_version(&version);
    let resource = registry.state.catalog.of_version(group, version).find(|found| found.kind == kind).cloned();
    let Some(resource) = resource else {
        let api_version = crate::resource::api_version(group, version);
        return Err(format!("failed to find resource referenced by paramKind: '{api_version}, Kind={kind}'"));
    };
    let given = text(&reference["namespace"]);
    let namespace = if !resource.namespaced {
        if !given.is_empty() {
            return Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".to_owned());
        }
        String::new()
    } else if !given.is_empty() {
        given
    } else if review.target.namespace.is_empty() {
        return Err("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources".to_owned());
    } else {
        review.target.namespace.to_owned()
    };
    let name = text(&reference["name"]);
    let found: Vec<Arc<Value>> = if name.is_empty() {
        let all = registry.all(&resource, Some(&namespace));
        let chosen = all
            .into_iter()
            .filter(|stored| matching::selects(&reference["selector"], &stored.value["metadata"]["labels"]));
        chosen.map(|stored| rules::present(&resource, &stored.value)).collect()
    } else {
        let one = registry.find(&resource, &namespace, &name);
        one.map(|stored| rules::present(&resource, &stored.value)).into_iter().collect()
    };
    if found.is_empty() && reference["parameterNotFoundAction"] == "Deny" {
        return Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned());
    }
    Ok(found.into_iter().map(Some).collect())
}

/// What the expressions of a policy or webhook are evaluated with.
pub(crate) struct Inputs<'a> {
    variables: Variables,
    state: &'a State,
    user: &'a User,
}

impl<'a> Inputs<'a> {
    pub(crate) fn new(
        registry: &'a mut Registry<'_>,
        review: &Review<'a>,
        matched: &Resource,
        params: Option<&Value>,
    ) -> Self {
        let present = |object: Option<&Value>| {
            object.map_or(CelValue::Null, |object| CelValue::from_json(&as_matched(matched, object)))
        };
        let is_namespace = review.target.resource.is("", "namespaces");
        let space = Some(review.target.namespace).filter(|name| !name.is_empty() && !is_namespace);
        let space = space.and_then(|name| namespace(registry, name));
        let mut variables = Variables::default()
            .with("object", present(review.object))
            .with("oldObject", present(review.old))
            .with("request", CelValue::from_json(&request(review, matched)))
            .with("namespaceObject", space.map_or(CelValue::Null, |space| CelValue::from_json(&space)))
            .with("params", params.map_or(CelValue::Null, CelValue::from_json));
        let own = Question {
            group: review.target.resource.group.clone(),
            resource: review.target.resource.plural.clone(),
            subresource: review.target.subresource.to_owned(),
            namespace: review.target.namespace.to_owned(),
            name: review.name.to_owned(),
            ..Question::default()
        };
        variables.set("authorizer", CelValue::Authorizer(Arc::new(Step::Authorizer(Question::default()))));
        variables.set("authorizer.requestResource", CelValue::Authorizer(Arc::new(Step::Resource(own))));
        Self { variables, state: &*registry.state, user: review.user }
    }

    fn ask(&self, question: &Question) -> (bool, String) {
        let subject = match &question.path {
            Some(path) => Subject::Path(path.clone()),
            None => Subject::Resource {
                group: question.group.clone(),
                resource: question.resource.clone(),
                subresource: question.subresource.clone(),
                namespace: question.namespace.clone(),
                name: question.name.clone(),
            },
        };
        let access = Access { verb: question.verb.clone(), subject };
        let account = question.service_account.as_ref().map(|(namespace, name)| User {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ],
            ..User::default()
        });
        match auth::authorize(self.state, account.as_ref().unwrap_or(self.user), &access) {
            Ok(reason) => (true, reason),
            Err(reason) => (false, reason),
        }
    }

    fn evaluate(&self, named: &Named) -> Result<CelValue, String> {
        let expression = named.expression.as_ref().map_err(Clone::clone)?;
        expression
            .evaluate_asking(&self.variables, &|question| self.ask(question))
            .map_err(|failure| format!("expression '{}' resulted in error: {}", named.source, failure.0))
    }

    /// Returns whether all conditions hold; when one does not, the errors of others do not matter.
    pub(crate) fn meet(&self, conditions: &[Named]) -> Result<bool, String> {
        let mut wrong = Vec::new();
        for condition in conditions {
            match self.evaluate(condition) {
                Ok(CelValue::Bool(false)) => return Ok(false),
                Ok(_) => {}
                Err(why) => wrong.push(why),
            }
        }
        match &wrong[..] {
            [] => Ok(true),
            [one] => Err(one.clone()),
            all => Err(format!("[{}]", all.join(", "))),
        }
    }
}

/// The request as expressions and webhooks see it, without its objects.
pub(crate) fn request(review: &Review<'_>, matched: &Resource) -> Value {
    let sub = review.target.subresource;
    let kind = |resource: &Resource| {
        let own = resource.gvk();
        let gvk = resource.subresource(sub).map_or(&own, |subresource| &subresource.gvk);
        json!({"group": gvk.group, "version": gvk.version, "kind": gvk.kind})
    };
    let plural = |resource: &Resource| json!({"group": resource.group, "version": resource.version, "resource": resource.plural});
    let own = review.target.resource;
    // A namespace is in itself.
    let named = if own.is("", "namespaces") { review_name(review) } else { review.target.namespace };
    let mut out = json!({
        "kind": kind(matched), "resource": plural(matched), "subResource": sub,
        "requestKind": kind(own), "requestResource": plural(own), "requestSubResource": sub,
        "name": review.name, "namespace": named, "operation": review.operation,
        "userInfo": review.user.to_json(), "dryRun": review.dry_run, "options": review.options,
    });
    if let Some(out) = out.as_object_mut() {
        out.retain(|_, value| value != "");
    }
    out
}

/// Returns an object of a request in the version the rules name; what is not of the resource's own kind has one version.
pub(crate) fn as_matched(matched: &Resource, object: &Value) -> Arc<Value> {
    let object = Arc::new(object.clone());
    if object["kind"] == matched.kind.as_str() { rules::present(matched, &object) } else { object }
}

fn review_name<'a>(review: &Review<'a>) -> &'a str {
    if review.name.is_empty() { review.target.name } else { review.name }
}

/// Evaluates a policy; returns the messages and reasons of what it denies.
fn evaluate(policy: &Policy, inputs: &Inputs<'_>, fails: bool) -> Vec<(String, String)> {
    let on_error = |why: String| if fails { vec![(why, String::new())] } else { Vec::new() };
    match inputs.meet(&policy.conditions) {
        Ok(true) => {}
        Ok(false) => return Vec::new(),
        Err(why) => return on_error(why),
    }
    let mut inputs = Inputs { variables: inputs.variables.clone(), ..*inputs };
    let mut own = BTreeMap::new();
    for variable in &policy.variables {
        inputs.variables.set("variables", CelValue::map(own.clone()));
        let value = inputs.evaluate(variable).unwrap_or_else(|why| {
            let why = why.split_once(" resulted in error: ").map_or(why.as_str(), |(_, why)| why);
            CelValue::Failed(format!("composited variable {:?} fails to evaluate: {why}", variable.name).into())
        });
        own.insert(Key::String(variable.name.as_str().into()), value);
    }
    inputs.variables.set("variables", CelValue::map(own));
    let mut out = Vec::new();
    for validation in &policy.validations {
        let result = validation.expression.as_ref().map_err(Clone::clone).and_then(|expression| {
            expression
                .evaluate_asking(&inputs.variables, &|question| inputs.ask(question))
                .map_err(|failure| format!("expression '{}' resulted in error: {}", validation.source, failure.0))
        });
        match result {
            Ok(CelValue::Bool(true)) => {}
            Ok(_) => {
                let made = validation.message_expression.as_ref();
                let made = made.and_then(|made| crate::cel::rules::made_message(made, &inputs.variables));
                let message = made.or_else(|| Some(validation.message.clone()).filter(|text| !text.is_empty()));
                let message = message.unwrap_or_else(|| format!("failed expression: {}", validation.source.trim()));
                out.push((message, validation.reason.clone()));
            }
            Err(why) => out.extend(on_error(why)),
        }
    }
    for annotation in &policy.annotations {
        if let Err(why) = inputs.evaluate(annotation) {
            out.extend(on_error(why));
        }
    }
    out
}
