mod chart;
mod kustomize;
mod release;
mod unstable;
mod values;

use std::cell::Cell;
use std::sync::{Arc, Mutex, PoisonError};

use bowline_manifest::{Foreign, Limits, ManifestProblem, detect, render};
use bowline_model::{
    AppSource, ApplyRule, ChartReport, DirectoryOptions, Explain as _, Failure, Hook, KustomizeOptions, LastRelease,
    Location, Object, Phase, Reason, Render, Renderer, Revisions, Unstable,
};
use bowline_source::Sources;
use bowline_tree::{EntryKind, LinkError, ReadSet, Recorder, Tree, TreePath, resolve};
use bowline_yaml::{Rules, parse_first_as};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use crate::dependencies::Fetcher;
use crate::dialect::Dialect;
use crate::remotes::Fetched;

pub(crate) use self::chart::{Chance, Surroundings};

/// An object as it is written in a source.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) object: Object,
    pub(crate) origin: Location,
    /// When the object is written, where the render knows that better than the object itself says.
    pub(crate) apply: Option<ApplyRule>,
    /// What makes it a hook, where the render knows that.
    pub(crate) hook: Option<WrittenHook>,
}

/// What makes an object a hook.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WrittenHook {
    pub(crate) phase: Phase,
    pub(crate) wave: i32,
    pub(crate) hook: Hook,
}

impl Written {
    fn new((object, origin): (Object, Location)) -> Self {
        Self { object, origin, apply: None, hook: None }
    }
}

/// What the sources of an app rendered to.
#[derive(Debug, Clone)]
pub(crate) struct Rendered {
    /// How they were rendered: another way is another render.
    pub(crate) how: Vec<AppSource>,
    /// What made objects of the files of each source.
    pub(crate) by: Vec<Option<Renderer>>,
    /// What else it went by, beside the files; `None` where that is nothing.
    pub(crate) surroundings: Option<Surroundings>,
    /// The revisions, where what was rendered names one: then another revision is another render.
    pub(crate) named: Option<Revisions>,
    /// What was read of each source: for as long as it holds in newer revisions, so does this render.
    pub(crate) reads: Arc<Vec<ReadSet>>,
    /// What is wrong with the files, if something is. The objects themselves are not kept: they are had again by
    /// another render, and would be a second copy of what is wanted.
    pub(crate) outcome: Result<(), Failure>,
    /// Names the objects.
    pub(crate) digest: String,
    /// The first chart among them.
    pub(crate) chart: Option<ChartReport>,
    /// What comes of time or chance.
    pub(crate) unstable: Vec<Unstable>,
    /// The objects themselves, where chance had a part in them: another render would not be the same.
    pub(crate) pinned: Option<Arc<Vec<Written>>>,
}

impl Rendered {
    /// Tells whether these sources are rendered in this very way.
    pub(crate) fn is_of(&self, sources: &[AppSource]) -> bool {
        self.how.len() == sources.len() && self.how.iter().zip(sources).all(|(how, source)| how.renders_as(source))
    }

    /// Tells whether the same files give the same in these surroundings.
    pub(crate) fn is_for(&self, surroundings: Option<&Surroundings>) -> bool {
        self.surroundings.is_none() || self.surroundings.as_ref() == surroundings
    }
}

/// All that a render goes by.
pub(crate) struct Rendering {
    pub(crate) sources: Vec<AppSource>,
    /// The files of each source.
    pub(crate) trees: Vec<Arc<dyn Tree>>,
    /// Time and chance for each source.
    pub(crate) chances: Vec<Chance>,
    /// What charts see of the world; `None` where there can be none.
    pub(crate) surroundings: Option<Surroundings>,
    /// Fetches what kustomizations name by addresses.
    pub(crate) net: Option<Net>,
    /// Renders whatever is kept: somebody asked what is newest elsewhere.
    pub(crate) is_fresh: bool,
    /// The revision of each source.
    pub(crate) revisions: Revisions,
    /// The release before this one, of a chart that is released.
    pub(crate) last: Option<LastRelease>,
    /// Gets what charts ask for and do not hold; `None` where nothing is fetched.
    pub(crate) fetcher: Option<Fetcher>,
    /// Reads files that say how a source is rendered.
    pub(crate) dialect: Arc<dyn Dialect>,
    /// The resource that such files are about.
    pub(crate) resource: Object,
}

