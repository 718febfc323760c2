//! YAML edited where it stands: every comment, blank line, quote and indentation that an edit does not touch stays.
//!
//! A [`Text`] keeps the text as it is, and knows which of its bytes each node is. An edit is a few bytes taken out and a
//! few put in. It is kept only when the text, read again as `sigs.k8s.io/yaml` reads it, is the old value with that one
//! change, in every document; otherwise other ways of writing are tried, and when none is left the edit is refused.
//!
//! ```
//! use bowline_yaml::{Limits, lossless::Text};
//!
//! let mut text = Text::parse(b"image: \"nginx:1.25\"  # ours\nports: [80]\n", &Limits::default()).expect("is YAML");
//! text.set(0, &"image".parse().expect("is a path"), &"nginx:1.27".into()).expect("is there");
//! text.insert(0, &"ports[1]".parse().expect("is a path"), &443.into()).expect("is a list");
//! assert_eq!(text.to_string(), "image: \"nginx:1.27\"  # ours\nports: [80, 443]\n");
//! ```

mod block_scalar;
mod edit;
mod error;
mod find;
mod layout;
mod path;
mod replace;
mod scan;
mod value_edit;
mod write;

use std::fmt;

use serde_json::Value;

pub use error::EditError;
pub use path::{Path, PathError, Step};

use self::edit::{Place, Site, Splice};
use self::find::{Exact, Found as Known};
use self::layout::{Layout, Slot};
use crate::compose::compose_with_spans;
use crate::split::{Chunk, chunks};
use crate::{Limits, Problem, ProblemKind, Rules, value};

/// A stream of documents that can be edited.
///
/// Documents are counted from 0. Where there is nothing, or only comments, there is none.
#[derive(Debug)]
pub struct Text {
    has_byte_order_mark: bool,
    pieces: Vec<Piece>,
    limits: Limits,
}

/// What stands between two `---`.
#[derive(Debug)]
struct Piece {
    text: String,
    layouts: Vec<Layout>,
}

/// Something in a document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found<'t> {
    /// What it is.
    pub value: &'t Value,
    /// How it is written, its anchor and tag included; of an alias, the alias.
    pub text: &'t str,
    /// The line that begins in, from 1.
    pub line: u32,
    /// The column it begins at, from 1, in characters.
    pub column: u32,
}

impl Text {
    /// Reads a text for editing, whole.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it by [`Rules::Sigs`], and limits that are passed, in the order of the text. JSON
    /// that YAML cannot read, such as values one after the other, is refused.
    pub fn parse(text: &[u8], limits: &Limits) -> Result<Self, Vec<Problem>> {
        if text.len() > limits.max_bytes {
            let message = format!("the text is {} bytes, more than the limit of {}", text.len(), limits.max_bytes);
            return Err(vec![Problem::new(ProblemKind::Limit, 1, 1, message)]);
        }
        let has_byte_order_mark = text.starts_with(b"\xef\xbb\xbf");
        let (mut pieces, mut problems) = (Vec::new(), Vec::new());
        for chunk in chunks(text) {
            match Piece::parse(&chunk, limits) {
                Ok(piece) => pieces.push(piece),
                Err(found) => problems.extend(found),
            }
        }
        problems.sort();
        if problems.is_empty() { Ok(Self { has_byte_order_mark, pieces, limits: *limits }) } else { Err(problems) }
    }

