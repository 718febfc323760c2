//! `cargo xtask conformance`: how much of what the real programs answer, ours answers too.

use anyhow::Context as _;

use crate::referee;
use crate::steps::{cargo, run, say};

/// How many random sequences of writes, and how many random objects, both servers are given.
const SEQUENCES: &str = "10000";
const OBJECTS: &str = "5000";
/// How many random patches of each sort are computed by Go, too.
const PATCHES: &str = "20000";
/// How many random expressions kube-apiserver's CEL is asked about.
const EXPRESSIONS: &str = "20000";

/// Asks the real server every scripted step again, then the random ones, and compares.
///
/// Each suite prints its figure, and fails when one answer differs. `cases` is how many random ones each is given, `seed`
/// where they start, unless they are told by the suites themselves.
pub(crate) fn api(cases: Option<u64>, seed: Option<u64>) -> anyhow::Result<()> {
    let plane = referee::control_plane()?.context("the real kube-apiserver needs Go to build, and there is none")?;
    let plane = plane.display().to_string();
    let patches = referee::patches()?.context("what computes patches needs Go to build, and there is none")?;
    let patches = patches.display().to_string();
    let cel = referee::cel()?.context("kube-apiserver's CEL needs Go to build, and there is none")?;
    let cel = cel.display().to_string();
    let (cases, seed) = (cases.map(|cases| cases.to_string()), seed.map(|seed| seed.to_string()));
    let count = |usual: &'static str| cases.as_deref().unwrap_or(usual);
    type Suite<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, &'a str)]);
    let suites: [Suite<'_>; 5] = [
        ("parity", &["--test", "parity"], &[]),
        ("sequences", &["--test", "sequences"], &[("BOWLINE_SEQUENCES", count(SEQUENCES))]),
        ("objects", &["--test", "objects"], &[("BOWLINE_OBJECTS", count(OBJECTS))]),
        ("patches", &["--test", "patches"], &[("BOWLINE_PATCHES", &patches), ("PATCHES", count(PATCHES))]),
        ("expressions", &["--lib", "cel::judge"], &[("BOWLINE_CEL_JUDGE", &cel), ("CASES", count(EXPRESSIONS))]),
    ];
    // All of them: each has a figure to print, whatever the others found.
    let mut differ = Vec::new();
    for (suite, of, more) in suites {
        let mut variables = vec![("BOWLINE_JUDGE", plane.as_str())];
        variables.extend(more);
        variables.extend(seed.as_deref().map(|seed| ("SEED", seed)));
        let package = ["test", "--locked", "--package", "bowline-apiserver"];
        if run(&cargo(), &[&package, of, &["--", "--nocapture"]].concat(), &variables).is_err() {
            differ.push(suite);
        }
    }
    anyhow::ensure!(differ.is_empty(), "not every answer is the same: {}", differ.join(", "));
    say("every answer is the same");
    Ok(())
}

/// How many random templates Go and we are given, unless told otherwise.
const TEMPLATES: u64 = 100_000;

/// Asks Go's `text/template` every recorded case again, then random ones, and compares.
pub(crate) fn gotemplate(cases: Option<u64>, seed: Option<u64>) -> anyhow::Result<()> {
    by_templates(&["--package", "bowline-gotmpl", "--test", "parity"], cases, seed)
}

/// Asks the functions of sprig and Helm every recorded case again, then random calls, and looks at what they make by
/// chance.
pub(crate) fn sprig(cases: Option<u64>, seed: Option<u64>) -> anyhow::Result<()> {
    by_templates(&["--package", "bowline-helm", "--test", "functions", "--test", "made_by_chance"], cases, seed)
}

fn by_templates(suites: &[&str], cases: Option<u64>, seed: Option<u64>) -> anyhow::Result<()> {
    let referee = referee::gotemplate()?.context("Go's templates need Go to build, and there is none")?;
    let (referee, cases) = (referee.display().to_string(), cases.unwrap_or(TEMPLATES).to_string());
    let seed = seed.unwrap_or(1).to_string();
    let variables = [("BOWLINE_GOTEMPLATE", referee.as_str()), ("BOWLINE_CASES", &cases), ("BOWLINE_SEED", &seed)];
    let release = ["test", "--locked", "--release"];
    run(&cargo(), &[&release[..], suites, &["--", "--nocapture"]].concat(), &variables)?;
    say("every answer is the same");
    Ok(())
}

