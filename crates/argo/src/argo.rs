use bowline_engine::{Dialect, LowerError, Lowered, Raised, Refusal, ResourceKind, SourceReport, World};
use bowline_model::{AppId, Deletion, Failure, Gvk, LiveMarks, Object, ObjectRules, Recalled, Render, Report};
use jiff::Timestamp;
use serde_json::Value;

use crate::types::{GROUP, KIND, PLURAL, VERSION};
use crate::{ArgoOptions, TrackingMethod, adopt, deletion, lower, raise, recall, words};

/// Argo CD's `Application`, as a dialect of the engine.
#[derive(Debug, Clone, Default)]
pub struct Argo {
    options: ArgoOptions,
}

impl Argo {
    /// Makes the dialect of one installation.
    pub fn new(options: ArgoOptions) -> Self {
        Self { options }
    }

    /// Returns the installation's settings.
    pub fn options(&self) -> &ArgoOptions {
        &self.options
    }
}

impl Dialect for Argo {
    fn name(&self) -> &'static str {
        "argo"
    }

    fn resources(&self) -> Vec<ResourceKind> {
        vec![ResourceKind {
            gvk: Gvk::new(GROUP, VERSION, KIND),
            plural: PLURAL.to_owned(),
            status_subresource: false,
            is_optional: false,
            manager: words::CONTROLLER.to_owned(),
            component: words::CONTROLLER.to_owned(),
        }]
    }

    fn lower(&self, resource: &Object, world: &dyn World) -> Result<Lowered, LowerError> {
        lower::lower(resource, &self.options, world)
    }

    fn adopt(&self, app: &AppId, destination: Option<&str>, object: &mut Object) -> ObjectRules {
        adopt::adopt(app, destination, object, &self.options)
    }

    fn marks(&self, live: &Object) -> LiveMarks {
        adopt::marks(live, &self.options)
    }

    fn recall(&self, resource: &Object) -> Recalled {
        recall::recall(resource)
    }

    fn deletion(&self, resource: &Object) -> Option<Deletion> {
        deletion::deletion(resource)
    }

    fn overridden(
        &self,
        resource: &Object,
        source: usize,
        files: &[(String, Value)],
        render: &Render,
    ) -> Result<Render, Failure> {
        lower::overridden(resource, source, files, render, &self.options)
    }

    fn raise(&self, resource: &Object, report: &Report) -> Raised {
        raise::raise(resource, report, &self.options)
    }

    fn raise_source(&self, _resource: &Object, _report: &SourceReport) -> Raised {
        // An Application never lowers to a source of its own.
        Raised::default()
    }

    fn wants_refresh(&self, resource: &Object) -> bool {
        raise::wants_refresh(resource)
    }

    fn marks_are_proof(&self) -> bool {
        // A label is copied to whatever a controller makes of the object; the annotation names the object it is on.
        self.options.tracking != TrackingMethod::Label
    }

    fn shows_source_failures(&self) -> bool {
        true
    }

    fn raise_refusal(&self, resource: &Object, refusal: &Refusal, now: Timestamp) -> Raised {
        raise::raise_refusal(resource, refusal, &self.options, now)
    }
}
