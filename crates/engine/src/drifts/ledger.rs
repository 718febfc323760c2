//! The record on disk: a line for each thing that happened, two files of them, the older one thrown away in time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bowline_model::{AppId, Drifted, ObjectKey};
use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::warn;

const NOW: &str = "drift.jsonl";
const BEFORE: &str = "drift.1.jsonl";

/// The longest line: paths and values are cut short long before, names have limits of their own.
const MAX_LINE_BYTES: usize = 64 << 10;

/// Where what others changed is on record.
#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// The folder; it may be lost at any moment.
    pub folder: PathBuf,
    /// The most that it may hold.
    pub max_bytes: u64,
}

/// How a drift ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftEnd {
    /// A sync put it back.
    Healed,
    /// It is no longer there, or no longer counts: somebody put it back, or it is desired now.
    Over,
}

impl DriftEnd {
    /// Returns the word in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healed => "healed",
            Self::Over => "over",
        }
    }
}

/// One line of the record.
#[derive(Debug, Clone, PartialEq)]
pub struct DriftLine {
    /// When it was seen.
    pub at: Timestamp,
    /// The app.
    pub app: AppId,
    /// The object.
    pub object: ObjectKey,
    /// The field, with an empty path where the object was deleted. Values of Secrets are hidden.
    pub field: Drifted,
    /// How it ended; `None` where it began.
    pub end: Option<DriftEnd>,
}

impl DriftLine {
    /// Says what drifted: which field is what and should be what, by whom and since when.
    pub fn sentence(&self) -> String {
        super::sentence(&self.field)
    }
}

/// The record, open for what is to come.
pub(crate) struct Ledger {
    folder: PathBuf,
    max_bytes: u64,
    open: Mutex<Option<(File, u64)>>,
}

impl Ledger {
    pub(crate) fn new(options: LedgerOptions) -> Self {
        Self { folder: options.folder, max_bytes: options.max_bytes, open: Mutex::new(None) }
    }

    /// Puts lines on record, as far as the disk lets them.
    pub(crate) fn write(&self, lines: &[DriftLine]) {
        let text: String = lines.iter().filter_map(encode).collect();
        if text.is_empty() {
            return;
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.append(&mut open, text.as_bytes()) {
            // The next line begins with the folder as it is then.
            *open = None;
            warn!(folder = %self.folder.display(), %error, "What drifted is not on record");
        }
    }

    fn append(&self, open: &mut Option<(File, u64)>, text: &[u8]) -> io::Result<()> {
        if open.as_ref().is_some_and(|(_, bytes)| *bytes + text.len() as u64 > self.max_bytes / 2) {
            *open = None;
            fs::rename(self.folder.join(NOW), self.folder.join(BEFORE))?;
        }
        let (file, bytes) = match open {
            Some(open) => open,
            None => open.insert(self.begin()?),
        };
        file.write_all(text)?;
        *bytes += text.len() as u64;
        Ok(())
    }

    /// Opens the file, and ends a line that a crash cut off.
    fn begin(&self) -> io::Result<(File, u64)> {
        fs::create_dir_all(&self.folder)?;
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(self.folder.join(NOW))?;
        let mut bytes = file.metadata()?.len();
        if bytes > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                bytes += 1;
            }
        }
        Ok((file, bytes))
    }
}

