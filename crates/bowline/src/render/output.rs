//! `--output-dir`: what a chart renders to as files.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use bowline_helm::template::{Printing, Rendered};

/// Where to print to.
#[derive(Debug, clap::Args)]
pub(super) struct Output {
    /// Writes files below a directory, and prints their names instead
    #[arg(long = "output-dir", value_name = "DIR")]
    pub(super) directory: Option<PathBuf>,

    /// Puts these files below a directory named for the release
    #[arg(long = "release-name", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true)]
    by_release: bool,
}

/// A file is not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("{0}: a link is in the way, and nothing is written through links")]
    Link(String),
    #[error("{0}: the path leads out of the directory")]
    Outside(String),
}

impl Output {
    /// Writes what would be printed into files, and returns what Helm prints of that.
    ///
    /// A file that was there before is written anew, also where Helm adds its hooks to what an earlier run left. Files of
    /// `crds/` are never below the release's name, as in Helm.
    pub(super) fn write(
        &self,
        directory: &Path,
        release: &str,
        rendered: &Rendered,
        printing: Printing,
    ) -> Result<String, WriteError> {
        let shown = directory.display().to_string();
        let of_release = if self.by_release { clean(&directory.join(release)) } else { shown.clone() };
        let mut files = Files::default();
        if printing.crds {
            for (path, content) in &rendered.crds {
                files.add(&shown, path, content)?;
            }
        }
        for manifest in &rendered.sorted.manifests {
            files.add(&of_release, &manifest.path, manifest.content.as_bytes())?;
        }
        if printing.hooks {
            for hook in rendered.sorted.hooks.iter().filter(|hook| printing.tests || !hook.is_test()) {
                files.add(&of_release, &hook.path, hook.content.as_bytes())?;
            }
        }
        files.told.push('\n');
        Ok(files.told)
    }
}

/// Go's `filepath.Join` takes `.` and doubled slashes out.
fn clean(path: &Path) -> String {
    let parts: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    parts.display().to_string()
}

#[derive(Default)]
struct Files {
    /// The files of this run: what comes after the first document is added.
    written: BTreeSet<String>,
    told: String,
}

impl Files {
    fn add(&mut self, directory: &str, name: &str, content: &[u8]) -> Result<(), WriteError> {
        let shown = format!("{directory}/{name}");
        if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(WriteError::Outside(shown));
        }
        let failed = |source| WriteError::Io { path: shown.clone(), source };
        let path = Path::new(directory).join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        // Whoever asked named the directory; what is in it may be another's.
        let within = path.ancestors().take(Path::new(name).components().count());
        for part in within {
            if part.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
                return Err(WriteError::Link(part.display().to_string()));
            }
        }
        let is_first = self.written.insert(shown.clone());
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(is_first)
            .append(!is_first)
            .open(&path)
            .map_err(failed)?;
        let mut text = format!("---\n# Source: {name}\n").into_bytes();
        text.extend_from_slice(content);
        text.push(b'\n');
        file.write_all(&text).map_err(failed)?;
        self.told.push_str("wrote ");
        self.told.push_str(&shown);
        self.told.push('\n');
        Ok(())
    }
}
