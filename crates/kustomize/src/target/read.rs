//! The file that says what a kustomization is.

use bowline_model::KUSTOMIZATION_FILES;

use crate::build::Build;
use crate::error::BuildError;
use crate::kustomization::{self, Kustomization};
use crate::loader::Loader;

/// Reads the one kustomization file of a directory.
pub(super) fn read_kustomization(
    build: &mut Build<'_>,
    loader: &Loader<'_>,
) -> Result<(Kustomization, &'static str), BuildError> {
    let mut found = None;
    for name in KUSTOMIZATION_FILES {
        if loader.may_have(name)
            && let Ok(content) = loader.load(name)
            && found.replace((content, name)).is_some()
        {
            return Err(BuildError::new(format!("Found multiple kustomization files under: {}\n", loader.root())));
        }
    }
    let Some((content, name)) = found else {
        let names = KUSTOMIZATION_FILES.map(|name| format!("'{name}'"));
        return Err(BuildError::new(format!(
            "unable to find one of {}, {} or {} in directory '{}'",
            names[0],
            names[1],
            names[2],
            loader.root()
        )));
    };
    let (spec, warnings) = kustomization::parse(&content)?;
    build.warnings.extend(warnings);
    let wrong = spec.enforce_fields();
    if !wrong.is_empty() {
        return Err(BuildError::new(format!(
            "Failed to read kustomization file under {}:\n{}",
            loader.root(),
            wrong.join("\n")
        )));
    }
    Ok((spec, name))
}
