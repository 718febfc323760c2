//! Sets of templates that know each other.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::context::Run;
use crate::error::{ExecError, ParseError};
use crate::exec::Exec;
use crate::function::Functions;
use crate::limits::Limits;
use crate::parse;
use crate::tree::Tree;
use crate::value::Value;

/// What a template gets for a key that a map does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingKey {
    /// No value: prints `<no value>`, and its fields are no values either. Go's `missingkey=default`.
    #[default]
    Default,
    /// The zero value of the map's elements. Go's `missingkey=zero`.
    Zero,
    /// An error. Go's `missingkey=error`.
    Error,
}

/// Templates parsed once, to be executed many times, by any number of threads.
///
/// Clones are cheap and independent: what a clone parses, the original does not know. That is how `tpl` works.
#[derive(Debug, Clone)]
pub struct Set {
    functions: Arc<Functions>,
    layer: Arc<Layer>,
    name: Arc<str>,
    missing_key: MissingKey,
    delims: (Arc<[u8]>, Arc<[u8]>),
}

/// Some templates, over those of the set that this one was cloned from.
#[derive(Debug, Default)]
struct Layer {
    below: Option<Arc<Layer>>,
    trees: BTreeMap<Arc<[u8]>, Arc<Tree>>,
}

impl Layer {
    fn find(&self, name: &[u8]) -> Option<&Tree> {
        let mut layer = self;
        loop {
            if let Some(tree) = layer.trees.get(name) {
                return Some(tree);
            }
            layer = layer.below.as_deref()?;
        }
    }
}

impl Set {
    /// Makes a set without templates, whose templates may call `functions`.
    pub fn new(functions: Functions) -> Self {
        Self {
            functions: Arc::new(functions),
            layer: Arc::default(),
            name: "".into(),
            missing_key: MissingKey::default(),
            delims: (b"{{".as_slice().into(), b"}}".as_slice().into()),
        }
    }

    /// Names the set itself, as `template.New(NAME)` does: told when a template is asked for that is not there.
    pub fn set_name(&mut self, name: &str) {
        self.name = name.into();
    }

    /// Returns the name of the set itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sets what a template gets for a key that a map does not have.
    pub fn set_missing_key(&mut self, missing_key: MissingKey) {
        self.missing_key = missing_key;
    }

    /// Returns what a template gets for a key that a map does not have.
    pub fn missing_key(&self) -> MissingKey {
        self.missing_key
    }

    /// Sets what begins and ends an action in texts parsed from now on; an empty one stands for `{{` or `}}`.
    pub fn set_delims(&mut self, left: &str, right: &str) {
        let or = |delim: &str, default: &str| {
            if delim.is_empty() { default.as_bytes().into() } else { delim.as_bytes().into() }
        };
        self.delims = (or(left, "{{"), or(right, "}}"));
    }

    /// Parses a text as the template `name`, with the templates it defines.
    ///
    /// A template that is already there is replaced, unless the new one is empty but for white space. After an error
    /// the set is as it was.
    pub fn parse(&mut self, name: impl AsRef<[u8]>, text: impl AsRef<[u8]>) -> Result<(), ParseError> {
        self.parse_shared(name, &Bytes::copy_from_slice(text.as_ref()))
    }

    /// Parses a text as [`Set::parse`] does, and keeps it without a copy.
    pub fn parse_shared(&mut self, name: impl AsRef<[u8]>, text: &Bytes) -> Result<(), ParseError> {
        let delims = (&*self.delims.0, &*self.delims.1);
        let trees = parse::parse(name.as_ref(), text, delims, &self.functions)?;
        let new: Vec<_> =
            trees.into_iter().filter(|(name, tree)| !tree.is_empty() || self.layer.find(name).is_none()).collect();
        if Arc::get_mut(&mut self.layer).is_none() {
            self.layer = Arc::new(Layer { below: Some(Arc::clone(&self.layer)), trees: BTreeMap::new() });
        }
        let layer = Arc::get_mut(&mut self.layer).expect("holds because a shared layer was just replaced");
        layer.trees.extend(new.into_iter().map(|(name, tree)| (name, Arc::new(tree))));
        Ok(())
    }

    /// Tells whether there is a template by that name.
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.layer.find(name.as_ref()).is_some()
    }

    /// Returns the names of all templates, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names = std::collections::BTreeSet::new();
        let mut layer = Some(&self.layer);
        while let Some(some) = layer {
            names.extend(some.trees.keys().map(|name| crate::unicode::lossy(name)));
            layer = some.below.as_ref();
        }
        names.into_iter().collect()
    }

    /// Returns a template as Go prints its tree.
    pub fn print(&self, name: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        self.layer.find(name.as_ref()).map(|tree| tree.print(tree.root))
    }

    /// Returns the functions that the templates may call.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Executes a template within the default limits, and returns its output.
    pub fn render(&self, name: impl AsRef<[u8]>, data: &Value) -> Result<Vec<u8>, ExecError> {
        let mut out = Vec::new();
        self.execute(name, data, &mut out, Limits::default(), &mut ())?;
        Ok(out)
    }

    /// Executes a template. `host` is the state that functions find with [`Context::host`](crate::Context::host).
    ///
    /// The output is appended to `out`; after an error it holds what was written before.
    pub fn execute(
        &self,
        name: impl AsRef<[u8]>,
        data: &Value,
        out: &mut Vec<u8>,
        limits: Limits,
        host: &mut dyn Any,
    ) -> Result<(), ExecError> {
        let mut run = Run::new(limits, host);
        Exec::run_into(self, &mut run, name.as_ref(), data, out)
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<&Tree> {
        self.layer.find(name)
    }
}
