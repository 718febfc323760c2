//! A value put into fields, or into a part of a path that fields hold.

use crate::error::BuildError;
use crate::node::{Kind, Node, NodeId, Store};
use crate::path;

/// Puts a value into a field; at a position from 1, into a path that the field holds.
pub(crate) fn add_value(
    store: &mut Store,
    object: NodeId,
    value: &str,
    field_path: &str,
    position: i64,
) -> Result<(), BuildError> {
    let fields = path::split(field_path, '/');
    let Some(field) = store.lookup(object, &fields, Some(Kind::Scalar))? else { return Ok(()) };
    store.expect_kind(field, Kind::Scalar)?;
    let text = if position > 0 { inserted(&store[field].text, position as usize - 1, value) } else { value.to_owned() };
    let value = store.add(Node::scalar(&text));
    store.set_scalar(field, value)
}

fn inserted(path: &str, at: usize, part: &str) -> String {
    let (start, rest) = path.strip_prefix('/').map_or(("", path), |rest| ("/", rest));
    let mut parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(at.min(parts.len()), part);
    format!("{start}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_goes_where_it_is_told() {
        for (path, at, want) in [
            ("", 0, "x"),
            ("/", 0, "/x"),
            ("pie", 0, "x/pie"),
            ("/pie", 1, "/pie/x"),
            ("a/nice/warm/pie", 3, "a/nice/warm/x/pie"),
            ("a/b", 9, "a/b/x"),
        ] {
            assert_eq!(inserted(path, at, "x"), want, "{path}");
        }
    }
}
