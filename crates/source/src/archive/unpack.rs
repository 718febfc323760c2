use std::io::Read as _;

use bowline_tree::{MemoryTree, TreePath};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use crate::SourceError;
use crate::limits::{MAX_ARCHIVE_FILES, MAX_UNPACKED_BYTES};

/// Where an archive's files begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// Below its one folder, as in charts.
    TopFolder,
    /// At its top, as in artifacts.
    Archive,
}

/// Unpacks an archive: tar, compressed by gzip. What is no plain file is left out, as Helm and Flux leave it out.
pub(super) fn unpack(data: &[u8], root: Root, url: &str) -> Result<MemoryTree, SourceError> {
    let malformed = |why: String| SourceError::Malformed { url: url.to_owned(), what: "archive", why };
    let broken = |error: std::io::Error| malformed(error.to_string());
    let too_large = |what, limit| SourceError::TooLarge { url: url.to_owned(), what, limit };
    if !data.starts_with(b"\x1f\x8b") {
        return Err(malformed("it is not compressed by gzip".into()));
    }
    // Headers and what is skipped count here, so that no archive is unpacked for long.
    let unzipped = MultiGzDecoder::new(data).take(2 * MAX_UNPACKED_BYTES);
    let mut archive = tar::Archive::new(unzipped);
    let mut left = MAX_UNPACKED_BYTES;
    let mut tree = MemoryTree::new();
    let mut files = 0;
    for entry in archive.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() || path.ends_with('/') {
            continue;
        }
        let Some(path) = place(&path, root).map_err(malformed)? else { continue };
        let size = entry.size();
        files += 1;
        if files > MAX_ARCHIVE_FILES {
            return Err(too_large("the number of files", MAX_ARCHIVE_FILES as u64));
        }
        if size > left {
            return Err(too_large("the unpacked archive", MAX_UNPACKED_BYTES));
        }
        let mut content = Vec::new();
        entry.take(left).read_to_end(&mut content).map_err(broken)?;
        if (content.len() as u64) < size {
            return Err(malformed(format!("`{path}` is cut off")));
        }
        left -= size;
        tree.insert(path, Bytes::from(content));
    }
    if files == 0 { Err(malformed("it holds no file".into())) } else { Ok(tree) }
}

/// Returns where a member lies in the tree; `None` for what lies outside of the root.
fn place(member: &str, root: Root) -> Result<Option<TreePath>, String> {
    let refused = || format!("`{member}` leads out of it");
    if member.starts_with('/') || member.split('/').any(|part| part == "..") {
        return Err(refused());
    }
    let mut parts = member.split('/').filter(|part| !matches!(*part, "" | "."));
    if root == Root::TopFolder {
        parts.next();
    }
    let path = parts.collect::<Vec<_>>().join("/");
    if path.is_empty() {
        return Ok(None);
    }
    TreePath::parse(&path).map(Some).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bowline_tree::Tree as _;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, content) in members {
            let mut header = tar::Header::new_gnu();
            // By hand: the library refuses to write the names that matter here.
            header.as_gnu_mut().expect("is one").name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append(&header, *content).expect("added");
        }
        builder.into_inner().and_then(GzEncoder::finish).expect("packed")
    }

    fn read(tree: &MemoryTree, path: &str) -> Option<Vec<u8>> {
        tree.read(&TreePath::parse(path).expect("a path")).ok().map(Vec::from)
    }

    #[test]
    fn a_chart_begins_below_its_folder_and_an_artifact_at_its_top() {
        let data = packed(&[("shop/Chart.yaml", b"a"), ("shop/./templates//x.yaml", b"b"), ("stray", b"c")]);
        let chart = unpack(&data, Root::TopFolder, "u").expect("unpacked");
        assert_eq!(read(&chart, "Chart.yaml").as_deref(), Some(&b"a"[..]));
        assert_eq!(read(&chart, "templates/x.yaml").as_deref(), Some(&b"b"[..]));
        assert_eq!(read(&chart, "stray"), None);
        let artifact = unpack(&data, Root::Archive, "u").expect("unpacked");
        assert_eq!(read(&artifact, "shop/Chart.yaml").as_deref(), Some(&b"a"[..]));
        assert_eq!(read(&artifact, "stray").as_deref(), Some(&b"c"[..]));
    }

    #[test]
    fn what_leads_out_is_damaged_or_is_too_large_is_refused() {
        for name in ["shop/../../x", "/shop/x", "../x"] {
            let error = unpack(&packed(&[(name, b"a")]), Root::TopFolder, "u").expect_err("is refused");
            assert!(matches!(error, SourceError::Malformed { .. }), "{name}: {error}");
        }
        let good = packed(&[("shop/Chart.yaml", &[b'a'; 10_000])]);
        for bad in [&b""[..], b"no archive", &good[..good.len() / 2], &packed(&[])] {
            let error = unpack(bad, Root::TopFolder, "u").expect_err("is refused");
            assert!(matches!(error, SourceError::Malformed { .. }), "{error}");
        }
        let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
        let mut header = tar::Header::new_gnu();
        header.set_path("shop/zeros").expect("a path");
        header.set_size(MAX_UNPACKED_BYTES + 1);
        header.set_cksum();
        bomb.write_all(header.as_bytes()).expect("written");
        let error = unpack(&bomb.finish().expect("packed"), Root::TopFolder, "u").expect_err("is refused");
        assert!(matches!(error, SourceError::TooLarge { .. }), "{error}");
    }
}
