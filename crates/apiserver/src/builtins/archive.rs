//! The OpenAPI documents: one zstd frame each, decompressed when asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;

static ARCHIVE: &[u8] = include_bytes!("../../data/openapi-v3.zst");

/// Where one document lies, without decompressing it.
#[derive(Debug, Clone, Deserialize)]
pub struct Document {
    /// Its name in the `/openapi/v3` index: `api/v1`, `apis/apps/v1`, `version`.
    pub key: String,
    /// The SHA-512 of the document, upper-case hexadecimal: the index's `hash` and the reply's ETag.
    pub hash: String,
    offset: usize,
    size: usize,
    raw: usize,
}

#[derive(Deserialize)]
struct Index {
    dictionary: String,
    entries: Vec<Document>,
}

pub(super) struct Archive {
    dictionary: String,
    documents: BTreeMap<String, Document>,
    frames: &'static [u8],
}

impl Archive {
    pub(super) fn get() -> &'static Self {
        static OPEN: OnceLock<Archive> = OnceLock::new();
        OPEN.get_or_init(|| {
            let (length, rest) = ARCHIVE.split_at(4);
            let length = u32::from_le_bytes(length.try_into().expect("split at four bytes")) as usize;
            let (index, frames) = rest.split_at(length);
            let index: Index = serde_json::from_slice(index).expect("the index is made by `cargo xtask apidata`");
            let documents = index.entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
            Self { dictionary: index.dictionary, documents, frames }
        })
    }

    pub(super) fn documents(&self) -> impl Iterator<Item = &Document> {
        self.documents.values()
    }

    /// Decompresses one document; costs a few milliseconds and is not remembered, so that an idle server stays small.
    pub(super) fn read(&self, key: &str) -> Option<Arc<[u8]>> {
        let document = self.documents.get(key)?;
        let frame = &self.frames[document.offset..document.offset + document.size];
        let mut decompressor = if key == self.dictionary {
            zstd::bulk::Decompressor::new()
        } else {
            let dictionary = self.read(&self.dictionary).expect("the dictionary is one of the documents");
            zstd::bulk::Decompressor::with_dictionary(&dictionary)
        }
        .expect("zstd can allocate a context");
        decompressor.window_log_max(24).expect("24 is within zstd's bounds");
        let bytes = decompressor.decompress(frame, document.raw).expect("the frames are made by `cargo xtask apidata`");
        Some(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_can_be_read_and_is_json() {
        let archive = Archive::get();
        assert!(archive.documents().count() > 40);
        for document in archive.documents() {
            let bytes = archive.read(&document.key).expect("it is listed");
            let value: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
            assert_eq!(value["openapi"], "3.0.0", "{}", document.key);
        }
    }
}
