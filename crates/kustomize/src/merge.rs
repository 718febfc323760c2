//! Strategic merge: a patch laid over an object, as kyaml's `merge2` does.

use std::collections::BTreeSet;
use std::rc::Rc;

use bowline_yaml::nodes::{Style, Tag};

use crate::error::BuildError;
use crate::node::{Kind, Node, NodeId, Store};
use crate::schema::{Place, Schemas};

type Slot = Option<NodeId>;

/// What a `$patch` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

/// Where what is new in a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewItems {
    First,
    Last,
}

/// Lays a patch over a node; `None` where the patch deletes it. The patch is used up.
pub(crate) fn merge(
    store: &mut Store,
    schemas: &Schemas,
    patch: NodeId,
    into: NodeId,
    new_items: NewItems,
) -> Result<Slot, BuildError> {
    Merger { store, schemas, new_items, kept_null: None }.walk(None, Some(into), Some(patch))
}

struct Merger<'a> {
    store: &'a mut Store,
    schemas: &'a Schemas,
    new_items: NewItems,
    /// A null that stays where it is, though null takes a field out.
    kept_null: Slot,
}

impl Merger<'_> {
    fn walk(&mut self, place: Option<Place>, dest: Slot, patch: Slot) -> Result<Slot, BuildError> {
        let place = place.or_else(|| self.place_by_kind(dest)).or_else(|| self.place_by_kind(patch));
        let kind = [dest, patch].into_iter().flatten().find(|id| !self.store[*id].is_null());
        let Some(kind) = kind.map(|id| self.store[id].kind) else { return self.walk_map(place, dest, patch) };
        for id in [dest, patch].into_iter().flatten() {
            self.store.expect_kind(id, kind)?;
        }
        match kind {
            Kind::Map | Kind::Nothing => self.walk_map(place, dest, patch),
            Kind::Scalar => Ok(patch.or(dest)),
            Kind::List => match place.and_then(|place| Some((place, self.schemas.merge_keys(place)?.to_vec()))) {
                Some((place, keys)) => self.walk_list(place, &keys, dest, patch),
                None => Ok(patch.or(dest)),
            },
        }
    }

    fn place_by_kind(&self, id: Slot) -> Option<Place> {
        let id = id.filter(|id| !self.store[*id].is_null())?;
        let (api_version, kind) = (self.store.api_version(id), self.store.kind(id));
        if api_version.is_empty() || kind.is_empty() { None } else { self.schemas.of_kind(api_version, kind) }
    }

    fn walk_map(&mut self, place: Option<Place>, dest: Slot, patch: Slot) -> Result<Slot, BuildError> {
        let Some(dest) = self.visit_map(dest, patch)? else { return Ok(None) };
        let mut names: BTreeSet<Rc<str>> = self.store.field_names(dest).unwrap_or_default().into_iter().collect();
        if let Some(patch) = patch {
            names.extend(self.store.field_names(patch).unwrap_or_default());
        }
        for name in names {
            let inner = place.and_then(|place| self.schemas.field(place, &name));
            let mine = self.store.field(dest, &name);
            let (key, theirs) = patch.and_then(|patch| self.store.entry(patch, &name)).unzip();
            let value = self.walk(inner, mine, theirs)?;
            // What comes from the patch as it is keeps the style of its key.
            let key_style = key.filter(|_| value == theirs).map_or(Style::Plain, |key| self.store[key].style);
            self.set(dest, &name, value, key_style)?;
        }
        Ok(Some(dest))
    }

    fn set(&mut self, dest: NodeId, name: &str, value: Slot, key_style: Style) -> Result<(), BuildError> {
        let Some(value) = value else { return self.store.clear(dest, name) };
        if self.kept_null.take() == Some(value) {
            match self.store.field(dest, name) {
                Some(field) => self.store.overwrite(field, value),
                None => {
                    let key = self.store.key(name);
                    self.store[dest].content.extend([key, value]);
                }
            }
            return Ok(());
        }
        self.store.set_field_by(dest, name, value, key_style).map(|_| ())
    }

    /// Decides what a map becomes before its fields are looked at.
    fn visit_map(&mut self, dest: Slot, patch: Slot) -> Result<Slot, BuildError> {
        let is_null = |store: &Store, id: Slot| id.is_some_and(|id| store[id].is_null());
        let Some(present) = dest.filter(|id| !self.store[*id].is_null()) else {
            if self.directive(patch).is_ok_and(|directive| directive == Directive::Delete) {
                return Ok(None);
            }
            if let (None, Some(dest)) = (patch, dest)
                && !self.store[dest].text.is_empty()
            {
                let text = Rc::clone(&self.store[dest].text);
                let null =
                    self.store.add(Node { text, tag: Tag::Null, style: Style::Plain, ..Node::new(Kind::Scalar) });
                self.kept_null = Some(null);
                return Ok(Some(null));
            }
            return Ok(patch);
        };
        if is_null(self.store, patch) {
            return Ok(None);
        }
        Ok(match self.directive(patch)? {
            Directive::Delete => None,
            Directive::Replace => patch,
            Directive::Merge => Some(present),
        })
    }

    /// Reads the `$patch` of a patch, and takes it off.
    fn directive(&mut self, patch: Slot) -> Result<Directive, BuildError> {
        const KEY: &str = "$patch";
        let Some(patch) = patch else { return Ok(Directive::Merge) };
        let read = |text: &str| match text {
            "delete" => Ok(Directive::Delete),
            "replace" => Ok(Directive::Replace),
            "merge" => Ok(Directive::Merge),
            other => Err(BuildError::new(format!("unknown patch strategy '{other}'"))),
        };
        match self.store[patch].kind {
            Kind::Map => {
                let Some(value) = self.store.field(patch, KEY) else { return Ok(Directive::Merge) };
                let directive = read(&self.store[value].text)?;
                self.store.clear(patch, KEY)?;
                Ok(directive)
            }
            Kind::List => {
                let items = &self.store[patch].content;
                let found = items.iter().find_map(|item| Some((*item, self.store.field(*item, KEY)?)));
                let Some((item, value)) = found else { return Ok(Directive::Merge) };
                if self.store[item].content.len() > 2 {
                    return Ok(Directive::Merge);
                }
                let text = self.store[value].text.to_string();
                let directive = read(&text)?;
                self.store.set_element(patch, &[KEY.to_owned()], &[text], None)?;
                Ok(directive)
            }
            _ => {
                let text = self.store.write(patch);
                Err(BuildError::new(format!("no implemented strategic merge patch strategy for '' ('{text}')")))
            }
        }
    }

    fn walk_list(&mut self, place: Place, keys: &[String], dest: Slot, patch: Slot) -> Result<Slot, BuildError> {
        let present = dest.filter(|id| !self.store[*id].is_null());
        let Some(dest) = (match present {
            None => patch,
            Some(_) if patch.is_some_and(|patch| self.store[patch].is_null()) => None,
            Some(present) => match self.directive(patch)? {
                Directive::Delete => None,
                Directive::Replace => patch,
                Directive::Merge => Some(present),
            },
        }) else {
            return Ok(None);
        };
        let sources = match self.new_items {
            NewItems::First => [patch, Some(dest)],
            NewItems::Last => [Some(dest), patch],
        };
        let values = self.values(&sources, keys);
        let no_keys = [String::new()];
        let keys = if keys.is_empty() { &no_keys[..] } else { keys };
        self.merge_elements(place, keys, values, dest, patch)
    }

    /// The values that the keys of all elements have, in the order in which elements are put together.
    fn values(&self, sources: &[Slot], keys: &[String]) -> Vec<Vec<String>> {
        let mut all: Vec<Vec<String>> = Vec::new();
        for list in sources.iter().flatten() {
            for item in self.store[*list].content.clone() {
                let values: Vec<String> = if keys.is_empty() {
                    vec![self.store[item].text.to_string()]
                } else {
                    keys.iter().map(|key| self.key_value(item, key)).collect()
                };
                if !all.contains(&values) {
                    all.push(values);
                }
            }
        }
        all
    }

    fn key_value(&self, item: NodeId, key: &str) -> String {
        let field = self.store.field(item, key).filter(|field| !self.store[*field].is_empty());
        field.map_or_else(String::new, |field| self.store[field].text.to_string())
    }

    fn merge_elements(
        &mut self,
        place: Place,
        keys: &[String],
        mut all: Vec<Vec<String>>,
        dest: NodeId,
        patch: Slot,
    ) -> Result<Slot, BuildError> {
        let element_place = self.schemas.elements(place);
        let added = self.store.add(Node::new(Kind::List));
        if keys.len() > 1 {
            unify(&mut all);
        }
        let mut valid_keys = Vec::new();
        for at in 0..all.len() {
            let values = all[at].clone();
            let (found_keys, valid_values) = valid(&all, &values, keys);
            valid_keys = found_keys;
            let (look_keys, look_values) = valid(std::slice::from_ref(&valid_values), &valid_values, &valid_keys);
            let find = |list: Slot| {
                list.and_then(|list| self.store.find_element(list, &look_keys, &look_values).ok().flatten())
            };
            let (mine, theirs) = (find(Some(dest)), find(patch));
            let value = self.walk(element_place, mine, theirs)?;
            self.kept_null = None;
            let is_gone = value.is_none_or(|id| {
                let node = &self.store[id];
                node.is_null() || (node.kind == Kind::Map && node.content.is_empty())
            });
            let Some(value) = value.filter(|_| !is_gone) else {
                for _ in &valid_keys {
                    self.store.set_element(dest, &valid_keys, &valid_values, None)?;
                }
                continue;
            };
            for (key, text) in valid_keys.iter().zip(&valid_values) {
                if self.store.field(value, key).is_none() && !text.is_empty() && !key.is_empty() {
                    self.store.set_text_field(value, key, text)?;
                }
            }
            self.store.set_element(added, &valid_keys, &valid_values, Some(value))?;
        }
        let mut result = dest;
        if !all.is_empty() {
            let (from, into) = match self.new_items {
                NewItems::First => (dest, added),
                NewItems::Last => (added, dest),
            };
            self.append(into, from, &valid_keys)?;
            result = into;
        }
        Ok((!self.store[result].is_null()).then_some(result))
    }

    /// Puts the elements of one list into another: in place of those with the same keys, else at the end.
    fn append(&mut self, into: NodeId, from: NodeId, keys: &[String]) -> Result<(), BuildError> {
        for item in self.store[from].content.clone() {
            if keys.first().is_none_or(String::is_empty) {
                let text = self.store[item].text.to_string();
                self.store.set_element(into, &[String::new()], &[text], Some(item))?;
                continue;
            }
            let mut values = Vec::with_capacity(keys.len());
            for key in keys {
                match self.store.get(item, key)? {
                    Some(value) => values.push(self.store[value].text.to_string()),
                    None => self.store[into].content.push(item),
                }
            }
            if keys.len() > 1 {
                self.store.set_element(into, keys, &values, None)?;
            }
            self.store.set_element(into, keys, &values, Some(item))?;
        }
        Ok(())
    }
}

