//! The query of lists and watches, read and checked in the real server's order, so that of several mistakes the same one is
//! told.

use super::route::Query;
use crate::error::{ApiError, Cause};
use crate::registry::Target;
use crate::selector::Selectors;

/// What a list or watch asks for (`meta.k8s.io` `ListOptions`).
#[derive(Debug)]
pub(super) struct ListOptions {
    pub(super) selectors: Selectors,
    pub(super) watch: bool,
    pub(super) bookmarks: bool,
    pub(super) resource_version: String,
    pub(super) rule: String,
    pub(super) timeout_secs: Option<u64>,
    /// 0 when there is none.
    pub(super) limit: u64,
    pub(super) token: String,
    pub(super) initial_events: Option<bool>,
}

/// The two rules by which a list may be held against a revision.
pub(super) const EXACT: &str = "Exact";
pub(super) const NOT_OLDER_THAN: &str = "NotOlderThan";

impl ListOptions {
    /// Reads the query.
    pub(super) fn read(query: &Query) -> Result<Self, ApiError> {
        let integer = |key: &str| if query.has(key) { parse_int(query.text(key)) } else { Ok(0) };
        let timeout = integer("timeoutSeconds")?;
        let limit = integer("limit")?;
        Ok(Self {
            selectors: Selectors::parse(query.text("labelSelector"), query.text("fieldSelector"))?,
            watch: query.flag("watch"),
            bookmarks: query.flag("allowWatchBookmarks"),
            resource_version: query.text("resourceVersion").to_owned(),
            rule: query.text("resourceVersionMatch").to_owned(),
            timeout_secs: u64::try_from(timeout).ok().filter(|secs| *secs > 0),
            limit: u64::try_from(limit).unwrap_or(0),
            token: query.text("continue").to_owned(),
            initial_events: query.has("sendInitialEvents").then(|| query.flag("sendInitialEvents")),
        })
    }

    /// Checks what the options say together, and what they say of the kind.
    pub(super) fn checked(mut self, target: &Target<'_>) -> Result<Self, ApiError> {
        // Watches from no revision in particular are streaming lists, though nobody said so.
        if self.watch && self.initial_events.is_none() && self.rule.is_empty() && self.is_from_anywhere() {
            self.initial_events = Some(true);
            NOT_OLDER_THAN.clone_into(&mut self.rule);
        }
        let causes = if self.watch { self.watch_mistakes() } else { self.list_mistakes() };
        if !causes.is_empty() {
            return Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", causes));
        }
        self.selectors.translate(target.resource)?;
        if !target.name.is_empty() {
            self.selectors.require_name(target.name)?;
        }
        Ok(self)
    }

    fn is_from_anywhere(&self) -> bool {
        matches!(self.resource_version.as_str(), "" | "0")
    }

    fn list_mistakes(&self) -> Vec<Cause> {
        let mut causes = Vec::new();
        let mut forbid = |field: &str, why: &str| causes.push(Cause::forbidden(field, why));
        let field = "resourceVersionMatch";
        if !self.rule.is_empty() {
            if self.resource_version.is_empty() {
                forbid(field, "resourceVersionMatch is forbidden unless resourceVersion is provided");
            }
            if !self.token.is_empty() {
                forbid(field, "resourceVersionMatch is forbidden when continue is provided");
            }
            if self.rule != EXACT && self.rule != NOT_OLDER_THAN {
                let allowed = [EXACT, NOT_OLDER_THAN, ""].map(str::to_owned);
                causes.push(Cause::unsupported(field, &self.rule.as_str().into(), &allowed));
            } else if self.rule == EXACT && self.resource_version == "0" {
                forbid(field, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
            }
        }
        if self.initial_events.is_some() {
            causes.push(Cause::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
        }
        causes
    }

    fn watch_mistakes(&self) -> Vec<Cause> {
        let mut causes = Vec::new();
        let field = "resourceVersionMatch";
        let is_fresh = self.rule == NOT_OLDER_THAN;
        if self.initial_events.is_some() && !is_fresh {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            causes.push(Cause::forbidden(field, why));
        }
        if !self.rule.is_empty() {
            if self.initial_events.is_none() {
                let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
                causes.push(Cause::forbidden(field, why));
            }
            if !is_fresh {
                let allowed = [NOT_OLDER_THAN.to_owned()];
                causes.push(Cause::unsupported(field, &self.rule.as_str().into(), &allowed));
            }
            if !self.token.is_empty() {
                let why = "resourceVersionMatch is forbidden when continue is provided";
                causes.push(Cause::forbidden(field, why));
            }
        }
        causes
    }
}

/// Reads a number as Go's `strconv.ParseInt` does.
pub(super) fn parse_int(text: &str) -> Result<i64, ApiError> {
    text.parse::<i64>().map_err(|error| {
        let why = why_no_number(error.kind());
        ApiError::bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}"))
    })
}

fn why_no_number(kind: &std::num::IntErrorKind) -> &'static str {
    use std::num::IntErrorKind;
    match kind {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    }
}

/// Reads a revision; `None` when there is none. The error is upstream's for one that is no number.
pub(super) fn parse_rv(text: &str) -> Result<Option<u64>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    // Unlike Go's, Rust's parser takes a plus sign.
    let parsed = if text.starts_with('+') { Err("invalid syntax") } else { Ok(()) }
        .and_then(|()| text.parse().map_err(|error: std::num::ParseIntError| why_no_number(error.kind())));
    parsed.map(Some).map_err(|why| {
        let why = format!("strconv.ParseUint: parsing {text:?}: {why}");
        let cause = Cause::invalid("resourceVersion", &text.into(), why);
        ApiError::unforeseen(format!("{}: {}", cause.field, cause.message))
    })
}
