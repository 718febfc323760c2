//! `cargo xtask bench render`, kustomizations: built by `bowline render kustomization` and by `kustomize build`, in one run, and
//! their ratios.
//!
//! `BOWLINE_PROGRAM` is our program as it is released, `BOWLINE_KUSTOMIZE` is Kustomize's, `BOWLINE_CORPUS` holds the public
//! kustomizations.

#[path = "../src/render/disk.rs"]
mod disk;
#[path = "measured/mod.rs"]
mod measured;

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use bowline_kustomize::{LoadRestrictions, Options, print};
use bowline_tree::{MemoryTree, TreePath};
use clap::Parser;
use measured::{Used, cpu_secs, measure, median, say};

/// As the program that is measured has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// From how much text on a tree is told by itself.
const LARGE_BYTES: usize = 1_000_000;

#[derive(Debug, Parser)]
struct Arguments {
    /// How many trees are built by a process each, spread over the corpus; 0 for all
    #[arg(long, alias = "charts", default_value_t = 40)]
    trees: usize,
    /// How often each
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each way of building in one process takes
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

/// A directory of the corpus.
#[derive(Debug, Clone)]
struct Case {
    id: String,
    directory: PathBuf,
    unrestricted: bool,
    /// The length of what is printed.
    bytes: usize,
}

fn main() -> anyhow::Result<()> {
    if measured::is_asked()? {
        return Ok(());
    }
    let arguments = Arguments::parse();
    let programs =
        Programs { ours: measured::named("BOWLINE_PROGRAM")?, theirs: measured::named("BOWLINE_KUSTOMIZE")? };
    let scratch = tempfile::tempdir()?;
    let cases = cases(&measured::named("BOWLINE_CORPUS")?.join("kustomize"), scratch.path())?;
    ensure!(!cases.is_empty(), "no case of the corpus is built");

    say("Kustomizations, a process each; CPU in ms, memory in MiB");
    let smallest = cases.iter().filter(|case| case.bytes > 0).min_by_key(|case| case.bytes).context("one is built")?;
    let (mine, theirs) = programs.beside(smallest, arguments.rounds)?;
    tell(&format!("smallest, {} bytes", smallest.bytes), mine, theirs);
    let step = if arguments.trees == 0 { 1 } else { cases.len().div_ceil(arguments.trees) };
    let chosen: Vec<&Case> = cases.iter().step_by(step).collect();
    programs.tell_median(&chosen, arguments.rounds)?;
    for case in cases.iter().filter(|case| case.bytes > LARGE_BYTES) {
        let (mine, theirs) = programs.beside(case, arguments.rounds.min(3))?;
        tell(&format!("{}, {:.1} MB", case.id, case.bytes as f64 / 1e6), mine, theirs);
    }
    let renamed = renamed(&scratch.path().join("renamed"))?;
    let (mine, theirs) = programs.beside(&renamed, arguments.rounds.min(3))?;
    tell(&renamed.id, mine, theirs);
    let (mut mine, mut theirs) = (Used::default(), Used::default());
    for case in &cases {
        let (one, other) = programs.beside(case, 1)?;
        mine = together(mine, one);
        theirs = together(theirs, other);
    }
    tell(&format!("all {} trees together", cases.len()), mine, theirs);
    in_one_process(&cases, &arguments)
}

/// What two processes used one after the other: the time of both, the memory of the one that had more.
fn together(a: Used, b: Used) -> Used {
    Used { cpu_ms: a.cpu_ms + b.cpu_ms, mib: a.mib.max(b.mib) }
}

fn tell(what: &str, mine: Used, theirs: Used) {
    say(&format!(
        "  {what}: CPU {:.1} beside {:.1}: {:.1} x less; memory {:.1} beside {:.1}: {:.2} of it",
        mine.cpu_ms,
        theirs.cpu_ms,
        theirs.cpu_ms / mine.cpu_ms,
        mine.mib,
        theirs.mib,
        mine.mib / theirs.mib
    ));
}

struct Programs {
    ours: PathBuf,
    theirs: PathBuf,
}

impl Programs {
    /// Runs both programs on a tree, in turns, and returns what each used: the middle of all rounds.
    fn beside(&self, case: &Case, rounds: usize) -> anyhow::Result<(Used, Used)> {
        let directory = case.directory.display().to_string();
        let restrictor = if case.unrestricted { "LoadRestrictionsNone" } else { "LoadRestrictionsRootOnly" };
        let flags = [&directory, "--load-restrictor", restrictor];
        let calls = [
            (&self.ours, [&["render", "kustomization"][..], &flags].concat()),
            (&self.theirs, [&["build"][..], &flags].concat()),
        ];
        let mut used = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for ((program, call), used) in calls.iter().zip(&mut used) {
                used.push(measure(program, call)?);
            }
        }
        Ok((Used::middle(&used[0]), Used::middle(&used[1])))
    }

