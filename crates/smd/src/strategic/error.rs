//! What can be wrong with patches.

use crate::go;

/// Why a patch does not apply or cannot be computed, in the words of the Go library.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// A merging list has lists in it.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// A list of values to delete is not a list.
    #[error("invalid patch format of primitive list")]
    DeleteList,
    /// The names to retain are not a list, or lack a field the patch sets.
    #[error("invalid patch format of retainKeys")]
    RetainKeys,
    /// Two patches to be made one retain different names.
    #[error("{one} and {other} are not deep equal: this may happen when calculating the 3-way diff patch")]
    RetainKeysDiffer {
        /// The names one patch retains, as Go prints them.
        one: String,
        /// The names the other retains.
        other: String,
    },
    /// An order is not a list, or two patches to be made one have different orders.
    #[error("invalid patch format of setElementOrder list")]
    SetElementOrder,
    /// The patch has an order and items that contradict it.
    #[error("The order in patch list:\n{list}\n doesn't match $setElementOrder list:\n{order}\n")]
    OrderMismatch {
        /// The items.
        list: String,
        /// The order.
        order: String,
    },
    /// An item does not have the field that tells items apart.
    #[error("map: {item} does not contain declared merge key: {key}")]
    NoMergeKey {
        /// The item, as Go prints it.
        item: String,
        /// The field.
        key: String,
    },
    /// A merging list has maps but no field that tells them apart.
    #[error("cannot merge lists without merge key for {0}")]
    NoMergeKeyDeclared(String),
    /// An order of named items has something else in it.
    #[error("value for key {0} is not a map")]
    OrderOfScalars(usize),
    /// A list has maps next to scalars, or scalars of several kinds.
    #[error("list element types are not identical: {0}")]
    MixedItems(String),
    /// An order is given for a list that is empty on both sides.
    #[error("no elements in any of the given slices")]
    NoItems,
    /// A directive nobody knows.
    #[error("unknown patch type: {directive} in map: {map}")]
    UnknownDirective {
        /// The directive.
        directive: String,
        /// The map it stands in, as Go prints it.
        map: String,
    },
    /// `$patch: merge` for an item.
    #[error("merging lists cannot yet be specified in the patch")]
    MergeDirective,
    /// Both objects that are compared have a `$patch`, and one is not a text.
    #[error("invalid value for special key: $patch")]
    DirectiveNotText,
    /// A part of the patch goes into a field that the type does not have.
    #[error("unable to find api field in struct {owner} for the json field {}", go::quote(.field))]
    UnknownField {
        /// The Go struct.
        owner: String,
        /// The field.
        field: String,
    },
    /// The same, where schemas come from OpenAPI.
    #[error("unable to find api field \"{0}\"")]
    UnknownProperty(String),
    /// A part of the patch goes into a map or list inside something else than a struct; the kind of Go type it is.
    #[error("merging an object in json but data type is not struct, instead is: {0}")]
    NotAStruct(&'static str),
    /// A list is given for a field of another type; the kind of Go type the field is in.
    #[error("expected slice or array type, but got: {0}")]
    NotAList(&'static str),
    /// A list's items are lists by their type.
    #[error("unexpected slice of slice")]
    ListOfListsByType,
    /// A value of another kind than its place asks for.
    #[error("expected a {expected}, but received a {given}")]
    WrongKind {
        /// The kind asked for.
        expected: &'static str,
        /// The kind given.
        given: &'static str,
    },
    /// Of two merging lists that may conflict, an item lacks the field that tells items apart.
    #[error("cannot find merge key `{key}` in merging list element:{item}")]
    NoMergeKeyToCompare {
        /// The item, as Go prints it.
        item: String,
        /// The field.
        key: String,
    },
}
