mod chart;
mod values;

use std::fmt::Write as _;

use bowline_manifest::{Foreign, Limits, ManifestProblem, detect, render};
use bowline_model::{DirectoryOptions, Explain as _, Failure, Location, Object, Reason, Render, Renderer};
use bowline_tree::{ReadSet, Recorder, Tree};
use sha2::{Digest as _, Sha256};

pub(crate) use self::chart::{Chance, Surroundings};

/// Objects as they are written in a source, in order, and where.
pub(crate) type Written = Vec<(Object, Location)>;

/// What a source rendered to.
#[derive(Debug, Clone)]
pub(crate) struct Rendered {
    /// How it was rendered: another way is another render.
    pub(crate) how: Render,
    /// What made objects of the files.
    pub(crate) by: Renderer,
    /// What else it went by, beside the files; `None` where that is nothing.
    pub(crate) surroundings: Option<Surroundings>,
    /// What was read: for as long as it holds in a newer revision, so does this render.
    pub(crate) reads: ReadSet,
    /// What is wrong with the files, if something is. The objects themselves are not kept: they are had again by
    /// another render, and would be a second copy of what is wanted.
    pub(crate) outcome: Result<(), Failure>,
    /// Names the objects.
    pub(crate) digest: String,
}

impl Rendered {
    /// Tells whether the same files give the same in these surroundings.
    pub(crate) fn is_for(&self, surroundings: Option<&Surroundings>) -> bool {
        self.surroundings.is_none() || self.surroundings.as_ref() == surroundings
    }
}

/// Renders a source. Blocks: reads the tree.
pub(crate) fn render_tree(
    tree: &dyn Tree,
    how: &Render,
    surroundings: Option<Surroundings>,
    chance: &Chance,
) -> (Rendered, Written) {
    let recorder = Recorder::new(tree);
    let mut by = Renderer::Directory;
    let objects = what(&recorder, how).and_then(|what| match (what, &surroundings) {
        (What::Directory(options), _) => directory(&recorder, options),
        (What::Chart(options), Some(surroundings)) => {
            by = Renderer::Chart;
            chart::chart(&recorder, options, surroundings, chance)
        }
        (What::Chart(_), None) => Err(Failure::new(Reason::Internal, "a chart is rendered for no cluster")),
    });
    let digest = match &objects {
        Ok(objects) => digest(objects),
        Err(_) => String::new(),
    };
    let (outcome, objects) = match objects {
        Ok(objects) => (Ok(()), objects),
        Err(failure) => (Err(failure), Vec::new()),
    };
    let surroundings = surroundings.filter(|_| by == Renderer::Chart);
    (Rendered { how: how.clone(), by, surroundings, reads: recorder.finish(), outcome, digest }, objects)
}

/// What there is to render.
enum What<'a> {
    Directory(&'a DirectoryOptions),
    Chart(&'a bowline_model::ChartOptions),
}

fn what<'a>(tree: &dyn Tree, how: &'a Render) -> Result<What<'a>, Failure> {
    Ok(match how {
        Render::Directory(options) => What::Directory(options),
        Render::Chart(options) => What::Chart(options),
        Render::Detect(directory, chart) => {
            match detect(tree, &directory.path).map_err(|problem| Failure::of(&problem))? {
                Some(Foreign::HelmChart) => What::Chart(chart),
                _ => What::Directory(directory),
            }
        }
    })
}

fn directory(tree: &dyn Tree, options: &DirectoryOptions) -> Result<Written, Failure> {
    complete(render(tree, options, &Limits::default()))
}

/// Returns the objects, or all that is wrong.
fn complete(rendered: bowline_manifest::Rendered) -> Result<Written, Failure> {
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

fn digest(objects: &[(Object, Location)]) -> String {
    let mut hasher = Sha256::new();
    for (object, _) in objects {
        hasher.update(object.value().to_string().as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize().iter().fold(String::from("sha256:"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
