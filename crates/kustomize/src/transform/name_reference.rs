//! Names of objects in other objects, brought up to date once all are renamed.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::field_spec::each_field_at;
use crate::build::{Build, ObjectId};
use crate::config::NameReference;
use crate::error::BuildError;
use crate::id::{Gvk, NOT_A_NAMESPACE, ResId};
use crate::node::{Kind, Node, NodeId, Store};
use crate::resource::{PREFIXES, SUFFIXES};

/// What there is to know of an object that may be referred to.
struct Candidate {
    id: ObjectId,
    node: NodeId,
    current: ResId,
    previous: Vec<ResId>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

/// Puts the new names of objects wherever the old ones stand.
pub(crate) fn fix_references(
    build: &mut Build<'_>,
    objects: &[ObjectId],
    references: &[NameReference],
) -> Result<(), BuildError> {
    let candidates: Vec<Candidate> = objects.iter().filter_map(|id| candidate(build, *id)).collect();
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, candidate) in candidates.iter().enumerate() {
        for id in &candidate.previous {
            let places = by_name.entry(id.name.as_str()).or_default();
            if places.last() != Some(&at) {
                places.push(at);
            }
        }
    }
    // Few of the many fields are those of a kind.
    let mut by_kind: HashMap<&Gvk, Vec<(&Gvk, &str)>> = HashMap::new();
    for referrer in &candidates {
        let Some(node) = build.node(referrer.id) else { continue };
        let original = referrer.previous.first().unwrap_or(&referrer.current);
        let role_namespaces = role_binding_namespaces(&build.store, node, &referrer.current)?;
        // Where nothing was renamed, too: a field that is of no use to its path is told of.
        let role = role_ref(&build.store, node);
        for (target, path) in by_kind.entry(&original.gvk).or_insert_with(|| fields_of(references, &original.gvk)) {
            let search = Search {
                candidates: &candidates,
                by_name: &by_name,
                referrer,
                target,
                role: role.as_ref().filter(|_| path.ends_with("roleRef/name")),
                role_namespaces: &role_namespaces,
            };
            each_field_at(&mut build.store, path, node, None, &mut |store, at| search.set(store, at)).map_err(
                |error| error.within(format!("updating name reference in '{path}' field of '{}'", referrer.current)),
            )?;
        }
    }
    Ok(())
}

/// The fields of a kind that hold names, each with the kind whose names it holds.
fn fields_of<'r>(references: &'r [NameReference], gvk: &Gvk) -> Vec<(&'r Gvk, &'r str)> {
    let fields = references.iter().flat_map(|reference| {
        let of_kind = reference.referrers.iter().filter(|field| gvk.is_selected_by(&field.gvk));
        of_kind.map(|field| (&reference.gvk, field.path.as_str()))
    });
    fields.collect()
}

fn candidate(build: &Build<'_>, id: ObjectId) -> Option<Candidate> {
    let node = build.node(id)?;
    let words = |name| build.store.words_of(node, name).into_iter().map(str::to_owned).collect();
    Some(Candidate {
        id,
        node,
        current: build.store.current_id(node),
        previous: build.store.previous_ids(node),
        prefixes: words(PREFIXES),
        suffixes: words(SUFFIXES),
    })
}

/// The namespaces that a role binding names service accounts of.
fn role_binding_namespaces(store: &Store, node: NodeId, id: &ResId) -> Result<Vec<String>, BuildError> {
    if id.gvk.kind != "RoleBinding" {
        return Ok(Vec::new());
    }
    let Some(subjects) = store.field(node, "subjects").filter(|subjects| store[*subjects].kind == Kind::List) else {
        return Ok(Vec::new());
    };
    let mut namespaces = Vec::new();
    for subject in &store[subjects].content {
        let Some(namespace) = store.field(*subject, "namespace") else { continue };
        if store.field_text(*subject, "kind") != "ServiceAccount" {
            continue;
        }
        if !crate::node::scalar_value(&store[namespace]).is_ok_and(|value| value.is_string()) {
            return Err(BuildError::new(format!("Invalid Input: namespace is blank for resource \"{id}\"\n")));
        }
        namespaces.push(store[namespace].text.to_string());
    }
    Ok(namespaces)
}

/// The kind that a role binding's role is of.
fn role_ref(store: &Store, node: NodeId) -> Option<Gvk> {
    let role = store.field(node, "roleRef")?;
    let (group, kind) = (store.field(role, "apiGroup")?, store.field(role, "kind")?);
    Some(Gvk { group: store[group].text.to_string(), kind: store[kind].text.to_string(), ..Gvk::default() })
}

struct Search<'a> {
    candidates: &'a [Candidate],
    by_name: &'a HashMap<&'a str, Vec<usize>>,
    referrer: &'a Candidate,
    target: &'a Gvk,
    role: Option<&'a Gvk>,
    role_namespaces: &'a [String],
}

