//! What a kustomization does to objects.

pub(crate) mod affix;
pub(crate) mod field_spec;
pub(crate) mod hash;
pub(crate) mod images;
pub(crate) mod json_patch;
pub(crate) mod labels;
pub(crate) mod name_reference;
pub(crate) mod namespace;
pub(crate) mod patch;
pub(crate) mod path_match;
pub(crate) mod replacement;
pub(crate) mod replicas;
pub(crate) mod structured;
pub(crate) mod value_add;
pub(crate) mod vars;
