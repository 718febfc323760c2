//! Types of objects, read from OpenAPI v3 documents or from a CRD's schema, in a compact form.
//!
//! Only what merging, comparing and normalising need is kept; descriptions and paths are skipped while reading.

mod build;
mod code_defaults;
mod raw;
mod view;
mod zero;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

pub(crate) use view::{Handling, ListTy, MapTy, Shape, Ty};

/// A group, version and kind, as `x-kubernetes-group-version-kind` gives them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gvk {
    /// Empty for the core group.
    pub group: String,
    /// Such as `v1`.
    pub version: String,
    /// Such as `Deployment`.
    pub kind: String,
}

impl Gvk {
    /// A kind of this group and version.
    pub fn new(group: impl Into<String>, version: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { group: group.into(), version: version.into(), kind: kind.into() }
    }
}

/// Why a document is not a set of types.
#[derive(Debug, thiserror::Error)]
#[error("not an OpenAPI v3 document")]
pub struct SchemaError(#[from] serde_json::Error);

/// What a scalar may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarKind {
    /// A whole or other number.
    Numeric,
    /// A text.
    String,
    /// A boolean.
    Boolean,
    /// Any scalar: quantities, times, int-or-string, and whatever has no type.
    Untyped,
}

/// How a scalar is written, where the server reads more into it than a text or number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Nothing special.
    #[default]
    Plain,
    /// A `resource.Quantity` of a built-in type.
    Quantity,
    /// A number or a text.
    IntOrString,
    /// RFC 3339.
    DateTime,
    /// Base64.
    Byte,
    /// A 32-bit number.
    Int32,
    /// A 64-bit number.
    Int64,
    /// A floating-point number.
    Float,
    /// A format that only validation reads.
    Other,
}

/// How the items of a list are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ListRelation {
    /// They are not: the list is one value.
    #[default]
    Atomic,
    /// By their value; each occurs once.
    Set,
    /// By these fields.
    Map(Box<[Box<str>]>),
}

/// What strategic merge patch does with a field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PatchStrategy {
    /// Lists merge item by item instead of being replaced.
    pub merge: bool,
    /// Maps are replaced instead of merged.
    pub replace: bool,
    /// Fields the patch does not name in `$retainKeys` go.
    pub retain_keys: bool,
    /// The field that tells items apart; lists of scalars have none.
    pub merge_key: Option<Box<str>>,
}

/// Bounds on values, kept for validators; absent for most types.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    /// The only values allowed, when not empty.
    pub allowed: Vec<Value>,
    /// A regular expression texts must match.
    pub pattern: Option<Box<str>>,
    /// The least number.
    pub minimum: Option<f64>,
    /// The greatest number.
    pub maximum: Option<f64>,
    /// The least length of a text, in characters.
    pub min_length: Option<u64>,
    /// The greatest length of a text, in characters.
    pub max_length: Option<u64>,
    /// The least number of items.
    pub min_items: Option<u64>,
    /// The greatest number of items.
    pub max_items: Option<u64>,
}

/// A declared field of a struct.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: Box<str>,
    /// The value the schema gives it when it is absent. In built-in types an empty value means that the server
    /// always writes the field.
    pub default: Option<Value>,
    /// The value the API server's code gives it when it is absent, where comparing atomic values needs it.
    pub(crate) code_default: Option<Box<CodeDefault>>,
    /// Whether it must be present.
    pub required: bool,
    /// What strategic merge patch does with it.
    pub patch: Option<Box<PatchStrategy>>,
    pub(crate) ty: Ref,
}

/// A default the API server's code gives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CodeDefault {
    /// This value.
    Value(Value),
    /// For a map, the entries of the first of these sibling fields that has them.
    EntriesOf(&'static [&'static str]),
}

/// Where a type is: a slot of the table, or right here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ref {
    pub(crate) target: Target,
    /// Overrides whether maps of the target are atomic.
    pub(crate) atomic: Option<bool>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    Slot(u32),
    Inline(Arc<Node>),
}

impl Ref {
    pub(crate) const UNTYPED: Self = Self { target: Target::Slot(0), atomic: None };
    pub(crate) const DEDUCED: Self = Self { target: Target::Slot(1), atomic: None };
}