    fn tell_median(&self, cases: &[&Case], rounds: usize) -> anyhow::Result<()> {
        let mut used = Vec::new();
        for case in cases {
            used.push(self.beside(case, rounds)?);
        }
        let (mine, theirs): (Vec<Used>, Vec<Used>) = used.iter().copied().unzip();
        let of = |ratio: &dyn Fn(&(Used, Used)) -> f64| median(&mut used.iter().map(ratio).collect::<Vec<_>>());
        let (mine, theirs) = (Used::middle(&mine), Used::middle(&theirs));
        say(&format!(
            "  median of {}: CPU {:.1} beside {:.1}: {:.1} x less; memory {:.1} beside {:.1}: {:.2} of it",
            cases.len(),
            mine.cpu_ms,
            theirs.cpu_ms,
            of(&|(mine, theirs)| theirs.cpu_ms / mine.cpu_ms),
            mine.mib,
            theirs.mib,
            of(&|(mine, theirs)| mine.mib / theirs.mib)
        ));
        Ok(())
    }
}

/// Returns the cases that are built, in a copy of the corpus in which every repository is a work tree.
fn cases(corpus: &Path, scratch: &Path) -> anyhow::Result<Vec<Case>> {
    let text = std::fs::read_to_string(corpus.join("cases.tsv")).context("cannot read the corpus")?;
    let trees = scratch.join("trees");
    copy(&corpus.join("trees"), &trees)?;
    for entry in std::fs::read_dir(&trees)? {
        std::fs::create_dir_all(entry?.path().join(".git"))?;
    }
    let mut cases = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, directory, flags, "stable", _] = fields[..] else { continue };
        let unrestricted = flags.contains("LoadRestrictionsNone");
        let mut case = Case { id: id.to_owned(), directory: scratch.join(directory), unrestricted, bytes: 0 };
        if let Ok(bytes) = build(&case) {
            case.bytes = bytes;
            cases.push(case);
        }
    }
    Ok(cases)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if kind.is_symlink() {
            symlink(std::fs::read_link(&source)?, &target)?;
        } else if kind.is_dir() {
            copy(&source, &target)?;
        } else {
            std::fs::write(&target, std::fs::read(&source)?)?;
        }
    }
    Ok(())
}

/// Makes a tree of many objects that name each other, all of which an overlay renames.
fn renamed(folder: &Path) -> anyhow::Result<Case> {
    const COUNT: usize = 1000;
    let (base, overlay) = (folder.join("base"), folder.join("overlay"));
    std::fs::create_dir_all(folder.join(".git"))?;
    std::fs::create_dir_all(&base)?;
    std::fs::create_dir_all(&overlay)?;
    let mut text = String::new();
    for at in 0..COUNT {
        write!(
            text,
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{at}\nspec:\n  selector:\n    matchLabels:\n      app: app-{at}\n  \
             template:\n    metadata:\n      labels:\n        app: app-{at}\n    spec:\n      containers:\n      - name: main\n        image: app:1\n        \
             envFrom:\n        - configMapRef:\n            name: config-{at}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: config-{at}\n\
             data:\n  key: value\n---\n"
        )?;
    }
    std::fs::write(base.join("all.yaml"), text)?;
    std::fs::write(base.join("kustomization.yaml"), "resources:\n- all.yaml\n")?;
    std::fs::write(
        overlay.join("kustomization.yaml"),
        "resources:\n- ../base\nnamePrefix: a-\nnamespace: b\nlabels:\n- pairs:\n    c: d\n  includeSelectors: true\nimages:\n- name: app\n  newTag: '2'\n",
    )?;
    Ok(Case { id: format!("{} objects, renamed", COUNT * 2), directory: overlay, unrestricted: false, bytes: 0 })
}