/// What it takes to fetch while rendering, and what was fetched.
#[derive(Clone)]
pub(crate) struct Net {
    pub(crate) sources: Sources,
    pub(crate) runtime: Handle,
    pub(crate) fetched: Arc<Mutex<Fetched>>,
}

impl Rendering {
    /// Renders all sources, and joins what comes of them. Blocks: reads the trees.
    pub(crate) fn run(&self) -> (Rendered, Vec<Written>) {
        let recorders: Vec<Recorder<'_>> = self.trees.iter().map(|tree| Recorder::new(&**tree)).collect();
        let mut joined = Joined::default();
        let mut outcome = Ok(());
        for at in 0..self.sources.len() {
            if let Err(failure) = self.source(at, &recorders, &mut joined) {
                outcome = Err(failure);
                break;
            }
        }
        let Joined { mut by, mut objects, chart, mut names_revision, sees_cluster, is_random, unstable } = joined;
        if let Some(net) = &self.net {
            let mut fetched = net.fetched.lock().unwrap_or_else(PoisonError::into_inner);
            // What is elsewhere is looked at anew for each revision, whatever of the source's own files was read.
            names_revision |= !fetched.is_empty();
            if outcome.is_err() {
                fetched.forget_missing();
            }
        }
        by.resize(self.sources.len(), None);
        if outcome.is_err() {
            objects.clear();
        }
        let rendered = Rendered {
            digest: if outcome.is_ok() { digest(&objects) } else { String::new() },
            surroundings: self.surroundings.clone().filter(|_| sees_cluster),
            reads: Arc::new(recorders.into_iter().map(Recorder::finish).collect()),
            how: self.sources.clone(),
            named: names_revision.then(|| self.revisions.clone()),
            by,
            pinned: (is_random && outcome.is_ok()).then(|| Arc::new(objects.clone())),
            outcome,
            chart,
            unstable,
        };
        (rendered, objects)
    }

    fn source(&self, at: usize, trees: &[Recorder<'_>], joined: &mut Joined) -> Result<(), Failure> {
        let Some(how) = &self.sources[at].render else {
            joined.by.push(None);
            return Ok(());
        };
        let tree = &trees[at];
        let overridden = self.overridden(at, tree)?;
        match what(tree, overridden.as_ref().unwrap_or(how))? {
            What::Directory(options) => {
                joined.by.push(Some(Renderer::Directory));
                joined.objects.extend(directory(tree, options)?.into_iter().map(Written::new));
            }
            What::Kustomize(options) => {
                joined.by.push(Some(Renderer::Kustomize));
                joined.sees_cluster |= options.build.charts.is_some();
                let context = self.kustomize_context(at);
                let built = kustomize::kustomize(tree, options, &context)?;
                joined.is_random |= context.is_random.get();
                joined.objects.extend(built.into_iter().map(Written::new));
            }
            What::Generate(files, options) => {
                joined.sees_cluster |= options.build.charts.is_some();
                let context = self.kustomize_context(at);
                let (by, objects) = kustomize::generate(tree, files, options, &context)?;
                joined.is_random |= context.is_random.get();
                joined.by.push(Some(by));
                joined.objects.extend(objects.into_iter().map(Written::new));
            }
            What::Chart(options) => {
                let Some(surroundings) = &self.surroundings else {
                    return Err(Failure::new(Reason::Internal, "a chart is rendered for no cluster"));
                };
                joined.by.push(Some(Renderer::Chart));
                joined.sees_cluster = true;
                joined.names_revision |= options.names_revision();
                let context = chart::Context {
                    surroundings,
                    revision: self.revisions.all().nth(at),
                    chance: &self.chances[at],
                    last: self.last.as_ref(),
                    others: &self.others(trees),
                    complete: &|chart, top, locking| {
                        let repositories = &self.sources[at].repositories;
                        let Some(fetcher) = &self.fetcher else { return Ok(()) };
                        fetcher.complete(at, repositories, (chart, tree, top), locking)
                    },
                };
                let chart = chart::chart(tree, options, &context)?;
                joined.objects.extend(chart.objects);
                joined.chart.get_or_insert(chart.report);
                joined.is_random |= chart.is_random;
                joined.unstable.extend(chart.unstable);
            }
        }
        Ok(())
    }

    fn kustomize_context(&self, at: usize) -> kustomize::Context<'_> {
        kustomize::Context {
            own: &self.sources[at].spec.remote,
            net: self.net.as_ref(),
            surroundings: self.surroundings.as_ref(),
            chance: &self.chances[at],
            is_random: Cell::default(),
        }
    }