/// Reads the record, the oldest first. Lines that are damaged are passed over.
pub fn read_ledger(folder: &Path) -> io::Result<Vec<DriftLine>> {
    let mut lines = Vec::new();
    for name in [BEFORE, NOW] {
        match fs::read(folder.join(name)) {
            Ok(content) => lines.extend(content.split(|byte| *byte == b'\n').filter_map(decode)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(lines)
}

fn encode(line: &DriftLine) -> Option<String> {
    let key = |key: &ObjectKey| json!([key.group, key.kind, key.namespace, key.name]);
    let Drifted { path, want, have, manager, operation, since } = &line.field;
    let value = json!({
        "at": line.at.to_string(), "app": key(&line.app), "object": key(&line.object), "path": path,
        "want": want, "have": have, "manager": manager, "operation": operation.map(bowline_model::DriftOperation::as_str),
        "since": since, "end": line.end.map(DriftEnd::as_str),
    });
    Some(format!("{value}\n")).filter(|text| text.len() <= MAX_LINE_BYTES)
}

fn decode(line: &[u8]) -> Option<DriftLine> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let text = |field: &str| value[field].as_str().map(str::to_owned);
    let key = |field: &str| {
        let part = |at: usize| value[field][at].as_str();
        Some(ObjectKey::new(part(0)?, part(1)?, part(2)?, part(3)?))
    };
    Some(DriftLine {
        at: value["at"].as_str()?.parse().ok()?,
        app: key("app")?,
        object: key("object")?,
        field: Drifted {
            path: text("path")?,
            want: text("want"),
            have: text("have"),
            manager: text("manager"),
            operation: match value["operation"].as_str() {
                Some("Apply") => Some(bowline_model::DriftOperation::Apply),
                Some("Update") => Some(bowline_model::DriftOperation::Update),
                _ => None,
            },
            since: text("since"),
        },
        end: match value["end"].as_str() {
            None => None,
            Some("healed") => Some(DriftEnd::Healed),
            Some(_) => Some(DriftEnd::Over),
        },
    })
}

#[cfg(test)]
mod tests {
    use bowline_model::DriftOperation;

    use super::*;

    fn line(number: usize) -> DriftLine {
        DriftLine {
            at: Timestamp::from_second(1_700_000_000 + number as i64).expect("a time"),
            app: AppId::new("argoproj.io", "Application", "argocd", "shop"),
            object: ObjectKey::new("apps", "Deployment", "shop", "web"),
            field: Drifted {
                path: format!(".spec.replicas{number}"),
                want: Some("2".to_owned()),
                have: None,
                manager: Some("kubectl \"edit\"\n".to_owned()),
                operation: Some(DriftOperation::Apply),
                since: None,
            },
            end: [None, Some(DriftEnd::Healed), Some(DriftEnd::Over)][number % 3],
        }
    }

    fn open(folder: &Path, max_bytes: u64) -> Ledger {
        Ledger::new(LedgerOptions { folder: folder.to_owned(), max_bytes })
    }

    #[test]
    fn what_is_on_record_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(read_ledger(folder.path()).expect("nothing is there"), []);
        let lines: Vec<DriftLine> = (0..5).map(line).collect();
        open(folder.path(), 1 << 20).write(&lines[..2]);
        let ledger = open(folder.path(), 1 << 20);
        ledger.write(&[]);
        ledger.write(&lines[2..]);
        assert_eq!(read_ledger(folder.path()).expect("can be read"), lines);
    }

    #[test]
    fn a_line_that_a_crash_cut_off_costs_itself_alone() {
        let whole: Vec<DriftLine> = (0..3).map(line).collect();
        let text: String = whole.iter().filter_map(encode).collect();
        for length in 0..text.len() {
            let folder = tempfile::tempdir().expect("a folder");
            fs::write(folder.path().join(NOW), &text[..length]).expect("can be written");
            open(folder.path(), 1 << 20).write(&[line(9)]);
            let read = read_ledger(folder.path()).expect("can be read");
            // A line that lost no more than its end is whole.
            let complete = text[..length].split('\n').filter(|line| decode(line.as_bytes()).is_some()).count();
            assert_eq!(read[..complete], whole[..complete], "cut off after {length}");
            assert_eq!(read[complete..], [line(9)], "cut off after {length}");
        }
    }

    #[test]
    fn the_record_keeps_to_its_limit_and_forgets_the_oldest() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = open(folder.path(), 4000);
        for number in 0..100 {
            ledger.write(&[line(number)]);
            let size: u64 = [NOW, BEFORE]
                .iter()
                .filter_map(|name| fs::metadata(folder.path().join(name)).ok())
                .map(|file| file.len())
                .sum();
            assert!(size <= 4000, "{size}");
        }
        let read = read_ledger(folder.path()).expect("can be read");
        assert!(read.len() > 5, "{}", read.len());
        assert_eq!(read, (100 - read.len()..100).map(line).collect::<Vec<_>>(), "the newest, without a gap");
    }

    #[test]
    fn a_folder_that_cannot_be_written_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("can be written");
        let ledger = open(&file.join("drift"), 4000);
        ledger.write(&[line(0)]);
        fs::remove_file(&file).expect("is there");
        ledger.write(&[line(1)]);
        assert_eq!(read_ledger(&file.join("drift")).expect("can be read"), [line(1)], "it goes on when it can");
    }
}
