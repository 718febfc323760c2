use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bowline_model::{Algorithm, Remote, Revision, Wanted};
use bowline_tree::Tree;
use bytes::Bytes;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::SourceError;
use crate::archive::Archives;
use crate::commit::CommitInfo;
use crate::elsewhere::GitRemotes;
use crate::limits::{DEFAULT_TIMEOUT, MAX_IDLE, SWEEP_INTERVAL};
use crate::mirror::{Edge, MARK, Mirror};
use crate::poller::{Poller, Subscription};
use crate::remote::{Located as _, RemoteKey};
use crate::resolve::full_commit;
use crate::store::lock;

/// How sources behave, and where they get the time and chance from.
#[derive(Clone)]
pub struct Options {
    /// Whether repositories on this machine may be read (`file://` and absolute paths).
    pub allow_local: bool,
    /// The longest time between two looks at a local repository, whatever interval was asked for.
    pub local_interval: Duration,
    /// How long an unpolled fetch may take: of [`Sources::open`] and its like.
    pub timeout: Duration,
    /// Tells the time.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Gives random numbers, for the jitter between checks.
    pub random: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// What Git repositories are instead of the network's; `None` for those.
    pub git: Option<Arc<dyn GitRemotes>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allow_local: true,
            local_interval: Duration::from_secs(1),
            timeout: DEFAULT_TIMEOUT,
            now: Arc::new(Timestamp::now),
            random: Arc::new(rand::random),
            git: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("allow_local", &self.allow_local)
            .field("local_interval", &self.local_interval)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// All remotes of this process: what is polled, and the clones.
///
/// Clones of it are the same hub. The clones on disk are a cache, which may be lost at any moment.
#[derive(Clone)]
pub struct Sources {
    pub(crate) hub: Arc<Hub>,
}

pub(crate) struct Hub {
    pub(crate) options: Options,
    pub(crate) runtime: Handle,
    pub(crate) pollers: Mutex<HashMap<(RemoteKey, Wanted), Arc<Poller>>>,
    cache_dir: PathBuf,
    edge: Arc<Edge>,
    pub(crate) archives: Archives,
    /// Those in use; a mirror goes with its last user, and its clone stays on the disk for a while.
    mirrors: Mutex<HashMap<RemoteKey, Weak<Mirror>>>,
    /// Read or made with the first clone.
    salt: Mutex<Option<[u8; 32]>>,
}

impl Sources {
    /// Makes a hub that keeps its clones below `cache_dir`.
    ///
    /// Must be called within a Tokio runtime, where its pollers will run.
    pub fn new(cache_dir: impl Into<PathBuf>, options: Options) -> Self {
        // Every read is by its own id once: libgit2's cache of objects would only hold memory.
        git2::opts::enable_caching(false);
        let cache_dir: PathBuf = cache_dir.into();
        let edge = Arc::new(Edge::new(options.allow_local));
        let hub = Hub {
            options,
            runtime: Handle::current(),
            pollers: Mutex::default(),
            archives: Archives::new(&cache_dir, Arc::clone(&edge)),
            cache_dir,
            edge,
            mirrors: Mutex::default(),
            salt: Mutex::default(),
        };
        let hub = Arc::new(hub);
        hub.runtime.spawn(sweep_often(Arc::downgrade(&hub)));
        Self { hub }
    }

    /// Takes an interest in what is wanted of a remote.
    ///
    /// Each remote and thing wanted has one poller, which looks as often as the most eager subscriber asked and
    /// ends with the last. A check must end within the longest `timeout` asked for. The first check begins
    /// at once, or has been done for another subscriber.
    pub fn subscribe(&self, remote: &Remote, wanted: &Wanted, interval: Duration, timeout: Duration) -> Subscription {
        Poller::subscribe(&self.hub, remote, wanted, interval, timeout)
    }

    /// Opens the files of a revision, straight from the clone or the archive; fetches it when it is not there.
    ///
    /// The root of a chart's files is the chart's own directory.
    pub async fn open(
        &self,
        remote: &Remote,
        wanted: &Wanted,
        revision: &Revision,
    ) -> Result<Arc<dyn Tree>, SourceError> {
        let timeout = self.hub.options.timeout;
        match (wanted, &self.hub.options.git) {
            (Wanted::Git(_), Some(git)) => git.open(remote, revision).await,
            (Wanted::Git(_), None) => self.hub.mirror(remote)?.tree(revision, timeout).await,
            (Wanted::Chart { .. } | Wanted::Oci(_), _) => {
                self.hub.archives.open(remote, wanted, revision, timeout).await
            }
        }
    }

