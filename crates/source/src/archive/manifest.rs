use serde::Deserialize;

/// The media types of manifests that are asked for.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, */*;q=0.1";

/// What lies under a tag: layers, or manifests of many platforms.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Manifest {
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Default, Deserialize)]
struct Descriptor {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Debug, Default, Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

/// Which layer of a manifest is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The archive of a chart.
    Chart,
    /// The files of an artifact.
    Artifact,
}

const CHART: [&str; 2] = ["application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip"];
const FLUX: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";

impl Manifest {
    /// Returns the digest of the manifest to read instead: that for Linux on x86-64, or the first, where there are many.
    pub(super) fn platform(&self) -> Option<String> {
        if !self.layers.is_empty() {
            return None;
        }
        let is_usual = |one: &&Descriptor| {
            one.platform.as_ref().is_some_and(|at| (at.os.as_str(), at.architecture.as_str()) == ("linux", "amd64"))
        };
        let chosen = self.manifests.iter().find(is_usual).or_else(|| self.manifests.first())?;
        Some(bare(&chosen.digest))
    }

    /// Returns the digest of the layer that holds the files.
    pub(super) fn layer(&self, part: Part) -> Result<String, String> {
        let with = |wanted: &str| self.layers.iter().find(|layer| layer.media_type == wanted);
        let found = match part {
            Part::Chart => CHART.iter().find_map(|wanted| with(wanted)),
            Part::Artifact => with(FLUX).or_else(|| self.layers.iter().find(|layer| layer.is_tar_gzip())),
        };
        match found {
            Some(layer) => Ok(bare(&layer.digest)),
            None if part == Part::Chart => {
                Err(format!("manifest does not contain a layer with mediatype {}", CHART[0]))
            }
            None => Err("none of its layers is a tar archive compressed by gzip".into()),
        }
    }
}

impl Descriptor {
    fn is_tar_gzip(&self) -> bool {
        ["tar+gzip", "tar.gzip"].iter().any(|end| self.media_type.ends_with(end))
    }
}

/// Takes the algorithm off a digest.
pub(super) fn bare(digest: &str) -> String {
    digest.strip_prefix("sha256:").unwrap_or(digest).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Manifest {
        serde_json::from_str(text).expect("is one")
    }

    #[test]
    fn the_layer_with_the_files_is_found() {
        let chart = manifest(
            r#"{"config": {}, "layers": [
                {"mediaType": "application/vnd.cncf.helm.chart.provenance.v1.prov", "digest": "sha256:aa"},
                {"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "digest": "sha256:bb"}]}"#,
        );
        assert_eq!(chart.layer(Part::Chart).as_deref(), Ok("bb"));
        assert_eq!(chart.layer(Part::Artifact).as_deref(), Ok("bb"));
        let artifact = manifest(
            r#"{"layers": [
                {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "digest": "sha256:aa"},
                {"mediaType": "application/vnd.cncf.flux.content.v1.tar+gzip", "digest": "sha256:bb"}]}"#,
        );
        assert_eq!(artifact.layer(Part::Artifact).as_deref(), Ok("bb"));
        assert!(artifact.layer(Part::Chart).is_err());
        assert!(manifest("{}").layer(Part::Artifact).is_err());
    }

    #[test]
    fn of_many_platforms_the_usual_is_taken() {
        let platform =
            |os: &str| format!(r#"{{"digest": "sha256:{os}", "platform": {{"os": "{os}", "architecture": "amd64"}}}}"#);
        let many = |list: &[&str]| {
            manifest(&format!(
                r#"{{"manifests": [{}]}}"#,
                list.iter().map(|os| platform(os)).collect::<Vec<_>>().join(",")
            ))
        };
        assert_eq!(many(&["windows", "linux"]).platform().as_deref(), Some("linux"));
        assert_eq!(many(&["windows"]).platform().as_deref(), Some("windows"));
        assert_eq!(many(&[]).platform(), None);
    }
}
