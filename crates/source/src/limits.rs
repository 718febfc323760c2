//! The named limits of this room.

use std::time::Duration;

/// The largest file a tree reads.
pub const MAX_BLOB_BYTES: u64 = 64 * 1024 * 1024;

/// The largest pack taken from a remote in one fetch.
pub const MAX_PACK_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// The most references a remote may list in answer to one question.
pub const MAX_REFS: usize = 500_000;

/// The most HTTP redirects followed before a remote's address is settled.
pub const MAX_REDIRECTS: usize = 5;

/// The most commits told to a remote as already here, so that it sends differences only.
pub(crate) const MAX_HAVES: usize = 16;

/// The most remotes spoken to at the same time.
pub(crate) const MAX_PARALLEL_REMOTES: usize = 64;

/// The most threads that read local repositories at the same time.
pub(crate) const MAX_PARALLEL_READS: usize = 4;

/// The most directory entries kept parsed per clone.
pub(crate) const MAX_CACHED_ENTRIES: usize = 20_000;

/// The most packs a clone gathers before it is written anew with what is still used.
pub(crate) const MAX_PACKS: usize = 40;

/// The deepest nesting of directories copied from a local repository.
pub(crate) const MAX_DEPTH: usize = 512;

/// How long a clone that nobody uses stays on the disk.
pub(crate) const MAX_IDLE: Duration = Duration::from_hours(24);

/// The time between two looks for clones that nobody uses.
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_hours(1);

/// The most commits visited to tell whether one descends from another.
pub(crate) const MAX_ANCESTRY: usize = 1_000_000;

/// How long one conversation with a remote may take when nobody says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// The wait after the first failed check; it doubles up to the interval, and to [`MAX_BACKOFF`] at most.
pub(crate) const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest wait between checks of a remote that cannot be reached.
pub(crate) const MAX_BACKOFF: Duration = Duration::from_mins(5);
