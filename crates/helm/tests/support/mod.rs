//! What the tests of whole charts share.

use bowline_helm::capabilities::{Capabilities, KubeVersion};
use bowline_helm::chart::load_directory;
use bowline_helm::engine::{Execution, Release};
use bowline_helm::functions::Host;
use bowline_helm::template::{Options, Printing, template};
use bowline_helm::values::ValueSources;
use bowline_tree::{MemoryTree, TreePath};

/// How `helm template` is called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) kube_version: Option<String>,
    pub(crate) api_versions: Vec<String>,
    pub(crate) values: ValueSources,
}

/// Answers as `helm template --include-crds` does for the chart at `path`: what it prints, or the text of its error.
pub(crate) fn helm_template(
    tree: &MemoryTree,
    path: &TreePath,
    call: &Call,
    read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, String> {
    let mut capabilities = Capabilities::default();
    if let Some(version) = &call.kube_version {
        capabilities.kube_version = KubeVersion::parse(version).map_err(|error| error.to_string())?;
    }
    capabilities.api_versions.extend(call.api_versions.iter().cloned());
    let values = call.values.merge(read).map_err(|error| error.to_string())?;
    let chart = load_directory(tree, path).map_err(|error| error.to_string())?;
    let options = Options {
        release: Release { name: call.name.clone(), namespace: call.namespace.clone(), is_upgrade: false, revision: 1 },
        capabilities,
        skip_schema: false,
    };
    let mut host = Host::new((1_700_000_000, 0), Box::new(|bytes| bytes.fill(7)));
    let mut execution = Execution::new(&mut host);
    let rendered = template(chart, &values, &options, &mut execution).map_err(|error| error.to_string())?;
    Ok(rendered.print(Printing::default()))
}