    /// Counts the documents.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.pieces.iter().map(|piece| piece.layouts.len()).sum()
    }

    /// Returns what a document says.
    #[must_use]
    pub fn value(&self, document: usize) -> Option<&Value> {
        self.locate(document).ok().map(|(piece, layout)| &self.pieces[piece].layouts[layout].value)
    }

    /// Returns what a path names, and where it is written: of what came by an alias or a merge key, where that is.
    ///
    /// # Errors
    ///
    /// [`EditError::NoDocument`], [`EditError::Missing`] or [`EditError::Ambiguous`].
    pub fn get(&self, document: usize, path: &Path) -> Result<Found<'_>, EditError> {
        let (piece, layout) = self.locate(document)?;
        let exact = self.exact(piece, layout, path, path.0.len())?;
        let of = &self.pieces[piece].layouts[layout];
        let Some(value) = value_edit::get(&of.value, &exact) else {
            return Err(self.missing(piece, layout, &exact, path));
        };
        let node = find::written(of, &exact, &self.limits);
        let extent = of.extents[node];
        let text = &self.pieces[piece].text[extent.start..extent.end];
        let (line, column) = self.place_of(piece, extent.start);
        Ok(Found { value, text, line, column })
    }

    /// Sets what a path names.
    ///
    /// A scalar keeps its quotes where the new one allows that. Maps and lists are changed entry by entry and item by
    /// item, so that what is the same in both stays as it is written. A key that is not there is added after the others
    /// of its map, and so are maps on the way to it that are missing or `null`. An alias that stands at that very place
    /// is replaced by the value. What is equal to the value already is left alone.
    ///
    /// Reads the document again for every way of writing that is tried: once or twice a change.
    ///
    /// # Errors
    ///
    /// See [`EditError`]; the text is then as it was.
    pub fn set(&mut self, document: usize, path: &Path, value: &Value) -> Result<(), EditError> {
        let value = value_edit::as_read(value, self.limits.max_depth)?;
        let (piece, layout) = self.locate(document)?;
        let before = self.pieces[piece].text.clone();
        let mut there = path.0.len();
        let mut exact = self.exact(piece, layout, path, there);
        // Keys at the end may be new, and maps on the way to them.
        while exact.is_err() && there > 0 && matches!(path.0[there - 1], Step::Key(_)) {
            there -= 1;
            exact = self.exact(piece, layout, path, there);
        }
        let exact = exact?;
        let holds = value_edit::get(&self.pieces[piece].layouts[layout].value, &exact);
        if there < path.0.len() && !matches!(holds, Some(Value::Object(_) | Value::Null)) {
            return Err(self.missing(piece, layout, &exact, path));
        }
        let made = if there == path.0.len() {
            self.set_exact(piece, layout, &exact, &value)
        } else {
            let mut value = value;
            for step in path.0[there + 1..].iter().rev() {
                let Step::Key(key) = step else { continue };
                value = Value::Object([(key.clone(), value)].into_iter().collect());
            }
            let Step::Key(key) = &path.0[there] else { return Err(self.missing(piece, layout, &exact, path)) };
            self.add_entry(piece, layout, &exact, key, &value)
        };
        self.kept(piece, before, made)
    }

    /// Adds an entry after the others of its map, or an item to a list: before the one that has its index now, or after
    /// the last.
    ///
    /// # Errors
    ///
    /// See [`EditError`]; the text is then as it was.
    pub fn insert(&mut self, document: usize, path: &Path, value: &Value) -> Result<(), EditError> {
        let value = value_edit::as_read(value, self.limits.max_depth)?;
        let (piece, layout) = self.locate(document)?;
        let before = self.pieces[piece].text.clone();
        let Some((last, _)) = path.0.split_last() else {
            let (line, _) = self.place_of(piece, 0);
            return Err(EditError::Exists { path: path.to_string(), line });
        };
        let parent = self.exact(piece, layout, path, path.0.len() - 1)?;
        let holds = value_edit::get(&self.pieces[piece].layouts[layout].value, &parent);
        let made = match (last, holds) {
            (Step::Key(key), Some(Value::Object(entries))) if entries.contains_key(key) => {
                let line = self.get(document, path)?.line;
                Err(EditError::Exists { path: path.to_string(), line })
            }
            (Step::Key(key), Some(Value::Object(_) | Value::Null)) => {
                self.add_entry(piece, layout, &parent, key, &value)
            }
            (Step::Index(index), Some(Value::Array(items))) if *index <= items.len() => {
                self.add_item(piece, layout, &parent, *index, &value)
            }
            _ => Err(self.missing(piece, layout, &parent, path)),
        };
        self.kept(piece, before, made)
    }

    /// Takes out an entry or an item: its own lines, and no comment that stands in a line of its own before or after it.
    ///
    /// A map or list that it was the last of stays as `{}` or `[]`.
    ///
    /// # Errors
    ///
    /// See [`EditError`]; the text is then as it was. The root cannot be taken out.
    pub fn remove(&mut self, document: usize, path: &Path) -> Result<(), EditError> {
        let (piece, layout) = self.locate(document)?;
        let before = self.pieces[piece].text.clone();
        let exact = self.exact(piece, layout, path, path.0.len())?;
        let made = self.remove_exact(piece, layout, &exact);
        self.kept(piece, before, made)
    }

    /// Puts a piece back as it was when its edit failed halfway.
    fn kept(&mut self, piece: usize, before: String, made: Result<(), EditError>) -> Result<(), EditError> {
        if made.is_err() && self.pieces[piece].text != before {
            self.pieces[piece] = Piece::parse(&Chunk { text: before.as_bytes(), lines_before: 0 }, &self.limits)
                .expect("holds because the same text was read before");
        }
        made
    }

    fn set_exact(&mut self, piece: usize, layout: usize, path: &[Exact], want: &Value) -> Result<(), EditError> {
        let of = &self.pieces[piece].layouts[layout];
        let Some(have) = value_edit::get(&of.value, path) else {
            return Err(self.missing(piece, layout, path, &Path::default()));
        };
        if have == want {
            return Ok(());
        }
        let is_alias = find::is_alias(of, path, &self.limits);
        // What a merge key brought is overruled by an entry of its own.
        if let (Some((Exact::Key(key), parent)), Err((node, steps))) =
            (path.split_last(), find::place(of, path, &self.limits))
            && steps == parent.len()
            && of.style(node) != crate::compose::Style::Alias
        {
            return self.add_entry(piece, layout, parent, &key.clone(), want);
        }
        match (have, want) {
            (Value::Object(have), Value::Object(entries)) if !is_alias && !have.is_empty() && !entries.is_empty() => {
                let gone: Vec<String> = have.keys().filter(|key| !entries.contains_key(*key)).cloned().collect();
                let (old, new): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _)| have.contains_key(*key));
                for (key, value) in old {
                    self.set_exact(piece, layout, &[path, &[Exact::Key(key.clone())]].concat(), value)?;
                }
                for (key, value) in new {
                    self.add_entry(piece, layout, path, key, value)?;
                }
                for key in gone {
                    self.remove_exact(piece, layout, &[path, &[Exact::Key(key)]].concat())?;
                }
                Ok(())
            }
            (Value::Array(have), Value::Array(items)) if !is_alias && !have.is_empty() && !items.is_empty() => {
                let have = have.clone();
                self.set_items(piece, layout, path, &have, items)
            }
            _ => self.replace(piece, layout, path, want),
        }
    }

    /// Changes a list: equal items at both ends stay, those between are changed one by one.
    fn set_items(
        &mut self,
        piece: usize,
        layout: usize,
        path: &[Exact],
        have: &[Value],
        want: &[Value],
    ) -> Result<(), EditError> {
        let shorter = have.len().min(want.len());
        let before = have.iter().zip(want).take_while(|(a, b)| a == b).count();
        let after = have.iter().rev().zip(want.iter().rev()).take(shorter - before).take_while(|(a, b)| a == b).count();
        let changed = shorter - after;
        for (at, item) in want.iter().enumerate().take(changed).skip(before) {
            self.set_exact(piece, layout, &[path, &[Exact::Index(at)]].concat(), item)?;
        }
        for (at, item) in want.iter().enumerate().take(want.len() - after).skip(changed) {
            self.add_item(piece, layout, path, at, item)?;
        }
        for at in (changed..have.len() - after).rev() {
            self.remove_exact(piece, layout, &[path, &[Exact::Index(at)]].concat())?;
        }
        Ok(())
    }

    fn replace(&mut self, piece: usize, layout: usize, path: &[Exact], value: &Value) -> Result<(), EditError> {
        let place = self.place(piece, layout, path)?;
        let ways = self.site(piece, layout).replacements(&place, value);
        let mut want = self.pieces[piece].layouts[layout].value.clone();
        value_edit::set(&mut want, path, value.clone());
        self.commit(piece, layout, path, &place, ways, &want)
    }

    fn add_entry(
        &mut self,
        piece: usize,
        layout: usize,
        path: &[Exact],
        key: &str,
        value: &Value,
    ) -> Result<(), EditError> {
        let place = self.place(piece, layout, path)?;
        self.not_alias(piece, layout, &place, path)?;
        let ways = self.site(piece, layout).entries_added(&place, key, value);
        let mut want = self.pieces[piece].layouts[layout].value.clone();
        value_edit::add_entry(&mut want, path, key, value.clone());
        self.commit(piece, layout, path, &place, ways, &want)
    }

    fn add_item(
        &mut self,
        piece: usize,
        layout: usize,
        path: &[Exact],
        at: usize,
        value: &Value,
    ) -> Result<(), EditError> {
        let place = self.place(piece, layout, path)?;
        self.not_alias(piece, layout, &place, path)?;
        let ways = self.site(piece, layout).items_added(&place, at, value);
        let mut want = self.pieces[piece].layouts[layout].value.clone();
        value_edit::add_item(&mut want, path, at, value.clone());
        self.commit(piece, layout, path, &place, ways, &want)
    }

    fn remove_exact(&mut self, piece: usize, layout: usize, path: &[Exact]) -> Result<(), EditError> {
        let place = self.place(piece, layout, path)?;
        let (of, at) = match place.slot {
            Slot::Entry(of, at) | Slot::Item(of, at) => (of, at),
            Slot::Root => {
                let (line, column) = self.place_of(piece, self.pieces[piece].layouts[layout].extents[0].start);
                return Err(EditError::Unwritable { path: String::new(), line, column });
            }
        };
        let parent = self.place(piece, layout, &path[..path.len() - 1])?;
        debug_assert_eq!(parent.node, of);
        let ways = self.site(piece, layout).removals(&parent, at);
        let mut want = self.pieces[piece].layouts[layout].value.clone();
        value_edit::remove(&mut want, path);
        self.commit(piece, layout, path, &place, ways, &want)
    }

    /// Takes the first way that reads back as what is wanted.
    fn commit(
        &mut self,
        piece: usize,
        layout: usize,
        path: &[Exact],
        place: &Place,
        ways: Vec<Vec<Splice>>,
        want: &Value,
    ) -> Result<(), EditError> {
        let others: usize =
            self.pieces.iter().map(|piece| piece.text.len()).sum::<usize>() - self.pieces[piece].text.len();
        let mut too_long = false;
        for way in ways {
            let text = self.pieces[piece].with(way);
            if text.len() + others > self.limits.max_bytes {
                too_long = true;
                continue;
            }
            let all = chunks(text.as_bytes());
            // One that begins like a byte order mark, or that has become two, is another stream.
            if all.len() != 1 || all[0].text.len() != text.len() {
                continue;
            }
            let Ok(read) = Piece::parse(&all[0], &self.limits) else { continue };
            let old = &self.pieces[piece].layouts;
            let is_wanted = read.layouts.len() == old.len()
                && read
                    .layouts
                    .iter()
                    .zip(old)
                    .enumerate()
                    .all(|(at, (new, old))| new.value == if at == layout { want } else { &old.value }.clone());
            if is_wanted {
                self.pieces[piece] = read;
                return Ok(());
            }
        }
        if too_long {
            return Err(EditError::Limit { limit: self.limits.max_bytes, unit: "bytes" });
        }
        self.shared(piece, layout, path)?;
        let (line, column) = self.place_of(piece, self.pieces[piece].layouts[layout].extents[place.node].start);
        Err(EditError::Unwritable { path: find::shown(path), line, column })
    }

    fn site(&self, piece: usize, layout: usize) -> Site<'_> {
        let text = &self.pieces[piece].text;
        let has_break = |text: &&str| text.contains(['\n', '\r']);
        let example = std::iter::once(text.as_str()).chain(self.pieces.iter().map(|piece| piece.text.as_str()));
        let line_break = scan::line_break(example.into_iter().find(has_break).unwrap_or_default());
        Site { text, layout: &self.pieces[piece].layouts[layout], line_break }
    }

    fn locate(&self, document: usize) -> Result<(usize, usize), EditError> {
        let mut before = 0;
        for (at, piece) in self.pieces.iter().enumerate() {
            if document < before + piece.layouts.len() {
                return Ok((at, document - before));
            }
            before += piece.layouts.len();
        }
        Err(EditError::NoDocument { document, count: before })
    }

    fn exact(&self, piece: usize, layout: usize, path: &Path, steps: usize) -> Result<Vec<Exact>, EditError> {
        let of = &self.pieces[piece].layouts[layout];
        find::exact(&of.value, path, steps).map_err(|known| match known {
            Known::Nothing(exact) => self.missing(piece, layout, &exact, path),
            Known::Several(exact, up_to) => {
                let node = find::written(of, &exact, &self.limits);
                let (line, _) = self.place_of(piece, of.extents[node].start);
                EditError::Ambiguous { path: Path(path.0[..up_to].to_vec()).to_string(), line }
            }
        })
    }

    /// Finds what may be edited: it is written at that place, and nowhere else counts.
    fn place(&self, piece: usize, layout: usize, path: &[Exact]) -> Result<Place, EditError> {
        let of = &self.pieces[piece].layouts[layout];
        find::place(of, path, &self.limits).map_err(|(node, steps)| {
            let (line, column) = self.place_of(piece, of.extents[node].start);
            EditError::Aliased { path: find::shown(&path[..steps]), line, column }
        })
    }

    fn not_alias(&self, piece: usize, layout: usize, place: &Place, path: &[Exact]) -> Result<(), EditError> {
        let of = &self.pieces[piece].layouts[layout];
        if of.style(place.node) != crate::compose::Style::Alias {
            return Ok(());
        }
        let (line, column) = self.place_of(piece, of.extents[place.node].start);
        Err(EditError::Aliased { path: find::shown(path), line, column })
    }

    /// Tells of an anchor around the edited place, or within it, that is used elsewhere.
    fn shared(&self, piece: usize, layout: usize, path: &[Exact]) -> Result<(), EditError> {
        let of = &self.pieces[piece].layouts[layout];
        let Some((node, user)) = find::shared(of, path, &self.limits) else { return Ok(()) };
        let (line, column) = self.place_of(piece, of.extents[node].start);
        let (used, _) = self.place_of(piece, of.extents[user].start);
        let anchor = of.tree.spans[node].anchor.clone().unwrap_or_default();
        Err(EditError::Shared { anchor, line, column, used })
    }

    fn missing(&self, piece: usize, layout: usize, exact: &[Exact], path: &Path) -> EditError {
        let of = &self.pieces[piece].layouts[layout];
        let node = find::written(of, exact, &self.limits);
        let (line, _) = self.place_of(piece, of.extents[node].start);
        let up_to = (exact.len() + 1).min(path.0.len());
        EditError::Missing { path: Path(path.0[..up_to].to_vec()).to_string(), line }
    }

    /// Returns the line and column of a byte of a piece, from 1.
    fn place_of(&self, piece: usize, at: usize) -> (u32, u32) {
        let count = |text: &str| scan::lines(text).len() as u32;
        let before: u32 = self.pieces[..piece].iter().map(|piece| count(&piece.text)).sum();
        let text = &self.pieces[piece].text;
        let start = scan::line_start(text, at);
        (before + count(&text[..start]) + 1, text[start..at].chars().count() as u32 + 1)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_byte_order_mark {
            f.write_str("\u{feff}")?;
        }
        self.pieces.iter().try_for_each(|piece| f.write_str(&piece.text))
    }
}

impl Piece {
    fn parse(chunk: &Chunk<'_>, limits: &Limits) -> Result<Self, Vec<Problem>> {
        let (trees, broken) = compose_with_spans(chunk, limits.max_depth);
        let mut problems: Vec<Problem> = broken.into_iter().collect();
        let Ok(text) = std::str::from_utf8(chunk.text) else { return Err(problems) };
        let mut layouts = Vec::new();
        for tree in trees {
            match value::to_json(&tree, Rules::Sigs, limits) {
                Ok(value) => layouts.push(Layout::new(text, tree, value)),
                Err(found) => problems.extend(found),
            }
        }
        layouts.retain(|layout| !layout.says_nothing());
        if problems.is_empty() { Ok(Self { text: text.to_owned(), layouts }) } else { Err(problems) }
    }

    /// Returns the text with changes, which do not overlap.
    fn with(&self, mut changes: Vec<Splice>) -> String {
        changes.sort_by_key(|change| change.from);
        let mut text = String::new();
        let mut at = 0;
        for change in changes {
            text.push_str(&self.text[at..change.from.max(at)]);
            text.push_str(&change.text);
            at = change.to.max(at);
        }
        text + &self.text[at..]
    }
}
