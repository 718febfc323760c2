use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use git2::{ErrorClass, ErrorCode, Indexer, ObjectType, Odb, Oid, Repository};
use tokio::sync::mpsc;

use crate::SourceError;
use crate::commit::Commit;
use crate::limits::{MAX_CACHED_ENTRIES, MAX_HAVES, MAX_PACKS};
use crate::tree::RawEntry;
use crate::wire::PackPart;

/// A bare repository on the local disk that holds commits with their whole trees.
///
/// Packs come in whole or not at all, and each brings all objects its commit needs beyond those already
/// here. So a commit that is here can be read to its last file.
pub(crate) struct Store {
    dir: PathBuf,
    odb: Odb<'static>,
    /// The commits fetched, the youngest first.
    kept: Mutex<VecDeque<Oid>>,
    trees: Mutex<TreeCache>,
    damaged: AtomicBool,
    /// Whether the directory goes away with the last user.
    doomed: AtomicBool,
}

/// Directories parsed lately.
#[derive(Default)]
struct TreeCache {
    trees: HashMap<Oid, Arc<[RawEntry]>>,
    entries: usize,
}

/// References of this form keep the fetched commits, should somebody's `git gc` come by.
const KEPT: &str = "refs/kept/";

impl Store {
    /// Opens the store in `dir`; makes a new one where there is none, or none that can be opened.
    pub(crate) fn open(dir: &Path) -> Result<Self, SourceError> {
        let repository = match Repository::open_bare(dir) {
            Ok(repository) => repository,
            // The disk fails, or may not be read: what lies there may be whole.
            Err(error) if matches!(error.class(), ErrorClass::Os | ErrorClass::Filesystem) && dir.exists() => {
                return Err(SourceError::store(&error));
            }
            Err(error) => {
                if dir.exists() {
                    tracing::warn!(dir = %dir.display(), %error, "Local clone cannot be opened and is made anew");
                    fs::remove_dir_all(dir).map_err(|error| SourceError::store(&error))?;
                }
                Repository::init_bare(dir).map_err(|error| SourceError::store(&error))?
            }
        };
        let store = Self {
            dir: dir.to_owned(),
            odb: open_odb(dir)?,
            kept: Mutex::new(kept(&repository)),
            trees: Mutex::default(),
            damaged: AtomicBool::new(false),
            doomed: AtomicBool::new(false),
        };
        store.sweep();
        Ok(store)
    }

