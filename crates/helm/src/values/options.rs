//! The values that a user gives, in the order in which Helm takes them.

use serde_json::Value as Json;

use super::strvals::check_indices;
use super::{
    load_values, merge_maps, parse_into, parse_into_file, parse_into_string, parse_json_into, parse_literal_into,
};
use crate::yaml::{Table, float};

/// What a user gives on a command line, or in a resource that says the same.
#[derive(Debug, Clone, Default)]
pub struct ValueSources {
    /// `-f`, `--values`: names of files.
    pub files: Vec<String>,
    /// `--set-json`
    pub json: Vec<String>,
    /// `--set`
    pub set: Vec<String>,
    /// `--set-string`
    pub strings: Vec<String>,
    /// `--set-file`
    pub set_files: Vec<String>,
    /// `--set-literal`
    pub literals: Vec<String>,
}

/// Why values cannot be taken, in Helm's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(pub String);

impl ValueSources {
    /// Brings all values together: files in their order, then `--set-json`, `--set`, `--set-string`, `--set-file` and
    /// `--set-literal`. `read` returns the content of a file, or why there is none.
    pub fn merge(&self, read: &dyn Fn(&str) -> Result<Vec<u8>, String>) -> Result<Table, ValueError> {
        self.merge_over(Table::new(), read)
    }

    /// The same, over values that there are already.
    pub fn merge_over(
        &self,
        mut values: Table,
        read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Table, ValueError> {
        let lines = [&self.json, &self.set, &self.strings, &self.set_files, &self.literals];
        check_indices(lines.into_iter().flatten()).map_err(|why| ValueError(why.0))?;
        for file in &self.files {
            let content = read(file).map_err(ValueError)?;
            let table = load_values(&content).map_err(|why| ValueError(format!("failed to parse {file}: {why}")))?;
            values = merge_maps(values, table);
        }
        for line in &self.json {
            let trimmed = line.trim();
            if trimmed.starts_with('{') {
                match serde_json::from_str(trimmed).map(float) {
                    Ok(Json::Object(table)) => values = merge_maps(values, table),
                    _ => return Err(ValueError(format!("failed parsing --set-json data JSON: {line}"))),
                }
            } else {
                parse_json_into(line, &mut values)
                    .map_err(|_| ValueError(format!("failed parsing --set-json data {line}")))?;
            }
        }
        let failed = |flag: &str, why: String| ValueError(format!("failed parsing {flag} data: {why}"));
        for line in &self.set {
            parse_into(line, &mut values).map_err(|why| failed("--set", why.0))?;
        }
        for line in &self.strings {
            parse_into_string(line, &mut values).map_err(|why| failed("--set-string", why.0))?;
        }
        for line in &self.set_files {
            parse_into_file(line, &mut values, read).map_err(|why| failed("--set-file", why.0))?;
        }
        for line in &self.literals {
            parse_literal_into(line, &mut values).map_err(|why| failed("--set-literal", why.0))?;
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::ValueSources;

    #[test]
    fn indices_have_a_bound_together() {
        let merge = |line: String| {
            let sources = ValueSources { set: vec![line], ..ValueSources::default() };
            sources.merge(&|_| Err("no files".to_owned()))
        };
        let nested = format!("a{}=1", "[65536]".repeat(500));
        assert!(merge(nested).is_err());
        let beside: Vec<String> = (0..500).map(|number| format!("k{number}[65536]=1")).collect();
        assert!(merge(beside.join(",")).is_err());
        assert!(merge("a[65536]=[65536],b[3].c[5][6]=[1]".to_owned()).is_ok());
    }
}
