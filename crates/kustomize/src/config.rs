//! Which fields transformers look at: the default ones, and those that `configurations` and `crds` add.

use std::sync::{Arc, LazyLock};

use crate::error::BuildError;
use crate::id::Gvk;

/// A field of some kinds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    pub(crate) gvk: Gvk,
    pub(crate) path: String,
    /// Whether the field is made where it is not there.
    pub(crate) create: bool,
}

/// The fields that hold the name of objects of a kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct NameReference {
    pub(crate) gvk: Gvk,
    pub(crate) referrers: Vec<FieldSpec>,
}

/// Fields for every transformer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    pub(crate) name_prefix: Vec<FieldSpec>,
    pub(crate) name_suffix: Vec<FieldSpec>,
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) volume_claim_template_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    pub(crate) name_reference: Vec<NameReference>,
    pub(crate) var_reference: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
}

static DEFAULT: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let mut config = Config::default();
    config
        .merge(&Config::parse(include_str!("data/field-specs.txt")))
        .expect("holds because the default fields do not contradict each other");
    Arc::new(config)
});

impl Config {
    /// What Kustomize looks at without being told.
    pub(crate) fn default_fields() -> Arc<Self> {
        Arc::clone(&DEFAULT)
    }

    fn parse(text: &str) -> Self {
        let mut config = Self::default();
        let mut section = "";
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let Some(first) = words.next() else { continue };
            let mut spec = FieldSpec::default();
            for word in words {
                match word.split_once('=') {
                    Some(("group", value)) => value.clone_into(&mut spec.gvk.group),
                    Some(("version", value)) => value.clone_into(&mut spec.gvk.version),
                    Some((_, value)) => value.clone_into(&mut spec.gvk.kind),
                    None => spec.create = true,
                }
            }
            if !line.starts_with(' ') {
                section = first;
                if section == "nameReference" {
                    config.name_reference.push(NameReference { gvk: spec.gvk, referrers: Vec::new() });
                }
                continue;
            }
            first.clone_into(&mut spec.path);
            match section {
                "nameReference" => {
                    config.name_reference.last_mut().into_iter().for_each(|it| it.referrers.push(spec.clone()));
                }
                section => config.fields_mut(section).into_iter().for_each(|fields| fields.push(spec.clone())),
            }
        }
        config
    }

    /// The fields of a section by its name in a configuration.
    pub(crate) fn fields_mut(&mut self, section: &str) -> Option<&mut Vec<FieldSpec>> {
        Some(match section {
            "namePrefix" => &mut self.name_prefix,
            "nameSuffix" => &mut self.name_suffix,
            "namespace" => &mut self.namespace,
            "commonLabels" => &mut self.common_labels,
            "labels" => &mut self.labels,
            "templateLabels" => &mut self.template_labels,
            "volumeClaimTemplateLabels" => &mut self.volume_claim_template_labels,
            "commonAnnotations" => &mut self.common_annotations,
            "varReference" => &mut self.var_reference,
            "images" => &mut self.images,
            "replicas" => &mut self.replicas,
            _ => return None,
        })
    }

    /// Every section but that of name references, with Kustomize's name of it, in the order in which they are merged.
    fn sections(&self) -> [(&'static str, &Vec<FieldSpec>); 11] {
        [
            ("namePrefix", &self.name_prefix),
            ("nameSuffix", &self.name_suffix),
            ("namespace", &self.namespace),
            ("commonAnnotations", &self.common_annotations),
            ("commonLabels", &self.common_labels),
            ("labels", &self.labels),
            ("templateLabels", &self.template_labels),
            ("volumeClaimTemplateLabels", &self.volume_claim_template_labels),
            ("varReference", &self.var_reference),
            ("images", &self.images),
            ("replicas", &self.replicas),
        ]
    }

    pub(crate) fn sort(&mut self) {
        for section in self.sections().map(|(name, _)| name) {
            if let Some(fields) = self.fields_mut(section) {
                fields.sort_by_cached_key(|field| rank(&field.gvk));
            }
        }
        self.name_reference.sort_by_cached_key(|reference| rank(&reference.gvk));
    }

    /// Adds the fields of another configuration.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), BuildError> {
        for (section, fields) in other.sections() {
            if fields.is_empty() {
                continue;
            }
            let own = self.fields_mut(section).expect("holds because sections are known by name");
            merge_fields(own, fields).map_err(|error| {
                let name = if section == "namespace" {
                    "NameSpace".to_owned()
                } else {
                    section[..1].to_uppercase() + &section[1..]
                };
                error.within(format!("failed to merge {name} fieldSpec"))
            })?;
        }
        for reference in &other.name_reference {
            self.merge_reference(reference).map_err(|error| error.within("failed to merge NameReference fieldSpec"))?;
        }
        self.sort();
        Ok(())
    }

    pub(crate) fn merge_reference(&mut self, other: &NameReference) -> Result<(), BuildError> {
        let mut found = false;
        for own in self.name_reference.iter_mut().filter(|own| own.gvk == other.gvk) {
            merge_fields(&mut own.referrers, &other.referrers)?;
            found = true;
        }
        if !found {
            self.name_reference.push(other.clone());
        }
        Ok(())
    }
}

/// Adds fields that are not there yet.
pub(crate) fn merge_fields(own: &mut Vec<FieldSpec>, others: &[FieldSpec]) -> Result<(), BuildError> {
    others.iter().try_for_each(|other| merge_field(own, other))
}

/// Adds a field that is not there yet; one that is there must agree on whether it is made.
pub(crate) fn merge_field(own: &mut Vec<FieldSpec>, other: &FieldSpec) -> Result<(), BuildError> {
    match own.iter().find(|own| own.gvk.is_selected_by(&other.gvk) && own.path == other.path) {
        Some(same) if same.create != other.create => Err(BuildError::new("conflicting fieldspecs")),
        Some(_) => Ok(()),
        None => {
            own.push(other.clone());
            Ok(())
        }
    }
}

/// What kinds are sorted by: those that others need first, webhooks last, then by name.
fn rank(gvk: &Gvk) -> (i64, String) {
    (crate::order::default_rank(&gvk.kind), gvk.sort_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_fields_are_all_there() {
        let config = Config::default_fields();
        assert_eq!(config.replicas.len(), 4);
        assert_eq!(config.namespace.len(), 3);
        assert!(config.name_reference.iter().any(|reference| reference.gvk.kind == "ConfigMap"));
        assert_eq!(config.var_reference.len(), 72);
    }

    #[test]
    fn a_field_is_not_both_made_and_not_made() {
        let field = |create| FieldSpec { path: "a/b".to_owned(), create, ..FieldSpec::default() };
        let mut own = vec![field(true)];
        assert!(merge_field(&mut own, &field(true)).is_ok());
        assert_eq!(own.len(), 1);
        assert!(merge_field(&mut own, &field(false)).is_err());
    }
}
