use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bowline_model::Gvk;
use bowline_smd::{Schemas, TypeRef};
use http::Method;

use crate::{ApiError, Cluster};

/// Schemas by group and version, read when first asked for.
#[derive(Default)]
pub(crate) struct SchemaCache {
    by_version: Mutex<BTreeMap<(String, String), Schemas>>,
    asking: tokio::sync::Mutex<()>,
}

impl Cluster {
    /// Returns the type of a kind as the cluster publishes it; untyped where it publishes none.
    pub async fn type_of(&self, gvk: &Gvk) -> Result<TypeRef, ApiError> {
        let version = (gvk.group.clone(), gvk.version.clone());
        let found = |schemas: &Schemas| {
            schemas
                .type_of(&bowline_smd::Gvk {
                    group: gvk.group.clone(),
                    version: gvk.version.clone(),
                    kind: gvk.kind.clone(),
                })
                .unwrap_or_else(TypeRef::deduced)
        };
        let known =
            || self.0.schemas.by_version.lock().unwrap_or_else(PoisonError::into_inner).get(&version).map(found);
        if let Some(found) = known() {
            return Ok(found);
        }
        let _turn = self.0.schemas.asking.lock().await;
        if let Some(found) = known() {
            return Ok(found);
        }
        let schemas = self.read_schemas(&gvk.group, &gvk.version).await?;
        let answer = found(&schemas);
        self.0.schemas.by_version.lock().unwrap_or_else(PoisonError::into_inner).insert(version, schemas);
        Ok(answer)
    }

    async fn read_schemas(&self, group: &str, version: &str) -> Result<Schemas, ApiError> {
        let index = self.get_json("/openapi/v3", self.0.timeouts.list).await?;
        let name = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
        let mut schemas = Schemas::new();
        let Some(path) = index["paths"][&name]["serverRelativeURL"].as_str().map(str::to_owned) else {
            return Ok(schemas);
        };
        let (_, document) =
            self.send(Method::GET, &path, None, "application/json", Vec::new(), self.0.timeouts.list).await?;
        schemas.add_openapi_v3(&document).map_err(|error| ApiError::Unreadable {
            what: format!("GET /openapi/v3/{name}"),
            why: error.to_string(),
        })?;
        Ok(schemas)
    }

    /// Forgets the schemas of a group: one of its definitions changed.
    pub fn forget_schemas(&self, group: &str) {
        self.0.schemas.by_version.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _), _| known != group);
    }
}
