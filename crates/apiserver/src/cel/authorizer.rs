//! What policies may ask the authorizer: `authorizer.group('').resource('pods').check('get').allowed()`.

use super::value::Value;

/// Answers whether somebody may do something, and why.
pub(crate) type Ask<'a> = dyn Fn(&Question) -> (bool, String) + 'a;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question {
    pub(crate) verb: String,
    pub(crate) path: Option<String>,
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Another user than the request's: a namespace and name.
    pub(crate) service_account: Option<(String, String)>,
}

/// A question in the making, or its answer.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Authorizer(Question),
    Path(Question),
    Group(Question),
    Resource(Question),
    Decision { allowed: bool, reason: String },
}

impl Step {
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Authorizer(_) => "kubernetes.authorization.Authorizer",
            Self::Path(_) => "kubernetes.authorization.PathCheck",
            Self::Group(_) => "kubernetes.authorization.GroupCheck",
            Self::Resource(_) => "kubernetes.authorization.ResourceCheck",
            Self::Decision { .. } => "kubernetes.authorization.Decision",
        }
    }

    /// Asks whether the verb is allowed; `None` when nothing is named it could be done to.
    pub(super) fn check(&self, verb: &Value, ask: &Ask<'_>) -> Option<Value> {
        let (Self::Path(question) | Self::Resource(question), Value::String(verb)) = (self, verb) else { return None };
        let question = Question { verb: verb.to_string(), ..question.clone() };
        let (allowed, reason) = ask(&question);
        Some(Value::Authorizer(Self::Decision { allowed, reason }.into()))
    }

    /// Goes on with a question; `None` when it cannot go on so.
    pub(super) fn next(&self, method: &str, args: &[&str]) -> Option<Self> {
        let text = |at: usize| args.get(at).map(|text| (*text).to_owned());
        Some(match (self.clone(), method) {
            (Self::Authorizer(question), "path") => Self::Path(Question { path: text(0), ..question }),
            (Self::Authorizer(question), "group") => Self::Group(Question { group: text(0)?, ..question }),
            (Self::Authorizer(question), "serviceAccount") => {
                Self::Authorizer(Question { service_account: Some((text(0)?, text(1)?)), ..question })
            }
            (Self::Group(question), "resource") => Self::Resource(Question { resource: text(0)?, ..question }),
            (Self::Resource(question), "subresource") => Self::Resource(Question { subresource: text(0)?, ..question }),
            (Self::Resource(question), "namespace") => Self::Resource(Question { namespace: text(0)?, ..question }),
            (Self::Resource(question), "name") => Self::Resource(Question { name: text(0)?, ..question }),
            // Roles do not tell objects by their fields and labels.
            (Self::Resource(question), "fieldSelector" | "labelSelector") => Self::Resource(question),
            _ => return None,
        })
    }
}
