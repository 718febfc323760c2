//! Time and chance, passed in: the server itself reads neither a clock nor a random source.

use std::fmt;
use std::sync::Arc;

use jiff::{Timestamp, Unit};

/// A clock that can be replaced.
///
/// Timers (watch timeouts, bookmarks) are tokio's, so a paused runtime and [`Clock::tokio`] together stand still until
/// the test moves them.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// Makes a clock out of a function.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Returns the machine's own clock.
    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    /// Returns a clock that starts at `start` and moves as tokio's does; call it within a runtime.
    pub fn tokio(start: Timestamp) -> Self {
        let origin = tokio::time::Instant::now();
        Self::new(move || {
            let passed = jiff::SignedDuration::try_from(origin.elapsed()).unwrap_or(jiff::SignedDuration::ZERO);
            start.checked_add(passed).unwrap_or(Timestamp::MAX)
        })
    }

    /// Returns the time now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }

    /// Returns the time now as `metadata` fields carry it: whole seconds, UTC.
    pub fn now_seconds(&self) -> String {
        rfc3339_seconds(self.now())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// Prints a time as Kubernetes' `metav1.Time` does: `2026-11-21T10:00:00Z`.
pub(crate) fn rfc3339_seconds(time: Timestamp) -> String {
    let whole =
        time.round(jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Floor)).unwrap_or(time);
    whole.to_string()
}

/// Prints a time as Kubernetes' `metav1.MicroTime` does: `2026-11-21T10:00:00.000000Z`.
pub(crate) fn rfc3339_micros(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// A seeded generator of uids and name suffixes: the same seed and requests give the same names.
///
/// The generator is `SplitMix64`; nothing here is secret, so speed and repeatability are all that is asked of it.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

/// The letters of generated names; no vowels, so that no words appear (k8s: `apimachinery/pkg/util/rand`).
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl Random {
    /// Starts a generator.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns what [`Random::resume`] goes on from.
    pub(crate) fn state(&self) -> u64 {
        self.0
    }

    pub(crate) fn resume(&mut self, state: u64) {
        self.0 = state;
    }

    /// Returns the next 64 bits.
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a version 4 uid.
    pub(crate) fn uid(&mut self) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next_u64().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next_u64().to_be_bytes());
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// Returns `length` letters fit for a name.
    pub(crate) fn suffix(&mut self, length: usize) -> String {
        (0..length)
            .map(|_| {
                let at = self.next_u64() % ALPHABET.len() as u64;
                char::from(ALPHABET[at as usize])
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_names() {
        let (mut a, mut b) = (Random::new(7), Random::new(7));
        assert_eq!(a.uid(), b.uid());
        assert_eq!(a.suffix(5), b.suffix(5));
        assert_eq!(a.uid().as_bytes()[14], b'4');
    }

    #[test]
    fn times_are_printed_as_kubernetes_prints_them() {
        let time: Timestamp = "2026-11-21T10:00:00.987654321Z".parse().expect("a valid time");
        assert_eq!(rfc3339_seconds(time), "2026-11-21T10:00:00Z");
        assert_eq!(rfc3339_micros(time), "2026-11-21T10:00:00.987654Z");
    }
}
