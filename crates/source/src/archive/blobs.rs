use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::SourceError;
use crate::limits::MAX_IDLE;

/// Archives and manifests on the disk, each in a file named by its digest.
pub(super) struct Blobs {
    dir: PathBuf,
    /// Tells files that are being written apart.
    written: AtomicU64,
}

impl Blobs {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, written: AtomicU64::new(0) }
    }

    /// Returns content by its digest; `None` when it is not here, or is not any more what it was.
    pub(super) fn get(&self, digest: &str) -> Result<Option<Bytes>, SourceError> {
        if !is_digest(digest) {
            return Ok(None);
        }
        let path = self.dir.join(digest);
        let data = match fs::read(&path) {
            Ok(data) => data,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(SourceError::store(&error)),
        };
        if sha256(&data) != digest {
            tracing::warn!(digest, "A kept archive is damaged and will be fetched again");
            fs::remove_file(&path).map_err(|error| SourceError::store(&error))?;
            return Ok(None);
        }
        // Its age tells the sweep when it was last of use; a disk that cannot say so forgets it sooner.
        let _ = fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Ok(Some(data.into()))
    }

    /// Keeps content when it has the digest that was wanted, and returns the digest it has.
    pub(super) fn put_as(&self, data: &[u8], wanted: &str) -> Result<String, SourceError> {
        let digest = sha256(data);
        if digest == wanted {
            self.write(data, &digest).map_err(|error| SourceError::store(&error))?;
        }
        Ok(digest)
    }

    fn write(&self, data: &[u8], digest: &str) -> std::io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let fresh = self.dir.join(format!("{digest}.{}.{number}.new", std::process::id()));
        fs::write(&fresh, data)?;
        fs::rename(fresh, self.dir.join(digest))
    }

    /// Removes what nobody has read for long.
    pub(super) fn sweep(&self) -> std::io::Result<()> {
        let files = match fs::read_dir(&self.dir) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for file in files.flatten() {
            let used = file.metadata()?.modified()?;
            if used.elapsed().is_ok_and(|idle| idle > MAX_IDLE) {
                fs::remove_file(file.path())?;
            }
        }
        Ok(())
    }
}

/// Returns the digest of some content, as hexadecimal digits.
pub(super) fn sha256(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

/// Tells whether a text is a digest as files and revisions are named by it.
pub(super) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_kept_by_digest_and_damage_is_noticed() {
        let dir = tempfile::tempdir().expect("a directory");
        let blobs = Blobs::new(dir.path().join("charts"));
        let digest = sha256(b"chart");
        assert_eq!(blobs.get(&digest).expect("read"), None);
        assert_eq!(blobs.put_as(b"chart", &digest).expect("written"), digest);
        assert_eq!(blobs.get(&digest).expect("read").as_deref(), Some(&b"chart"[..]));
        assert_eq!(blobs.put_as(b"other", &digest).expect("looked at"), sha256(b"other"));
        assert_eq!(blobs.get(&sha256(b"other")).expect("read"), None, "nobody wanted that");
        fs::write(blobs.dir.join(&digest), "damage").expect("written");
        assert_eq!(blobs.get(&digest).expect("read"), None);
        assert_eq!(blobs.get("../../etc/passwd").expect("read"), None);
    }

    #[test]
    fn what_is_not_read_goes_after_a_while() {
        let dir = tempfile::tempdir().expect("a directory");
        let blobs = Blobs::new(dir.path().to_owned());
        blobs.sweep().expect("swept");
        for content in [b"old", b"new"] {
            blobs.put_as(content, &sha256(content)).expect("written");
        }
        let old = fs::File::options().append(true).open(dir.path().join(sha256(b"old"))).expect("opened");
        old.set_modified(SystemTime::now() - 2 * MAX_IDLE).expect("set");
        blobs.sweep().expect("swept");
        assert_eq!(blobs.get(&sha256(b"old")).expect("read"), None);
        assert!(blobs.get(&sha256(b"new")).expect("read").is_some());
    }
}
