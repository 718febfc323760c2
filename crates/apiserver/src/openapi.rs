//! OpenAPI v3: the index, the built-in documents as they are, and one document a group version of custom resources; and
//! version 2, which is derived from them.

mod custom;
mod gnostic;
pub(crate) mod v2;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::builtins::Builtins;
use crate::catalog::Catalog;
use crate::discovery::Tagged;
use crate::resource::Resource;

/// The index of one catalog, and its documents of custom resources.
#[derive(Debug)]
pub(crate) struct OpenApi {
    pub(crate) index: Tagged,
    custom: BTreeMap<String, Tagged>,
}

/// Returns a catalog's documents, made at the first call.
pub(crate) fn of(catalog: &Arc<Catalog>) -> &OpenApi {
    catalog.documents.openapi.get_or_init(|| {
        let mut documents = BTreeMap::new();
        for (group, versions) in &catalog.groups {
            for version in versions {
                let resources: Vec<&Arc<Resource>> =
                    catalog.of_version(group, version).filter(|resource| resource.custom().is_some()).collect();
                if !resources.is_empty() {
                    documents.insert(format!("apis/{group}/{version}"), Tagged::new(&custom::document(&resources)));
                }
            }
        }
        let mut hashes: BTreeMap<String, String> =
            Builtins::get().openapi_documents().map(|document| (document.key.clone(), document.hash.clone())).collect();
        hashes.extend(documents.iter().map(|(path, document)| (path.clone(), document.etag.clone())));
        let paths: Map<String, Value> = hashes
            .into_iter()
            .map(|(path, hash)| {
                let url = format!("/openapi/v3/{path}?hash={hash}");
                (path, json!({ "serverRelativeURL": url }))
            })
            .collect();
        OpenApi { index: Tagged::new(&json!({ "paths": paths })), custom: documents }
    })
}

impl OpenApi {
    /// Returns one document, by its key in the index.
    pub(crate) fn document(&self, path: &str) -> Option<Tagged> {
        if let Some(document) = self.custom.get(path) {
            return Some(document.clone());
        }
        let builtins = Builtins::get();
        let hash = builtins.openapi_documents().find(|document| document.key == path)?.hash.clone();
        let body = builtins.openapi_v3(path)?;
        Some(Tagged { body: Bytes::from(body.to_vec()), etag: hash })
    }
}
