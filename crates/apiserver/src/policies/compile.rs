//! The expressions of policies and match conditions, and the variables they know
//! (k8s: `admission/plugin/cel/compile.go`).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::Value;

use crate::cel::Expression;
use crate::cel::types::{ObjectType, Type, go_name};
use crate::cluster::lock;

/// Which variables an expression may mention besides those it always may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Knows {
    pub(crate) params: bool,
    pub(crate) authorizer: bool,
}

/// The types of the variables of policies.
pub(crate) fn variables(knows: Knows, own: Option<Type>) -> Vec<(&'static str, Type)> {
    let mut out = vec![
        ("object", Type::Dyn),
        ("oldObject", Type::Dyn),
        ("namespaceObject", namespace_type()),
        ("request", request_type()),
    ];
    if knows.params {
        out.push(("params", Type::Dyn));
    }
    if knows.authorizer {
        out.push(("authorizer", Type::opaque("kubernetes.authorization.Authorizer")));
        out.push(("authorizer.requestResource", Type::opaque("kubernetes.authorization.ResourceCheck")));
    }
    out.extend(own.map(|own| ("variables", own)));
    out
}

fn request_type() -> Type {
    let texts = |name: &str, fields: [&'static str; 3]| Type::object(name, fields.map(|field| (field, Type::String)));
    let kind = texts("kubernetes.GroupVersionKind", ["group", "version", "kind"]);
    let resource = texts("kubernetes.GroupVersionResource", ["group", "version", "resource"]);
    let extra = Type::map(Type::String, Type::list(Type::String));
    let user = Type::object(
        "kubernetes.UserInfo",
        [("username", Type::String), ("uid", Type::String), ("groups", Type::list(Type::String)), ("extra", extra)],
    );
    Type::object(
        "kubernetes.AdmissionRequest",
        [
            ("kind", kind.clone()),
            ("resource", resource.clone()),
            ("subResource", Type::String),
            ("requestKind", kind),
            ("requestResource", resource),
            ("requestSubResource", Type::String),
            ("name", Type::String),
            ("namespace", Type::String),
            ("operation", Type::String),
            ("userInfo", user),
            ("dryRun", Type::Bool),
            ("options", Type::Dyn),
        ],
    )
}

fn namespace_type() -> Type {
    let labels = || Type::map(Type::String, Type::String);
    let condition = Type::object(
        "kubernetes.NamespaceCondition",
        [
            ("status", Type::String),
            ("type", Type::String),
            ("lastTransitionTime", Type::Timestamp),
            ("message", Type::String),
            ("reason", Type::String),
        ],
    );
    let status =
        Type::object("kubernetes.NamespaceStatus", [("conditions", Type::list(condition)), ("phase", Type::String)]);
    let metadata = Type::object(
        "kubernetes.NamespaceMetadata",
        [
            ("name", Type::String),
            ("generateName", Type::String),
            ("namespace", Type::String),
            ("labels", labels()),
            ("annotations", labels()),
            ("UID", Type::String),
            ("creationTimestamp", Type::Timestamp),
            ("deletionGracePeriodSeconds", Type::Int),
            ("deletionTimestamp", Type::Timestamp),
            ("generation", Type::Int),
            ("resourceVersion", Type::String),
            ("finalizers", Type::list(Type::String)),
        ],
    );
    let spec = Type::object("kubernetes.NamespaceSpec", [("finalizers", Type::list(Type::String))]);
    Type::object("kubernetes.Namespace", [("metadata", metadata), ("spec", spec), ("status", status)])
}

/// Compiles an expression that must have one of some types; the error is upstream's.
pub(crate) fn compile(source: &str, known: &[(&str, Type)], wanted: &[Type]) -> Result<Expression, String> {
    let expression = Expression::compile(source, known).map_err(|why| format!("compilation failed: {why}"))?;
    if wanted.is_empty() || wanted.contains(&expression.ty) {
        return match expression.unplannable() {
            Some(why) => Err(format!("program instantiation failed: {why}")),
            None => Ok(expression),
        };
    }
    let names: Vec<String> = wanted.iter().map(go_name).collect();
    Err(if names.len() == 1 {
        format!("must evaluate to {} but got {}", names[0], go_name(&expression.ty))
    } else {
        format!("must evaluate to one of [{}] but got {}", names.join(" "), go_name(&expression.ty))
    })
}

/// A named expression of a policy.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) expression: Result<Expression, String>,
}

