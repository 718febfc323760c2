//! `Impersonate-*`: a request on somebody else's behalf (k8s: `apiserver/pkg/endpoints/filters/impersonation`).

use http::{HeaderMap, HeaderName};

use super::user::{service_account_groups, service_account_name, split_service_account};
use super::{ANONYMOUS, AUTHENTICATED, Access, UNAUTHENTICATED, User, authorize, forbidden};
use crate::cluster::Cluster;
use crate::error::ApiError;

const USER: HeaderName = HeaderName::from_static("impersonate-user");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");
const UID: HeaderName = HeaderName::from_static("impersonate-uid");
const EXTRA: &str = "impersonate-extra-";

/// The group of `userextras` and `uids`.
const AUTHENTICATION: &str = "authentication.k8s.io";

/// One thing somebody wants to be.
struct Claim {
    access: Access,
    /// As Go prints the reference in the refusal of a request without a user.
    printed: String,
}

/// Returns who a request is to be taken for: `asker`, or whom its headers name, if `asker` may be them.
pub(crate) fn impersonate(cluster: &Cluster, asker: User, headers: &HeaderMap) -> Result<User, ApiError> {
    let texts = |name: &HeaderName| -> Vec<String> {
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    };
    let name = texts(&USER).into_iter().next().unwrap_or_default();
    let groups = texts(&GROUP);
    let uid = texts(&UID).into_iter().next().unwrap_or_default();
    let mut user = User { name, uid, ..User::default() };
    for key in headers.keys() {
        let Some(extra) = key.as_str().strip_prefix(EXTRA) else { continue };
        user.extra.insert(unescape(extra), texts(key));
    }
    let wants_more = !groups.is_empty() || !user.extra.is_empty() || !user.uid.is_empty();
    if user.name.is_empty() && !wants_more {
        return Ok(asker);
    }
    let account = split_service_account(&user.name).map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
    let claims = claims(&user, account.as_ref(), &groups);
    if user.name.is_empty() {
        let told: Vec<&str> = claims.iter().map(|claim| claim.printed.as_str()).collect();
        return Err(ApiError::bad_request(format!("requested [{}] without impersonating a user", told.join(" "))));
    }
    cluster.with_state(|state, _| {
        for claim in &claims {
            if let Err(reason) = authorize(state, &asker, &claim.access) {
                return Err(forbidden(&asker, &claim.access, &reason));
            }
        }
        Ok(())
    })?;
    if let Some((namespace, name)) = account {
        user.name = service_account_name(&namespace, &name);
        if groups.is_empty() {
            user.groups = service_account_groups(&namespace);
        }
    }
    user.groups.extend(groups);
    let has = |group: &str| user.groups.iter().any(|have| have == group);
    if user.name != ANONYMOUS && !has(AUTHENTICATED) && !has(UNAUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    } else if user.name == ANONYMOUS && !has(UNAUTHENTICATED) {
        user.groups.push(UNAUTHENTICATED.to_owned());
    }
    Ok(user)
}

fn claims(user: &User, account: Option<&(String, String)>, groups: &[String]) -> Vec<Claim> {
    let claim = |group: &str, resource: &str, namespace: &str, name: &str, kind: &str, field: &str| {
        let version = if group.is_empty() { String::new() } else { format!("{group}/v1") };
        Claim {
            access: Access::resource("impersonate", group, resource, namespace, name),
            printed: format!("{{{kind} {namespace} {name}  {version}  {field}}}"),
        }
    };
    let mut out = Vec::new();
    if let Some((namespace, name)) = account {
        out.push(claim("", "serviceaccounts", namespace, name, "ServiceAccount", ""));
    } else if !user.name.is_empty() {
        out.push(claim("", "users", "", &user.name, "User", ""));
    }
    for group in groups {
        out.push(claim("", "groups", "", group, "Group", ""));
    }
    for (key, values) in &user.extra {
        for value in values {
            let mut one = claim(AUTHENTICATION, "userextras", "", value, "UserExtra", key);
            if let super::Subject::Resource { subresource, .. } = &mut one.access.subject {
                key.clone_into(subresource);
            }
            out.push(one);
        }
    }
    if !user.uid.is_empty() {
        out.push(claim(AUTHENTICATION, "uids", "", &user.uid, "UID", ""));
    }
    out
}

/// Decodes percent signs; a text in which one is wrong is taken as it is.
pub(super) fn unescape(key: &str) -> String {
    let mut bytes = key.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) => out.push((high * 16 + low) as u8),
            _ => return key.to_owned(),
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| key.to_owned())
}
