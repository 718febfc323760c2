use std::fmt::Write as _;

use bowline_manifest::{Limits, render};
use bowline_model::{DirectoryOptions, Explain as _, Failure, Location, Object, Reason, Render};
use bowline_tree::{ReadSet, Recorder, Tree};
use sha2::{Digest as _, Sha256};

/// Objects as they are written in a source, in order, and where.
pub(crate) type Written = Vec<(Object, Location)>;

/// What a source rendered to.
#[derive(Debug, Clone)]
pub(crate) struct Rendered {
    /// How it was rendered: another way is another render.
    pub(crate) how: Render,
    /// What was read: for as long as it holds in a newer revision, so does this render.
    pub(crate) reads: ReadSet,
    /// What is wrong with the files, if something is. The objects themselves are not kept: they are had again by
    /// another render, and would be a second copy of what is wanted.
    pub(crate) outcome: Result<(), Failure>,
    /// Names the objects.
    pub(crate) digest: String,
}

/// Renders a source. Blocks: reads the tree.
pub(crate) fn render_tree(tree: &dyn Tree, how: &Render) -> (Rendered, Written) {
    let recorder = Recorder::new(tree);
    let objects = match how {
        Render::Directory(options) => directory(&recorder, options),
    };
    let digest = match &objects {
        Ok(objects) => digest(objects),
        Err(_) => String::new(),
    };
    let (outcome, objects) = match objects {
        Ok(objects) => (Ok(()), objects),
        Err(failure) => (Err(failure), Vec::new()),
    };
    (Rendered { how: how.clone(), reads: recorder.finish(), outcome, digest }, objects)
}

fn directory(tree: &dyn Tree, options: &DirectoryOptions) -> Result<Vec<(Object, Location)>, Failure> {
    let rendered = render(tree, options, &Limits::default());
    match rendered.complete() {
        Ok(objects) => Ok(objects.into_iter().map(|found| (found.object, found.origin)).collect()),
        Err(problems) => {
            let mut problems = problems.iter();
            let Some(first) = problems.next() else {
                return Err(Failure::new(Reason::Internal, "a render failed and did not say why"));
            };
            let mut failure = Failure::of(first);
            // All of them in one message: a person mends them together.
            for problem in problems {
                let at = problem.at().map(|at| format!("{at}: ")).unwrap_or_default();
                failure.message = format!("{}; {at}{problem}", failure.message);
            }
            Err(failure)
        }
    }
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