/// One type: the shapes a value may take, at least one.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Node {
    pub(crate) scalar: Option<ScalarKind>,
    pub(crate) list: Option<ListNode>,
    pub(crate) map: Option<MapNode>,
    pub(crate) format: Format,
    pub(crate) nullable: bool,
    pub(crate) preserve_unknown: bool,
    pub(crate) limits: Option<Box<Limits>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ListNode {
    pub(crate) relation: ListRelation,
    pub(crate) item: Ref,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MapNode {
    /// Sorted by name.
    pub(crate) fields: Box<[Field]>,
    /// The first letters of each field's name, by which most names are told apart.
    pub(crate) heads: Box<[u64]>,
    /// The type of values whose names are not declared; `None` where none may be.
    pub(crate) additional: Option<Ref>,
    pub(crate) atomic: bool,
}

/// The table behind types: shared, and copied before it grows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) slots: Vec<Option<Arc<Node>>>,
    pub(crate) names: BTreeMap<Box<str>, u32>,
    pub(crate) kinds: BTreeMap<Gvk, u32>,
    /// Whether absent required fields are written out empty, as the Go types of built-in kinds are.
    pub(crate) go_zero_values: bool,
}

/// The types of a cluster, from any number of OpenAPI documents.
///
/// Cloning is cheap, and so is handing out [`TypeRef`]s; both keep what they saw when the set grows.
#[derive(Debug, Clone)]
pub struct Schemas {
    table: Arc<Table>,
}

impl Default for Schemas {
    fn default() -> Self {
        Self::new()
    }
}

impl Schemas {
    /// A set without types.
    pub fn new() -> Self {
        Self { table: Arc::new(Table { go_zero_values: true, ..build::base_table().clone() }) }
    }

    /// Reads one OpenAPI v3 document, as served at `/openapi/v3/apis/GROUP/VERSION`.
    ///
    /// A component named like an earlier one replaces it, for every type that refers to it: documents of one server
    /// agree on what they share, and a CRD's changed document takes effect. On an error nothing changes.
    pub fn add_openapi_v3(&mut self, document: &[u8]) -> Result<(), SchemaError> {
        let document: raw::Document = serde_json::from_slice(document)?;
        build::add_components(Arc::make_mut(&mut self.table), document.components.schemas);
        Ok(())
    }

    /// The type of a kind.
    pub fn type_of(&self, gvk: &Gvk) -> Option<TypeRef> {
        self.at(*self.table.kinds.get(gvk)?)
    }

    /// The type of a component, such as `io.k8s.api.core.v1.PodSpec`.
    pub fn named(&self, name: &str) -> Option<TypeRef> {
        self.at(*self.table.names.get(name)?)
    }

    /// The kinds that have a type, in order.
    pub fn kinds(&self) -> impl Iterator<Item = &Gvk> {
        self.table.kinds.keys()
    }

    fn at(&self, slot: u32) -> Option<TypeRef> {
        let node = self.table.slots.get(slot as usize)?.clone()?;
        Some(TypeRef { table: Arc::clone(&self.table), node, atomic: None })
    }
}

/// A handle on one type; cheap to clone.
#[derive(Clone)]
pub struct TypeRef {
    pub(crate) table: Arc<Table>,
    pub(crate) node: Arc<Node>,
    pub(crate) atomic: Option<bool>,
}

impl fmt::Debug for TypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypeRef").field("node", &self.node).finish_non_exhaustive()
    }
}

/// What a value of a type may be, by [`TypeRef::kind`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind<'a> {
    /// A scalar.
    Scalar(ScalarKind),
    /// A struct, a free-form map, or both.
    Map {
        /// The declared fields, sorted by name.
        fields: &'a [Field],
        /// Whether other names are allowed.
        additional: bool,
        /// Whether the map is one value.
        atomic: bool,
    },
    /// A list.
    List(&'a ListRelation),
    /// More than one of these, decided by the value at hand.
    Any,
}

impl TypeRef {
    /// The type of objects without a schema: maps merge field by field, lists are single values.
    pub fn deduced() -> Self {
        static DEDUCED: OnceLock<TypeRef> = OnceLock::new();
        DEDUCED
            .get_or_init(|| {
                let table = Arc::new(build::base_table().clone());
                let node = table.slots[1].clone().expect("holds because the base table defines the deduced type");
                TypeRef { table, node, atomic: None }
            })
            .clone()
    }

