//! From files to charts.

use std::collections::BTreeMap;

use super::archive::archive_files;
use super::metadata::{Lock, Metadata};
use super::{Chart, File, LoadError};
use crate::values;
use crate::yaml;

/// Charts within charts: far more than anyone has, far less than a stack holds.
const MAX_DEPTH: usize = 50;

/// The version of charts that Helm 4 can read, and does not install.
const NEWER: &str = "v3";

/// Makes a chart of its files, whose names begin at its top.
pub fn load_files(files: Vec<File>) -> Result<Chart, LoadError> {
    load(files, 0)
}

fn load(files: Vec<File>, depth: usize) -> Result<Chart, LoadError> {
    if depth > MAX_DEPTH {
        return Err(LoadError::TooDeep(MAX_DEPTH));
    }
    let mut chart = Chart::default();
    let mut described = false;
    for file in files.iter().filter(|file| file.name == "Chart.yaml") {
        described = true;
        read_metadata(&mut chart.metadata, file, "Chart.yaml")?;
        if chart.metadata.api_version.is_empty() {
            "v1".clone_into(&mut chart.metadata.api_version);
        }
        let known = ["v1", "v2", NEWER];
        if depth == 0 && !known.contains(&chart.metadata.api_version.as_str()) {
            return Err(LoadError::Unsupported("unsupported chart version"));
        }
    }
    let mut subcharts: BTreeMap<String, Vec<File>> = BTreeMap::new();
    for file in files {
        match file.name.as_str() {
            "Chart.yaml" => {}
            "Chart.lock" => chart.lock = read_lock(&file, "Chart.lock")?,
            "values.yaml" => {
                chart.values =
                    values::load_values(&file.data).map_err(|why| LoadError::File { file: "values.yaml", why })?;
            }
            "values.schema.json" => chart.schema = Some(file.data),
            "requirements.yaml" => {
                described = true;
                read_metadata(&mut chart.metadata, &file, "requirements.yaml")?;
                if chart.metadata.api_version == "v1" {
                    chart.files.push(file);
                }
            }
            "requirements.lock" => {
                described = true;
                chart.lock = read_lock(&file, "requirements.lock")?;
                if chart.metadata.api_version == "v1" {
                    chart.files.push(file);
                }
            }
            name if name.starts_with("templates/") => chart.templates.push(file),
            name => match name.strip_prefix("charts/") {
                Some(rest) if extension(name) != "prov" => {
                    let top = rest.split('/').next().unwrap_or(rest).to_owned();
                    let file = File { name: rest.to_owned(), data: file.data };
                    subcharts.entry(top).or_default().push(file);
                }
                _ => chart.files.push(file),
            },
        }
    }
    if !described {
        return Err(LoadError::NoChartYaml);
    }
    chart.metadata.validate()?;
    for (name, files) in subcharts {
        if name.starts_with(['_', '.']) {
            continue;
        }
        let loaded = if extension(&name) == "tgz" {
            let file = &files[0];
            if file.name != name {
                let parent = chart.name().to_owned();
                return Err(LoadError::NotAnArchive { parent, want: name, got: file.name.clone() });
            }
            archive_files(&file.data).and_then(|files| load(files, depth + 1))
        } else {
            let files = files
                .into_iter()
                .filter_map(|file| {
                    let (_, name) = file.name.split_once('/')?;
                    Some(File { name: name.to_owned(), data: file.data })
                })
                .collect();
            load(files, depth + 1)
        };
        match loaded {
            Ok(subchart) => chart.dependencies.push(subchart),
            Err(why) => {
                let parent = chart.name().to_owned();
                return Err(LoadError::Subchart { name, parent, why: Box::new(why) });
            }
        }
    }
    if depth == 0 && chart.metadata.api_version == NEWER {
        // Helm pairs what such a chart holds with what it asks for, and stumbles where it holds more.
        return Err(LoadError::Unsupported(if chart.dependencies.len() > chart.metadata.dependencies.len() {
            "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to \
             fetch missing dependencies: unsupported chart dependency type"
        } else {
            "invalid chart apiVersion"
        }));
    }
    Ok(chart)
}

/// What stands after a name's last dot.
fn extension(name: &str) -> &str {
    let base = name.rsplit('/').next().unwrap_or(name);
    base.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn read_metadata(metadata: &mut Metadata, file: &File, name: &'static str) -> Result<(), LoadError> {
    yaml::unmarshal(&file.data)
        .and_then(|value| metadata.decode(&value))
        .map_err(|why| LoadError::File { file: name, why })
}

fn read_lock(file: &File, name: &'static str) -> Result<Option<Lock>, LoadError> {
    yaml::unmarshal(&file.data)
        .and_then(|value| Lock::decode(&value))
        .map_err(|why| LoadError::File { file: name, why })
}
