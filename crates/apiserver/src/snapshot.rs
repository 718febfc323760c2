//! Clusters in a file: all they hold, so that a later process goes on where an earlier one ended.
//!
//! The file is one line of text, `bowline-snapshot 1` and the SHA-256 of the rest, then zstd over lines of JSON: for each
//! cluster its name and counters, then its objects as they are stored, each with its collection. What clients can only
//! have learnt from the earlier process does not carry over: revisions jump ahead, so a watch or a continue token from
//! before is answered 410 and its client lists anew; the jump also keeps revisions that were given out after the
//! snapshot from being given out again for something else. The keys that tokens and certificates are signed with do carry
//! over, so that those stay good; whoever has the file can therefore make new ones.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, Read as _};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::authority::{Authority, Kept};
use crate::cluster::{Cluster, Options};
use crate::discovery::hex_upper;
use crate::http::Fleet;
use crate::store::{Change, Stored};

/// The newest form of the file, and the one that is written.
const VERSION: u32 = 1;

const MAGIC: &str = "bowline-snapshot ";

/// How far revisions jump at a restore: further than any process gets between two snapshots.
const REVISION_GAP: u64 = 1_000_000;

/// zstd's level: beyond it the file shrinks little and the time grows.
const LEVEL: i32 = 3;

/// What a file may decompress to; a small file that claims more is no snapshot of ours.
const MAX_BYTES: u64 = 16 << 30;

/// Why a snapshot cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file is something else.
    #[error("it is not a snapshot: it does not begin with `bowline-snapshot`")]
    Foreign,
    /// A later release wrote it.
    #[error("it is of version {found}, and this program reads versions up to {VERSION}")]
    Newer {
        /// The version it says.
        found: u32,
    },
    /// It is not what was written.
    #[error("it is damaged: {why}")]
    Damaged {
        /// How that was noticed.
        why: String,
    },
    /// It holds several clusters, or none, where one is wanted.
    #[error("it holds {found} clusters, and one is wanted")]
    NotOne {
        /// How many it holds.
        found: usize,
    },
}

fn damaged(why: impl Into<String>) -> SnapshotError {
    SnapshotError::Damaged { why: why.into() }
}

/// The line that begins a cluster.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    cluster: String,
    rv: u64,
    random: u64,
    next_address: u16,
    next_port: u16,
    objects: usize,
    /// The key that service-account tokens are signed with, in PKCS #8 and base64; older files have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signing_key: Option<String>,
    /// Who signs certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authority: Option<Kept>,
}

/// The line of an object.
#[derive(Debug, Serialize, Deserialize)]
struct Line<'a> {
    group: &'a str,
    plural: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// What a cluster holds at one moment; cheap to take, since objects are shared until they are written out.
#[derive(Debug)]
struct Image {
    head: Head,
    objects: Vec<(String, String, Arc<Stored>)>,
}

impl Image {
    fn of(name: &str, cluster: &Cluster) -> Self {
        let signing_key = cluster.signing_key().to_pkcs8().map(|key| STANDARD.encode(key));
        let authority = cluster.authority().map(|authority| authority.keep());
        cluster.with_state(|state, _| {
            let mut keys: Vec<_> = state.stores.keys().cloned().collect();
            keys.sort();
            let mut objects = Vec::new();
            for key in keys {
                let all = state.store(&key).iter(None, None).map(|(_, stored)| stored);
                objects.extend(all.map(|stored| (key.0.clone(), key.1.clone(), stored)));
            }
            let (next_address, next_port) = state.allocator.cursor();
            let random = state.random.state();
            let head = Head {
                cluster: name.to_owned(),
                rv: state.rv,
                random,
                next_address,
                next_port,
                objects: objects.len(),
                signing_key,
                authority,
            };
            Self { head, objects }
        })
    }

    fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &self.head)?;
        out.write_all(b"\n")?;
        for (group, plural, stored) in &self.objects {
            write!(out, r#"{{"group":{},"plural":{},"object":"#, Value::from(&**group), Value::from(&**plural))?;
            out.write_all(&stored.json())?;
            out.write_all(b"}\n")?;
        }
        Ok(())
    }
}

