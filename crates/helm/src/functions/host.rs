//! What functions need of the world around a rendering: time, chance, a cluster.

use std::collections::BTreeMap;

use bowline_gotmpl::{Context, FuncError, Str, Value};

use super::regexes::Compiled;

/// Reads the cluster on behalf of a template's `lookup`.
pub trait Lookup {
    /// Returns the object, or the list where `name` is empty; `None` where there is none, which templates see as an
    /// empty map.
    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Option<Value>, FuncError>;
}

/// Fills a slice with random bytes.
pub type Random = Box<dyn FnMut(&mut [u8])>;

/// The state that the functions of [`table`](super::table) find with
/// [`Context::host`](bowline_gotmpl::Context::host): every execution of their templates must be started with one.
pub struct Host {
    now: (i64, u32),
    random: Random,
    lookup: Option<Box<dyn Lookup>>,
    /// Whether `required` and `fail` let mistakes pass, as `helm lint` wants it.
    pub lint: bool,
    /// What the templates made use of.
    pub used: Used,
    includes: BTreeMap<Str, u32>,
    pub(super) regexes: Compiled,
    texts: u32,
}

/// What templates made use of that another rendering would see otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// The time.
    pub time: bool,
    /// Random numbers.
    pub random: bool,
    /// The cluster.
    pub lookup: bool,
}

impl Used {
    /// Tells whether another rendering of the same chart may say something else.
    #[must_use]
    pub fn is_deterministic(self) -> bool {
        !self.time && !self.random && !self.lookup
    }
}

impl Host {
    /// Makes the state of a rendering at a time, in seconds since 1970 and nanoseconds, with a source of chance.
    #[must_use]
    pub fn new(now: (i64, u32), random: Random) -> Self {
        Self {
            now,
            random,
            lookup: None,
            lint: false,
            used: Used::default(),
            includes: BTreeMap::new(),
            regexes: Compiled::default(),
            texts: 0,
        }
    }

    /// Gives templates a cluster to look into.
    #[must_use]
    pub fn with_lookup(mut self, lookup: Box<dyn Lookup>) -> Self {
        self.lookup = Some(lookup);
        self
    }

    /// Forgets what was made use of, and returns it: to be asked after each template.
    pub fn take_used(&mut self) -> Used {
        std::mem::take(&mut self.used)
    }

    pub(super) fn now(&mut self) -> (i64, u32) {
        self.used.time = true;
        self.now
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        self.used.random = true;
        (self.random)(bytes);
    }

    /// Returns a random number below `bound`, each as likely as the others.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let bound = bound.max(1);
        let highest = u64::MAX - u64::MAX % bound;
        loop {
            let mut bytes = [0; 8];
            self.fill(&mut bytes);
            let number = u64::from_le_bytes(bytes);
            if number < highest {
                return number % bound;
            }
        }
    }

    pub(super) fn look(&mut self, key: [&str; 4]) -> Result<Option<Value>, FuncError> {
        match &self.lookup {
            None => Ok(None),
            Some(lookup) => {
                self.used.lookup = true;
                lookup.lookup(key[0], key[1], key[2], key[3])
            }
        }
    }

    /// Counts one more inclusion of a template within itself; `None` if there are too many.
    pub(super) fn enter(&mut self, name: &Str) -> Option<()> {
        let count = self.includes.entry(name.clone()).or_insert(0);
        if *count > MOST_INCLUDES {
            return None;
        }
        *count += 1;
        Some(())
    }

    /// Counts one more text that is executed as a template within others; `None` if there are too many.
    pub(super) fn enter_text(&mut self) -> Option<()> {
        self.texts = Some(self.texts).filter(|texts| *texts < MOST_TEXTS)? + 1;
        Some(())
    }

    pub(super) fn leave_text(&mut self) {
        self.texts = self.texts.saturating_sub(1);
    }

    pub(super) fn leave(&mut self, name: &Str) {
        if let Some(count) = self.includes.get_mut(name) {
            *count = count.saturating_sub(1);
        }
    }
}

/// Texts may be executed within each other so deep; Go has no bound but its stack.
const MOST_TEXTS: u32 = 200;

/// A template may be included within itself so often.
const MOST_INCLUDES: u32 = 1000;

/// Returns the state of the rendering.
pub(super) fn host<'c>(ctx: &'c mut Context<'_, '_>) -> &'c mut Host {
    ctx.host()
}
