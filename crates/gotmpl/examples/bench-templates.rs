//! How long templates like those of a chart take: `cargo run --release -p bowline-gotmpl --example bench-templates`.
//!
//! The same figure of Go: `conformance/gotemplate bench < crates/gotmpl/examples/chart.json`.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::disallowed_types, reason = "a bench reads the clock")]

#[path = "../tests/support/mod.rs"]
#[expect(dead_code, clippy::disallowed_methods, reason = "the tests use the rest")]
mod support;

use std::time::Instant;

use bowline_gotmpl::{Functions, Limits, MissingKey, Set};

const TURNS: u32 = 5000;

fn main() {
    let case: serde_json::Value =
        serde_json::from_str(include_str!("chart.json")).expect("holds because the file is part of the tree");
    let parse = || {
        let mut set = Set::new(Functions::builtin().with(&support::host::FUNCTIONS));
        set.set_missing_key(MissingKey::Zero);
        for template in case["templates"].as_array().into_iter().flatten() {
            set.parse(template[0].as_str().unwrap_or(""), template[1].as_str().unwrap_or("")).expect("it parses");
        }
        set
    };
    let data = support::protocol::decode(&case["data"]);
    let set = parse();
    let mut out = Vec::new();
    let begin = Instant::now();
    for _ in 0..TURNS {
        out.clear();
        set.execute("main", &data, &mut out, Limits::default(), &mut ()).expect("it renders");
    }
    let execute = begin.elapsed() / TURNS;
    let begin = Instant::now();
    for _ in 0..TURNS / 5 {
        std::hint::black_box(parse());
    }
    let parse = begin.elapsed() / (TURNS / 5);
    println!("{} bytes: parse {parse:?}, execute {execute:?}", out.len());
}
