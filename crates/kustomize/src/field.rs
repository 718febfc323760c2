//! Looking at and changing the fields of nodes, as kyaml's filters do.

use bowline_yaml::nodes::{self, Style, Tag};

use crate::error::BuildError;
use crate::node::{Kind, Node, NodeId, Store};

/// What is made where a path ends at nothing.
pub(crate) type Create = Option<Kind>;

impl Store {
    /// Tells whether there is no node, or one that says nothing.
    pub(crate) fn is_missing_or_empty(&self, id: Option<NodeId>) -> bool {
        id.is_none_or(|id| self[id].is_empty())
    }

    /// Refuses a node of another kind; null passes.
    pub(crate) fn expect_kind(&self, id: NodeId, kind: Kind) -> Result<(), BuildError> {
        let node = &self[id];
        if node.is_null() || node.kind == kind {
            return Ok(());
        }
        let mut message = format!("wrong node kind: expected {} but got {}", kind.name(), node.kind.name());
        message.push_str(": node contents:\n");
        message.push_str(&self.write(id));
        Err(BuildError::wrong_kind(message, node.kind))
    }

    /// Finds the first entry of a name in a map; nothing where the node is no map.
    pub(crate) fn entry(&self, map: NodeId, name: &str) -> Option<(NodeId, NodeId)> {
        let node = &self[map];
        if node.kind != Kind::Map {
            return None;
        }
        node.content.chunks_exact(2).find(|pair| &*self[pair[0]].text == name).map(|pair| (pair[0], pair[1]))
    }

    pub(crate) fn field(&self, map: NodeId, name: &str) -> Option<NodeId> {
        self.entry(map, name).map(|(_, value)| value)
    }

    /// The text of a field, whatever it is; empty where there is none.
    pub(crate) fn field_text(&self, map: NodeId, name: &str) -> &str {
        self.field(map, name).map_or("", |value| &self[value].text)
    }

    /// Finds a field of a map as kyaml's `Get` does: null has none, and anything else but a map is refused.
    pub(crate) fn get(&self, id: NodeId, name: &str) -> Result<Option<NodeId>, BuildError> {
        if self[id].is_null() {
            return Ok(None);
        }
        self.expect_kind(id, Kind::Map)?;
        Ok(self.field(id, name))
    }

    /// Takes a field out of a map.
    pub(crate) fn clear(&mut self, id: NodeId, name: &str) -> Result<(), BuildError> {
        self.expect_kind(id, Kind::Map)?;
        let content = &self[id].content;
        if let Some(at) = (0..content.len()).step_by(2).find(|at| &*self[content[*at]].text == name) {
            self[id].content.drain(at..at + 2);
        }
        Ok(())
    }

    /// Writes a value over a scalar, which keeps its style.
    pub(crate) fn set_scalar(&mut self, id: NodeId, value: NodeId) -> Result<(), BuildError> {
        self.guard_style(value);
        self.expect_kind(id, Kind::Scalar)?;
        if self[value].is_null() {
            return Ok(());
        }
        self.keep_style(value, id);
        self.overwrite(id, value);
        Ok(())
    }

    /// Sets a field of a map: an old value is written over and keeps its style, null takes the field out. The key of a
    /// new one is written plain, whatever it means then.
    pub(crate) fn set_field(&mut self, id: NodeId, name: &str, value: NodeId) -> Result<NodeId, BuildError> {
        self.set_field_by(id, name, value, Style::Plain)
    }

    /// The same, with a style for the key of a new field.
    pub(crate) fn set_field_by(
        &mut self,
        id: NodeId,
        name: &str,
        value: NodeId,
        key_style: Style,
    ) -> Result<NodeId, BuildError> {
        self.guard_style(value);
        if self[value].is_null() {
            self.clear(id, name)?;
            return Ok(value);
        }
        if let Some(field) = self.get(id, name)? {
            self.keep_style(value, field);
            self.overwrite(field, value);
            return Ok(field);
        }
        let key = self.key(name);
        self[key].style = key_style;
        self[id].content.extend([key, value]);
        Ok(value)
    }