    /// Returns the archive of a chart or an artifact as it was published; fetches it when it is not there.
    pub async fn archive(&self, remote: &Remote, wanted: &Wanted, revision: &Revision) -> Result<Bytes, SourceError> {
        self.hub.archives.archive(remote, wanted, revision, self.hub.options.timeout).await
    }

    /// Fetches a file of any kind from its own address by HTTP; nothing is kept.
    ///
    /// A status other than success is [`SourceError::Status`], whatever it is.
    pub async fn file(&self, remote: &Remote) -> Result<Bytes, SourceError> {
        self.hub.archives.file(remote, self.hub.options.timeout).await
    }

    /// Fetches an archive from its own address; nothing is kept.
    pub async fn download(&self, remote: &Remote) -> Result<Bytes, SourceError> {
        self.hub.archives.download(remote, self.hub.options.timeout).await
    }

    /// Finds out once what is wanted of a remote, as of now, for those who do not follow it.
    pub async fn resolve(&self, remote: &Remote, wanted: &Wanted) -> Result<Revision, SourceError> {
        self.resolve_within(remote, wanted, self.hub.options.timeout).await
    }

    /// Does what [`Self::resolve`] does, in a time of the caller's.
    pub async fn resolve_within(
        &self,
        remote: &Remote,
        wanted: &Wanted,
        timeout: Duration,
    ) -> Result<Revision, SourceError> {
        match (wanted, &self.hub.options.git) {
            (Wanted::Git(wanted), Some(git)) => git.resolve(remote, wanted).await,
            (Wanted::Git(wanted), None) => self.hub.mirror(remote)?.resolve(wanted, timeout).await,
            (Wanted::Chart { .. } | Wanted::Oci(_), _) => {
                self.hub.archives.resolve(remote, wanted, Instant::now(), timeout).await
            }
        }
    }

    /// Reads author, date and message of a revision's commit; `None` of what is no commit.
    pub async fn commit_info(&self, remote: &Remote, revision: &Revision) -> Result<Option<CommitInfo>, SourceError> {
        match (revision.algorithm, &self.hub.options.git) {
            (Algorithm::Sha1, Some(git)) => git.commit_info(remote, revision).await.map(Some),
            (Algorithm::Sha1, None) => {
                self.hub.mirror(remote)?.commit_info(revision, self.hub.options.timeout).await.map(Some)
            }
            (Algorithm::Sha256, _) => Ok(None),
        }
    }

    /// Looks right now at everything that somebody follows at an address, and returns when all of it has been looked at.
    pub async fn look_again(&self, url: &str) {
        let followed = self.followed(url, |poller| (poller.remote().clone(), poller.wanted().clone()));
        for (remote, wanted) in followed {
            // As eager as the least eager: nobody else is looked after otherwise because of this one.
            let mut subscription = self.subscribe(&remote, &wanted, Duration::from_hours(1), DEFAULT_TIMEOUT);
            subscription.fresh().await;
        }
    }

    /// Returns the newest revisions known of everything that somebody follows at an address.
    pub fn newest(&self, url: &str) -> Vec<(Wanted, Revision)> {
        let followed = self.followed(url, |poller| Some((poller.wanted().clone(), poller.newest()?)));
        followed.into_iter().flatten().collect()
    }

    /// Reads something off the pollers of an address, in an order that is always the same.
    fn followed<T>(&self, url: &str, read: impl Fn(&Poller) -> T) -> Vec<T> {
        let pollers = lock(&self.hub.pollers);
        let mut of_url: Vec<&Arc<Poller>> = pollers.values().filter(|poller| poller.remote().url == url).collect();
        of_url.sort_by(|one, other| one.order().cmp(&other.order()));
        of_url.into_iter().map(|poller| read(poller)).collect()
    }

    /// Tells whether `new` has `old` among its ancestors, or is the same commit.
    ///
    /// `None` of what is no commit, and when the history is not here and the server cannot give commits without their files.
    pub async fn is_ancestor(&self, remote: &Remote, old: &Revision, new: &Revision) -> Option<bool> {
        if let Some(git) = &self.hub.options.git {
            return git.is_ancestor(remote, old, new).await;
        }
        let (old, new) = (full_commit(&old.digest)?, full_commit(&new.digest)?);
        self.hub.mirror(remote).ok()?.descends(old, new, self.hub.options.timeout).await
    }
}

impl Hub {
    /// The clone of a remote; made known with its first use, and on disk with its first fetch.
    pub(crate) fn mirror(&self, remote: &Remote) -> Result<Arc<Mirror>, SourceError> {
        let key = remote.key();
        if let Some(mirror) = lock(&self.mirrors).get(&key).and_then(Weak::upgrade) {
            return Ok(mirror);
        }
        let dir = self.cache_dir.join("git").join(self.dir_name(key)?);
        let mut mirrors = lock(&self.mirrors);
        // Another may have come first.
        if let Some(mirror) = mirrors.get(&key).and_then(Weak::upgrade) {
            return Ok(mirror);
        }
        mirrors.retain(|_, mirror| mirror.strong_count() > 0);
        let mirror = Arc::new(Mirror::new(remote.clone(), dir, Arc::clone(&self.edge)));
        mirrors.insert(key, Arc::downgrade(&mirror));
        Ok(mirror)
    }

