//! `x-kubernetes-validations`: the rules of a schema, compiled once and kept with it
//! (k8s: `apiextensions-apiserver/pkg/apiserver/schema/cel`).

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::extent::Extent;
use super::types::Type;
use super::value::Value;
use super::{Expression, Variables, declare};
use crate::crd::correlate::{Correlated, old_item};
use crate::crd::field_path;
use crate::error::Cause;

/// Longest message a rule may make, in bytes.
const MAX_MESSAGE: usize = 5 * 1024;

/// What all rules may cost for one object (k8s: `celconfig.RuntimeCELCostBudget`).
const BUDGET: u64 = 10_000_000;

const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

const LIMIT_EXCEEDED: &str = "operation cancelled: actual cost limit exceeded";

/// What is wrong with a rule.
#[derive(Debug)]
pub(crate) enum RuleError {
    /// The rule itself.
    Rule(String),
    /// The expression that makes its message.
    Message {
        why: String,
        uses_old_self: bool,
        /// The most the rule itself may cost.
        cost: u64,
    },
}

/// One rule, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Rule {
    expression: Expression,
    message_expression: Option<Expression>,
    /// What the rule says of itself.
    spec: Json,
    path: Option<String>,
    pub(crate) uses_old_self: bool,
    /// The most an evaluation of the rule, and of the expression of its message, may cost.
    pub(crate) costs: (u64, Option<u64>),
}

impl Rule {
    fn text(&self, key: &str) -> &str {
        self.spec[key].as_str().unwrap_or_default()
    }

    fn shown(&self) -> &str {
        let message = self.text("message");
        if message.is_empty() { self.text("rule").trim() } else { message.trim() }
    }
}

/// Compiles the rules of one node of a schema.
pub(crate) fn compile(schema: &Json, is_resource: bool) -> Vec<Result<Rule, RuleError>> {
    let rules = schema["x-kubernetes-validations"].as_array().map(Vec::as_slice).unwrap_or_default();
    if rules.is_empty() {
        return Vec::new();
    }
    let ty = declare::type_of(schema, is_resource).unwrap_or_default();
    let extent = Extent::of(schema, is_resource);
    rules.iter().map(|rule| compile_one(rule, schema, &ty, extent.as_ref())).collect()
}

fn compile_one(rule: &Json, schema: &Json, ty: &Type, extent: Option<&Extent>) -> Result<Rule, RuleError> {
    let old = if rule["optionalOldSelf"] == true { Type::optional(ty.clone()) } else { ty.clone() };
    let variables = [("self", ty.clone()), ("oldSelf", old)];
    let source = rule["rule"].as_str().unwrap_or_default();
    let expression = Expression::compile_within(source, &variables, extent)
        .map_err(|why| RuleError::Rule(format!("compilation failed: {why}")))?;
    if expression.ty != Type::Bool {
        return Err(RuleError::Rule("cel expression must evaluate to a bool".to_owned()));
    }
    if let Some(why) = expression.unplannable() {
        return Err(RuleError::Rule(format!("program instantiation failed: {why}")));
    }
    let uses_old_self = expression.mentions("oldSelf");
    let cost = expression.estimate;
    let refuse = |why: String| RuleError::Message { why, uses_old_self, cost };
    let message_expression = match rule["messageExpression"].as_str().filter(|source| !source.is_empty()) {
        None => None,
        Some(source) => {
            let message = Expression::compile_within(source, &variables, extent)
                .map_err(|why| refuse(format!("messageExpression compilation failed: {why}")))?;
            if message.ty != Type::String {
                return Err(refuse("messageExpression must evaluate to a string".to_owned()));
            }
            if let Some(why) = message.unplannable() {
                return Err(refuse(format!("messageExpression instantiation failed: {why}")));
            }
            Some(message)
        }
    };
    let path = rule["fieldPath"].as_str().filter(|path| !path.is_empty());
    let path = path.and_then(|path| field_path(path, schema));
    let costs = (cost, message_expression.as_ref().map(|message| message.estimate));
    Ok(Rule { expression, message_expression, spec: rule.clone(), path, uses_old_self, costs })
}

/// The rules of a schema and of everything below it.
#[derive(Debug, Default)]
pub(crate) struct SchemaRules {
    /// The node's schema, where it has rules or a list with keys.
    schema: Json,
    is_resource: bool,
    rules: Vec<Rule>,
    properties: BTreeMap<String, SchemaRules>,
    additional: Option<Box<SchemaRules>>,
    items: Option<Box<SchemaRules>>,
}

/// What ratcheting knows of a value: its old self, or that of the nearest value around it that has one.
#[derive(Clone, Copy, Default)]
struct Ratchet<'a> {
    current: Option<Correlated<'a>>,
    parent: Option<Correlated<'a>>,
}

impl Ratchet<'_> {
    fn key(self, name: &str) -> Self {
        let Some(current) = self.current else { return self };
        if self.parent.is_none() && (name == "apiVersion" || name == "kind") {
            return Self::default();
        }
        Self { current: current.key(name), parent: Some(current) }
    }

    fn index(self, at: usize) -> Self {
        let Some(current) = self.current else { return self };
        Self { current: current.index(at), parent: Some(current) }
    }

    fn forgives(self) -> bool {
        self.current.or(self.parent).is_some_and(|both| both.is_unchanged())
    }
}

