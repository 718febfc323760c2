//! Which of a chart's dependencies take part, under which name, and what they give to its values.

use serde_json::Value as Json;

use crate::chart::{Chart, Dependency, ImportValue};
use crate::functions::semver::is_compatible;
use crate::values::{CoalesceError, coalesce_values, merge_tables, merge_values, path_value, table};
use crate::yaml::Table;

/// Dependencies that Chart.yaml names and `charts/` does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to fetch \
     missing dependencies: found in Chart.yaml, but missing in charts/ directory: {}",
    .0.join(", ")
)]
pub struct MissingDependencies(pub Vec<String>);

/// Checks that every dependency of the chart is there.
pub fn check_dependencies(chart: &Chart) -> Result<(), MissingDependencies> {
    let is_there = |name: &str| chart.dependencies.iter().any(|dependency| dependency.name() == name);
    let missing: Vec<String> = chart
        .metadata
        .requirements()
        .filter(|wanted| !is_there(&wanted.name))
        .map(|wanted| wanted.name.clone())
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(MissingDependencies(missing)) }
}

/// Takes out dependencies that are not enabled, gives others their aliases, and imports values from them.
pub fn process_dependencies(
    chart: &mut Chart,
    values: &Table,
    warnings: &mut Vec<String>,
) -> Result<(), CoalesceError> {
    enable(chart, values, "", warnings)?;
    import(chart, warnings)
}

fn enable(chart: &mut Chart, values: &Table, path: &str, warnings: &mut Vec<String>) -> Result<(), CoalesceError> {
    if chart.metadata.dependencies.is_empty() {
        return Ok(());
    }
    let mut all = std::mem::take(&mut chart.dependencies);
    let fits = |dependency: &Chart, wanted: &Dependency| {
        dependency.name() == wanted.name && is_compatible(&wanted.version, &dependency.metadata.version)
    };
    let is_wanted = |dependency: &&Chart| chart.metadata.requirements().any(|wanted| fits(dependency, wanted));
    let unwanted: Vec<usize> = (0..all.len()).filter(|at| !is_wanted(&&all[*at])).collect();
    // Which charts are taken, in order, each with its alias; a chart may be taken more than once.
    let mut places: Vec<(usize, String)> = unwanted.into_iter().map(|at| (at, String::new())).collect();
    for wanted in chart.metadata.dependencies.iter_mut().flatten() {
        if let Some(at) = all.iter().position(|dependency| fits(dependency, wanted)) {
            places.push((at, wanted.alias.clone()));
        }
        if !wanted.alias.is_empty() {
            wanted.name.clone_from(&wanted.alias);
        }
        wanted.enabled = true;
    }
    let last_use = |at: usize| places.iter().rposition(|(place, _)| *place == at);
    let last_uses: Vec<Option<usize>> = (0..all.len()).map(last_use).collect();
    for (number, (at, alias)) in places.into_iter().enumerate() {
        let is_last = last_uses[at] == Some(number);
        let mut dependency = if is_last { std::mem::take(&mut all[at]) } else { all[at].clone() };
        if !alias.is_empty() {
            dependency.metadata.name = alias;
        }
        chart.dependencies.push(dependency);
    }
    let values = coalesce_values(chart, values, warnings)?;
    for wanted in chart.metadata.dependencies.iter_mut().flatten() {
        by_tags(wanted, &values, warnings);
        by_condition(wanted, &values, path, warnings);
    }
    let disabled: Vec<String> =
        chart.metadata.requirements().filter(|wanted| !wanted.enabled).map(|wanted| wanted.name.clone()).collect();
    chart.dependencies.retain(|dependency| !disabled.contains(&dependency.metadata.name));
    chart.metadata.dependencies.retain(|wanted| wanted.as_ref().is_some_and(|wanted| !disabled.contains(&wanted.name)));
    for dependency in &mut chart.dependencies {
        let path = format!("{path}{}.", dependency.name());
        enable(dependency, &values, &path, warnings)?;
    }
    Ok(())
}

fn by_tags(wanted: &mut Dependency, values: &Table, warnings: &mut Vec<String>) {
    let Some(tags) = table(values, "tags") else { return };
    let (mut on, mut off) = (false, false);
    for tag in &wanted.tags {
        match tags.get(tag) {
            Some(Json::Bool(true)) => on = true,
            Some(Json::Bool(false)) => off = true,
            Some(_) => warnings.push(format!("returned non-bool value tag={tag} chart={}", wanted.name)),
            None => {}
        }
    }
    wanted.enabled = on || !off;
}

fn by_condition(wanted: &mut Dependency, values: &Table, path: &str, warnings: &mut Vec<String>) {
    for condition in wanted.condition.trim().split(',').filter(|condition| !condition.is_empty()) {
        match path_value(values, &format!("{path}{condition}")) {
            Some(Json::Bool(enabled)) => {
                wanted.enabled = *enabled;
                return;
            }
            Some(_) => warnings.push(format!("returned non-bool value path={condition} chart={}", wanted.name)),
            None => {}
        }
    }
}

fn import(chart: &mut Chart, warnings: &mut Vec<String>) -> Result<(), CoalesceError> {
    for dependency in &mut chart.dependencies {
        import(dependency, warnings)?;
    }
    if chart.metadata.dependencies.is_empty() {
        return Ok(());
    }
    let mut values = merge_values(chart, &Table::new(), warnings)?;
    let mut imported = Table::new();
    for wanted in chart.metadata.dependencies.iter_mut().flatten() {
        let mut resolved = Vec::new();
        for import in std::mem::take(&mut wanted.import_values) {
            let (child, parent, what) = match &import {
                ImportValue::Written(Json::Object(pair)) => {
                    (shown(pair.get("child")), shown(pair.get("parent")), " from chart")
                }
                ImportValue::Written(Json::String(name)) => (format!("exports.{name}"), ".".to_owned(), ""),
                ImportValue::Written(_) => continue,
                ImportValue::Resolved { child, parent } => (child.clone(), parent.clone(), ""),
            };
            match table(&values, &format!("{}.{child}", wanted.name)) {
                Some(found) => merge_tables(&mut imported, at_path(&parent, found.clone()), warnings),
                None => warnings.push(format!("ImportValues missing table{what} chart={}", wanted.name)),
            }
            resolved.push(ImportValue::Resolved { child, parent });
        }
        wanted.import_values = resolved;
    }
    // What the chart says itself wins over what it imports.
    merge_tables(&mut values, imported, warnings);
    chart.values = values;
    Ok(())
}

/// Go's `%v` of an entry that may be missing.
fn shown(value: Option<&Json>) -> String {
    let value = value.map_or(bowline_gotmpl::Value::Nil, crate::value::to_template);
    bowline_gotmpl::sprintf("%v", &[value]).to_text().into_owned()
}

fn at_path(path: &str, table: Table) -> Table {
    if path == "." {
        return table;
    }
    path.rsplit('.').fold(table, |inner, name| Table::from_iter([(name.to_owned(), Json::Object(inner))]))
}