/// How many random objects are judged, unless told otherwise.
const JUDGED: u64 = 200_000;

/// Asks kstatus and Argo CD's checks about random objects, and compares.
pub(crate) fn health(cases: Option<u64>, seed: Option<u64>) -> anyhow::Result<()> {
    let referee = referee::health()?.context("kstatus needs Go to build, and there is none")?;
    let (referee, cases) = (referee.display().to_string(), cases.unwrap_or(JUDGED).to_string());
    let seed = seed.unwrap_or(1).to_string();
    let variables = [("BOWLINE_HEALTH", referee.as_str()), ("BOWLINE_CASES", &cases), ("BOWLINE_SEED", &seed)];
    let suite =
        ["test", "--locked", "--release", "--package", "bowline-health", "--test", "referee", "--", "--nocapture"];
    run(&cargo(), &suite, &variables)?;
    say("every verdict is the same");
    Ok(())
}

/// How many random texts and values Go's YAML libraries and we are given, unless told otherwise.
const YAML: u64 = 200_000;

/// Asks Go's YAML libraries what random texts say, and how they write random values, and compares.
pub(crate) fn yaml(cases: Option<u64>, seed: Option<u64>) -> anyhow::Result<()> {
    let referee = referee::yaml()?.context("Go's YAML libraries need Go to build, and there is none")?;
    let (referee, cases) = (referee.display().to_string(), cases.unwrap_or(YAML).to_string());
    let seed = seed.unwrap_or(1).to_string();
    let variables = [("BOWLINE_YAML", referee.as_str()), ("BOWLINE_CASES", &cases), ("BOWLINE_SEED", &seed)];
    let suite = ["test", "--locked", "--release", "--package", "bowline-yaml", "--test", "differential"];
    run(&cargo(), &[&suite[..], &["--", "--nocapture"]].concat(), &variables)?;
    say("every answer is the same, but for the differences that the test lists");
    Ok(())
}

/// Compares charts with Helm: those of our own making, and public ones where a corpus is there.
///
/// Helm 4 is asked again; for Helm 3 its recorded documents count.
pub(crate) fn helm() -> anyhow::Result<()> {
    let clients = referee::clients()?.context("Helm needs Go to build, and there is none")?;
    let (folder, program) = (clients.display().to_string(), clients.join("helm4").display().to_string());
    let package = ["test", "--locked", "--release", "--package", "bowline-helm"];
    let suites: [(&str, &[(&str, &str)]); 2] =
        [("charts", &[("BOWLINE_HELM", &program)]), ("corpus", &[("BOWLINE_CLIENTS", &folder)])];
    let mut differ = Vec::new();
    for (suite, variables) in suites {
        if run(&cargo(), &[&package[..], &["--test", suite, "--", "--nocapture"]].concat(), variables).is_err() {
            differ.push(suite);
        }
    }
    anyhow::ensure!(differ.is_empty(), "not every chart is the same: {}", differ.join(", "));
    Ok(())
}

/// How many random trees of overlays Kustomize and we are given, unless told otherwise.
const OVERLAYS: u64 = 10_000;

/// Compares kustomizations with Kustomize: public ones and its own scenarios where a corpus is there, then random ones.
pub(crate) fn kustomize(cases: Option<u64>, seed: Option<u64>) -> anyhow::Result<()> {
    let referee = referee::kustomize()?.context("Kustomize needs Go to build, and there is none")?;
    let (referee, cases) = (referee.display().to_string(), cases.unwrap_or(OVERLAYS).to_string());
    let seed = seed.unwrap_or(1).to_string();
    let variables = [("BOWLINE_KUSTOMIZE", referee.as_str()), ("BOWLINE_CASES", &cases), ("BOWLINE_SEED", &seed)];
    let package = ["test", "--locked", "--release", "--package", "bowline-kustomize"];
    let suites = ["--test", "corpus", "--test", "differential", "--no-fail-fast", "--", "--nocapture"];
    run(&cargo(), &[&package[..], &suites].concat(), &variables)?;
    say("every kustomization is the same");
    Ok(())
}
