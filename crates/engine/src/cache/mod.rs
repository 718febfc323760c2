//! Renders that are kept on disk, each under what it was made of.
//!
//! How an app is rendered names its traces; a trace says what one render read, and holds for every revision in which
//! all of it would be read again. The objects lie apart, by their digest. All of it may be lost at any moment: what is
//! gone, or is not what it should be, is rendered again.
//!
//! Renders with Secrets in them, or made of Secrets, of chance or of what only some may fetch, are never kept: their values belong on no disk.

mod record;
mod store;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use bowline_model::{AppSource, ChartOptions, ObjectKey, Render};

use self::record::{Trace, read_objects, read_traces, write_objects, write_traces};
use self::store::{Name, Store, write_file};
use crate::dependencies::Fetcher;
use crate::render::{Rendered, Rendering, Surroundings, Written, digest};

/// Traces that are kept of one way to render: those of the last revisions that differ.
const TRACES: usize = 4;

/// What a secret value is in a text for people.
const HIDDEN: &str = "•••";

/// Where renders are kept.
#[derive(Debug, Clone)]
pub struct CacheOptions {
    /// The folder; it may be lost at any moment.
    pub folder: PathBuf,
    /// The most that it may hold.
    pub max_bytes: u64,
    /// Names the program that renders: another may render otherwise.
    pub build: String,
}

/// Renders that are kept.
pub(crate) struct RenderCache {
    store: Store,
    build: String,
}

impl RenderCache {
    pub(crate) fn open(options: CacheOptions) -> Self {
        Self { store: Store::open(options.folder, options.max_bytes, write_file), build: options.build }
    }

    /// Returns the name of a way to render; `None` for one whose renders are not kept.
    fn name(&self, rendering: &Rendering) -> Option<Name> {
        let mut text = format!("{}\n{}\n", self.build, rendering.dialect.name());
        for source in &rendering.sources {
            let _ = write!(text, "{:?} {} ", source.spec.remote.url, source.spec.wanted.is_chart());
            write_way(&mut text, source)?;
            text.push('\n');
        }
        if rendering.sources.iter().any(|source| !source.overrides.is_empty()) {
            let resource = &rendering.resource;
            let spec = resource.at("/spec").map(ToString::to_string).unwrap_or_default();
            let _ = write!(text, "{:?} {:?} {spec}", resource.namespace(), resource.name());
        }
        Some(Name::of(text.as_bytes()))
    }

    /// Returns what this would render to, where that is known. Blocks: reads the trees and the disk.
    pub(crate) fn find(&self, rendering: &Rendering) -> Option<(Rendered, Vec<Written>)> {
        if rendering.is_fresh {
            return None;
        }
        let name = self.name(rendering)?;
        let traces = read_traces(&self.store.get(name)?)?;
        let trace = traces.into_iter().find(|trace| holds(trace, rendering))?;
        let objects = read_objects(&self.store.get(trace.objects)?)?;
        // A number may have lost its last digit on the way: what is not the same is not taken.
        if digest(&objects) != trace.digest {
            return None;
        }
        let rendered = Rendered {
            how: rendering.sources.clone(),
            surroundings: trace.surroundings.and_then(|_| rendering.surroundings.clone()),
            named: trace.named.map(|_| rendering.revisions.clone()),
            by: trace.by,
            reads: Arc::new(trace.reads),
            outcome: Ok(()),
            digest: trace.digest,
            chart: trace.chart,
            unstable: trace.unstable,
            pinned: None,
        };
        Some((rendered, objects))
    }

    /// Keeps a render. Blocks: writes to the disk.
    pub(crate) fn keep(&self, rendering: &Rendering, rendered: &Rendered, objects: &[Written]) {
        let may_be_kept = rendered.outcome.is_ok()
            && rendered.pinned.is_none()
            && !rendering.fetcher.as_ref().is_some_and(Fetcher::went_behind_doors)
            && !objects.iter().any(is_secret);
        let Some(name) = self.name(rendering).filter(|_| may_be_kept) else { return };
        let content = write_objects(objects);
        let trace = Trace {
            surroundings: rendered.surroundings.as_ref().map(surroundings_name),
            named: rendered.named.as_ref().map(ToString::to_string),
            last: rendering.last.clone(),
            reads: rendered.reads.to_vec(),
            by: rendered.by.clone(),
            digest: rendered.digest.clone(),
            objects: Name::of(&content),
            chart: rendered.chart.clone(),
            unstable: rendered.unstable.clone(),
        };
        // What is told to be there may be damaged, or gone.
        if self.store.get(trace.objects).as_ref() != Some(&content) {
            self.store.put(trace.objects, &content);
        }
        let mut traces = self.store.get(name).and_then(|content| read_traces(&content)).unwrap_or_default();
        traces.retain(|kept| *kept != trace);
        traces.insert(0, trace);
        traces.truncate(TRACES);
        self.store.put(name, &write_traces(&traces));
    }
}

/// Tells whether a trace is of the very render that is asked for.
fn holds(trace: &Trace, rendering: &Rendering) -> bool {
    let is_here =
        trace.surroundings.is_none() || trace.surroundings == rendering.surroundings.as_ref().map(surroundings_name);
    // A release that is asked for again goes on being that one.
    let is_last = rendering.last == trace.last
        || rendering.last.as_ref().is_some_and(|last| {
            last.digest == trace.digest && trace.chart.as_ref().is_some_and(|chart| chart.release == last.number)
        });
    is_here
        && is_last
        && trace.named.as_ref().is_none_or(|named| *named == rendering.revisions.to_string())
        && trace.reads.len() == rendering.trees.len()
        && trace.reads.iter().zip(&rendering.trees).all(|(reads, tree)| reads.holds_in(&**tree))
}

fn surroundings_name(surroundings: &Surroundings) -> String {
    Name::of(format!("{surroundings:?}").as_bytes()).to_string()
}

/// Writes how a source is rendered, all of it; `None` where a Secret has a part in it.
fn write_way(text: &mut String, source: &AppSource) -> Option<()> {
    let mut way = source.render.clone();
    let chart: Option<&mut ChartOptions> = match &mut way {
        Some(Render::Chart(chart) | Render::Detect(_, chart, _)) => Some(chart),
        _ => None,
    };
    for given in chart.map(|chart| std::mem::take(&mut chart.values_from)).unwrap_or_default() {
        if given.is_secret {
            return None;
        }
        let _ = write!(text, "{:?} {:?} {:?} ", given.from, given.place, given.text.reveal());
    }
    let start = text.len();
    let _ = write!(text, "{way:?} {:?} {:?}", source.reference, source.overrides);
    // Whatever else is secret writes itself so.
    (!text[start..].contains(HIDDEN)).then_some(())
}

fn is_secret(written: &Written) -> bool {
    let ObjectKey { group, kind, .. } = written.object.key();
    group.is_empty() && kind == "Secret"
}
