//! Which field has which number.

use std::collections::BTreeMap;

use crate::builtins::types::{TypeId, Types};

static NUMBERS: &[u8] = include_bytes!("../../../data/wire.zst");

/// What a number stands for in a message.
#[derive(Debug)]
pub(super) enum Slot {
    /// A field, by its place in the type.
    Field {
        at: usize,
        /// The list is the only field of a message around it.
        wrapped: bool,
        /// The field's Go name, which errors tell.
        go_name: String,
    },
    /// A message whose fields JSON shows as the outer message's own.
    Inlined(Slots),
}

/// The numbers of one message.
pub(super) type Slots = BTreeMap<u32, Slot>;

/// The numbers of every type.
#[derive(Debug)]
pub(super) struct Table(Vec<Slots>);

impl Table {
    pub(super) fn load(types: &Types) -> Self {
        let bytes = zstd::stream::decode_all(NUMBERS).expect("the table is made by `cargo xtask api-data`");
        let numbers: BTreeMap<String, Vec<String>> =
            serde_json::from_slice(&bytes).expect("the table is made by `cargo xtask api-data`");
        let all = (0..types.len()).map(|at| {
            let structure = types.get(TypeId::at(at));
            let mut slots = Slots::new();
            for (at, (field, number)) in structure.fields.iter().zip(&numbers[&structure.name]).enumerate() {
                let (number, go_name) = match number.split_once(':') {
                    Some((number, go_name)) => (number, go_name.to_owned()),
                    None => (number.as_str(), capitalised(&field.name)),
                };
                let (number, wrapped) = number.strip_suffix('w').map_or((number, false), |number| (number, true));
                let path: Vec<u32> = number.split('.').filter_map(|part| part.parse().ok()).collect();
                insert(&mut slots, &path, Slot::Field { at, wrapped, go_name });
            }
            slots
        });
        Self(all.collect())
    }

    pub(super) fn slots(&self, id: TypeId) -> &Slots {
        &self.0[id.index()]
    }

    /// Returns whether a type can be written at all; tables cannot.
    pub(super) fn has_wire_form(&self, id: TypeId) -> bool {
        !self.slots(id).is_empty()
    }
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn insert(slots: &mut Slots, path: &[u32], slot: Slot) {
    match path {
        [] => {}
        [number] => drop(slots.insert(*number, slot)),
        [number, rest @ ..] => {
            if let Slot::Inlined(inner) = slots.entry(*number).or_insert_with(|| Slot::Inlined(Slots::new())) {
                insert(inner, rest, slot);
            }
        }
    }
}