/// What the rules found.
#[derive(Default)]
pub(crate) struct Verdict {
    pub(crate) causes: Vec<Cause>,
    /// What was wrong before and may stay.
    pub(crate) warnings: Vec<String>,
}

impl SchemaRules {
    /// Compiles all rules of a schema; those that cannot be compiled are left out, for the CRD was refused for them.
    pub(crate) fn new(schema: &Json, is_resource: bool) -> Self {
        Self::compile(schema, is_resource).unwrap_or_default()
    }

    fn compile(schema: &Json, is_resource: bool) -> Option<Self> {
        let below = |schema: &Json| Self::compile(schema, schema["x-kubernetes-embedded-resource"] == true);
        let boxed = |key: &str| schema.get(key).filter(|it| it.is_object()).and_then(below).map(Box::new);
        let properties: BTreeMap<String, Self> = (schema["properties"].as_object().into_iter().flatten())
            .filter_map(|(name, property)| Some((name.clone(), below(property)?)))
            .collect();
        let out = Self {
            schema: Json::Null,
            is_resource,
            rules: compile(schema, is_resource).into_iter().filter_map(Result::ok).collect(),
            properties,
            additional: boxed("additionalProperties"),
            items: boxed("items"),
        };
        let is_empty =
            out.rules.is_empty() && out.properties.is_empty() && out.additional.is_none() && out.items.is_none();
        // The schema is asked for types, list keys and map types only where rules need them.
        let schema = if out.rules.is_empty() { outline(schema) } else { schema.clone() };
        (!is_empty).then_some(Self { schema, ..out })
    }

    /// Checks an object, or one that succeeds `old` under the whole schema.
    pub(crate) fn check(&self, object: &Json, old: Option<&Json>, schema: &Json) -> Verdict {
        let current = old.map(|old| Correlated { value: object, old, schema });
        let mut visit = Visit { verdict: Verdict::default(), budget: BUDGET };
        // That nothing is left to evaluate rules with is told among the causes.
        let _ = self.visit(object, old, None, Ratchet { current, parent: None }, &mut visit);
        visit.verdict
    }

    /// Checks a part of an object; nothing is forgiven.
    pub(crate) fn check_at(&self, value: &Json, old: Option<&Json>, path: &str) -> Vec<Cause> {
        let mut visit = Visit { verdict: Verdict::default(), budget: BUDGET };
        let _ = self.visit(value, old, Some(path), Ratchet::default(), &mut visit);
        visit.verdict.causes
    }

