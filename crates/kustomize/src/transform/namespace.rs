//! The namespace of everything.

use bowline_yaml::nodes::Tag;

use super::field_spec::each_field;
use crate::build::{Build, ObjectId};
use crate::config::FieldSpec;
use crate::error::BuildError;
use crate::node::{Kind, Node, NodeId, Store};
use crate::resource::{Called, HELM_GENERATED};

/// Which subjects of role bindings get the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subjects {
    Default,
    ServiceAccounts,
    None,
}

/// Sets a namespace.
#[derive(Debug, Clone)]
pub(crate) struct SetNamespace<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) fields: &'a [FieldSpec],
    pub(crate) unset_only: bool,
    pub(crate) subjects: &'a str,
}

impl SetNamespace<'_> {
    fn mode(&self) -> Result<Subjects, BuildError> {
        match self.subjects {
            "" | "defaultOnly" => Ok(Subjects::Default),
            "allServiceAccounts" => Ok(Subjects::ServiceAccounts),
            "none" => Ok(Subjects::None),
            other => Err(BuildError::new(format!(
                "invalid value {other:?} for setRoleBindingSubjects: must be one of \"defaultOnly\", \"none\" or \"allServiceAccounts\""
            ))),
        }
    }

    /// Tells what is wrong with the settings.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        self.mode().map(|_| ())
    }

    pub(crate) fn apply(&self, build: &mut Build<'_>, objects: &[ObjectId]) -> Result<(), BuildError> {
        if self.namespace.is_empty() {
            return Ok(());
        }
        let mode = self.mode()?;
        let mut taken = Taken::new(build, objects);
        for (at, id) in objects.iter().enumerate() {
            let Some(node) = build.node(*id).filter(|_| !build.is_gone(*id)) else { continue };
            if build.store.annotation(node, HELM_GENERATED) == Some("true") {
                continue;
            }
            build.store.store_previous_id(node)?;
            self.apply_to(&mut build.store, node, mode)?;
            if !taken.rename(at, build.called(*id)) {
                let own = build.current_id(*id);
                let same = objects.iter().filter(|other| build.current_id(**other).equals(&own));
                let texts: Vec<String> = same.filter_map(|other| Some(build.json(build.node(*other)?))).collect();
                return Err(BuildError::new(format!(
                    "namespace transformation produces ID conflict: [{}]",
                    texts.join(" ")
                )));
            }
        }
        Ok(())
    }

    /// Sets the namespace of one object.
    fn apply_to(&self, store: &mut Store, node: NodeId, mode: Subjects) -> Result<(), BuildError> {
        let gvk = store.gvk(node);
        let value = Node { tag: Tag::Text, ..Node::scalar(self.namespace) };
        let mut set = |store: &mut Store, at: NodeId| {
            if self.unset_only && !store[at].is_empty() && !store[at].text.is_empty() {
                return Ok(());
            }
            let value = store.add(value.clone());
            store.set_scalar(at, value)
        };
        if !gvk.is_cluster_scoped {
            let own = FieldSpec { path: "metadata/namespace".to_owned(), create: true, ..FieldSpec::default() };
            each_field(store, &own, node, Some((Kind::Scalar, Tag::Implicit)), &mut set)?;
        }
        let is_binding = |kind: &str| matches!(kind, "RoleBinding" | "ClusterRoleBinding");
        if is_binding(&gvk.kind) {
            set_subjects(store, node, mode, &mut set)?;
        }
        let is_core = store.api_version(node) == "v1";
        for field in self.fields {
            let is_own = field.path == "metadata/namespace" || (!is_core && field.path == "metadata/name");
            let is_subject = is_binding(&gvk.kind) && is_binding(&field.gvk.kind) && field.path == "subjects/namespace";
            if is_own || is_subject {
                continue;
            }
            each_field(store, field, node, Some((Kind::Scalar, Tag::Text)), &mut set).map_err(|error| {
                let must = error.is_wrong_kind_but_scalar();
                error.within(if must {
                    "namespace field specs must target scalar nodes"
                } else {
                    "namespace transformation failed"
                })
            })?;
        }
        Ok(())
    }
}

fn set_subjects(
    store: &mut Store,
    node: NodeId,
    mode: Subjects,
    set: super::field_spec::Set<'_>,
) -> Result<(), BuildError> {
    let (field, wanted) = match mode {
        Subjects::None => return Ok(()),
        Subjects::Default => ("name", "default"),
        Subjects::ServiceAccounts => ("kind", "ServiceAccount"),
    };
    let within = |error: BuildError| error.within("setting namespace on (cluster)role binding subjects");
    let Some(subjects) = store.lookup(node, &["subjects"], None)?.filter(|subjects| !store[*subjects].is_null()) else {
        return Ok(());
    };
    for subject in store.elements(subjects).map_err(within)? {
        let Some(found) = store.lookup(subject, &[field], None).map_err(within)? else { continue };
        if store[found].is_null() || &*store[found].text != wanted {
            continue;
        }
        if let Some(namespace) = store.lookup(subject, &["namespace"], Some(Kind::Scalar)).map_err(within)? {
            set(store, namespace).map_err(within)?;
        }
    }
    Ok(())
}

/// How many objects are called by each name, kept up while they are renamed one by one.
struct Taken {
    names: Vec<Option<Called>>,
    counts: std::collections::HashMap<Option<Called>, usize>,
}

impl Taken {
    fn new(build: &Build<'_>, objects: &[ObjectId]) -> Self {
        let names: Vec<_> = objects.iter().map(|id| build.called(*id)).collect();
        let mut counts = std::collections::HashMap::new();
        for name in &names {
            *counts.entry(name.clone()).or_insert(0) += 1;
        }
        Self { names, counts }
    }

    /// Renames one object; tells whether no other is called so.
    fn rename(&mut self, at: usize, name: Option<Called>) -> bool {
        if let Some(count) = self.counts.get_mut(&self.names[at]) {
            *count -= 1;
        }
        let count = self.counts.entry(name.clone()).or_insert(0);
        *count += 1;
        let is_alone = *count == 1;
        self.names[at] = name;
        is_alone
    }
}

impl SetNamespace<'_> {
    /// Sets the namespace of one object, and nothing else.
    pub(crate) fn set_one(&self, build: &mut Build<'_>, node: NodeId) -> Result<(), BuildError> {
        self.apply_to(&mut build.store, node, self.mode()?)
    }
}