/// Builds a tree as the program does, and returns how long the text is.
fn build(case: &Case) -> anyhow::Result<usize> {
    let (tree, inside) = disk::DiskTree::around(&case.directory)?;
    let restrictions = if case.unrestricted { LoadRestrictions::None } else { LoadRestrictions::RootOnly };
    let options = Options { restrictions, shown_root: tree.shown(), ..Options::default() };
    Ok(print(&tree, &inside, &options)?.pieces().map(str::len).sum())
}

/// Builds all trees again and again in one process, and then a small overlay: by one thread, by as many as there are cores.
fn in_one_process(cases: &[Case], arguments: &Arguments) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    let tell = |what: &str, count: usize, work: &(dyn Fn() + Sync)| {
        let (one, one_cpu) = threads(1, arguments.seconds, count, work);
        let (all, all_cpu) = threads(cores, arguments.seconds, count, work);
        say(&format!("{what}, in one process; trees a second"));
        say(&format!("  1 thread: {one:.0}, {:.0} for a second of CPU", one / one_cpu));
        say(&format!(
            "  {cores} threads: {all:.0}, {:.0} for a second of CPU: {:.2} x one thread",
            all / all_cpu,
            all / one
        ));
    };
    tell(&format!("{} trees, each loaded from disk anew", cases.len()), cases.len(), &|| {
        for case in cases {
            let _ = std::hint::black_box(build(case));
        }
    });
    let tree = small_overlay()?;
    let overlay = TreePath::parse("overlay").context("it is inside")?;
    tell("A base of two objects under an overlay", 100, &|| {
        for _ in 0..100 {
            let _ = std::hint::black_box(print(&tree, &overlay, &Options::default()));
        }
    });
    Ok(())
}

/// A Deployment and a Service, and an overlay that renames, patches and moves them, with another image.
fn small_overlay() -> anyhow::Result<MemoryTree> {
    let mut tree = MemoryTree::new();
    for (path, text) in [
        ("base/kustomization.yaml", "resources:\n- deployment.yaml\n- service.yaml\n"),
        (
            "base/deployment.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  labels:\n    app: web\nspec:\n  replicas: 1\n  selector:\n    matchLabels:\n      app: web\n  template:\n    metadata:\n      labels:\n        app: web\n    spec:\n      containers:\n      - name: web\n        image: nginx:1.0\n        ports:\n        - containerPort: 80\n        env:\n        - name: A\n          value: b\n",
        ),
        (
            "base/service.yaml",
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  selector:\n    app: web\n  ports:\n  - port: 80\n",
        ),
        (
            "overlay/kustomization.yaml",
            "resources:\n- ../base\nnamespace: prod\nnamePrefix: prod-\nimages:\n- name: nginx\n  newTag: '2.0'\npatches:\n- path: patch.yaml\n",
        ),
        ("overlay/patch.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 3\n"),
    ] {
        tree.insert(TreePath::parse(path)?, text);
    }
    print(&tree, &TreePath::parse("overlay")?, &Options::default())?;
    Ok(tree)
}

/// Does work again and again; returns how much of it is done a second, and the cores that were used.
fn threads(threads: usize, seconds: f64, count: usize, work: &(dyn Fn() + Sync)) -> (f64, f64) {
    let (begin, used, done) = (Instant::now(), cpu_secs(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                // Whole rounds, so that every tree weighs the same.
                while begin.elapsed().as_secs_f64() < seconds {
                    work();
                    done.fetch_add(count, Ordering::Relaxed);
                }
            });
        }
    });
    let wall = begin.elapsed().as_secs_f64();
    (done.load(Ordering::Relaxed) as f64 / wall, (cpu_secs() - used) / wall)
}
