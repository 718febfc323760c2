//! How a field merges, and what is said of fields that a type does not have.

use super::PatchError;
use crate::schema::{Field, Format, ListTy, MapTy, PatchStrategy, ScalarKind, Ty, TypeRef};

/// Where a program learns how fields merge. What it computes is the same; its refusals are worded differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PatchLookup {
    /// The tags of Go types: Helm, and the API server itself.
    #[default]
    GoTypes,
    /// The cluster's OpenAPI v3 documents: kubectl.
    OpenApi,
}

/// A type on the way through an object; without one, everything is allowed and nothing is known.
#[derive(Clone, Copy)]
pub(super) struct Meta<'a> {
    ty: Option<Ty<'a>>,
    lookup: PatchLookup,
    /// Whether the Go type is a pointer to this.
    is_pointer: bool,
}

/// How a field merges.
#[derive(Clone, Copy, Default)]
pub(super) struct Strategy<'a>(Option<&'a PatchStrategy>);

impl<'a> Strategy<'a> {
    pub(super) fn merges(self) -> bool {
        self.0.is_some_and(|strategy| strategy.merge)
    }

    pub(super) fn replaces(self) -> bool {
        self.0.is_some_and(|strategy| strategy.replace)
    }

    pub(super) fn retains_keys(self) -> bool {
        self.0.is_some_and(|strategy| strategy.retain_keys)
    }

    pub(super) fn merge_key(self) -> Option<&'a str> {
        self.0.and_then(|strategy| strategy.merge_key.as_deref())
    }
}

impl<'a> Meta<'a> {
    pub(super) fn of(ty: &'a TypeRef, lookup: PatchLookup) -> Self {
        Self { ty: Some(ty.ty()), lookup, is_pointer: false }
    }

    fn unknown(self) -> Self {
        Self { ty: None, ..self }
    }

    /// The type of a map's field, and how the field merges.
    pub(super) fn of_map(self, name: &str) -> Result<(Self, Strategy<'a>), PatchError> {
        let Some(ty) = self.ty else { return Ok((self, Strategy::default())) };
        let map = ty.map();
        let Some(field) = map.and_then(|map| self.declared(map, name)) else {
            // Only built-in types are structs; of others it is enough what the schema knows.
            if ty.table.go_zero_values {
                return Err(self.unknown_field(ty, name));
            }
            let ty = map.and_then(|map| map.value_type(name));
            return Ok((Self { ty, ..self.unknown() }, Strategy::default()));
        };
        let of_field = map.map(|map| map.field_type(field));
        let is_pointer = of_field.is_some_and(|ty| is_pointer(ty, field));
        Ok((Self { ty: of_field, is_pointer, ..self }, Strategy(field.patch.as_deref())))
    }

    /// The type of the items of a list in a map's field, and how the field merges.
    pub(super) fn of_list(self, name: &str) -> Result<(Self, Strategy<'a>), PatchError> {
        let (of_field, strategy) = self.of_map(name)?;
        let Some(ty) = of_field.ty else { return Ok((of_field, strategy)) };
        let of_item = |list: ListTy<'a>| Self { ty: Some(list.item()), is_pointer: false, ..self };
        match list_of(ty) {
            Some(list) if self.lookup == PatchLookup::GoTypes && list_of(list.item()).is_some() => {
                Err(PatchError::ListOfListsByType)
            }
            Some(list) => Ok((of_item(list), strategy)),
            None if self.lookup == PatchLookup::OpenApi || !ty.table.go_zero_values => Ok((of_field, strategy)),
            // Behind a pointer Go looks for a list, and does not mind what else it finds.
            None if of_field.is_pointer || of_field.kind() == "slice" => {
                Ok((Self { is_pointer: false, ..of_field }, strategy))
            }
            None => Err(PatchError::NotAList(self.kind())),
        }
    }

    /// What Go calls the kind of this type.
    pub(super) fn name(self) -> String {
        match self.lookup {
            PatchLookup::GoTypes => self.kind().to_owned(),
            PatchLookup::OpenApi => match self.ty.map(|ty| (ty.node.scalar, ty.node.list.is_some())) {
                Some((Some(ScalarKind::String), _)) => "string".to_owned(),
                Some((Some(ScalarKind::Boolean), _)) => "boolean".to_owned(),
                Some((Some(ScalarKind::Numeric), _)) => "integer".to_owned(),
                Some((_, true)) => "array".to_owned(),
                _ => "object".to_owned(),
            },
        }
    }

    fn kind(self) -> &'static str {
        if self.is_pointer {
            return "ptr";
        }
        self.ty.map_or("struct", kind_of)
    }

    fn declared(self, map: MapTy<'a>, name: &str) -> Option<&'a Field> {
        let exact = map.declared(name);
        if exact.is_some() || self.lookup == PatchLookup::OpenApi || !map.table.go_zero_values {
            return exact;
        }
        // Go's decoder does not mind the case of names.
        map.node.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    fn unknown_field(self, ty: Ty<'a>, name: &str) -> PatchError {
        if self.lookup == PatchLookup::OpenApi {
            return PatchError::UnknownProperty(name.to_owned());
        }
        match kind_of(ty) {
            "struct" => {
                let owner = ty.component().and_then(|name| name.rsplit('.').next()).unwrap_or_default().to_owned();
                PatchError::UnknownField { owner, field: name.to_owned() }
            }
            other => PatchError::NotAStruct(other),
        }
    }
}

/// A field that holds a struct, and for which the schema has no default, is a pointer in Go; so is, as a rule, one that
/// holds a number or a boolean, but not a text.
fn is_pointer(ty: Ty<'_>, field: &Field) -> bool {
    match kind_of(ty) {
        "struct" => field.default.is_none(),
        "string" | "map" | "slice" => false,
        _ => field.default.is_none() && !field.required,
    }
}

/// The list that a type is; what may be anything is no list.
fn list_of(ty: Ty<'_>) -> Option<ListTy<'_>> {
    ty.list().filter(|_| ty.node.scalar.is_none() && ty.node.map.is_none())
}

fn kind_of(ty: Ty<'_>) -> &'static str {
    match (ty.map(), ty.node.scalar) {
        (Some(map), _) if !map.is_free_form() || ty.component().is_some() => "struct",
        (Some(_), None) => "map",
        _ if list_of(ty).is_some() || ty.format() == Format::Byte => "slice",
        // Times, quantities and their like.
        _ if ty.component().is_some() => "struct",
        (_, Some(ScalarKind::String)) => "string",
        (_, Some(ScalarKind::Boolean)) => "bool",
        (_, Some(ScalarKind::Numeric)) => match ty.format() {
            Format::Int32 => "int32",
            Format::Float => "float64",
            _ => "int64",
        },
        _ => "struct",
    }
}
