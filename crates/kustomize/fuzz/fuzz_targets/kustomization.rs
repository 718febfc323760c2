//! Any texts as a kustomization, the objects it names, a patch and a configuration.
#![no_main]

use bowline_kustomize::{Options, build};
use bowline_tree::{MemoryTree, TreePath};

const OBJECTS: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, labels: {b: c}}\nspec:\n  template:\n    \
                       spec:\n      containers:\n      - name: a\n        image: b:c\n---\napiVersion: v1\nkind: ConfigMap\n\
                       metadata: {name: a}\ndata: {a: b}\n";

libfuzzer_sys::fuzz_target!(|input: (&str, &str, &str, &str)| {
    let (kustomization, objects, patch, other) = input;
    let mut tree = MemoryTree::new();
    let mut add = |name: &str, text: &str| tree.insert(TreePath::parse(name).expect("is inside"), text.to_owned());
    let resources = if kustomization.contains("resources") { "" } else { "resources: [o.yaml, a.yaml]\n" };
    add("top/kustomization.yaml", &format!("{resources}{kustomization}"));
    add("top/o.yaml", OBJECTS);
    add("top/a.yaml", objects);
    add("top/p.yaml", patch);
    add("top/c.yaml", other);
    if let Ok(built) = build(&tree, &TreePath::parse("top").expect("is inside"), &Options::default()) {
        built.to_yaml();
    }
});