    /// Removes what a process that was killed left of an unfinished fetch.
    fn sweep(&self) {
        let Ok(files) = fs::read_dir(self.packs()) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            let name = name.to_string_lossy();
            if !name.starts_with("pack-") || name.ends_with(".lock") {
                // A leftover that cannot be removed takes room and does no other harm.
                let _kept = fs::remove_file(file.path());
            }
        }
    }

    fn packs(&self) -> PathBuf {
        self.dir.join("objects").join("pack")
    }

    pub(crate) fn has_commit(&self, commit: Oid) -> bool {
        match self.odb.read(commit) {
            Ok(object) => !self.is_damaged() && object.kind() == ObjectType::Commit,
            Err(error) if error.code() == ErrorCode::NotFound => false,
            // It is here and cannot be read: so the next use starts anew.
            Err(error) => {
                self.broken(&error);
                false
            }
        }
    }

    pub(crate) fn has(&self, object: Oid) -> bool {
        // No look for new packs: ours are known as they come in, and this is asked for thousands of objects.
        self.odb.exists_ext(object, git2::OdbLookupFlags::NO_REFRESH)
    }

    /// Finds the one commit whose id begins with `digits`; `None` when there is none.
    pub(crate) fn find_commit(&self, digits: &str) -> Result<Option<Oid>, ErrorCode> {
        let Ok(short) = Oid::from_str(digits) else { return Ok(None) };
        match self.odb.exists_prefix(short, digits.len()) {
            Ok(commit) if self.has_commit(commit) => Ok(Some(commit)),
            Err(error) if error.code() == ErrorCode::Ambiguous => Err(error.code()),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Reads a commit.
    pub(crate) fn commit(&self, commit: Oid) -> Result<Commit, SourceError> {
        let object = self.read(commit, ObjectType::Commit)?;
        Commit::parse(object.data()).ok_or_else(|| self.damage(format!("commit {commit} is malformed")))
    }

    /// Reads a directory.
    pub(crate) fn tree(&self, tree: Oid) -> Result<Arc<[RawEntry]>, SourceError> {
        if let Some(found) = lock(&self.trees).trees.get(&tree) {
            return Ok(Arc::clone(found));
        }
        let object = self.read(tree, ObjectType::Tree)?;
        let entries = RawEntry::parse_all(object.data());
        let entries: Arc<[RawEntry]> = entries.ok_or_else(|| self.damage(format!("tree {tree} is malformed")))?.into();
        lock(&self.trees).insert(tree, Arc::clone(&entries));
        Ok(entries)
    }

    /// The size of a file.
    pub(crate) fn blob_size(&self, blob: Oid) -> Result<u64, SourceError> {
        // A damaged pack may name a kind of object that there is not, and then git2 panics. Reading whole would
        // notice by the hash, but the size is asked for so as not to read.
        let header = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.odb.read_header(blob)));
        let header = header.map_err(|_| self.damage(format!("{blob} is of no known kind")))?;
        let (size, kind) = header.map_err(|error| self.broken(&error))?;
        if kind == ObjectType::Blob { Ok(size as u64) } else { Err(self.damage(format!("{blob} is not a file"))) }
    }

    /// The content of a file.
    pub(crate) fn blob(&self, blob: Oid) -> Result<Vec<u8>, SourceError> {
        Ok(self.read(blob, ObjectType::Blob)?.data().to_vec())
    }

    fn read(&self, id: Oid, kind: ObjectType) -> Result<git2::OdbObject<'_>, SourceError> {
        let object = self.odb.read(id).map_err(|error| self.broken(&error))?;
        if object.kind() == kind { Ok(object) } else { Err(self.damage(format!("{id} is not a {kind}"))) }
    }

    /// Sorts a failed read: a disk that fails now may not later, while damage stays.
    fn broken(&self, error: &git2::Error) -> SourceError {
        if matches!(error.class(), ErrorClass::Os | ErrorClass::Filesystem) {
            return SourceError::store(error);
        }
        self.damage(error.message().to_owned())
    }

    /// Remembers that something here is wrong, so that the next fetch starts anew.
    fn damage(&self, why: String) -> SourceError {
        self.damaged.store(true, Ordering::Relaxed);
        SourceError::Damaged { why }
    }

    fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Whether nothing is known against the store, and nobody has removed it.
    pub(crate) fn is_sound(&self) -> bool {
        !self.is_damaged() && self.dir.join("objects").is_dir()
    }

    /// Lets the directory go when nobody reads here any more.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Relaxed);
    }

    /// Takes in a pack, part by part. A sink that closes before the end leaves nothing behind.
    ///
    /// Blocks until the pack has ended: for a thread of its own.
    pub(crate) fn take_pack(&self, mut parts: mpsc::Receiver<PackPart>, url: &str) -> Result<(), SourceError> {
        let mut indexer = self.indexer()?;
        loop {
            match parts.blocking_recv() {
                Some(PackPart::Data(data)) => {
                    indexer.write_all(&data).map_err(|error| pack_error(error, url))?;
                }
                Some(PackPart::End) => break,
                None => return Err(SourceError::Internal { why: "the pack has no end".into() }),
            }
        }
        self.finish_pack(indexer, url)
    }

    pub(crate) fn indexer(&self) -> Result<Indexer<'_>, SourceError> {
        let packs = self.packs();
        fs::create_dir_all(&packs).map_err(|error| SourceError::store(&error))?;
        Indexer::new(Some(&self.odb), &packs, 0, false).map_err(|error| SourceError::store(&error))
    }

    pub(crate) fn finish_pack(&self, indexer: Indexer<'_>, url: &str) -> Result<(), SourceError> {
        indexer.commit().map_err(|error| pack_error(io::Error::other(error), url))?;
        self.odb.refresh().map_err(|error| SourceError::store(&error))
    }

    /// Notes that a commit is here, for later fetches to start from.
    ///
    /// The references and the list of commits without parents serve Git's own tools, should somebody look
    /// at the store with them.
    pub(crate) fn keep(&self, commit: Oid, shallow: bool) -> Result<(), SourceError> {
        let failed = |error: git2::Error| SourceError::store(&error);
        let repository = Repository::open_bare(&self.dir).map_err(failed)?;
        repository.reference(&format!("{KEPT}{commit}"), commit, true, "").map_err(failed)?;
        let mut kept = lock(&self.kept);
        kept.retain(|other| *other != commit);
        kept.push_front(commit);
        if shallow && self.commit(commit)?.parents.iter().any(|parent| !self.has(*parent)) {
            self.note_shallow(commit).map_err(|error| SourceError::store(&error))?;
        }
        Ok(())
    }

    fn note_shallow(&self, commit: Oid) -> io::Result<()> {
        let file = self.dir.join("shallow");
        let old = fs::read_to_string(&file).unwrap_or_default();
        let mut lines: BTreeSet<&str> = old.lines().collect();
        let id = commit.to_string();
        lines.insert(&id);
        let fresh = self.dir.join("shallow.new");
        let text = lines.into_iter().collect::<Vec<_>>().join("\n");
        fs::write(&fresh, format!("{text}\n"))?;
        fs::rename(fresh, file)
    }

    /// The commits worth telling a server about.
    pub(crate) fn haves(&self) -> Vec<Oid> {
        let kept: Vec<Oid> = lock(&self.kept).iter().copied().take(MAX_HAVES).collect();
        kept.into_iter().filter(|commit| self.has_commit(*commit)).collect()
    }

    /// Whether so many packs came in that reading suffers.
    pub(crate) fn is_scattered(&self) -> bool {
        let packs = fs::read_dir(self.packs()).map_or(0, |files| {
            files.flatten().filter(|file| file.path().extension().is_some_and(|extension| extension == "idx")).count()
        });
        packs > MAX_PACKS
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.doomed.load(Ordering::Relaxed) {
            // What cannot be removed now goes when the directory is opened the next time.
            let _later = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Tells a pack that is bad from a disk that is.
pub(crate) fn pack_error(error: io::Error, url: &str) -> SourceError {
    let class = error.get_ref().and_then(|inner| inner.downcast_ref::<git2::Error>()).map(git2::Error::class);
    if matches!(class, None | Some(ErrorClass::Os | ErrorClass::Filesystem)) {
        return SourceError::store(&error);
    }
    SourceError::Protocol { url: url.to_owned(), why: format!("its pack is damaged: {error}") }
}

/// Opens the objects alone: that handle may be shared by threads, which a whole repository may not.
fn open_odb(dir: &Path) -> Result<Odb<'static>, SourceError> {
    let objects = dir.join("objects");
    let objects = objects.to_str().ok_or_else(|| SourceError::store(&"the cache directory's name is not UTF-8"))?;
    let odb = Odb::new().map_err(|error| SourceError::store(&error))?;
    odb.add_disk_alternate(objects).map_err(|error| SourceError::store(&error))?;
    Ok(odb)
}

fn kept(repository: &Repository) -> VecDeque<Oid> {
    let Ok(references) = repository.references_glob(&format!("{KEPT}*")) else { return VecDeque::new() };
    references.flatten().filter_map(|reference| reference.target()).collect()
}

impl TreeCache {
    fn insert(&mut self, id: Oid, entries: Arc<[RawEntry]>) {
        if self.entries + entries.len() > MAX_CACHED_ENTRIES {
            // Forgetting all is simple, and reading a tree again is cheap.
            self.trees.clear();
            self.entries = 0;
        }
        self.entries += entries.len();
        self.trees.insert(id, entries);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