    fn keep_style(&mut self, value: NodeId, of: NodeId) {
        (self[value].style, self[value].is_tagged) = (self[of].style, self[of].is_tagged);
    }

    /// Quotes what YAML 1.1 would not take for a text.
    fn guard_style(&mut self, value: NodeId) {
        let node = &self[value];
        let is_other = node.is_text()
            && node.style == Style::Plain
            && !node.is_tagged
            && !node.text.is_empty()
            && !node.text.contains('\n')
            && nodes::is_other_to_yaml_1_1(&node.text);
        if is_other {
            self[value].style = Style::Double;
        }
    }

    pub(crate) fn set_text_field(&mut self, id: NodeId, name: &str, text: &str) -> Result<(), BuildError> {
        let value = self.add(Node::scalar(text));
        self.set_field(id, name, value).map(|_| ())
    }

    /// Follows a path as kyaml's `Lookup` and `LookupCreate` do.
    pub(crate) fn lookup<S: AsRef<str>>(
        &mut self,
        from: NodeId,
        path: &[S],
        create: Create,
    ) -> Result<Option<NodeId>, BuildError> {
        let path: Vec<&str> = path.iter().map(|part| part.as_ref().trim()).filter(|part| !part.is_empty()).collect();
        let mut at = from;
        for (index, part) in path.iter().enumerate() {
            let next = path.get(index + 1).copied().unwrap_or_default();
            let found = match part.parse::<i64>() {
                Ok(position) if position < 0 => {
                    return Err(BuildError::new(format!("array index {position} cannot be negative")));
                }
                Ok(position) => self.element_at(at, Some(position as usize))?,
                Err(_) if *part == "-" => self.element_at(at, None)?,
                Err(_) if *part == "*" => {
                    return Err(BuildError::new("wildcard is not supported in PathGetter".to_owned()));
                }
                Err(_) if is_list_index(part) => self.element_of(at, part, create)?,
                Err(_) => match (self.get(at, part)?, create) {
                    (None, Some(kind)) if !self[at].is_null() => {
                        let made = self.add(Node::new(part_kind(next, kind)));
                        Some(self.set_field(at, part, made)?)
                    }
                    (found, _) => found,
                },
            };
            match found {
                Some(found) => at = found,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    fn element_at(&self, list: NodeId, position: Option<usize>) -> Result<Option<NodeId>, BuildError> {
        self.expect_kind(list, Kind::List)?;
        let items = &self[list].content;
        Ok(match position {
            Some(position) => items.get(position).copied(),
            None => items.last().copied(),
        })
    }

    fn element_of(&mut self, list: NodeId, part: &str, create: Create) -> Result<Option<NodeId>, BuildError> {
        let (name, value) = split_list_index(part)?;
        let (name, value) = (name.to_owned(), value.to_owned());
        let found = self.find_element(list, std::slice::from_ref(&name), std::slice::from_ref(&value))?;
        if found.is_some() || create.is_none() {
            return Ok(found);
        }
        let made = self.element_with(&name, &value);
        self[list].content.push(made);
        Ok(Some(made))
    }

    /// Makes what a list element `[name=value]` is at least.
    pub(crate) fn element_with(&mut self, name: &str, value: &str) -> NodeId {
        let value = self.add(Node::scalar(value));
        if name.is_empty() {
            return value;
        }
        let key = self.key(name);
        self.add(Node { content: vec![key, value], ..Node::new(Kind::Map) })
    }

    /// Finds the first element of a list whose fields have the given texts; without a key it is the element's own text.
    pub(crate) fn find_element<S: AsRef<str>>(
        &self,
        list: NodeId,
        keys: &[S],
        values: &[S],
    ) -> Result<Option<NodeId>, BuildError> {
        self.expect_kind(list, Kind::List)?;
        let items = &self[list].content;
        if keys.is_empty() || keys[0].as_ref().is_empty() {
            let want = values.first().map_or("", |value| value.as_ref());
            return Ok(items.iter().copied().find(|item| &*self[*item].text == want));
        }
        let fits = |item: NodeId| {
            (self[item].is_null() || self[item].kind == Kind::Map)
                && keys.len() == values.len()
                && keys.iter().zip(values).all(|(key, value)| {
                    self.field(item, key.as_ref()).is_some_and(|field| &*self[field].text == value.as_ref())
                })
        };
        Ok(items.iter().copied().find(|item| fits(*item)))
    }

    /// Puts an element in place of all that have the given texts in their fields, or at the end; nothing takes them out.
    pub(crate) fn set_element(
        &mut self,
        list: NodeId,
        keys: &[String],
        values: &[String],
        element: Option<NodeId>,
    ) -> Result<(), BuildError> {
        let no_keys = [String::new()];
        let keys = if keys.is_empty() { &no_keys[..] } else { keys };
        self.expect_kind(list, Kind::List)?;
        let is_map_setter = !keys[0].is_empty() && values.first().is_some_and(|value| !value.is_empty());
        let mut kept = Vec::with_capacity(self[list].content.len() + 1);
        let mut found_one = false;
        for item in self[list].content.clone() {
            let node = &self[item];
            if node.is_null() || (node.kind == Kind::Map && node.content.is_empty()) {
                continue;
            }
            if node.kind != Kind::Map && is_map_setter {
                kept.push(item);
                continue;
            }
            let mut found = true;
            let mut last = None;
            for (at, key) in keys.iter().enumerate() {
                if let Some(value) = values.get(at) {
                    last = self.match_field(item, key, value)?;
                }
                if last.is_none() {
                    found = false;
                    break;
                }
            }
            if !found {
                if !values.is_empty() {
                    kept.push(item);
                }
                continue;
            }
            found_one = true;
            kept.extend(element);
        }
        let element = element.filter(|element| !self[*element].is_null());
        if !found_one && let Some(element) = element {
            kept.push(element);
        }
        self[list].content = kept;
        Ok(())
    }

    /// kyaml's `FieldMatcher` with a text: an empty one asks for the field alone.
    fn match_field(&self, item: NodeId, key: &str, value: &str) -> Result<Option<NodeId>, BuildError> {
        if key.is_empty() {
            self.expect_kind(item, Kind::Scalar)?;
            return Ok((&*self[item].text == value).then_some(item));
        }
        let field = self.get(item, key)?;
        Ok(field.filter(|field| value.is_empty() || &*self[*field].text == value))
    }

    /// The items of a list; null has none.
    pub(crate) fn elements(&self, list: NodeId) -> Result<Vec<NodeId>, BuildError> {
        self.expect_kind(list, Kind::List)?;
        Ok(self[list].content.clone())
    }

    /// The names in a map, in their order.
    pub(crate) fn field_names(&self, map: NodeId) -> Result<Vec<std::rc::Rc<str>>, BuildError> {
        self.expect_kind(map, Kind::Map)?;
        let keys = self[map].content.chunks_exact(2);
        Ok(keys.map(|pair| std::rc::Rc::clone(&self[pair[0]].text)).collect())
    }

    /// The tag of a node, as a node that was just made has none.
    pub(crate) fn set_kind(&mut self, id: NodeId, kind: Kind, tag: Tag) {
        self[id].kind = kind;
        self[id].tag = tag;
    }
}

/// What the next part of a path makes of the one before it.
pub(crate) fn part_kind(next: &str, last: Kind) -> Kind {
    if is_list_index(next) || next.parse::<u64>().is_ok() {
        Kind::List
    } else if next.is_empty() {
        last
    } else {
        Kind::Map
    }
}

/// Tells whether a part of a path is `[…]`.
pub(crate) fn is_list_index(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

/// Takes `[name=value]` apart.
pub(crate) fn split_list_index(part: &str) -> Result<(&str, &str), BuildError> {
    let inside = part.strip_suffix(']').unwrap_or(part);
    let inside = inside.strip_prefix('[').unwrap_or(inside);
    inside.split_once('=').ok_or_else(|| {
        BuildError::new("list path element must contain fieldName=fieldValue for element to match".to_owned())
    })
}
