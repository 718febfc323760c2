//! Types while walking a value: borrowed, free to copy.

use serde_json::Value;

use super::{Field, Format, ListNode, ListRelation, MapNode, Node, Ref, ScalarKind, Table};

/// A borrowed type.
#[derive(Clone, Copy)]
pub(crate) struct Ty<'a> {
    pub(crate) table: &'a Table,
    pub(crate) node: &'a Node,
    pub(crate) atomic: Option<bool>,
}

/// The shapes a type allows for one value: all of them for an absent or unfitting value, else the fitting one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    All,
    Scalar,
    List,
    Map,
}

/// What to do with a value: shapes in the order in which the Go library tries them.
pub(crate) enum Handling<'a> {
    Map(MapTy<'a>),
    Scalar(ScalarKind),
    List(ListTy<'a>),
}

impl<'a> Ty<'a> {
    /// The shape that fits `value`.
    pub(crate) fn shape(self, value: Option<&Value>) -> Shape {
        match value {
            Some(Value::Array(_)) if self.node.list.is_some() => Shape::List,
            Some(Value::Object(_)) if self.node.map.is_some() => Shape::Map,
            Some(Value::String(_) | Value::Number(_) | Value::Bool(_)) if self.node.scalar.is_some() => Shape::Scalar,
            _ => Shape::All,
        }
    }

    /// How to treat a value of this shape.
    pub(crate) fn handling(self, shape: Shape) -> Handling<'a> {
        let all = shape == Shape::All;
        if let Some(map) = self.map().filter(|_| all || shape == Shape::Map) {
            return Handling::Map(map);
        }
        if let Some(scalar) = self.node.scalar.filter(|_| all || shape == Shape::Scalar) {
            return Handling::Scalar(scalar);
        }
        match self.list() {
            Some(list) => Handling::List(list),
            // No shape at all: a component that never came has the untyped node, so this is an empty schema.
            None => Handling::Scalar(ScalarKind::Untyped),
        }
    }

    pub(crate) fn map(self) -> Option<MapTy<'a>> {
        let node = self.node.map.as_ref()?;
        Some(MapTy { table: self.table, node, atomic: self.atomic.unwrap_or(node.atomic) })
    }

    pub(crate) fn list(self) -> Option<ListTy<'a>> {
        Some(ListTy { table: self.table, node: self.node.list.as_ref()? })
    }

    /// The name of the component that this is, such as `io.k8s.api.core.v1.PodSpec`.
    pub(crate) fn component(self) -> Option<&'a str> {
        let slot = self
            .table
            .slots
            .iter()
            .position(|slot| slot.as_deref().is_some_and(|node| std::ptr::eq(node, self.node)))?;
        let slot = u32::try_from(slot).ok()?;
        self.table.names.iter().find(|(_, other)| **other == slot).map(|(name, _)| &**name)
    }

    pub(crate) fn format(self) -> Format {
        self.node.format
    }

    /// The type of what nothing is known about.
    pub(crate) fn deduced(table: &'a Table) -> Self {
        Self { table, node: table.deduced(), atomic: None }
    }
}

/// The map shape of a type.
#[derive(Clone, Copy)]
pub(crate) struct MapTy<'a> {
    pub(crate) table: &'a Table,
    pub(crate) node: &'a MapNode,
    pub(crate) atomic: bool,
}

impl<'a> MapTy<'a> {
    pub(crate) fn declared(self, name: &str) -> Option<&'a Field> {
        let head = head_of(name);
        let first = self.node.heads.partition_point(|have| *have < head);
        let alike = self.node.heads[first..].iter().zip(&self.node.fields[first..]);
        alike.take_while(|(have, _)| **have == head).map(|(_, field)| field).find(|field| *field.name == *name)
    }

    /// The type of the value under `name`, or `None` where the name is not allowed.
    pub(crate) fn value_type(self, name: &str) -> Option<Ty<'a>> {
        let reference = match self.declared(name) {
            Some(field) => &field.ty,
            None => self.node.additional.as_ref()?,
        };
        Some(resolve(self.table, reference))
    }

    /// The type of the value under `name`, deduced where the name is not allowed.
    pub(crate) fn any_value_type(self, name: &str) -> Ty<'a> {
        self.value_type(name).unwrap_or_else(|| Ty::deduced(self.table))
    }

    pub(crate) fn field_type(self, field: &'a Field) -> Ty<'a> {
        resolve(self.table, &field.ty)
    }

    pub(crate) fn additional(self) -> Option<Ty<'a>> {
        Some(resolve(self.table, self.node.additional.as_ref()?))
    }

    /// A map of free-form keys rather than a struct.
    pub(crate) fn is_free_form(self) -> bool {
        self.node.fields.is_empty() && self.node.additional.is_some()
    }
}

/// The list shape of a type.
#[derive(Clone, Copy)]
pub(crate) struct ListTy<'a> {
    pub(crate) table: &'a Table,
    pub(crate) node: &'a ListNode,
}

impl<'a> ListTy<'a> {
    pub(crate) fn relation(self) -> &'a ListRelation {
        &self.node.relation
    }

    pub(crate) fn is_atomic(self) -> bool {
        self.node.relation == ListRelation::Atomic
    }

    pub(crate) fn item(self) -> Ty<'a> {
        resolve(self.table, &self.node.item)
    }
}

impl MapNode {
    /// Makes a struct of these fields, sorted by name, or a map.
    pub(super) fn new(fields: Box<[Field]>, additional: Option<Ref>, atomic: bool) -> Self {
        let heads = fields.iter().map(|field| head_of(&field.name)).collect();
        Self { fields, heads, additional, atomic }
    }
}

/// The first eight letters of a name, as a number that sorts as they do.
fn head_of(name: &str) -> u64 {
    name.bytes().chain(std::iter::repeat(0)).take(8).fold(0, |head, letter| head << 8 | u64::from(letter))
}

fn resolve<'a>(table: &'a Table, reference: &'a Ref) -> Ty<'a> {
    let node = table.target(reference).map_or_else(|| table.untyped(), |node| &**node);
    Ty { table, node, atomic: reference.atomic }
}