/// One validation of a policy.
#[derive(Debug)]
pub(crate) struct Validation {
    pub(crate) source: String,
    pub(crate) expression: Result<Expression, String>,
    pub(crate) message_expression: Option<Result<Expression, String>>,
    pub(crate) message: String,
    pub(crate) reason: String,
}

/// A policy whose expressions are compiled.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) conditions: Vec<Named>,
    pub(crate) variables: Vec<Named>,
    pub(crate) validations: Vec<Validation>,
    pub(crate) annotations: Vec<Named>,
}

impl Policy {
    /// Compiles a policy's spec, or takes it from the newest that were compiled.
    pub(crate) fn of(spec: &Value) -> Arc<Self> {
        type Newest = (HashMap<String, Arc<Policy>>, VecDeque<String>);
        static COMPILED: LazyLock<Mutex<Newest>> = LazyLock::new(Mutex::default);
        /// Policies of all clusters of the process that stay compiled.
        const MOST: usize = 256;
        // What is compiled depends on the text alone, whichever cluster it is of.
        let text = spec.to_string();
        if let Some(found) = lock(&COMPILED).0.get(&text) {
            return Arc::clone(found);
        }
        let policy = Arc::new(Self::compile(spec));
        let mut compiled = lock(&COMPILED);
        if compiled.0.insert(text.clone(), Arc::clone(&policy)).is_none() {
            compiled.1.push_back(text);
        }
        while compiled.1.len() > MOST {
            if let Some(oldest) = compiled.1.pop_front() {
                compiled.0.remove(&oldest);
            }
        }
        policy
    }

    fn compile(spec: &Value) -> Self {
        let has_params = !spec["paramKind"].is_null();
        let knows = Knows { params: has_params, authorizer: true };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = |key: &str| spec[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let conditions = compile_conditions(all("matchConditions"), has_params);
        let mut fields = BTreeMap::new();
        let mut own = Vec::new();
        for variable in all("variables") {
            let (name, source) = (text(&variable["name"]), text(&variable["expression"]));
            let expression = compile(&source, &variables(knows, Some(variables_type(&fields))), &[]);
            let ty = expression.as_ref().map_or(Type::Dyn, |expression| declared(&expression.ty));
            fields.insert(name.clone(), ty);
            own.push(Named { name, source, expression });
        }
        let of_own = (!own.is_empty()).then(|| variables_type(&fields));
        let known = variables(knows, of_own.clone());
        let for_messages = variables(Knows { params: has_params, authorizer: false }, of_own);
        let validations = all("validations").iter().map(|validation| {
            let source = text(&validation["expression"]);
            let message = text(&validation["messageExpression"]);
            Validation {
                expression: compile(&source, &known, &[Type::Bool]),
                source,
                message_expression: (!message.is_empty()).then(|| compile(&message, &for_messages, &[Type::String])),
                message: text(&validation["message"]).trim().to_owned(),
                reason: text(&validation["reason"]),
            }
        });
        let validations = validations.collect();
        let annotations = all("auditAnnotations").iter().map(|annotation| {
            let source = text(&annotation["valueExpression"]).trim().to_owned();
            let expression = compile(&source, &known, &[Type::String, Type::Null]);
            Named { name: text(&annotation["key"]), source, expression }
        });
        let annotations = annotations.collect();
        Self { conditions, variables: own, validations, annotations }
    }
}

/// Compiles match conditions of a policy or a webhook.
pub(crate) fn compile_conditions(conditions: &[Value], has_params: bool) -> Vec<Named> {
    let known = variables(Knows { params: has_params, authorizer: true }, None);
    let one = |condition: &Value| {
        let source = condition["expression"].as_str().unwrap_or_default().trim().to_owned();
        let expression = compile(&source, &known, &[Type::Bool]);
        Named { name: condition["name"].as_str().unwrap_or_default().to_owned(), source, expression }
    };
    conditions.iter().map(one).collect()
}

/// Returns the type a variable is declared to have: what is neither simple nor a list or map may be anything.
pub(crate) fn declared(ty: &Type) -> Type {
    match ty {
        Type::List(of) => Type::list(declared(of)),
        Type::Map(key, value) => Type::map(declared(key), declared(value)),
        Type::Object(_) | Type::Opaque(..) | Type::Meta(_) | Type::Error | Type::Param(_) => Type::Dyn,
        simple => simple.clone(),
    }
}

/// The type of `variables`, with those that have been declared so far.
pub(crate) fn variables_type(fields: &BTreeMap<String, Type>) -> Type {
    Type::Object(Arc::new(ObjectType { name: "kubernetes.variables".to_owned(), fields: fields.clone() }))
}