fn encode(images: &[Image]) -> Vec<u8> {
    let packed = (|| {
        let mut packer = zstd::Encoder::new(Vec::new(), LEVEL)?;
        for image in images {
            image.write(&mut packer)?;
        }
        packer.finish()
    })()
    .expect("holds because memory takes what is written to it");
    let mut out = format!("{MAGIC}{VERSION} {}\n", hex_upper(&Sha256::digest(&packed))).into_bytes();
    out.extend_from_slice(&packed);
    out
}

/// Checks the first line and the digest; returns what follows.
fn open(file: &[u8]) -> Result<&[u8], SnapshotError> {
    let rest = file.strip_prefix(MAGIC.as_bytes()).ok_or(SnapshotError::Foreign)?;
    let end =
        rest.iter().take(100).position(|byte| *byte == b'\n').ok_or_else(|| damaged("its first line does not end"))?;
    let line = std::str::from_utf8(&rest[..end]).map_err(|_| damaged("its first line is no text"))?;
    let (version, digest) = line.split_once(' ').unwrap_or((line, ""));
    let found: u32 = version.parse().map_err(|_| damaged(format!("`{version}` is no version")))?;
    if found > VERSION {
        return Err(SnapshotError::Newer { found });
    }
    let packed = &rest[end + 1..];
    if hex_upper(&Sha256::digest(packed)) != digest {
        return Err(damaged("its digest does not fit; a part is missing or was changed"));
    }
    Ok(packed)
}

/// Returns the authority of a file's first cluster; `None` when it has none, or is no good file.
pub(crate) fn authority_of(file: &[u8]) -> Option<Authority> {
    let unpacked = zstd::Decoder::new(open(file).ok()?).ok()?;
    let mut line = Vec::new();
    io::BufReader::new(unpacked.take(MAX_BYTES)).read_until(b'\n', &mut line).ok()?;
    let head: Head = serde_json::from_slice(&line).ok()?;
    Authority::restore(&head.authority?)
}

fn decode(file: &[u8], mut options: impl FnMut(&str) -> Options) -> Result<Vec<(String, Cluster)>, SnapshotError> {
    let packed = open(file)?;
    let unpacked = zstd::Decoder::new(packed).map_err(|error| damaged(error.to_string()))?;
    let mut lines = io::BufReader::new(unpacked.take(MAX_BYTES));
    let mut line = Vec::new();
    let mut number = 0;
    let mut clusters = Vec::new();
    let mut next = move |line: &mut Vec<u8>| {
        line.clear();
        number += 1;
        lines
            .read_until(b'\n', line)
            .map_err(|error| damaged(error.to_string()))
            .map(|read| (read > 0).then_some(number))
    };
    while let Some(at) = next(&mut line)? {
        let head: Head = serde_json::from_slice(&line).map_err(|error| damaged(format!("line {at}: {error}")))?;
        let cluster = Cluster::unborn(options(&head.cluster));
        let mut stores: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
        for _ in 0..head.objects {
            let at = next(&mut line)?.ok_or_else(|| damaged(format!("cluster `{}` ends early", head.cluster)))?;
            let wrong = |error| damaged(format!("line {at}: {error}"));
            let read: Line<'_> = serde_json::from_slice(&line).map_err(wrong)?;
            let object = serde_json::from_str(read.object.get()).map_err(wrong)?;
            stores.entry((read.group.to_owned(), read.plural.to_owned())).or_default().push(object);
        }
        cluster.take_up_keys(&head)?;
        cluster.take_up(&head, stores);
        clusters.push((head.cluster, cluster));
    }
    Ok(clusters)
}

impl Cluster {
    /// Returns a file of all the cluster holds.
    pub fn snapshot(&self) -> Vec<u8> {
        encode(&[Image::of("", self)])
    }

    /// Starts a cluster with what [`Cluster::snapshot`] put into a file, in place of the objects clusters are born with.
    ///
    /// Uids, revisions of objects, CRDs, allocated addresses and signing keys are as they were; the cluster's revision has jumped ahead, so that
    /// clients from before list anew. With [`Options::controllers`] it must be called within a tokio runtime.
    pub fn restore(options: Options, file: &[u8]) -> Result<Self, SnapshotError> {
        let mut clusters = decode(file, |_| options.clone())?;
        match (clusters.pop(), clusters.len()) {
            (Some((_, cluster)), 0) => {
                cluster.begin();
                Ok(cluster)
            }
            (last, others) => Err(SnapshotError::NotOne { found: others + usize::from(last.is_some()) }),
        }
    }

