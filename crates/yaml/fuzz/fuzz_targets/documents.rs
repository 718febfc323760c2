//! Any bytes as documents, by each set of rules: what is read is written so that it is read again.
#![no_main]

use bowline_yaml::{Limits, Rules, go_words, nodes, parse_documents_as, parse_first_as, to_yaml};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let limits = Limits { max_alias_bytes: 1 << 16, ..Limits::default() };
    for rules in [Rules::Sigs, Rules::SigsStrict, Rules::Kyaml] {
        let (documents, problems) = parse_documents_as(rules, text, &limits);
        for problem in &problems {
            assert!(!problem.message.is_empty() && problem.line > 0, "a problem says something, and where");
            go_words(text, problem);
        }
        for document in &documents {
            document.line_of("/a/b");
            if rules == Rules::Sigs {
                let written = to_yaml(&document.value);
                let again = parse_first_as(Rules::Sigs, written.as_bytes(), &Limits::default());
                let again = again.unwrap_or_else(|problem| panic!("{problem}: {written}"));
                assert_eq!(to_yaml(&again), written, "what is written says the same");
            }
        }
    }
    nodes_of(text, &limits);
});

/// Reads the nodes, as Kustomize's own reader does.
fn nodes_of(text: &[u8], limits: &Limits) {
    let _ = nodes::read(text, limits.max_depth);
}