impl Search<'_> {
    fn set(&self, store: &mut Store, at: NodeId) -> Result<(), BuildError> {
        if store[at].is_null() {
            return Ok(());
        }
        match store[at].kind {
            Kind::Scalar => self.set_text(store, at),
            Kind::Map => self.set_map(store, at),
            Kind::List => {
                for item in store[at].content.clone() {
                    match store[item].kind {
                        _ if store[item].is_null() => {}
                        Kind::Scalar => self.set_text(store, item)?,
                        Kind::Map => self.set_map(store, item)?,
                        _ => {
                            return Err(BuildError::new("a list is expected to be either a string or a map of string"));
                        }
                    }
                }
                Ok(())
            }
            Kind::Nothing => Err(BuildError::new("node must be a scalar, sequence or map")),
        }
    }

    fn set_text(&self, store: &mut Store, at: NodeId) -> Result<(), BuildError> {
        let same = |a: &Candidate, b: &Candidate| a.current.name == b.current.name;
        let Some(found) = self.find(store, &store[at].text, None, &same)? else { return Ok(()) };
        if found.current.name == *store[at].text {
            return Ok(());
        }
        let value = store.add(Node::scalar(&found.current.name));
        store.set_scalar(at, value)
    }

    fn set_map(&self, store: &mut Store, at: NodeId) -> Result<(), BuildError> {
        let Some(name) = store.get(at, "name")? else {
            return Err(BuildError::new("path config error; no 'name' field in node"));
        };
        let namespace = store.get(at, "namespace")?.map(|namespace| store[namespace].text.to_string());
        let same = |a: &Candidate, b: &Candidate| {
            a.current.name == b.current.name && a.current.namespace == b.current.namespace
        };
        let Some(found) = self.find(store, &store[name].text, namespace.as_deref(), &same)? else { return Ok(()) };
        if found.current.name == *store[name].text && found.current.namespace.is_empty() {
            return Ok(());
        }
        store.set_text_field(at, "name", &found.current.name)?;
        if found.current.namespace.is_empty() {
            return Ok(());
        }
        store.set_text_field(at, "namespace", &found.current.namespace)
    }

    /// Finds the object that a name refers to.
    fn find(
        &self,
        store: &Store,
        name: &str,
        namespace: Option<&str>,
        same: &dyn Fn(&Candidate, &Candidate) -> bool,
    ) -> Result<Option<&Candidate>, BuildError> {
        let Some(places) = self.by_name.get(name) else { return Ok(None) };
        let in_namespace = namespace.map(|namespace| self.in_namespace(namespace));
        let mut found: Vec<&Candidate> = places
            .iter()
            .map(|at| &self.candidates[*at])
            .filter(|candidate| self.may_be_referred_to(candidate))
            .filter(|candidate| in_namespace.as_ref().is_none_or(|fits| fits(candidate)))
            .filter(|candidate| candidate.previous.iter().any(|id| id.gvk.is_selected_by(self.target)))
            .filter(|candidate| {
                self.role.is_none_or(|role| candidate.previous.iter().any(|id| id.gvk.is_selected_by(role)))
            })
            .filter(|candidate| self.is_near(candidate))
            .collect();
        if let [one] = found[..] {
            return Ok(Some(one));
        }
        found.retain(|candidate| self.has_same_affixes(candidate, true));
        if found.len() > 1 {
            found.retain(|candidate| self.has_same_affixes(candidate, false));
        }
        let Some(first) = found.first() else { return Ok(None) };
        if found.iter().all(|other| same(first, other)) {
            return Ok(Some(first));
        }
        Err(self.too_many(store, &found))
    }

    /// A namespace that is named is what an object's namespace was first; failing that, what it is now.
    fn in_namespace<'s>(&'s self, namespace: &str) -> Box<dyn Fn(&Candidate) -> bool + 's> {
        let original = |candidate: &Candidate| {
            candidate.previous.first().unwrap_or(&candidate.current).effective_namespace().to_owned()
        };
        let namespace = namespace.to_owned();
        let known = |candidate: &&Candidate| self.may_be_referred_to(candidate);
        if namespace != NOT_A_NAMESPACE && self.candidates.iter().filter(known).any(|it| original(it) == namespace) {
            return Box::new(move |candidate| original(candidate) == namespace);
        }
        Box::new(move |candidate| namespace != NOT_A_NAMESPACE && candidate.current.effective_namespace() == namespace)
    }

    fn may_be_referred_to(&self, candidate: &Candidate) -> bool {
        let referrer = &self.referrer.current;
        referrer.gvk.is_cluster_scoped
            || candidate.current.gvk.is_cluster_scoped
            || candidate.current.is_in_same_namespace(referrer)
            || self.role_namespaces.contains(&candidate.current.namespace)
    }

    fn is_near(&self, candidate: &Candidate) -> bool {
        let referrer = &self.referrer.current;
        referrer.gvk.is_cluster_scoped
            || candidate.current.gvk.is_cluster_scoped
            || candidate.current.gvk.kind == "ServiceAccount"
            || referrer.is_in_same_namespace(&candidate.current)
    }

    fn has_same_affixes(&self, candidate: &Candidate, empty_fits_all: bool) -> bool {
        let fits = |a: &[String], b: &[String]| (empty_fits_all && (a.is_empty() || b.is_empty())) || end_alike(a, b);
        fits(&candidate.prefixes, &self.referrer.prefixes) && fits(&candidate.suffixes, &self.referrer.suffixes)
    }

    fn too_many(&self, store: &Store, found: &[&Candidate]) -> BuildError {
        let ids: Vec<String> = found.iter().map(|candidate| candidate.current.to_string()).collect();
        BuildError::new(format!(
            "found multiple possible referrals: {}\n{}",
            ids.join(", "),
            self.details(store, found)
        ))
    }

    fn details(&self, store: &Store, found: &[&Candidate]) -> String {
        let text = |candidate: &Candidate| {
            let value = store.value(candidate.node);
            value.map_or_else(|why| format!("<{why}>"), |value| bowline_yaml::to_yaml(&value))
        };
        let mut details = format!("\n**** Too many possible referral targets to referrer:\n{}\n", text(self.referrer));
        for (at, candidate) in found.iter().enumerate() {
            let _ = write!(details, "--- possible referral {at}:\n{}\n", text(candidate));
        }
        details
    }
}

/// Tells whether the shorter list is the end of the longer one; of an empty list, only an empty one is.
fn end_alike(a: &[String], b: &[String]) -> bool {
    let (short, long) = if a.len() > b.len() { (b, a) } else { (a, b) };
    if short.is_empty() { long.is_empty() } else { long.ends_with(short) }
}