    /// Takes up the keys, before anything is signed.
    fn take_up_keys(&self, head: &Head) -> Result<(), SnapshotError> {
        let broken = |what: &str| damaged(format!("the {what} of cluster `{}` is none", head.cluster));
        if let Some(key) = &head.signing_key {
            let key = STANDARD.decode(key).map_err(|_| broken("signing key"))?;
            if !self.signing_key().restore(&key) {
                return Err(broken("signing key"));
            }
        }
        if let Some(kept) = &head.authority {
            self.take_up_authority(Authority::restore(kept).ok_or_else(|| broken("authority"))?);
        }
        Ok(())
    }

    fn take_up(&self, head: &Head, stores: BTreeMap<(String, String), Vec<Value>>) {
        self.with_registry(|registry| {
            registry.state.resume(head.rv + REVISION_GAP);
            // What comes next must not be what the earlier process did after the snapshot.
            registry.state.random.resume(head.random ^ head.rv.rotate_left(32));
            registry.state.allocator.resume((head.next_address, head.next_port));
            for (store, objects) in stores {
                for object in objects {
                    if store == (String::new(), "services".to_owned()) {
                        registry.state.allocator.adopt(&object);
                    }
                    registry.take_up(&store, object);
                }
            }
            registry.serve_definitions();
        });
    }
}

impl Fleet {
    /// Returns a file of all clusters.
    pub fn snapshot(&self) -> Vec<u8> {
        let images: Vec<Image> =
            (self.names().iter()).filter_map(|name| Some(Image::of(name, &self.get(name)?))).collect();
        encode(&images)
    }

    /// Starts the clusters that [`Fleet::snapshot`] put into a file, each with its own options; see [`Cluster::restore`].
    pub fn restore(file: &[u8], options: impl FnMut(&str) -> Options) -> Result<Self, SnapshotError> {
        let fleet = Self::new();
        for (name, cluster) in decode(file, options)? {
            cluster.begin();
            fleet.insert(&name, cluster);
        }
        Ok(fleet)
    }
}

