//! `cargo xtask bench render`: charts rendered by `bowline render chart` and by Helm, in one run, and their ratios.
//!
//! `BOWLINE_PROGRAM` is our program as it is released, `BOWLINE_CLIENTS` the folder of Helm's, `BOWLINE_HELM_SDK` the referee that renders
//! many charts in one Go process, `BOWLINE_CORPUS` the public charts.

#[path = "../src/render/disk.rs"]
#[expect(dead_code, reason = "what only kustomizations are told")]
mod disk;
#[path = "measured/mod.rs"]
mod measured;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use bowline_helm::capabilities::{Capabilities, KubeVersion};
use bowline_helm::chart::load_directory;
use bowline_helm::engine::{Execution, Release};
use bowline_helm::functions::Host;
use bowline_helm::template::{Options, Printing, template};
use bowline_helm::values::ValueSources;
use clap::Parser;
use measured::{Used, cpu_secs, measure, median, say};
use serde_json::{Value, json};

/// As the program that is measured has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KUBE_VERSION: &str = "1.34.0";
/// The chart that is told by itself.
const LARGE: &str = "kube-prometheus-stack";

#[derive(Debug, Parser)]
struct Arguments {
    /// How many charts are rendered by a process each, spread over the corpus; 0 for all
    #[arg(long, default_value_t = 40)]
    charts: usize,
    /// How often each
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each way of rendering in one process takes
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

/// A chart of the corpus, with values.
#[derive(Debug, Clone)]
struct Case {
    id: String,
    chart: PathBuf,
    values: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    if measured::is_asked()? {
        return Ok(());
    }
    let arguments = Arguments::parse();
    let (ours, helm) = (measured::named("BOWLINE_PROGRAM")?, measured::named("BOWLINE_CLIENTS")?.join("helm4"));
    let corpus = measured::named("BOWLINE_CORPUS")?.join("helm");
    let scratch = tempfile::tempdir()?;
    let cases = cases(&corpus, scratch.path())?;
    ensure!(!cases.is_empty(), "no case of the corpus renders");

    let step = if arguments.charts == 0 { 1 } else { cases.len().div_ceil(arguments.charts) };
    let chosen: Vec<&Case> = cases.iter().step_by(step).collect();
    say(&format!("{} charts, a process each, {} times; CPU in ms, memory in MiB", chosen.len(), arguments.rounds));
    let (mut cpu, mut memory, mut our_cpu, mut helm_cpu, mut our_memory, mut helm_memory) = Default::default();
    for case in &chosen {
        let (mine, theirs) = beside(&ours, &helm, case, arguments.rounds)?;
        let add = |list: &mut Vec<f64>, number: f64| list.push(number);
        add(&mut cpu, theirs.cpu_ms / mine.cpu_ms);
        add(&mut memory, mine.mib / theirs.mib);
        add(&mut our_cpu, mine.cpu_ms);
        add(&mut helm_cpu, theirs.cpu_ms);
        add(&mut our_memory, mine.mib);
        add(&mut helm_memory, theirs.mib);
    }
    say(&format!(
        "  median: CPU {:.1} beside {:.1}: {:.1} x less; memory {:.1} beside {:.1}: {:.2} of it",
        median(&mut our_cpu),
        median(&mut helm_cpu),
        median(&mut cpu),
        median(&mut our_memory),
        median(&mut helm_memory),
        median(&mut memory)
    ));
    if let Some(large) = cases.iter().find(|case| case.id.ends_with(LARGE)) {
        let (mine, theirs) = beside(&ours, &helm, large, arguments.rounds)?;
        say(&format!(
            "  {LARGE}: CPU {:.1} beside {:.1}: {:.1} x less; memory {:.1} beside {:.1}: {:.2} of it",
            mine.cpu_ms,
            theirs.cpu_ms,
            theirs.cpu_ms / mine.cpu_ms,
            mine.mib,
            theirs.mib,
            mine.mib / theirs.mib
        ));
    }
    in_one_process(&cases, &arguments)
}

/// Returns the cases that render, the large chart among them: without what the corpus lacks of it.
fn cases(corpus: &Path, scratch: &Path) -> anyhow::Result<Vec<Case>> {
    let text = std::fs::read_to_string(corpus.join("cases.tsv")).context("cannot read the corpus")?;
    let mut cases = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, chart, values, "stable", ..] = fields[..] else { continue };
        let chart = corpus.join(chart);
        let values = (values != "-").then(|| chart.join(values));
        cases.push(Case { id: id.to_owned(), chart, values });
    }
    cases.retain(|case| render(case).is_ok());
    let large = text.lines().filter_map(|line| line.split('\t').nth(1)).find(|chart| chart.ends_with(LARGE));
    if let Some(large) = large {
        let chart = completed(&corpus.join(large), scratch)?;
        cases.push(Case { id: LARGE.to_owned(), values: Some(chart.with_extension("yaml")), chart });
    }
    Ok(cases)
}

