//! ValidatingAdmissionPolicies: what clusters refuse by expressions of their own
//! (k8s: `apiserver/pkg/admission/plugin/policy/validating`).
//!
//! A policy is asked once an object is valid. Audit annotations are evaluated, for their errors count, but written nowhere,
//! since this server keeps no audit log. The status of policies, with what type checking found, is the business of a
//! controller.

mod check;
mod compile;
pub(crate) mod matching;
mod typecheck;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

pub(crate) use check::{check_binding, check_conditions, check_policy, check_rules, check_selectors};

use crate::auth::{self, Access, Subject, User};
use crate::cel::authorizer::{Question, Step};
use crate::cel::value::Value as CelValue;
use crate::cel::{Expression, Failure, Variables};
use crate::cluster::State;
use crate::error::{ApiError, Cause};
use crate::registry::{Registry, Target, WriteOptions};
use crate::resource::{Gvr, Resource};
use crate::rules;
use crate::webhooks::convert::convert;
use compile::Policy;
pub(crate) use compile::{Named, compile_conditions};
pub(crate) use typecheck::warnings as type_warnings;

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
    // Who writes as nobody is asked no questions.
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

    /// Evaluates an expression that may cost no more than what is left of a budget.
    fn evaluate(
        &self,
        source: &str,
        expression: &Result<Expression, String>,
        own: &Own<'_>,
        budget: &mut u64,
    ) -> Result<Result<CelValue, String>, OutOfBudget> {
        let expression = match expression {
            Ok(expression) => expression,
            Err(why) => return Ok(Err(format!("compilation error: {why}"))),
        };
        let ask = |question: &Question| self.ask(question);
        let (outcome, cost) = expression.evaluate_asking(&self.variables, &ask, &|name| own.get(name, self));
        for spent in [own.spent.take(), cost] {
            *budget = budget.checked_sub(spent).ok_or(OutOfBudget)?;
        }
        Ok(outcome.map_err(|failure| format!("expression '{source}' resulted in error: {}", failure.0)))
    }

    /// Returns whether all conditions hold; when one does not, the errors of others do not matter.
    pub(crate) fn meet(&self, conditions: &[Named]) -> Result<bool, String> {
        let (mut wrong, mut outcomes) = (Vec::new(), Vec::new());
        let mut budget = CONDITIONS_BUDGET;
        // Conditions are asked before the namespace is known.
        let inputs = Self { variables: self.variables.clone().with("namespaceObject", CelValue::Null), ..*self };
        for condition in conditions {
            let outcome = inputs.evaluate(&condition.source, &condition.expression, &Own::of(&[]), &mut budget);
            outcomes.push(outcome.map_err(|OutOfBudget| OUT_OF_BUDGET.to_owned())?);
        }
        for outcome in outcomes {
            match outcome {
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

/// What all validations of a policy may cost for one object, and all match conditions
/// (k8s: `RuntimeCELCostBudget`, `RuntimeCELCostBudgetMatchConditions`).
const BUDGET: u64 = 10_000_000;
const CONDITIONS_BUDGET: u64 = 2_500_000;

/// Longest message an expression may make, in bytes.
const MAX_MESSAGE: usize = 5 * 1024;

const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// There is nothing left to evaluate expressions with.
#[derive(Debug)]
struct OutOfBudget;

/// The variables of a policy, each evaluated when it is first asked for.
struct Own<'a> {
    variables: &'a [Named],
    known: RefCell<BTreeMap<String, Result<CelValue, Failure>>>,
    /// What evaluating them has cost and was not accounted for yet.
    spent: Cell<u64>,
}

impl<'a> Own<'a> {
    fn of(variables: &'a [Named]) -> Self {
        Self { variables, known: RefCell::default(), spent: Cell::default() }
    }

    fn get(&self, name: &str, inputs: &Inputs<'_>) -> Result<CelValue, Failure> {
        if let Some(known) = self.known.borrow().get(name) {
            return known.clone();
        }
        let variable = self.variables.iter().rev().find(|variable| variable.name == name);
        let Some(variable) = variable else { return Err(Failure(format!("no such key: {name}"))) };
        let expression = match &variable.expression {
            Ok(expression) => expression,
            Err(why) => return Err(Failure(format!("composited variable {name:?} fails to compile: {why}"))),
        };
        // One that asks for itself, as one of two with the same name may, gets no answer.
        let circular = Err(Failure(format!("composited variable {name:?} fails to evaluate: it depends on itself")));
        self.known.borrow_mut().insert(name.to_owned(), circular);
        let ask = |question: &Question| inputs.ask(question);
        let (outcome, cost) = expression.evaluate_asking(&inputs.variables, &ask, &|name| self.get(name, inputs));
        self.spent.set(self.spent.get().saturating_add(cost));
        let told = |failure: Failure| Failure(format!("composited variable {name:?} fails to evaluate: {}", failure.0));
        let outcome = outcome.map_err(told);
        self.known.borrow_mut().insert(name.to_owned(), outcome.clone());
        outcome
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
    let mut object = Arc::new(object.clone());
    if object["kind"] != matched.kind.as_str() {
        return object;
    }
    let Some(custom) = matched.custom() else { return rules::present(matched, &object) };
    let want = matched.api_version();
    if object["apiVersion"] != want.as_str() {
        // It is not read, so nothing is dropped from it nor filled in.
        let converted = custom.conversion.as_ref().and_then(|conversion| convert(conversion, &object, &want));
        match converted {
            Some(converted) => object = Arc::new(converted),
            None => Arc::make_mut(&mut object)["apiVersion"] = json!(want),
        }
    }
    object
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
    let mut budget = BUDGET;
    let inputs = Inputs { variables: inputs.variables.clone().with("variables", CelValue::Lazy), ..*inputs };
    let own = Own::of(&policy.variables);
    let mut outcomes = Vec::new();
    for validation in &policy.validations {
        match inputs.evaluate(&validation.source, &validation.expression, &own, &mut budget) {
            Ok(outcome) => outcomes.push(outcome),
            Err(OutOfBudget) => return on_error(OUT_OF_BUDGET.to_owned()),
        }
    }
    let messages = messages(policy, &inputs, &mut budget);
    let mut out = Vec::new();
    for (at, (validation, outcome)) in policy.validations.iter().zip(outcomes).enumerate() {
        match (outcome, &messages) {
            (Err(why), _) => out.extend(on_error(why)),
            (Ok(_), Err(OutOfBudget)) => out.extend(on_error(format!("failed messageExpression: {OUT_OF_BUDGET}"))),
            (Ok(CelValue::Bool(true)), _) => {}
            (Ok(_), Ok(messages)) => {
                let made = messages.get(at).cloned().flatten();
                let message = made.or_else(|| Some(validation.message.clone()).filter(|text| !text.is_empty()));
                let message = message.unwrap_or_else(|| format!("failed expression: {}", validation.source.trim()));
                out.push((message, validation.reason.clone()));
            }
        }
    }
    out.extend(annotation_errors(policy, &inputs).into_iter().flat_map(on_error));
    out
}

/// Makes the messages of all validations, whether they hold or not; those that make none, or no single line of a sensible
/// length, have none.
fn messages(policy: &Policy, inputs: &Inputs<'_>, budget: &mut u64) -> Result<Vec<Option<String>>, OutOfBudget> {
    let inputs = Inputs { variables: inputs.variables.without_authorizer(), ..*inputs };
    let own = Own::of(&policy.variables);
    let mut out = Vec::new();
    for validation in &policy.validations {
        let made = match &validation.message_expression {
            Some(expression) => inputs.evaluate("", expression, &own, budget)?.ok(),
            None => None,
        };
        out.push(match made {
            Some(CelValue::String(text)) => Some(text.trim().to_owned())
                .filter(|text| !text.is_empty() && text.len() <= MAX_MESSAGE && !text.contains('\n')),
            _ => None,
        });
    }
    Ok(out)
}

fn annotation_errors(policy: &Policy, inputs: &Inputs<'_>) -> Vec<String> {
    let inputs = Inputs { variables: inputs.variables.without_authorizer(), ..*inputs };
    let own = Own::of(&policy.variables);
    let (mut budget, mut out) = (BUDGET, Vec::new());
    for annotation in &policy.annotations {
        match inputs.evaluate(&annotation.source, &annotation.expression, &own, &mut budget) {
            Ok(outcome) => out.extend(outcome.err()),
            Err(OutOfBudget) => return vec![OUT_OF_BUDGET.to_owned()],
        }
    }
    out
}
