//! A chart that is packed: a tar archive, compressed by gzip.

use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use super::{Chart, File, LoadError, MAX_CHART_BYTES, load_files};

/// Loads a chart from the bytes of a `.tgz` file.
pub fn load_archive(data: &[u8]) -> Result<Chart, LoadError> {
    load_files(archive_files(data)?)
}

/// More files than any chart has: headers take memory that the limit of bytes does not count.
const MAX_FILES: usize = 100_000;

pub(super) fn archive_files(data: &[u8]) -> Result<Vec<File>, LoadError> {
    if !data.starts_with(b"\x1f\x8b") {
        return Err(LoadError::Archive("gzip: invalid header".to_owned()));
    }
    let broken = |error: std::io::Error| LoadError::Archive(error.to_string());
    let too_large = || LoadError::TooLarge {
        what: "decompressed chart is larger than the maximum size",
        limit: MAX_CHART_BYTES,
        unit: "",
    };
    // Headers and what is skipped count here, so that no archive is unpacked for long.
    let unzipped = MultiGzDecoder::new(data).take(2 * MAX_CHART_BYTES);
    let mut archive = tar::Archive::new(unzipped);
    let mut left = MAX_CHART_BYTES;
    let mut files = Vec::new();
    for entry in archive.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if kind.is_dir() || path.ends_with('/') || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        let name = member_name(&path)?;
        let size = entry.size();
        if size > left || files.len() >= MAX_FILES {
            return Err(too_large());
        }
        let mut data = Vec::new();
        entry.take(left).read_to_end(&mut data).map_err(broken)?;
        left -= data.len() as u64;
        if (data.len() as u64) < size || left == 0 {
            return Err(too_large());
        }
        let data = Bytes::from(data);
        let start = if data.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        files.push(File { name, data: data.slice(start..) });
    }
    if files.is_empty() {
        return Err(LoadError::Archive("no files in chart archive".to_owned()));
    }
    Ok(files)
}

/// Returns a member's path from the chart's top, which is the archive's single directory.
fn member_name(path: &str) -> Result<String, LoadError> {
    let refused = |why: &str| Err(LoadError::Archive(why.to_owned()));
    let delimiter = if path.contains('\\') { '\\' } else { '/' };
    let (top, rest) = path.split_once(delimiter).unwrap_or((path, ""));
    let name = rest.replace(delimiter, "/");
    if name.starts_with('/') {
        return refused("chart illegally contains absolute paths");
    }
    let name = clean(&name);
    if name == "." {
        let path = bowline_gotmpl::quote(path);
        return refused(&format!("chart illegally contains content outside the base directory: {path}"));
    }
    if name.starts_with("..") {
        return refused("chart illegally references parent directory");
    }
    let mut start = name.chars();
    if start.next().is_some_and(|c| c.is_ascii_alphabetic()) && start.as_str().starts_with(":/") {
        return refused("chart contains illegally named files");
    }
    if top == "Chart.yaml" {
        return refused("chart yaml not in base directory");
    }
    Ok(name)
}

/// Go's `path.Clean` of a relative path.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}