    /// What a value of this type may be.
    pub fn kind(&self) -> Kind<'_> {
        match (&self.node.map, self.node.scalar, &self.node.list) {
            (Some(map), None, None) => Kind::Map {
                fields: &map.fields,
                additional: map.additional.is_some(),
                atomic: self.atomic.unwrap_or(map.atomic),
            },
            (None, Some(scalar), None) => Kind::Scalar(scalar),
            (None, None, Some(list)) => Kind::List(&list.relation),
            _ => Kind::Any,
        }
    }

    /// The declared fields of a struct, sorted by name; empty for anything else.
    pub fn fields(&self) -> &[Field] {
        self.node.map.as_ref().map_or(&[], |map| &map.fields)
    }

    /// A declared field.
    pub fn declared(&self, name: &str) -> Option<&Field> {
        let fields = self.fields();
        fields.binary_search_by(|field| (*field.name).cmp(name)).ok().map(|position| &fields[position])
    }

    /// The type of a field: its declared type, or that of the names which are not declared.
    pub fn field(&self, name: &str) -> Option<Self> {
        self.owned(self.ty().map()?.value_type(name)?)
    }

    /// The type of values under names that are not declared.
    pub fn additional(&self) -> Option<Self> {
        self.owned(self.ty().map()?.additional()?)
    }

    /// The type of a list's items.
    pub fn item(&self) -> Option<Self> {
        self.owned(self.ty().list()?.item())
    }

    /// The value the schema gives a field that is absent.
    pub fn default_of(&self, name: &str) -> Option<&Value> {
        self.declared(name)?.default.as_ref()
    }

    /// How scalars of this type are written.
    pub fn format(&self) -> Format {
        self.node.format
    }

    /// Whether `null` is a value of its own.
    pub fn nullable(&self) -> bool {
        self.node.nullable
    }

    /// Whether fields the schema does not declare are kept (`x-kubernetes-preserve-unknown-fields`).
    pub fn preserves_unknown(&self) -> bool {
        self.node.preserve_unknown
    }

    /// Bounds on values, where there are any.
    pub fn limits(&self) -> Option<&Limits> {
        self.node.limits.as_deref()
    }

    /// The object a built-in kind has before anything is set: the fields Go always writes, empty.
    ///
    /// For custom resources this is an empty map. Fields present here are not recorded as created by whoever creates
    /// the object; their contents are.
    pub fn zero_value(&self) -> Value {
        zero::zero_value(self.ty())
    }

    pub(crate) fn ty(&self) -> Ty<'_> {
        Ty { table: &self.table, node: &self.node, atomic: self.atomic }
    }

    fn owned(&self, ty: Ty<'_>) -> Option<Self> {
        // The view borrows nodes that live in an `Arc`; find that `Arc` again by its address.
        let node = self.find(ty.node)?;
        Some(Self { table: Arc::clone(&self.table), node, atomic: ty.atomic })
    }

    fn find(&self, node: &Node) -> Option<Arc<Node>> {
        let own = self.node.map.iter().flat_map(|map| map.fields.iter().map(|field| &field.ty).chain(&map.additional));
        own.chain(self.node.list.iter().map(|list| &list.item)).map(|reference| self.table.target(reference)).find_map(
            |target| {
                let target = target?;
                std::ptr::eq(Arc::as_ptr(target), node).then(|| Arc::clone(target))
            },
        )
    }
}

impl Table {
    /// The node a reference leads to; `None` when its component never came.
    pub(crate) fn target<'a>(&'a self, reference: &'a Ref) -> Option<&'a Arc<Node>> {
        match &reference.target {
            Target::Inline(node) => Some(node),
            Target::Slot(slot) => self.slots.get(*slot as usize)?.as_ref(),
        }
    }

    pub(crate) fn untyped(&self) -> &Node {
        self.slots[0].as_deref().expect("holds because every table starts from the base table")
    }

    pub(crate) fn deduced(&self) -> &Node {
        self.slots[1].as_deref().expect("holds because every table starts from the base table")
    }
}

/// Reads a CRD version's `openAPIV3Schema`, as the API server types custom resources.
///
/// `apiVersion`, `kind` and `metadata` get the types every object has, whatever the schema says of them; the same goes
/// for resources embedded in it. A schema that does not parse gives the deduced type.
pub fn from_structural(schema: &Value) -> TypeRef {
    build::from_structural(schema).unwrap_or_else(TypeRef::deduced)
}
