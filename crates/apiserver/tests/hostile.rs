//! Mangled requests for every decoder: whatever a client sends, it gets an answer.
//!
//! The targets are those of the fuzzer (`fuzz/`); here they are fed with examples, mutated by chance.

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the file is a crate of its own for the fuzzer")]
mod targets;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use targets::{STREAMS, Server, TARGETS};

/// One change of some bytes.
#[derive(Debug, Clone)]
enum Change {
    Set(usize, u8),
    Flip(usize, u8),
    Insert(usize, Vec<u8>),
    Cut(usize, usize),
    Repeat(usize, usize, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let words: Vec<&[u8]> = vec![
        b"{", b"}", b"[", b"]", b"\"", b":", b",", b"%", b"\\u", b"\xff", b"\0", b"-", b"1e999", b"null", b"*", b"&",
        b"~", b"$",
    ];
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<usize>(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (any::<usize>(), prop::sample::select(words)).prop_map(|(at, word)| Change::Insert(at, word.to_vec())),
        (any::<usize>(), 1..20_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        (any::<usize>(), 1..30_usize, 1..200_u8).prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
    ]
}

fn mutate(seed: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for change in changes {
        let length = bytes.len();
        let within = |at: usize| if length == 0 { 0 } else { at % length };
        match change {
            Change::Set(at, byte) if length > 0 => bytes[within(*at)] = *byte,
            Change::Flip(at, bit) if length > 0 => bytes[within(*at)] ^= 1 << bit,
            Change::Insert(at, word) => drop(bytes.splice(within(*at)..within(*at), word.iter().copied())),
            Change::Cut(at, cut) => drop(bytes.drain(within(*at)..(within(*at) + cut).min(length))),
            Change::Repeat(at, taken, times) => {
                let begin = within(*at);
                let piece = bytes[begin..(begin + taken).min(length)].to_vec();
                let repeated = piece.repeat(usize::from(*times));
                drop(bytes.splice(begin..begin, repeated));
            }
            Change::Set(..) | Change::Flip(..) => {}
        }
    }
    bytes
}

#[test]
fn every_mangled_request_gets_an_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it needs nothing");
    let server = runtime.block_on(Server::start());
    let cases = std::env::var("HOSTILE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(64);
    for target in TARGETS {
        let input = (prop::sample::select(target.seeds.to_vec()), prop::collection::vec(change(), 0..6));
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let result = runner.run(&input, |(seed, changes)| {
            if let Some(request) = (target.request)(&mutate(seed, &changes)) {
                let status = runtime.block_on(server.ask(request));
                prop_assert!((200..600).contains(&status), "{status}");
            }
            Ok(())
        });
        if let Err(error) = result {
            panic!("{}: {error}", target.name);
        }
    }
}

#[test]
fn every_mangled_stream_comes_to_an_end() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it needs nothing");
    let server = runtime.block_on(Server::start());
    let cases = std::env::var("HOSTILE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(64);
    for target in STREAMS {
        let input = (prop::sample::select(target.seeds.to_vec()), prop::collection::vec(change(), 0..6));
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let result = runner.run(&input, |(seed, changes)| {
            let answer = runtime.block_on(server.stream(target.head, &mutate(seed, &changes)));
            prop_assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
            Ok(())
        });
        if let Err(error) = result {
            panic!("{}: {error}", target.name);
        }
        for seed in target.seeds {
            let answer = runtime.block_on(server.stream(target.head, seed));
            let rest = answer.windows(4).position(|part| part == b"\r\n\r\n").map_or(0, |at| answer.len() - at - 4);
            assert!(rest > 0, "{} answers its example", target.name);
        }
    }
}

#[test]
fn the_targets_are_sorted_and_their_examples_are_read() {
    assert!(TARGETS.is_sorted_by_key(|target| target.name));
    assert!(STREAMS.is_sorted_by_key(|target| target.name));
    for target in TARGETS {
        for seed in target.seeds {
            assert!((target.request)(seed).is_some(), "{}", target.name);
        }
    }
    // The fuzzer's own entrance.
    targets::run("json", b"{");
    targets::run("spdy_exec", b"{");
}

#[test]
fn deep_and_wide_bodies_are_answered_on_a_small_stack() {
    let small = std::thread::Builder::new().stack_size(2 << 20).spawn(|| {
        for depth in [100, 499, 5_000, 1_000_000] {
            for target in ["json", "custom", "definition", "merge_patch", "strategic_patch", "apply", "yaml", "delete_options"] {
                let mut body = b"{\"spec\":".to_vec();
                body.extend(b"[".repeat(depth));
                body.extend(b"]".repeat(depth));
                body.push(b'}');
                targets::run(target, &body);
                let mut body = b"{\"apiVersion\":\"example.com/v1\",\"kind\":\"Foo\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"u\":".to_vec();
                body.extend(b"{\"a\":".repeat(depth));
                body.extend(b"1");
                body.extend(b"}".repeat(depth + 2));
                targets::run(target, &body);
            }
        }
    });
    small.expect("a thread can be started").join().expect("nothing overflows");
}