/// Leaves out the keys that no element has; where there is none at all, all stay.
fn valid(all: &[Vec<String>], values: &[String], keys: &[String]) -> (Vec<String>, Vec<String>) {
    let is_valid: Vec<bool> = (0..keys.len())
        .map(|at| all.iter().any(|values| values.get(at).is_some_and(|value| !value.is_empty())))
        .collect();
    if !is_valid.contains(&true) {
        return (keys.to_vec(), values.to_vec());
    }
    let valid_keys = keys.iter().zip(&is_valid).filter(|(_, valid)| **valid).map(|(key, _)| key.clone()).collect();
    let valid_values = values
        .iter()
        .enumerate()
        .filter(|(at, value)| !value.is_empty() || is_valid.get(*at).copied().unwrap_or_default())
        .map(|(_, value)| value.clone())
        .collect();
    (valid_keys, valid_values)
}

/// Fills up what some elements leave out from those that agree with them in the rest.
fn unify(all: &mut [Vec<String>]) {
    for i in 0..all.len() {
        // The row that is compared stays as it was when its turn began.
        let first = all[i].clone();
        for j in 0..all.len() {
            if let Some(values) = unified(&first, &all[j]) {
                all[i].clone_from(&values);
                all[j] = values;
            }
        }
    }
}

fn unified(a: &[String], b: &[String]) -> Option<Vec<String>> {
    let mut agrees = false;
    let mut result = Vec::with_capacity(a.len());
    for (a, b) in a.iter().zip(b) {
        if a == b {
            agrees = true;
            result.push(a.clone());
        } else if !a.is_empty() && !b.is_empty() {
            return None;
        } else {
            result.push(if a.is_empty() { b.clone() } else { a.clone() });
        }
    }
    (agrees && a.len() == b.len()).then_some(result)
}