    fn visit(
        &self,
        value: &Json,
        old: Option<&Json>,
        path: Option<&str>,
        ratchet: Ratchet<'_>,
        out: &mut Visit,
    ) -> Result<(), Spent> {
        if value.is_null() {
            return Ok(());
        }
        if !self.rules.is_empty() {
            self.apply(value, old.filter(|old| !old.is_null()), path, ratchet, out)?;
        }
        match value {
            Json::Array(items) => {
                let Some(below) = &self.items else { return Ok(()) };
                for (at, item) in items.iter().enumerate() {
                    let before = old.and_then(|old| old_item(&self.schema, old, item));
                    let path = format!("{}[{at}]", path.unwrap_or_default());
                    below.visit(item, before, Some(&path), ratchet.index(at), out)?;
                }
            }
            Json::Object(map) => {
                for (name, child) in map {
                    let before = old.and_then(|old| old.get(name));
                    if let Some(below) = &self.additional {
                        let path = format!("{}[{name}]", path.unwrap_or_default());
                        below.visit(child, before, Some(&path), ratchet.key(name), out)?;
                    }
                    if let Some(below) = self.properties.get(name) {
                        let path = path.map_or_else(|| name.clone(), |path| format!("{path}.{name}"));
                        below.visit(child, before, Some(&path), ratchet.key(name), out)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn apply(
        &self,
        value: &Json,
        old: Option<&Json>,
        path: Option<&str>,
        ratchet: Ratchet<'_>,
        out: &mut Visit,
    ) -> Result<(), Spent> {
        let kind = json!(self.schema["type"].as_str().unwrap_or_default());
        let field = path.unwrap_or("<nil>");
        if out.budget == 0 {
            return out.end(Cause::invalid(field, &kind, OUT_OF_BUDGET));
        }
        let convert = |json: &Json| declare::value_of(json, &self.schema, self.is_resource);
        let mut variables = Variables::default().with("self", convert(value));
        let old_self = old.filter(|_| self.rules.iter().any(|rule| rule.uses_old_self)).map(convert);
        if let Some(old_self) = &old_self {
            variables.set("oldSelf", old_self.clone());
        }
        for rule in &self.rules {
            let optional = rule.spec["optionalOldSelf"] == true;
            if rule.uses_old_self && old.is_none() && !optional {
                continue;
            }
            let outcome = if optional {
                let old_self = Value::Optional(old_self.clone().map(Box::new));
                rule.expression.evaluate(&variables.clone().with("oldSelf", old_self))
            } else {
                rule.expression.evaluate(&variables)
            };
            if !out.spend(outcome.1) {
                return out.end(Cause::invalid(field, &kind, OUT_OF_BUDGET));
            }
            match outcome.0 {
                Ok(Value::Bool(true)) => continue,
                Ok(_) => {}
                Err(failure) => {
                    let why = failure_words(&failure.0, rule.shown());
                    let cause = Cause::invalid(field, &kind, why);
                    if failure.0.starts_with(LIMIT_EXCEEDED) {
                        return out.end(cause);
                    }
                    out.verdict.causes.push(cause);
                    continue;
                }
            }
            let field = match (&rule.path, path) {
                (Some(inner), Some(path)) => format!("{path}.{inner}"),
                (Some(inner), None) => inner.clone(),
                (None, _) => field.to_owned(),
            };
            let is_forgiven = !rule.uses_old_self && ratchet.forgives();
            let made = rule.message_expression.as_ref().map(|message| made_message(message, rule, &variables, out));
            let made = match made.unwrap_or(Ok(None)) {
                Ok(made) => made,
                Err(why) => {
                    out.tell(Cause::invalid(field, &kind, why), is_forgiven);
                    return Err(Spent);
                }
            };
            let detail = made.unwrap_or_else(|| match rule.text("message") {
                "" => format!("failed rule: {}", rule.shown()),
                message => message.trim().to_owned(),
            });
            let shown = Some(value).filter(|_| kind != "object" && kind != "array");
            out.tell(cause_for(rule.text("reason"), field, shown, &detail), is_forgiven);
        }
        Ok(())
    }
}

/// What evaluating rules has found, and what more it may cost.
struct Visit {
    verdict: Verdict,
    budget: u64,
}

/// There is nothing left to evaluate rules with.
struct Spent;

impl Visit {
    /// Takes a cost from the budget; returns whether there was enough left.
    fn spend(&mut self, cost: u64) -> bool {
        let left = self.budget.checked_sub(cost);
        self.budget = left.unwrap_or(0);
        left.is_some()
    }

    fn end(&mut self, cause: Cause) -> Result<(), Spent> {
        self.verdict.causes.push(cause);
        Err(Spent)
    }

    fn tell(&mut self, cause: Cause, is_forgiven: bool) {
        if is_forgiven {
            self.verdict.warnings.push(format!("{}: {}", cause.field, cause.message));
        } else {
            self.verdict.causes.push(cause);
        }
    }
}

/// Evaluates the expression of a message; one that makes no single line of a sensible length makes none. The error is that
/// there is nothing left to evaluate rules with.
fn made_message(
    expression: &Expression,
    rule: &Rule,
    variables: &Variables,
    out: &mut Visit,
) -> Result<Option<String>, String> {
    let (outcome, cost) = expression.evaluate(variables);
    if !out.spend(cost) {
        let why = "messageExpression evaluation failed due to running out of cost budget, no further validation rules \
                   will be run";
        return Err(why.to_owned());
    }
    let text = match outcome {
        Ok(Value::String(text)) => text.trim().to_owned(),
        Err(failure) if failure.0.starts_with(LIMIT_EXCEEDED) => {
            let source = crate::error::show(&rule.spec["messageExpression"]);
            return Err(format!(
                "no further validation rules will be run due to call cost exceeds limit for messageExpression: {source}"
            ));
        }
        _ => return Ok(None),
    };
    Ok(Some(text).filter(|text| !text.is_empty() && text.len() <= MAX_MESSAGE && !text.contains('\n')))
}

/// Keeps of a schema what is needed to find the old self of a list's items.
fn outline(schema: &Json) -> Json {
    let mut out = json!({});
    for key in ["type", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"] {
        if let Some(value) = schema.get(key) {
            out[key] = value.clone();
        }
    }
    out
}

fn failure_words(failure: &str, rule: &str) -> String {
    if failure.starts_with("no such overload") {
        return format!(
            "'{failure}': call arguments did not match a supported operator, function or macro signature for rule: {rule}"
        );
    }
    if failure.starts_with(LIMIT_EXCEEDED) {
        return format!(
            "'{failure}': no further validation rules will be run due to call cost exceeds limit for rule: {rule}"
        );
    }
    format!("{failure} evaluating rule: {rule}")
}

fn cause_for(reason: &str, field: String, value: Option<&Json>, detail: &str) -> Cause {
    let with_value = |word: &str| match value {
        Some(value) => format!("{word}: {}", crate::error::show(value)),
        None => word.to_owned(),
    };
    match reason {
        "FieldValueForbidden" => Cause::forbidden(field, detail),
        "FieldValueRequired" => Cause::required(field, detail),
        "FieldValueDuplicate" => Cause { reason: "FieldValueDuplicate", message: with_value("Duplicate value"), field },
        _ => {
            Cause { reason: "FieldValueInvalid", message: format!("{}: {detail}", with_value("Invalid value")), field }
        }
    }
}
