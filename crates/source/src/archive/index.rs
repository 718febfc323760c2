use std::collections::BTreeMap;

use bowline_yaml::{Limits, Rules, parse_first_as};
use serde::Deserialize;

use super::blobs::is_digest;
use crate::limits::{MAX_INDEX_BYTES, MAX_INDEX_VERSIONS};
use bowline_model::semver::{Constraint, Version};

/// What a Helm repository offers: of each chart its versions, the newest first.
#[derive(Debug, Default)]
pub(super) struct Index {
    charts: BTreeMap<String, Vec<Listed>>,
}

/// One version of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) version: String,
    read: Version,
    /// Where the archive is: absolute, or relative to the repository.
    pub(super) url: Option<String>,
    /// Of the archive, as hexadecimal digits.
    pub(super) digest: Option<String>,
}

/// Why no version was chosen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unlisted {
    NoChart,
    NoVersion,
    Invalid(String),
}

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "apiVersion", default)]
    api_version: Option<String>,
    #[serde(default)]
    entries: Option<BTreeMap<String, Option<Vec<Option<Entry>>>>>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    urls: Option<Vec<String>>,
    #[serde(default)]
    digest: Option<String>,
}

impl Index {
    /// Reads an index as Helm does (`pkg/repo/v1`, `loadIndex`): JSON or YAML; versions that are none are passed over.
    pub(super) fn parse(data: &[u8]) -> Result<Self, String> {
        if data.is_empty() {
            return Err("it is empty".into());
        }
        let written: Written = if data.trim_ascii_start().starts_with(b"{")
            && let Ok(read) = serde_json::from_slice(data)
        {
            read
        } else {
            let limits = Limits { max_bytes: MAX_INDEX_BYTES as usize, ..Limits::default() };
            let value = parse_first_as(Rules::Sigs, data, &limits).map_err(|problem| problem.to_string())?;
            serde_json::from_value(value).map_err(|error| error.to_string())?
        };
        if written.api_version.unwrap_or_default().is_empty() {
            return Err("it names no `apiVersion`".into());
        }
        let mut charts = BTreeMap::new();
        let mut count = 0;
        for (name, versions) in written.entries.unwrap_or_default() {
            let mut listed: Vec<Listed> =
                versions.unwrap_or_default().into_iter().flatten().filter_map(Entry::listed).collect();
            count += listed.len();
            if count > MAX_INDEX_VERSIONS {
                return Err(format!("it lists more than {MAX_INDEX_VERSIONS} versions"));
            }
            listed.sort_by(|one, other| other.read.precedence(&one.read));
            charts.insert(name, listed);
        }
        Ok(Self { charts })
    }

    /// Chooses a version: the very one that is written, or else the greatest that meets the constraint. Pre-releases
    /// take part only where the constraint names one.
    pub(super) fn choose(&self, name: &str, version: &str) -> Result<&Listed, Unlisted> {
        let versions = self.charts.get(name).filter(|versions| !versions.is_empty()).ok_or(Unlisted::NoChart)?;
        if let Some(listed) = versions.iter().find(|listed| !version.is_empty() && listed.version == version) {
            return Ok(listed);
        }
        let constraint = Constraint::parse(if version.is_empty() { "*" } else { version })
            .map_err(|error| Unlisted::Invalid(error.to_string()))?;
        versions.iter().find(|listed| constraint.matches(&listed.read)).ok_or(Unlisted::NoVersion)
    }

    /// Returns the version that is written exactly so.
    pub(super) fn exact(&self, name: &str, version: &str) -> Option<&Listed> {
        self.charts.get(name)?.iter().find(|listed| listed.version == version)
    }
}

impl Entry {
    fn listed(self) -> Option<Listed> {
        let version = self.version.filter(|_| self.name.as_ref().is_some_and(|name| !name.is_empty()))?;
        let read = Version::parse(&version).ok()?;
        let digest = self.digest.map(|digest| digest.trim_start_matches("sha256:").to_ascii_lowercase());
        Some(Listed {
            version,
            read,
            url: self.urls.unwrap_or_default().into_iter().next(),
            digest: digest.filter(|digest| is_digest(digest)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "
apiVersion: v1
entries:
  shop:
  - {name: shop, version: 1.2.0, urls: [shop-1.2.0.tgz]}
  - {name: shop, version: 1.10.0, urls: [shop-1.10.0.tgz, other.tgz], digest: sha256:AAAA}
  - {name: shop, version: 2.0.0-rc.1, urls: [https://example.com/shop.tgz]}
  - {name: shop, version: latest}
  - {version: 9.0.0}
  -
  - {name: shop, version: v0.9, deprecated: true}
  old: [{name: old, version: 1.0.0-alpha}]
  none: []
";

    #[test]
    fn the_greatest_version_that_fits_is_chosen() {
        let index = Index::parse(INDEX.as_bytes()).expect("is one");
        for (name, version, want) in [
            ("shop", "", "1.10.0"),
            ("shop", "1.2.0", "1.2.0"),
            ("shop", "1.2", "1.2.0"),
            ("shop", "^1", "1.10.0"),
            ("shop", "<1", "v0.9"),
            ("shop", ">0.0.0-0", "2.0.0-rc.1"),
            ("shop", "2.0.0-rc.1", "2.0.0-rc.1"),
            ("shop", ">=2", "no version"),
            ("shop", "latest", "invalid"),
            ("old", "", "no version"),
            ("old", "*-0", "1.0.0-alpha"),
            ("none", "", "no chart"),
            ("gone", "", "no chart"),
        ] {
            let have = match index.choose(name, version) {
                Ok(listed) => listed.version.as_str(),
                Err(Unlisted::NoChart) => "no chart",
                Err(Unlisted::NoVersion) => "no version",
                Err(Unlisted::Invalid(_)) => "invalid",
            };
            assert_eq!(have, want, "{name} {version}");
        }
        let listed = index.exact("shop", "1.10.0").expect("is listed");
        assert_eq!((listed.url.as_deref(), &listed.digest), (Some("shop-1.10.0.tgz"), &None), "that is no digest");
    }

    #[test]
    fn an_index_is_json_or_yaml_and_names_its_version() {
        let json = br#"{"apiVersion": "v1", "entries": {"a": [{"name": "a", "version": "1.0.0"}]}}"#;
        assert!(Index::parse(json).expect("is one").exact("a", "1.0.0").is_some());
        for bad in ["", "<html>", "entries: {}", "apiVersion: v1\nentries: [a]", "apiVersion: v1\n\tx", "{", "[]"] {
            assert!(Index::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Index::parse(b"apiVersion: v1").is_ok());
    }
}
