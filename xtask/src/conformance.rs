//! `cargo xtask conformance`: how much of what the real programs answer, ours answers too.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::referee;
use crate::steps::{self, cargo, run, say};

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

/// Cases that a referee answers, and we: tests that ask it every recorded case again, then random ones.
struct Comparison<'a> {
    /// What is to be built, where a person would look for it.
    what: &'a str,
    referee: fn() -> anyhow::Result<Option<PathBuf>>,
    /// The variable that names the referee's program to the tests.
    variable: &'a str,
    package: &'a str,
    suites: &'a [&'a str],
    /// How many random cases there are, unless told otherwise.
    cases: u64,
    /// What is said when nothing differs.
    verdict: &'a str,
}

impl Comparison<'_> {
    fn run(&self, cases: Option<u64>, seed: Option<u64>) -> anyhow::Result<()> {
        let what = self.what;
        let referee = (self.referee)()?.with_context(|| format!("{what} needs Go to build, and there is none"))?;
        let (referee, cases) = (referee.display().to_string(), cases.unwrap_or(self.cases).to_string());
        let seed = seed.unwrap_or(1).to_string();
        let corpus = steps::corpus().map(|folder| folder.display().to_string());
        let mut variables = vec![(self.variable, referee.as_str()), ("BOWLINE_CASES", &cases), ("BOWLINE_SEED", &seed)];
        variables.extend(corpus.as_deref().map(|folder| ("BOWLINE_CORPUS", folder)));
        let mut arguments = vec!["test", "--locked", "--release", "--no-fail-fast", "--package", self.package];
        arguments.extend(self.suites.iter().flat_map(|suite| ["--test", suite]));
        arguments.extend(["--", "--nocapture"]);
        steps::run(&cargo(), &arguments, &variables)?;
        say(self.verdict);
        Ok(())
    }
}

/// Asks Go's `text/template` every recorded case again, then random ones, and compares.
pub(crate) fn gotemplate(cases: Option<u64>, seed: Option<u64>) -> anyhow::Result<()> {
    by_templates("bowline-gotmpl", &["parity"]).run(cases, seed)
}

/// Asks the functions of sprig and Helm every recorded case again, then random calls, and looks at what they make by
/// chance.
pub(crate) fn sprig(cases: Option<u64>, seed: Option<u64>) -> anyhow::Result<()> {
    by_templates("bowline-helm", &["functions", "made_by_chance"]).run(cases, seed)
}

fn by_templates<'a>(package: &'a str, suites: &'a [&'a str]) -> Comparison<'a> {
    Comparison {
        what: "Go's `text/template`",
        referee: referee::gotemplate,
        variable: "BOWLINE_GOTEMPLATE",
        package,
        suites,
        cases: 100_000,
        verdict: "every answer is the same",
    }
}

/// Asks kstatus and Argo CD's checks about random objects, and compares.
pub(crate) fn health(cases: Option<u64>, seed: Option<u64>) -> anyhow::Result<()> {
    let comparison = Comparison {
        what: "kstatus",
        referee: referee::health,
        variable: "BOWLINE_HEALTH",
        package: "bowline-health",
        suites: &["referee"],
        cases: 200_000,
        verdict: "every verdict is the same",
    };
    comparison.run(cases, seed)
}

/// Asks Go's YAML libraries what random texts say, and how they write random values, and compares.
pub(crate) fn yaml(cases: Option<u64>, seed: Option<u64>) -> anyhow::Result<()> {
    let comparison = Comparison {
        what: "what reads YAML as Go does",
        referee: referee::yaml,
        variable: "BOWLINE_YAML",
        package: "bowline-yaml",
        suites: &["differential"],
        cases: 200_000,
        verdict: "every answer is the same, but for the differences that the test lists",
    };
    comparison.run(cases, seed)
}

/// Compares kustomizations with Kustomize: public ones and its own scenarios where a corpus is there, then random ones.
pub(crate) fn kustomize(cases: Option<u64>, seed: Option<u64>) -> anyhow::Result<()> {
    let comparison = Comparison {
        what: "Kustomize",
        referee: referee::kustomize,
        variable: "BOWLINE_KUSTOMIZE",
        package: "bowline-kustomize",
        suites: &["corpus", "differential", "addresses", "plugins"],
        cases: 10_000,
        verdict: "every kustomization is the same",
    };
    comparison.run(cases, seed)
}

/// Compares charts with Helm: those of our own making, and public ones where a corpus is there.
///
/// Helm 4 is asked again; for Helm 3 its recorded documents count.
pub(crate) fn helm() -> anyhow::Result<()> {
    let clients = referee::clients()?.context("Helm needs Go to build, and there is none")?;
    let (folder, program) = (clients.display().to_string(), clients.join("helm4").display().to_string());
    let package = ["test", "--locked", "--release", "--package", "bowline-helm"];
    let corpus = steps::corpus().map(|folder| folder.display().to_string());
    let suites: [(&str, (&str, &str)); 2] =
        [("charts", ("BOWLINE_HELM", &program)), ("corpus", ("BOWLINE_CLIENTS", &folder))];
    let mut differ = Vec::new();
    for (suite, variable) in suites {
        let mut variables = vec![variable];
        variables.extend(corpus.as_deref().map(|folder| ("BOWLINE_CORPUS", folder)));
        if run(&cargo(), &[&package[..], &["--test", suite, "--", "--nocapture"]].concat(), &variables).is_err() {
            differ.push(suite);
        }
    }
    anyhow::ensure!(differ.is_empty(), "not every chart is the same: {}", differ.join(", "));
    Ok(())
}
