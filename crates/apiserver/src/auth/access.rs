//! What is asked, who decides, and the words of a refusal.

use super::impersonate::unescape;
use super::{Authorization, User, rbac};
use crate::builtins::path_segment;
use crate::cluster::State;
use crate::error::{ApiError, Details};
use crate::faults::RequestInfo;
use crate::selector::Selectors;

/// What somebody wants to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) verb: String,
    pub(crate) subject: Subject,
}

/// What it is done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Objects; each text is empty when it does not apply.
    Resource { group: String, resource: String, subresource: String, namespace: String, name: String },
    /// A path that is not about objects.
    Path(String),
}

impl Default for Subject {
    fn default() -> Self {
        Self::Path(String::new())
    }
}

impl Access {
    /// Asks for a verb on objects; `resource` may be `plural/subresource`.
    pub(crate) fn resource(verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> Self {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let subject = Subject::Resource {
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        Self { verb: verb.to_owned(), subject }
    }

    /// Returns what a request needs to be allowed; a collection narrowed to one name by `field_selector` needs that name.
    pub(crate) fn of_request(info: &RequestInfo, field_selector: &str) -> Self {
        if info.resource.is_empty() {
            return Self { verb: info.verb.clone(), subject: Subject::Path(unescape(&info.path)) };
        }
        let verb = match info.verb.as_str() {
            "apply" => "patch",
            known @ ("get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection") => known,
            _ => "",
        };
        let narrowed = || {
            if !matches!(verb, "list" | "watch") || field_selector.is_empty() {
                return String::new();
            }
            let selectors = Selectors::parse("", field_selector).unwrap_or_default();
            selectors.name().filter(|name| path_segment(name).is_empty()).unwrap_or_default().to_owned()
        };
        // A namespace is in itself, so that its owners can be given rights to it.
        let is_namespace = info.group.is_empty() && info.resource == "namespaces";
        let name = info.name.clone().unwrap_or_else(narrowed);
        let namespace = match &info.namespace {
            None if is_namespace => info.name.clone().unwrap_or_default(),
            namespace => namespace.clone().unwrap_or_default(),
        };
        let subject = Subject::Resource {
            group: info.group.clone(),
            resource: info.resource.clone(),
            subresource: info.subresource.split('/').next().unwrap_or_default().to_owned(),
            namespace,
            name,
        };
        Self { verb: verb.to_owned(), subject }
    }
}

/// Decides; the text says why, where the real server says so too.
pub(crate) fn authorize(state: &State, user: &User, access: &Access) -> Result<String, String> {
    if state.authorization == Authorization::AlwaysAllow || user.is_master() {
        return Ok(String::new());
    }
    rbac::authorize(state, user, access)
}

/// Returns the 403 for an access that was denied because of `reason`.
pub(crate) fn forbidden(user: &User, access: &Access, reason: &str) -> ApiError {
    let (user, verb) = (&user.name, &access.verb);
    let (what, details) = match &access.subject {
        Subject::Path(path) => (format!("User {user:?} cannot {verb} path {path:?}"), Details::default()),
        Subject::Resource { group, resource, subresource, namespace, name } => {
            let full = if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
            let place = if namespace.is_empty() {
                "at the cluster scope".to_owned()
            } else {
                format!("in the namespace {namespace:?}")
            };
            let details =
                Details { name: name.clone(), group: group.clone(), kind: resource.clone(), ..Details::default() };
            (format!("User {user:?} cannot {verb} resource {full:?} in API group {group:?} {place}"), details)
        }
    };
    let mut what = escaped(&what);
    if !reason.is_empty() {
        what = format!("{what}: {reason}");
    }
    let qualified = match details.group.as_str() {
        "" => details.kind.clone(),
        group => format!("{}.{group}", details.kind),
    };
    let message = match (qualified.as_str(), details.name.as_str()) {
        ("", _) => format!("forbidden: {what}"),
        (_, "") => format!("{qualified} is forbidden: {what}"),
        (_, name) => format!("{qualified} {name:?} is forbidden: {what}"),
    };
    ApiError::new(403, "Forbidden", message).about(details)
}

/// Keeps what a client sent from being read as markup, as upstream.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_read_as_upstream() {
        let user = User::new("bob");
        let list = Access::resource("list", "apps", "deployments/scale", "a", "web");
        assert_eq!(
            forbidden(&user, &list, "").message,
            "deployments.apps \"web\" is forbidden: User \"bob\" cannot list resource \"deployments/scale\" in API \
             group \"apps\" in the namespace \"a\""
        );
        let path = Access { verb: "get".to_owned(), subject: Subject::Path("/a<b".to_owned()) };
        assert_eq!(
            forbidden(&user, &path, "RBAC: x").message,
            "forbidden: User \"bob\" cannot get path \"/a&lt;b\": RBAC: x"
        );
    }
}
