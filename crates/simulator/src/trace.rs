use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

/// What happened, one line each, and a hash over all of it.
#[derive(Clone)]
pub(crate) struct Trace(Arc<Inner>);

struct Inner {
    begin: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    hasher: Sha256,
    lines: Vec<String>,
    keeps: bool,
    count: u64,
}

/// Lines kept when not all are asked for: what a failure is told with.
const TAIL: usize = 60;

impl Trace {
    /// Begins now; keeps all lines, or only the last ones.
    pub(crate) fn new(keeps: bool) -> Self {
        let state = State { keeps, ..State::default() };
        Self(Arc::new(Inner { begin: Instant::now(), state: Mutex::new(state) }))
    }

    /// Returns how long the run has lasted, by its own clock.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.begin.elapsed()
    }

    pub(crate) fn line(&self, text: &str) {
        let millis = self.elapsed().as_millis();
        let (seconds, millis) = (millis / 1000, millis % 1000);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let line = format!("{hours:02}:{minutes:02}:{seconds:02}.{millis:03} {text}");
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.hasher.update(line.as_bytes());
        state.hasher.update(b"\n");
        state.count += 1;
        if !state.keeps && state.lines.len() >= 2 * TAIL {
            state.lines.drain(..TAIL);
        }
        state.lines.push(line);
    }

    /// Returns the hash over all lines so far, as hexadecimal digits.
    pub(crate) fn hash(&self) -> String {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = state.hasher.clone().finalize();
        hexadecimal(&digest[..8])
    }

    /// Returns the lines that were kept.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).lines.clone()
    }
}

/// Returns bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"))
}
