//! Vars: what they take their values from.

use super::{Gathered, Target};
use crate::build::Build;
use crate::error::BuildError;
use crate::id::{Gvk, ResId};
use crate::kustomization::Var;
use crate::transform::vars::shown as shown_var;

impl Target<'_> {
    pub(super) fn merge_vars(&self, build: &mut Build<'_>, all: &mut Gathered) -> Result<(), BuildError> {
        let Some(vars) = &self.spec().vars else { return Ok(()) };
        let shown: Vec<String> = vars.iter().map(shown_var).collect();
        let within = |error: BuildError| error.within(format!("merging vars [{}]", shown.join(" ")));
        for var in vars {
            let target = var_id(var);
            let by_name = target.namespace.is_empty() && !target.gvk.is_cluster_scoped;
            let fits = |id: &ResId| if by_name { target.is_of_same_name(id) } else { target.equals(id) };
            let matched = build.matching_any_id(&all.objects, &fits);
            if matched.len() > 1 {
                return Err(within(BuildError::new(format!(
                    "found {} resId matches for var {} (unable to disambiguate)",
                    matched.len(),
                    shown_var(&with_gvk(var))
                ))));
            }
            if let [one] = matched[..] {
                build.add_var_name(one, &var.name);
            }
        }
        for var in vars {
            let mut var = with_gvk(var);
            if var.fieldref.field_path.is_empty() {
                "metadata.name".clone_into(&mut var.fieldref.field_path);
            }
            all.merge_var(var).map_err(within)?;
        }
        Ok(())
    }
}

/// A var with the group and version that its API version says.
fn with_gvk(var: &Var) -> Var {
    let gvk = var_id(var).gvk;
    let mut var = var.clone();
    (var.objref.group, var.objref.version) = (gvk.group, gvk.version);
    var
}

fn var_id(var: &Var) -> ResId {
    let target = &var.objref;
    let mut gvk = Gvk {
        group: target.group.clone(),
        version: target.version.clone(),
        kind: target.kind.clone(),
        is_cluster_scoped: false,
    };
    match target.api_version.split('/').collect::<Vec<_>>()[..] {
        [""] => {}
        [version] => version.clone_into(&mut gvk.version),
        [group, version] => {
            group.clone_into(&mut gvk.group);
            version.clone_into(&mut gvk.version);
        }
        _ => {}
    }
    ResId { gvk, name: target.name.clone(), namespace: target.namespace.clone() }
}
