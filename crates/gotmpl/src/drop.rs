//! Letting go of deeply nested values without deep recursion.

use crate::value::Value;

/// Takes containers that nobody else holds out of the elements of one that is being dropped, and empties them one
/// after the other, so that dropping a value nested a million levels deep needs no more stack than a flat one.
pub(crate) fn unnest<'a>(elements: impl Iterator<Item = &'a mut Value>) {
    let mut pending = Vec::new();
    gather(elements, &mut pending);
    while let Some(mut value) = pending.pop() {
        match &mut value {
            Value::List(list) => {
                if let Some(mut items) = list.take_unique() {
                    gather(items.iter_mut(), &mut pending);
                }
            }
            Value::Map(map) => map.drain_unique(|element| gather(std::iter::once(element), &mut pending)),
            _ => {}
        }
    }
}

fn gather<'a>(elements: impl Iterator<Item = &'a mut Value>, pending: &mut Vec<Value>) {
    for element in elements {
        let nested = match element {
            Value::List(list) => list.is_unique(),
            Value::Map(map) => map.is_unique(),
            _ => false,
        };
        if nested {
            pending.push(std::mem::take(element));
        }
    }
}
