//! Who a request comes from: a client certificate, a token, or nobody in particular.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use super::{Authorization, User, tokens};
use crate::cluster::Cluster;
use crate::error::ApiError;

/// What the other end of a connection showed of itself; an extension of every request that came over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A certificate of the server's authority.
    Known(Box<User>),
    /// A certificate nobody here signed, or one out of time.
    Doubtful,
}

/// Finds out who asks.
pub(crate) fn authenticate(cluster: &Cluster, headers: &HeaderMap, peer: Option<&Peer>) -> Result<User, ApiError> {
    let options = cluster.options();
    let lenient = options.authorization == Authorization::AlwaysAllow && options.allow_anonymous;
    let found = match peer {
        Some(Peer::Known(user)) => return Ok(User::clone(user).authenticated()),
        Some(Peer::Doubtful) => Some(Err(())),
        None => None,
    };
    let found = match bearer(headers) {
        Some(token) => Some(of_token(cluster, token, None).map(|known| known.user).map_err(drop)),
        None => found,
    };
    match found {
        Some(Ok(user)) => Ok(user),
        // Clients of a cluster that asks nothing may still be configured to show something.
        _ if lenient => Ok(User::administrator().authenticated()),
        None if options.allow_anonymous => Ok(User::anonymous()),
        _ => Err(ApiError::new(401, "Unauthorized", "Unauthorized")),
    }
}

/// Returns the token of an `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = header(headers, &AUTHORIZATION).trim();
    let (scheme, rest) = given.split_once(' ')?;
    let token = rest.split(' ').next().unwrap_or_default();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Returns what is odd about an `Authorization` header that counts as none.
pub(crate) fn credentials_warning(headers: &HeaderMap) -> Option<&'static str> {
    let mut parts = header(headers, &AUTHORIZATION).trim().splitn(3, ' ');
    let (scheme, token, rest) = (parts.next()?, parts.next()?, parts.next());
    let is_odd = scheme.eq_ignore_ascii_case("bearer") && token.is_empty() && rest.is_some();
    is_odd.then_some("the provided Authorization header contains extra space before the bearer token, and is ignored")
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whose a token is.
pub(crate) struct Known {
    pub(crate) user: User,
    /// Whom it was made for, of those asked about.
    pub(crate) audiences: Vec<String>,
}

/// Finds whose a token is; `audiences` are those it must be for, the server itself when `None`. The error is told by
/// token reviews.
pub(crate) fn of_token(cluster: &Cluster, token: &str, audiences: Option<&[String]>) -> Result<Known, String> {
    const INVALID: &str = "invalid bearer token";
    let own = [tokens::ISSUER.to_owned()];
    let asked = audiences.unwrap_or(&own);
    let options = cluster.options();
    let known = if options.token.as_deref() == Some(token) {
        Some(User::administrator())
    } else {
        options.users.get(token).cloned()
    };
    if let Some(user) = known {
        // Static tokens are for the server itself.
        return if asked.contains(&own[0]) {
            Ok(Known { user: user.authenticated(), audiences: own.into() })
        } else {
            Err(INVALID.to_owned())
        };
    }
    match tokens::verify(cluster, token, asked) {
        Ok(Some(known)) => Ok(known),
        Ok(None) => Err(INVALID.to_owned()),
        Err(why) => Err(format!("[{INVALID}, {why}]")),
    }
}