impl crate::registry::Registry<'_> {
    /// Puts an object where it was, with the revision it had.
    pub(crate) fn take_up(&mut self, store: &(String, String), object: Value) {
        let meta = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
        let rv = meta("resourceVersion").parse().unwrap_or(1);
        let key = (meta("namespace").to_owned(), meta("name").to_owned());
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        let builtin = crate::catalog::Catalog::builtin().storing(store, api_version);
        let order =
            builtin.map_or(crate::stored::FieldOrder::Sorted, |resource| crate::registry::field_order(&resource));
        let stored = Stored::new(object, rv, Change::Added, order);
        self.state.store(store).restore(key.clone(), &stored);
        self.state.owners.track(&(store.clone(), key), None, Some(&stored));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::Gvr;

    fn quiet() -> Options {
        Options { controllers: false, ..Options::default() }
    }

    fn config_maps() -> Gvr {
        Gvr::new("", "v1", "configmaps")
    }

    fn config_map(name: &str) -> Value {
        json!({"metadata": {"name": name, "namespace": "default"}, "data": {"a": name}})
    }

    #[test]
    fn what_was_there_is_there_again() {
        let before = Cluster::new(quiet());
        let made = before.admin().create(&config_maps(), config_map("one")).expect("it can be made");
        let service = json!({"metadata": {"name": "s", "namespace": "default"},
            "spec": {"type": "NodePort", "selector": {"a": "b"}, "ports": [{"port": 80}]}});
        let services = Gvr::new("", "v1", "services");
        let first = before.admin().create(&services, service.clone()).expect("it can be made");
        let definition = json!({
            "metadata": {"name": "foos.x.io"},
            "spec": {"group": "x.io", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo", "singular": "foo"},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
        });
        before
            .admin()
            .create(&Gvr::new("apiextensions.k8s.io", "v1", "customresourcedefinitions"), definition)
            .expect("it can be made");
        let foos = Gvr::new("x.io", "v1", "foos");
        let foo = json!({"apiVersion": "x.io/v1", "kind": "Foo", "metadata": {"name": "f", "namespace": "default"}, "zed": 1, "alpha": 2});
        before.admin().create(&foos, foo).expect("it can be made");
        let file = before.snapshot();

        let after = Cluster::restore(quiet(), &file).expect("it can be restored");
        let admin = after.admin();
        assert_eq!(admin.get(&config_maps(), "default", "one").expect("served"), Some(made));
        assert_eq!(admin.list(&foos, None).expect("CRDs are served again").len(), 1);
        assert!(after.resource_version() > before.resource_version() + 1000);
        let mut second = service;
        second["metadata"]["name"] = json!("t");
        let second = admin.create(&services, second).expect("it can be made");
        assert_ne!(second["spec"]["clusterIP"], first["spec"]["clusterIP"]);
        assert_ne!(second["spec"]["ports"][0]["nodePort"], first["spec"]["ports"][0]["nodePort"]);
        let lost = before.admin().create(&config_maps(), config_map("two")).expect("it can be made");
        let new = admin.create(&config_maps(), config_map("two")).expect("it can be made");
        assert_ne!(lost["metadata"]["uid"], new["metadata"]["uid"], "a uid that was given out is not given out again");
    }

    #[test]
    fn garbage_is_collected_after_a_restore() {
        let before = Cluster::new(quiet());
        let owner = before.admin().create(&config_maps(), config_map("owner")).expect("it can be made");
        let mut dependent = config_map("dependent");
        dependent["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}]);
        before.admin().create(&config_maps(), dependent).expect("it can be made");
        let after = Cluster::restore(quiet(), &before.snapshot()).expect("it can be restored");
        after
            .admin()
            .delete(&config_maps(), "default", "owner", &crate::DeleteOptions::default())
            .expect("it can be deleted");
        assert_eq!(after.admin().get(&config_maps(), "default", "dependent").expect("served"), None);
    }

    #[test]
    fn a_fleet_comes_back_by_name() {
        let fleet = Fleet::new();
        for (seed, name) in ["a", "b"].into_iter().enumerate() {
            let cluster = Cluster::new(Options { seed: seed as u64, ..quiet() });
            cluster.admin().create(&config_maps(), config_map(name)).expect("it can be made");
            fleet.insert(name, cluster);
        }
        let file = fleet.snapshot();
        let again = Fleet::restore(&file, |_| quiet()).expect("it can be restored");
        assert_eq!(again.names(), ["a", "b"]);
        for name in again.names() {
            let cluster = again.get(&name).expect("it is there");
            assert!(cluster.admin().get(&config_maps(), "default", &name).expect("served").is_some());
        }
        let error = Cluster::restore(quiet(), &file).expect_err("it holds two");
        assert_eq!(error.to_string(), "it holds 2 clusters, and one is wanted");
    }

    #[test]
    fn a_bad_file_is_told_apart() {
        let good = Cluster::new(quiet()).snapshot();
        let refuse = |file: &[u8]| Cluster::restore(quiet(), file).expect_err("it is bad").to_string();
        assert_eq!(refuse(b"PK\x03\x04"), "it is not a snapshot: it does not begin with `bowline-snapshot`");
        assert_eq!(refuse(b""), refuse(b"kind: List"));
        assert_eq!(
            refuse(b"bowline-snapshot 7 AB\nxyz"),
            "it is of version 7, and this program reads versions up to 1"
        );
        assert_eq!(refuse(b"bowline-snapshot 1"), "it is damaged: its first line does not end");
        let damage = "it is damaged: its digest does not fit; a part is missing or was changed";
        assert_eq!(refuse(&good[..good.len() - 1]), damage);
        let mut flipped = good.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        assert_eq!(refuse(&flipped), damage);
        // A file that was made to fit its digest, but by somebody else.
        let packed = zstd::encode_all(&b"{\"cluster\":\"\"}\n"[..], 1).expect("memory takes it");
        let mut made = format!("bowline-snapshot 1 {}\n", hex_upper(&Sha256::digest(&packed))).into_bytes();
        made.extend_from_slice(&packed);
        assert_eq!(refuse(&made), "it is damaged: line 1: missing field `rv` at line 1 column 14");
    }
}
