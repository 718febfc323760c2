//! What a write needs beyond the right to ask for it.

use serde_json::Value;

use super::{Registry, Target, WriteOptions, meta, metadata};
use crate::auth::{Access, authorize, escalation, forbidden, requests};
use crate::error::ApiError;
use crate::rules;

impl Registry<'_> {
    /// Takes in an object that will be answered and not stored.
    pub(crate) fn receive(
        &mut self,
        target: &Target<'_>,
        mut object: Value,
        options: &mut WriteOptions,
    ) -> Result<Value, ApiError> {
        meta::check_identity(target, &mut object)?;
        if !target.resource.namespaced {
            metadata(&mut object).remove("namespace");
        }
        rules::decode(target.resource, &mut object, options)?;
        Ok(self.ownership(target).record(None, object, options))
    }

    /// Does what depends on who writes: refuses roles and bindings that give more than their writer has, and writes the
    /// writer into requests for certificates.
    pub(super) fn identify(
        &self,
        target: &Target<'_>,
        object: &mut Value,
        old: Option<&Value>,
        options: &WriteOptions,
    ) -> Result<(), ApiError> {
        match old {
            Some(old) => requests::keep(target, old, object, &self.clock.now_seconds()),
            None => requests::begin(target.resource, object, options.user.as_deref())?,
        }
        let Some(user) = &options.user else { return Ok(()) };
        if let Some(old) = old {
            requests::check_approval(self.state, user, target, old)?;
        }
        escalation::check(self.state, user, target, object, old)
    }

    /// Refuses an update or apply that would create, from those who may not create.
    pub(super) fn check_create_by_update(&self, target: &Target<'_>, options: &WriteOptions) -> Result<(), ApiError> {
        let Some(user) = options.user.as_ref().filter(|_| !target.name.is_empty()) else { return Ok(()) };
        let resource = target.resource;
        let access = Access::resource("create", &resource.group, &resource.plural, target.namespace, target.name);
        authorize(self.state, user, &access).map(drop).map_err(|reason| forbidden(user, &access, &reason))
    }
}
