//! The named limits of this room.

use std::time::Duration;

/// The largest file a tree reads.
pub const MAX_BLOB_BYTES: u64 = 64 * 1024 * 1024;

/// The largest pack taken from a remote in one fetch.
pub const MAX_PACK_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// The most references a remote may list in answer to one question.
pub const MAX_REFS: usize = 500_000;

/// The largest archive of a chart or an artifact, packed: Helm's bound (`pkg/chart/loader/archive`).
pub const MAX_ARCHIVE_BYTES: u64 = 100 * 1024 * 1024;

/// The most that the files of an archive may hold together: Helm's bound too.
pub const MAX_UNPACKED_BYTES: u64 = 100 * 1024 * 1024;

/// The most files of an archive: headers take memory that the bound of bytes does not count.
pub const MAX_ARCHIVE_FILES: usize = 100_000;

/// The largest index of a Helm repository; the greatest public ones have some 30 MB.
pub const MAX_INDEX_BYTES: u64 = 128 * 1024 * 1024;

/// The most versions of charts in an index.
pub const MAX_INDEX_VERSIONS: usize = 500_000;

/// The largest manifest, and page of tags, of a registry: registries themselves take manifests of 4 MiB at most.
pub const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// The most tags of one repository of a registry.
pub const MAX_TAGS: usize = 100_000;

/// The most pages that a registry may give its tags in.
pub(crate) const MAX_TAG_PAGES: usize = 1_000;

/// The largest answer of a registry's server of tokens.
pub(crate) const MAX_TOKEN_BYTES: u64 = 1024 * 1024;

/// The most HTTP redirects followed for an index or an archive, as in Go.
pub(crate) const MAX_ARCHIVE_REDIRECTS: usize = 10;

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
