//! Files that may be lost at any moment: named by digest, checked when read, and no more of them than a limit allows.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use tracing::{debug, warn};

/// What every file begins with; another number is another form.
const MAGIC: &[u8] = b"bowline cache 1\n";
const DIGEST_BYTES: usize = 32;

/// The most that one entry may hold, before it is packed.
const MAX_ENTRY_BYTES: usize = 256 << 20;

/// How far below its limit the store goes when it makes room, in percent: so that it need not at each write.
const ROOM_PERCENT: u64 = 90;

/// Names for a file that is being written that are tried: all others are being written just now.
const NAMES_TRIED: u32 = 64;

/// How hard entries are packed: rendered objects repeat themselves, and the lowest level finds that already.
const LEVEL: i32 = 1;

/// How a file is written: a seam for tests of a disk that is full.
pub(super) type WriteFile = fn(&Path, &[u8]) -> io::Result<()>;

/// The digest of something, by which it is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name([u8; DIGEST_BYTES]);

impl Name {
    pub(super) fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2 && !pair.starts_with('+'))?;
            u8::from_str_radix(pair, 16).ok()
        });
        bytes.collect::<Option<Vec<u8>>>()?.try_into().ok().map(Self)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A folder of such files. Several processes may share it.
pub(super) struct Store {
    folder: PathBuf,
    max_bytes: u64,
    write: WriteFile,
    known: Mutex<Known>,
    temporary: AtomicU64,
    has_failed: AtomicBool,
}

/// What is known of the folder, without looking.
#[derive(Default)]
struct Known {
    /// The size of each file, and when it was used last, as a count.
    files: BTreeMap<Name, (u64, u64)>,
    bytes: u64,
    uses: u64,
}

impl Known {
    fn note(&mut self, name: Name, bytes: u64) {
        self.uses += 1;
        let before = self.files.insert(name, (bytes, self.uses));
        self.bytes = self.bytes + bytes - before.map_or(0, |(bytes, _)| bytes);
    }

    fn forget(&mut self, name: Name) {
        if let Some((bytes, _)) = self.files.remove(&name) {
            self.bytes -= bytes;
        }
    }
}

impl Store {
    /// Opens a folder, which need not be there, and learns what it holds.
    pub(super) fn open(folder: PathBuf, max_bytes: u64, write: WriteFile) -> Self {
        let known = Mutex::new(survey(&folder));
        let store =
            Self { folder, max_bytes, write, known, temporary: AtomicU64::new(0), has_failed: AtomicBool::new(false) };
        store.make_room();
        store
    }

    /// Returns what was kept under a name. What is damaged is taken away, and was never there.
    pub(super) fn get(&self, name: Name) -> Option<Vec<u8>> {
        let path = self.path(name);
        let Ok(file) = fs::read(&path) else {
            self.lock().forget(name);
            return None;
        };
        let Some(content) = unpack(&file) else {
            warn!(path = %path.display(), "A cached file is damaged and is thrown away");
            let _ = fs::remove_file(&path);
            self.lock().forget(name);
            return None;
        };
        self.lock().note(name, file.len() as u64);
        Some(content)
    }

    /// Keeps something under a name, if the disk lets it; replaces what was there.
    pub(super) fn put(&self, name: Name, content: &[u8]) {
        if content.len() > MAX_ENTRY_BYTES {
            return;
        }
        match self.write(name, content) {
            Ok(bytes) => {
                self.lock().note(name, bytes);
                self.has_failed.store(false, Ordering::Relaxed);
                self.make_room();
            }
            Err(error) if self.has_failed.swap(true, Ordering::Relaxed) => debug!(%error, "A cached file is not kept"),
            Err(error) => {
                warn!(folder = %self.folder.display(), %error, "Renders cannot be cached: they are made again when asked for");
            }
        }
    }

    #[cfg(test)]
    fn has(&self, name: Name) -> bool {
        self.lock().files.contains_key(&name)
    }

