//! The programs that judge ours. Each is a Go module under `conformance/`, built through the module proxy.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::steps::{root, run, say, target};

const VERSION: &str = "k8s.io/component-base/version";

/// Leaves out what debuggers read.
const SMALL: &str = "-s -w";

/// The version of `k8s.io/kubectl` in `conformance/clients/go.mod`, as kubectl calls itself.
const KUBECTL: &str = "1.37.1";

/// Builds the real control plane, unless it is built already; `None` where there is no Go.
pub(crate) fn control_plane() -> anyhow::Result<Option<PathBuf>> {
    let what = "the real control plane: etcd, kube-apiserver and kube-controller-manager (minutes, the first time)";
    let flags = format!("-s -w -X {VERSION}.gitVersion=v1.35.4 -X {VERSION}.gitMajor=1 -X {VERSION}.gitMinor=35");
    program("control-plane", what, &flags)
}

/// Builds the program that tells what expressions are and cost, unless it is built already; `None` where there is no Go.
pub(crate) fn cel() -> anyhow::Result<Option<PathBuf>> {
    program("cel", "CEL as kube-apiserver has it", "")
}

/// Builds the clients that must not be able to tell our API server from the real one, unless they are built already.
///
/// Returns the folder that holds `clients`, `kubectl`, `helm3` and `helm4`; `None` where there is no Go.
pub(crate) fn clients() -> anyhow::Result<Option<PathBuf>> {
    let folder = target().join("conformance/clients");
    let source = root().join("conformance/clients");
    if is_newer(&folder.join("helm4"), &source)? {
        return Ok(Some(folder));
    }
    if !has_go() {
        return Ok(None);
    }
    say(
        "Building the clients: kubectl, Helm 3 and 4, informers, controller-runtime, Flux's applier (minutes, the first time)",
    );
    std::fs::create_dir_all(&folder)?;
    let from = source.display().to_string();
    // The last one is also the mark that all are there.
    let flags = format!("-s -w -X {VERSION}.gitVersion=v{KUBECTL} -X {VERSION}.gitMajor=1 -X {VERSION}.gitMinor=37");
    for (program, package) in
        [("clients", "."), ("helm3", "helm.sh/helm/v3/cmd/helm"), ("helm4", "helm.sh/helm/v4/cmd/helm")]
    {
        let out = folder.join(program).display().to_string();
        run("go", &["-C", &from, "build", "-trimpath", "-ldflags", &flags, "-o", &out, package], &[])?;
    }
    // The program is kubectl when it is called so.
    let kubectl = folder.join("kubectl");
    std::fs::remove_file(&kubectl).ok();
    std::fs::hard_link(folder.join("clients"), &kubectl)?;
    Ok(Some(folder))
}

/// Builds the program that computes and applies patches as Go does, unless it is built already; `None` where there is no
/// Go.
pub(crate) fn patches() -> anyhow::Result<Option<PathBuf>> {
    program("patches", "what computes patches for kubectl and Helm", SMALL)
}

/// Builds Go's templates with sprig, which judge ours, unless they are built already; `None` where there is no Go.
pub(crate) fn gotemplate() -> anyhow::Result<Option<PathBuf>> {
    program("gotemplate", "Go's templates, with sprig", SMALL)
}

/// Builds kstatus and the checks of Argo CD behind a program that judges objects, unless it is built already; `None`
/// where there is no Go.
pub(crate) fn health() -> anyhow::Result<Option<PathBuf>> {
    program("health", "kstatus and Argo CD's checks of health (minutes, the first time)", SMALL)
}

/// Builds Helm's library behind a program that renders many charts, unless it is built already; `None` where there is no Go.
pub(crate) fn helm() -> anyhow::Result<Option<PathBuf>> {
    program("helm", "Helm's library (minutes, the first time)", SMALL)
}

/// Builds Go's YAML libraries behind a program that answers what texts say, unless it is built already; `None` where there is
/// no Go.
pub(crate) fn yaml() -> anyhow::Result<Option<PathBuf>> {
    program("yaml", "Go's YAML libraries", SMALL)
}

/// Builds a registry that Helm pushes to, unless it is built already; `None` where there is no Go.
pub(crate) fn registry() -> anyhow::Result<Option<PathBuf>> {
    program("registry", "a registry", SMALL)
}

/// Builds Kustomize's library behind a program that builds many trees, unless it is built already; `None` where there is
/// no Go.
pub(crate) fn kustomize() -> anyhow::Result<Option<PathBuf>> {
    program("kustomize", "Kustomize's library", SMALL)
}

/// Builds Kustomize itself, unless it is built already; `None` where there is no Go.
pub(crate) fn kustomize_program() -> anyhow::Result<Option<PathBuf>> {
    package("kustomize", "kustomize-build", "sigs.k8s.io/kustomize/kustomize/v5", "Kustomize", SMALL)
}

/// Builds the program of one folder, unless it is built already; `None` where there is no Go.
fn program(name: &str, what: &str, flags: &str) -> anyhow::Result<Option<PathBuf>> {
    package(name, name, ".", what, flags)
}

/// Builds a package that the module of one folder asks for, unless it is built already; `None` where there is no Go.
fn package(folder: &str, name: &str, package: &str, what: &str, flags: &str) -> anyhow::Result<Option<PathBuf>> {
    let (program, source) = (target().join("conformance").join(name), root().join("conformance").join(folder));
    if is_newer(&program, &source)? {
        return Ok(Some(program));
    }
    if !has_go() {
        return Ok(None);
    }
    say(&format!("Building {what}"));
    let (from, out) = (source.display().to_string(), program.display().to_string());
    run("go", &["-C", &from, "build", "-trimpath", "-ldflags", flags, "-o", &out, package], &[])?;
    Ok(Some(program))
}

fn has_go() -> bool {
    Command::new("go").arg("version").output().is_ok()
}

/// Tells whether a program was built after the last change of its source.
fn is_newer(program: &std::path::Path, source: &std::path::Path) -> anyhow::Result<bool> {
    let Ok(built) = program.metadata().and_then(|metadata| metadata.modified()) else { return Ok(false) };
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.metadata()?.modified()? > built {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
