//! Any texts as the files of a chart: it is refused, or its values are put together and judged by its schema.
#![no_main]

use bowline_helm::chart::{File, load_files};
use bowline_helm::schema::validate_values;
use bowline_helm::values::{coalesce_values, load_values};

libfuzzer_sys::fuzz_target!(|input: (&str, &str, &str, &str, &str)| {
    let (metadata, values, schema, ignored, over) = input;
    let file = |name: &str, text: &str| File { name: name.to_owned(), data: text.to_owned().into() };
    let head = if metadata.contains("apiVersion") { "" } else { "apiVersion: v2\nname: a\nversion: 1.0.0\n" };
    let files = vec![
        file("Chart.yaml", &format!("{head}{metadata}")),
        file("values.yaml", values),
        file("values.schema.json", schema),
        file(".helmignore", ignored),
        file("templates/a.yaml", metadata),
        file("charts/b/Chart.yaml", "apiVersion: v2\nname: b\nversion: 1.0.0\n"),
        file("charts/b/values.yaml", over),
    ];
    let Ok(chart) = load_files(files) else { return };
    let Ok(over) = load_values(over.as_bytes()) else { return };
    if let Ok(all) = coalesce_values(&chart, &over, &mut Vec::new()) {
        let _ = validate_values(&chart, &all);
    }
});