    /// Returns the sources that others may take files of values from, by name.
    fn others<'a>(&'a self, trees: &'a [Recorder<'_>]) -> Vec<(&'a str, &'a dyn Tree)> {
        let named = self.sources.iter().zip(trees);
        named.filter_map(|(source, tree)| Some((source.reference.as_deref()?, tree as &dyn Tree))).collect()
    }

    /// Returns how a source is rendered by the files that say so; `None` where there are none.
    fn overridden(&self, at: usize, tree: &dyn Tree) -> Result<Option<Render>, Failure> {
        let mut files = Vec::new();
        for name in &self.sources[at].overrides {
            let unreadable = |why: String| Failure::new(Reason::SourceUnreadable, format!("`{name}` {why}"));
            let path = TreePath::parse(name).map_err(|error| unreadable(error.to_string()))?;
            let found = match resolve(tree, &path) {
                Ok(found) => found,
                Err(LinkError::Read { source, .. }) => return Err(unreadable(source.to_string())),
                Err(error) => return Err(Failure::new(Reason::InvalidManifest, error.to_string())),
            };
            if found.kind == Some(EntryKind::File) {
                let content = tree.read(&found.path).map_err(|error| unreadable(error.to_string()))?;
                let value =
                    parse_first_as(Rules::Sigs, &content, &bowline_yaml::Limits::default()).map_err(|error| {
                        let place = Location { file: name.clone(), line: None, column: None };
                        Failure::new(Reason::InvalidManifest, error.to_string()).at(place)
                    })?;
                files.push((name.clone(), value));
            }
        }
        if files.is_empty() {
            return Ok(None);
        }
        let Some(render) = &self.sources[at].render else { return Ok(None) };
        self.dialect.overridden(&self.resource, at, &files, render).map(Some)
    }
}

/// What the sources so far have come to.
#[derive(Default)]
struct Joined {
    by: Vec<Option<Renderer>>,
    objects: Vec<Written>,
    chart: Option<ChartReport>,
    names_revision: bool,
    is_random: bool,
    unstable: Vec<Unstable>,
    /// What the cluster is and serves was, or may have been, seen.
    sees_cluster: bool,
}

/// What there is to render.
enum What<'a> {
    Directory(&'a DirectoryOptions),
    Chart(&'a bowline_model::ChartOptions),
    Kustomize(&'a KustomizeOptions),
    Generate(&'a DirectoryOptions, &'a KustomizeOptions),
}

fn what<'a>(tree: &dyn Tree, how: &'a Render) -> Result<What<'a>, Failure> {
    Ok(match how {
        Render::Directory(options) => What::Directory(options),
        Render::Chart(options) => What::Chart(options),
        Render::Kustomize(options) => What::Kustomize(options),
        Render::Generate(directory, options) => What::Generate(directory, options),
        Render::Detect(directory, chart, kustomization) => {
            match detect(tree, &directory.path).map_err(|problem| Failure::of(&problem))? {
                Some(Foreign::HelmChart) => What::Chart(chart),
                Some(Foreign::Kustomization) => What::Kustomize(kustomization),
                _ => What::Directory(directory),
            }
        }
    })
}

fn directory(tree: &dyn Tree, options: &DirectoryOptions) -> Result<Vec<(Object, Location)>, Failure> {
    complete(render(tree, options, &Limits::default()))
}

/// Returns the objects, or all that is wrong.
fn complete(rendered: bowline_manifest::Rendered) -> Result<Vec<(Object, Location)>, Failure> {
    rendered
        .complete()
        .map(|objects| objects.into_iter().map(|found| (found.object, found.origin)).collect())
        .map_err(|problems| together(&problems))
}

/// All of them in one message: a person mends them together.
fn together(problems: &[ManifestProblem]) -> Failure {
    let mut problems = problems.iter();
    let Some(first) = problems.next() else {
        return Failure::new(Reason::Internal, "a render failed and did not say why");
    };
    let mut failure = Failure::of(first);
    for problem in problems {
        let at = problem.at().map(|at| format!("{at}: ")).unwrap_or_default();
        failure.message = format!("{}; {at}{problem}", failure.message);
    }
    failure
}

pub(crate) fn digest(objects: &[Written]) -> String {
    let mut hasher = Sha256::new();
    for written in objects {
        hasher.update(written.object.value().to_string().as_bytes());
        hasher.update(b"\n");
    }
    format!("sha256:{}", hex::encode(hasher.finalize()))
}
