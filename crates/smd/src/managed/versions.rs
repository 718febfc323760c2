//! Objects in other versions of their kind: managers own fields of the version they write.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::owners::Owners;
use crate::schema::TypeRef;
use crate::set::Set;
use crate::typed::{Comparison, TypedError, compare, compare_valid, validate};

/// Knows the versions of a kind and converts between them.
pub trait Versions: fmt::Debug {
    /// Returns the object in a version such as `autoscaling/v2`, with its type there.
    ///
    /// `None` when there is no such version, or not any more: what managers owned in it is forgotten. An error, whose
    /// text goes into the refusal, when there is one but the object cannot be had in it.
    fn convert(&self, object: &Value, api_version: &str) -> Result<Option<(Value, TypeRef)>, String>;

    /// Returns whether what an endpoint does not write is the same in every version, not only in the request's.
    fn reset_alike(&self) -> bool {
        true
    }
}

/// Why owners of several versions cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// A conversion failed.
    #[error("{0}")]
    Convert(String),
    /// A conversion failed on the way to something.
    #[error("{0}: {1}")]
    Step(String, Box<VersionError>),
    /// Two objects cannot be compared.
    #[error("failed to compare objects: {0}")]
    Compare(TypedError),
}

impl VersionError {
    /// Says what could not be done for it.
    pub(super) fn of(step: &str) -> impl Fn(Self) -> Self {
        move |error| Self::Step(step.to_owned(), Box::new(error))
    }
}

/// The versions of one request.
#[derive(Clone, Copy)]
pub(super) struct Views<'a> {
    /// The request's own version.
    pub(super) api_version: &'a str,
    /// The type in it.
    pub(super) ty: &'a TypeRef,
    /// The others; when nobody knows them, all are read as the request's.
    pub(super) others: Option<&'a dyn Versions>,
    pub(super) reset_fields: &'a Set,
}

impl<'a> Views<'a> {
    /// Returns an object in a version, or `None` when there is no such version.
    #[expect(clippy::type_complexity, reason = "the object and its type, each borrowed where nothing changed")]
    pub(super) fn convert<'v>(
        &self,
        object: Cow<'v, Value>,
        to: &str,
    ) -> Result<Option<(Cow<'v, Value>, Cow<'a, TypeRef>)>, VersionError> {
        let from = object.get("apiVersion").and_then(Value::as_str).unwrap_or(self.api_version);
        match self.others {
            Some(others) if from != to || to != self.api_version => {
                let converted = others.convert(&object, to).map_err(VersionError::Convert)?;
                let Some((object, ty)) = converted else { return Ok(None) };
                // What comes out of a conversion must be of its type, and its items told apart.
                if from != to {
                    validate(&ty, &object).map_err(|mistakes| VersionError::Convert(mistakes.to_string()))?;
                }
                Ok(Some((Cow::Owned(object), Cow::Owned(ty))))
            }
            _ => Ok(Some((object, Cow::Borrowed(self.ty)))),
        }
    }

    /// Returns what changed between two states, in each version in which somebody owns fields.
    ///
    /// Managers of versions there are no longer are forgotten. The earlier state is known to be of the request's type.
    pub(super) fn changes(&self, old: &Value, new: &Value, owners: &mut Owners) -> Result<Changes, VersionError> {
        let own = compare_valid(self.ty, old, new).map_err(VersionError::Compare)?.without(self.reset_fields);
        let mut changes = Changes { by_version: BTreeMap::from([(self.api_version.to_owned(), own)]) };
        let mut gone = Vec::new();
        for owned in owners.0.values() {
            let version = &owned.api_version;
            if changes.by_version.contains_key(version) || gone.contains(version) {
                continue;
            }
            let old = self.convert(Cow::Borrowed(old), version);
            let converted = match old.map_err(VersionError::of("failed to convert old object"))? {
                None => None,
                Some((old, ty)) => {
                    let new = self.convert(Cow::Borrowed(new), version);
                    new.map_err(VersionError::of("failed to convert new object"))?.map(|(new, _)| (old, new, ty))
                }
            };
            match converted {
                Some((old, new, ty)) => {
                    changes.by_version.insert(version.clone(), self.compare(&ty, &old, &new)?);
                }
                None => gone.push(version.clone()),
            }
        }
        owners.0.retain(|_, owned| !gone.contains(&owned.api_version));
        Ok(changes)
    }

    fn compare(&self, ty: &TypeRef, old: &Value, new: &Value) -> Result<Comparison, VersionError> {
        let change = compare(ty, old, new).map_err(VersionError::Compare)?;
        let alike = self.others.is_none_or(Versions::reset_alike);
        Ok(if alike { change.without(self.reset_fields) } else { change })
    }
}

/// A change as each version sees it.
pub(super) struct Changes {
    by_version: BTreeMap<String, Comparison>,
}

impl Changes {
    pub(super) fn of(&self, api_version: &str) -> Option<&Comparison> {
        self.by_version.get(api_version)
    }
}
