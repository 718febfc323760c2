//! What the client wants to read.

use crate::error::ApiError;

/// The form of a reply that holds objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Whole objects.
    Objects,
    /// `meta.k8s.io Table`.
    Table,
    /// `meta.k8s.io PartialObjectMetadata`.
    Metadata,
}

/// Returns the first form of the client's list that this server speaks.
pub(super) fn form(accept: &str) -> Result<Form, ApiError> {
    if accept.trim().is_empty() {
        return Ok(Form::Objects);
    }
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let parameter = |name: &str| {
            range.split(';').skip(1).find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=').map(str::trim))
        };
        if !matches!(media_type, "application/json" | "application/*" | "*/*") {
            continue;
        }
        match parameter("as") {
            None => return Ok(Form::Objects),
            Some(_) if parameter("g").is_some_and(|group| group != "meta.k8s.io") => {}
            Some("Table") if parameter("v").is_none_or(|version| version == "v1" || version == "v1beta1") => {
                return Ok(Form::Table);
            }
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") => return Ok(Form::Metadata),
            Some(_) => {}
        }
    }
    Err(ApiError::new(
        406,
        "NotAcceptable",
        "406: Not Acceptable\n\nAvailable representations: application/json, application/json;stream=watch",
    ))
}

/// Returns whether the client wants aggregated discovery, version 2, before anything else it can get.
pub(super) fn wants_aggregated_discovery(accept: &str) -> bool {
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        if parts.next() != Some("application/json") {
            continue;
        }
        let parameters: Vec<&str> = parts.filter(|part| !part.starts_with("q=")).collect();
        if parameters.is_empty() {
            return false;
        }
        let has = |parameter: &str| parameters.contains(&parameter);
        if has("g=apidiscovery.k8s.io") && has("v=v2") && has("as=APIGroupDiscoveryList") {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_form_the_server_speaks_is_chosen() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        let flux = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
        let rows = [
            ("", Some(Form::Objects)),
            ("*/*", Some(Form::Objects)),
            (kubectl, Some(Form::Table)),
            (flux, Some(Form::Metadata)),
            ("application/vnd.kubernetes.protobuf,application/json", Some(Form::Objects)),
            ("application/vnd.kubernetes.protobuf", None),
        ];
        for (accept, want) in rows {
            assert_eq!(form(accept).ok(), want, "{accept}");
        }
        let discovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
        assert!(wants_aggregated_discovery(discovery));
        assert!(!wants_aggregated_discovery("application/json"));
    }
}
