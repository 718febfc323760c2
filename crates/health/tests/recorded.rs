//! The recorded verdicts of kstatus (Flux's cli-utils v0.37) and of Argo CD's built-in checks (3.2) on objects made at
//! random; `conformance/health` is the program that asked them. `recorded.jsonl` has sparse objects, `random.jsonl` those
//! of `referee`, which takes them down.
//!
//! Argo CD's verdict is absent where Argo CD asks a Lua script of its own, or has nothing to say.

mod peers;

use std::path::Path;

use serde_json::Value;

#[test]
fn verdicts_are_those_of_the_peers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let (mut count, mut wrong) = (0, Vec::new());
    for file in ["random.jsonl", "recorded.jsonl"] {
        let text = std::fs::read_to_string(folder.join(file)).expect("is readable");
        for line in text.lines() {
            let row: Value = serde_json::from_str(line).expect("is JSON");
            let (compared, different) = peers::compare(&row);
            count += compared;
            wrong.extend(different);
        }
    }
    assert!(wrong.is_empty() && count > 1000, "of {count}:\n{}", wrong.join("\n"));
}
