//! The versions in which managers own fields of an object.

use std::sync::Arc;

use bowline_smd::{TypeRef, Versions};
use serde_json::{Value, json};

use super::type_of;
use crate::autoscaler;
use crate::builtins::Builtins;
use crate::catalog::Catalog;
use crate::crd;
use crate::resource::{Gvr, Resource, split_api_version};
use crate::rules;
use crate::webhooks::convert::convert;

/// The versions a kind is served in.
#[derive(Debug)]
pub(super) struct Served<'a> {
    pub(super) resource: &'a Resource,
    pub(super) subresource: &'a str,
    pub(super) catalog: &'a Catalog,
}

impl Versions for Served<'_> {
    fn convert(&self, object: &Value, api_version: &str) -> Result<Option<(Value, TypeRef)>, String> {
        let (group, version) = split_api_version(api_version);
        let gvr = Gvr::new(group, version, &self.resource.plural);
        let found = self.catalog.find(&gvr).filter(|found| found.group == self.resource.group);
        if self.resource.custom().is_some() {
            let Some(found) = found else {
                return Err(format!("request to convert CR to an invalid group/version: {api_version}"));
            };
            let conversion = found.custom().and_then(|custom| custom.conversion.as_ref());
            let differs = object["apiVersion"] != api_version;
            let converted =
                conversion.filter(|_| differs).and_then(|conversion| convert(conversion, object, api_version));
            let is_converted = converted.is_some();
            let mut object = converted.unwrap_or_else(|| object.clone());
            object["apiVersion"] = json!(api_version);
            if let Some(custom) = found.custom().filter(|custom| is_converted && !custom.preserve_unknown)
                && let Some(unknown) = crd::prune(&mut object.clone(), &custom.schema).first()
            {
                return Err(format!(".{unknown}: field not declared in schema"));
            }
            return Ok(Some((object, type_of(&found))));
        }
        // Conversions start from the internal form of a group, so no way leads to another group's versions.
        let Some(found) = found else { return Ok(None) };
        if object["apiVersion"] == api_version {
            return Ok(Some((object.clone(), type_of(&found))));
        }
        let from = object["apiVersion"].as_str().unwrap_or_default();
        let (group, version) = split_api_version(from);
        let source = self.catalog.find(&Gvr::new(group, version, &self.resource.plural));
        if self.resource.is("autoscaling", "horizontalpodautoscalers") {
            let mut object = object.clone();
            match found.version.as_str() {
                "v1" => autoscaler::to_v1(&mut object),
                _ => autoscaler::to_v2(&mut object),
            }
            object["apiVersion"] = json!(api_version);
            // A conversion gives nothing its default.
            Builtins::get()
                .fill_zeros(&found.group, &found.version, &found.kind, &mut object)
                .map_err(|error| error.to_string())?;
            return Ok(Some((object, type_of(&found))));
        }
        let stored = match source {
            Some(source) => rules::to_storage(&source, object.clone(), self.catalog),
            None => return Ok(None),
        };
        let shown = rules::present(&found, &Arc::new(stored));
        Ok(Some((Arc::unwrap_or_clone(shown), type_of(&found))))
    }

    fn reset_alike(&self) -> bool {
        // Strategies of custom resources know only the version they are for; those of `/status` are put together.
        self.resource.custom().is_none() || self.subresource == "status"
    }
}