    /// Marks the clones in use, and removes those nobody has used for long: credentials change, and with them
    /// the names of the clones.
    fn sweep(&self) -> std::io::Result<()> {
        let polled: HashSet<RemoteKey> = lock(&self.pollers).keys().map(|(key, _)| *key).collect();
        self.archives.sweep(|key| polled.contains(key))?;
        let used: Vec<Arc<Mirror>> = lock(&self.mirrors).values().filter_map(Weak::upgrade).collect();
        for mirror in &used {
            mirror.mark_used()?;
        }
        let clones = match fs::read_dir(self.cache_dir.join("git")) {
            Ok(clones) => clones,
            // None has been made.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for clone in clones.flatten() {
            let mark = fs::metadata(clone.path().join(MARK)).or_else(|_| clone.metadata())?.modified()?;
            let is_used = used.iter().any(|mirror| mirror.dir() == clone.path());
            // A mark of the future is a clock set back: the clone stays until that has passed.
            if !is_used && mark.elapsed().is_ok_and(|idle| idle > MAX_IDLE) {
                fs::remove_dir_all(clone.path())?;
            }
        }
        Ok(())
    }

    /// Names a clone's directory after its remote. The salt keeps names from telling guessed passwords.
    fn dir_name(&self, key: RemoteKey) -> Result<String, SourceError> {
        let salt = self.salt()?;
        let digest = Sha256::new().chain_update(salt).chain_update(key.0).finalize();
        Ok(hex::encode(digest))
    }

    fn salt(&self) -> Result<[u8; 32], SourceError> {
        let mut salt = lock(&self.salt);
        if let Some(salt) = *salt {
            return Ok(salt);
        }
        let fresh = read_or_make_salt(&self.cache_dir, &*self.options.random);
        let fresh = fresh.map_err(|error| SourceError::store(&error))?;
        *salt = Some(fresh);
        Ok(fresh)
    }
}

async fn sweep_often(hub: Weak<Hub>) {
    loop {
        // First the wait: after a start nobody has come yet for the clones that are there.
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let Some(hub) = hub.upgrade() else { return };
        let swept = tokio::task::spawn_blocking(move || hub.sweep()).await;
        if let Ok(Err(error)) = swept {
            tracing::debug!(%error, "Unused clones cannot be removed");
        }
    }
}

fn read_or_make_salt(cache_dir: &Path, random: &dyn Fn() -> u64) -> std::io::Result<[u8; 32]> {
    fs::create_dir_all(cache_dir)?;
    let file = cache_dir.join("salt");
    if let Some(salt) = fs::read(&file).ok().and_then(|bytes| bytes.try_into().ok()) {
        return Ok(salt);
    }
    let mut salt = [0; 32];
    for part in salt.chunks_exact_mut(8) {
        part.copy_from_slice(&random().to_be_bytes());
    }
    let fresh = cache_dir.join("salt.new");
    fs::write(&fresh, salt)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
    }
    fs::rename(fresh, file)?;
    Ok(salt)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[tokio::test]
    async fn clones_that_nobody_uses_go_after_a_while() {
        let dir = tempfile::tempdir().expect("a directory");
        let sources = Sources::new(dir.path().join("cache"), Options::default());
        let clone_of = |name: &str| {
            let remote = Remote::new(dir.path().join(name).display().to_string());
            let mirror = sources.hub.mirror(&remote).expect("a mirror");
            fs::create_dir_all(mirror.dir()).expect("made");
            mirror
        };
        let long_ago = SystemTime::now() - 2 * MAX_IDLE;
        let age = |mirror: &Mirror| {
            mirror.mark_used().expect("written");
            let mark = fs::File::options().write(true).open(mirror.dir().join(MARK)).expect("opened");
            mark.set_modified(long_ago).expect("set");
        };
        let (used, idle, fresh) = (clone_of("used"), clone_of("idle"), clone_of("fresh"));
        age(&used);
        age(&idle);
        let (idle_dir, fresh_dir) = (idle.dir().to_owned(), fresh.dir().to_owned());
        drop((idle, fresh));
        sources.hub.sweep().expect("swept");
        assert!(used.dir().exists(), "in use");
        assert!(fresh_dir.exists(), "used lately");
        assert!(!idle_dir.exists(), "idle for long");
    }
}