/// Copies a chart, with the charts it asks for that lie beside it; the others are not asked for, and values beside the copy
/// turn off what belongs to them.
fn completed(chart: &Path, scratch: &Path) -> anyhow::Result<PathBuf> {
    let folder = scratch.join(LARGE);
    copy(chart, &folder)?;
    let file = folder.join("Chart.yaml");
    let limits = bowline_yaml::Limits::default();
    let mut description = bowline_yaml::parse_one(&std::fs::read(&file)?, &limits)
        .map_err(|problems| anyhow::anyhow!("{}: {problems:?}", file.display()))?;
    if let Some(wanted) = description["dependencies"].as_array_mut() {
        for name in wanted.iter().filter_map(|one| one["name"].as_str()) {
            let (beside, inside) = (chart.with_file_name(name), folder.join("charts").join(name));
            if beside.is_dir() && !inside.exists() {
                copy(&beside, &inside)?;
            }
        }
        let is_there = |one: &Value| one["name"].as_str().is_some_and(|name| folder.join("charts").join(name).exists());
        let mut off = serde_json::Map::new();
        for condition in wanted.iter().filter(|one| !is_there(one)).filter_map(|one| one["condition"].as_str()) {
            let (part, name) = condition.split_once('.').context("a condition is a path")?;
            off.insert(part.to_owned(), json!({ name: false }));
        }
        std::fs::write(folder.with_extension("yaml"), bowline_yaml::to_yaml(&Value::Object(off)))?;
        wanted.retain(is_there);
    }
    std::fs::write(&file, bowline_yaml::to_yaml(&description))?;
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::write(&target, std::fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// Runs both programs on a chart, in turns, and returns what each used: the middle of all rounds.
fn beside(ours: &Path, helm: &Path, case: &Case, rounds: usize) -> anyhow::Result<(Used, Used)> {
    let chart = case.chart.display().to_string();
    let values: Vec<String> =
        case.values.iter().flat_map(|file| ["-f".to_owned(), file.display().to_string()]).collect();
    let flags = ["--namespace", "ns", "--include-crds", "--kube-version", KUBE_VERSION];
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let calls = [
        (ours, [&["render", "chart", &chart, "--name", "rel"][..], &flags, &values].concat()),
        (helm, [&["template", "rel", &chart][..], &flags, &values].concat()),
    ];
    let mut used = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for ((program, call), used) in calls.iter().zip(&mut used) {
            used.push(measure(program, call)?);
        }
    }
    Ok((Used::middle(&used[0]), Used::middle(&used[1])))
}

/// Renders a chart as the program does, and returns how long the text is.
fn render(case: &Case) -> anyhow::Result<usize> {
    let capabilities = Capabilities { kube_version: KubeVersion::parse(KUBE_VERSION)?, ..Capabilities::default() };
    let files = case.values.iter().map(|file| file.display().to_string()).collect();
    let sources = ValueSources { files, ..ValueSources::default() };
    let values = sources.merge(&|name| std::fs::read(name).map_err(|error| error.to_string()))?;
    let (tree, inside) = disk::DiskTree::around(&case.chart)?;
    let chart = load_directory(&tree, &inside)?;
    let release = Release { name: "rel".to_owned(), namespace: "ns".to_owned(), is_upgrade: false, revision: 1 };
    let mut host = Host::new((0, 0), Box::new(|bytes| bytes.fill(7)));
    let mut execution = Execution::new(&mut host);
    let options = Options { release, capabilities, skip_schema: false };
    Ok(template(chart, &values, &options, &mut execution)?.print(Printing::default()).len())
}

/// Renders all charts again and again, in one process: by Go, by one thread of ours, by as many as there are cores.
fn in_one_process(cases: &[Case], arguments: &Arguments) -> anyhow::Result<()> {
    say(&format!("{} charts in one process, loaded anew each time; charts a second", cases.len()));
    let cores = std::thread::available_parallelism()?.get();
    let (one, one_cpu) = threads(cases, 1, arguments.seconds);
    let (all, all_cpu) = threads(cases, cores, arguments.seconds);
    let go = std::env::var_os("BOWLINE_HELM_SDK").map(|program| go(Path::new(&program), cases, arguments.seconds));
    match go.transpose()? {
        Some((go, go_cpu)) => {
            say(&format!("  Helm's Go library: {go:.1}, {:.1} for a second of CPU", go / go_cpu));
            say(&format!(
                "  ours, 1 thread: {one:.1}, {:.1} for a second of CPU: {:.1} x, {:.1} x for the same CPU",
                one / one_cpu,
                one / go,
                (one / one_cpu) / (go / go_cpu)
            ));
        }
        None => say(&format!("  ours, 1 thread: {one:.1}, {:.1} for a second of CPU", one / one_cpu)),
    }
    say(&format!(
        "  ours, {cores} threads: {all:.1}, {:.1} for a second of CPU: {:.2} x one thread",
        all / all_cpu,
        all / one
    ));
    Ok(())
}

/// Returns the charts a second, and the cores that were used.
fn threads(cases: &[Case], count: usize, seconds: f64) -> (f64, f64) {
    let (begin, used, done) = (Instant::now(), cpu_secs(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                // Whole rounds, so that every chart weighs the same.
                while begin.elapsed().as_secs_f64() < seconds {
                    for case in cases {
                        let _ = std::hint::black_box(render(case));
                    }
                    done.fetch_add(cases.len(), Ordering::Relaxed);
                }
            });
        }
    });
    let wall = begin.elapsed().as_secs_f64();
    (done.load(Ordering::Relaxed) as f64 / wall, (cpu_secs() - used) / wall)
}

fn go(program: &Path, cases: &[Case], seconds: f64) -> anyhow::Result<(f64, f64)> {
    let mut child = Command::new(program)
        .args(["bench", &seconds.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{}`", program.display()))?;
    let mut stdin = child.stdin.take().context("it was piped")?;
    for case in cases {
        let case = json!({"chart": case.chart, "name": "rel", "namespace": "ns", "kubeVersion": KUBE_VERSION,
            "values": case.values.iter().collect::<Vec<_>>()});
        writeln!(stdin, "{case}")?;
    }
    drop(stdin);
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "`{}` failed", program.display());
    let told: Value = serde_json::from_slice(&output.stdout)?;
    let number = |key: &str| told[key].as_f64().context("the referee tells numbers");
    let (charts, wall, cpu) = (number("charts")?, number("seconds")?, number("cpu")?);
    Ok((charts / wall, cpu / wall))
}