    fn write(&self, name: Name, content: &[u8]) -> io::Result<u64> {
        let packed = zstd::bulk::compress(content, LEVEL)?;
        let file = [MAGIC, &Sha256::digest(&packed)[..], &packed].concat();
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        // Another process may write the same at the same time: each has a file of its own until it is whole.
        // Processes of two containers may well have the same number, so names that are taken are passed over.
        for _ in 0..NAMES_TRIED {
            let count = self.temporary.fetch_add(1, Ordering::Relaxed);
            let temporary = self.folder.join(format!("{}-{count}.tmp", std::process::id()));
            let written = match (self.write)(&temporary, &file) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                written => written.and_then(|()| fs::rename(&temporary, &path)),
            };
            if written.is_err() {
                let _ = fs::remove_file(&temporary);
            }
            return written.map(|()| file.len() as u64);
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    /// Takes away what was not used for longest, where there is more than the limit allows.
    fn make_room(&self) {
        let mut known = self.lock();
        if known.bytes <= self.max_bytes {
            return;
        }
        let mut by_age: Vec<(u64, Name)> = known.files.iter().map(|(name, (_, used))| (*used, *name)).collect();
        by_age.sort_unstable();
        for (_, name) in by_age {
            if known.bytes <= self.max_bytes / 100 * ROOM_PERCENT {
                break;
            }
            let _ = fs::remove_file(self.path(name));
            known.forget(name);
        }
    }

    fn path(&self, name: Name) -> PathBuf {
        let text = name.to_string();
        self.folder.join(&text[..2]).join(&text[2..])
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a file for the eyes of its owner alone.
pub(super) fn write_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(content)
}

fn unpack(file: &[u8]) -> Option<Vec<u8>> {
    let (digest, packed) = file.strip_prefix(MAGIC)?.split_at_checked(DIGEST_BYTES)?;
    if Sha256::digest(packed)[..] != *digest {
        return None;
    }
    let mut content = Vec::new();
    zstd::stream::read::Decoder::new(packed).ok()?.take(MAX_ENTRY_BYTES as u64).read_to_end(&mut content).ok()?;
    Some(content)
}

/// Looks through a folder: which files there are, the oldest first. What a crash left half-written is taken away.
fn survey(folder: &Path) -> Known {
    let mut found: Vec<(SystemTime, Name, u64)> = Vec::new();
    for directory in entries(folder) {
        if directory.extension().is_some_and(|extension| extension == "tmp") {
            let _ = fs::remove_file(&directory);
            continue;
        }
        let start = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for file in entries(&directory) {
            let end = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(name) = Name::parse(&format!("{start}{end}")) else { continue };
            let Ok(metadata) = fs::symlink_metadata(&file) else { continue };
            if metadata.is_file() {
                found.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), name, metadata.len()));
            }
        }
    }
    found.sort_unstable();
    let mut known = Known::default();
    for (_, name, bytes) in found {
        known.note(name, bytes);
    }
    known
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &Path, max_bytes: u64) -> Store {
        Store::open(folder.to_owned(), max_bytes, write_file)
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        entries(folder).flat_map(|path| if path.is_dir() { entries(&path).collect() } else { vec![path] }).collect()
    }

    /// Text that does not pack: each name is of a digest.
    fn noise(seed: usize, bytes: usize) -> Vec<u8> {
        (0..bytes / DIGEST_BYTES).flat_map(|at| Name::of(format!("{seed} {at}").as_bytes()).0).collect()
    }

    #[test]
    fn what_was_kept_is_found_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = Name::of(b"a");
        let store = open(folder.path(), 1 << 20);
        store.put(name, b"first");
        store.put(name, b"second");
        assert_eq!(store.get(Name::of(b"b")), None);
        assert!(store.has(name));
        let again = open(folder.path(), 1 << 20);
        assert!(again.has(name));
        assert_eq!(again.get(name).as_deref(), Some(&b"second"[..]));
        assert_eq!(Name::parse(&name.to_string()), Some(name));
        assert_eq!(Name::parse("+1"), None);
    }

    #[test]
    fn a_wrong_bit_anywhere_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = Name::of(b"a");
        let store = open(folder.path(), 1 << 20);
        store.put(name, b"some content");
        let path = files(folder.path()).pop().expect("a file");
        let whole = fs::read(&path).expect("is there");
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut wrong = whole.clone();
                wrong[at] ^= 1 << bit;
                fs::write(&path, &wrong).expect("can be written");
                assert_eq!(store.get(name), None, "byte {at}, bit {bit}");
                assert!(!path.exists(), "damage is taken away");
                assert!(!store.has(name));
            }
        }
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).expect("can be written");
            assert_eq!(store.get(name), None, "cut off after {length}");
        }
        store.put(name, b"some content");
        assert_eq!(store.get(name).as_deref(), Some(&b"some content"[..]), "it is kept anew");
    }

    #[test]
    fn what_a_crash_left_is_taken_away() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("123-4.tmp"), b"half").expect("can be written");
        fs::write(folder.path().join("README"), b"somebody's").expect("can be written");
        let store = open(folder.path(), 1 << 20);
        store.put(Name::of(b"a"), b"content");
        let left = files(folder.path());
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(left.iter().all(|path| path.extension().is_none()));
    }

    #[test]
    fn what_was_not_used_for_longest_makes_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path(), 10_000);
        let name = |at: usize| Name::of(format!("{at}").as_bytes());
        for at in 0..9 {
            store.put(name(at), &noise(at, 1024));
        }
        assert!(store.get(name(0)).is_some(), "used just now");
        store.put(name(9), &noise(9, 1024));
        store.put(name(10), &noise(10, 1024));
        let have: Vec<usize> = (0..11).filter(|at| store.has(name(*at))).collect();
        assert!(have.contains(&0) && have.contains(&10) && !have.contains(&1), "{have:?}");
        let size = || files(folder.path()).iter().map(|path| fs::metadata(path).expect("is there").len()).sum::<u64>();
        assert!(size() <= 10_000, "{}", size());
        drop(store);
        // A smaller limit counts from the start.
        let _ = open(folder.path(), 3_000);
        assert!(size() <= 3_000, "{}", size());
    }

    #[test]
    fn a_full_disk_leaves_no_halves() {
        fn full(path: &Path, content: &[u8]) -> io::Result<()> {
            fs::write(path, &content[..content.len() / 2])?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path().to_owned(), 1 << 20, full);
        store.put(Name::of(b"a"), b"content");
        assert_eq!(store.get(Name::of(b"a")), None);
        assert!(!store.has(Name::of(b"a")));
        assert_eq!(files(folder.path()).len(), 0, "{:?}", files(folder.path()));
    }

    #[test]
    fn a_folder_that_cannot_be_is_as_if_nothing_were_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, b"").expect("can be written");
        // Even a process that may write everywhere cannot make a folder of a file.
        let store = open(&file.join("renders"), 1 << 20);
        store.put(Name::of(b"a"), b"content");
        assert_eq!(store.get(Name::of(b"a")), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_is_read_only_is_still_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        open(folder.path(), 1 << 20).put(Name::of(b"a"), b"content");
        let allow = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).expect("is ours");
        allow(0o500);
        let store = open(folder.path(), 1 << 20);
        assert_eq!(store.get(Name::of(b"a")).as_deref(), Some(&b"content"[..]));
        // The superuser may write even so; what counts is that nothing breaks.
        store.put(Name::of(b"b"), b"content");
        allow(0o700);
        let path = files(folder.path()).pop().expect("a file");
        assert_eq!(fs::metadata(path).expect("is there").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn writers_at_once_do_not_disturb_each_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let stores = [open(folder.path(), 1 << 30), open(folder.path(), 1 << 30)];
        let name = |at: usize| Name::of(format!("{}", at % 7).as_bytes());
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let store = &stores[writer % 2];
                scope.spawn(move || {
                    for at in 0..100 {
                        store.put(name(at), &noise(at % 7, 2048));
                        assert!(store.get(name(at)) == Some(noise(at % 7, 2048)), "{at}");
                    }
                });
            }
        });
        assert_eq!(files(folder.path()).len(), 7);
    }
}
