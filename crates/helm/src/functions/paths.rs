//! Paths with slashes, cut and cleaned as Go's `path` does; a chart is rendered as on Linux wherever it is rendered.

use bowline_gotmpl::{Function, Type};

use super::args::{STRING, boolean, string, text};

const S: &[Type] = &[STRING];

macro_rules! function {
    ($name:literal, $path:ident) => {
        Function::new($name, S, STRING, |_, args| string($path(&text(&args[0]))))
    };
}

pub(super) static TABLE: [Function; 10] = [
    function!("base", base),
    function!("clean", clean),
    function!("dir", dir),
    function!("ext", ext),
    Function::new("isAbs", S, Type::Bool, |_, args| boolean(text(&args[0]).starts_with(b"/"))),
    function!("osBase", base),
    function!("osClean", clean),
    function!("osDir", dir),
    function!("osExt", ext),
    Function::new("osIsAbs", S, Type::Bool, |_, args| boolean(text(&args[0]).starts_with(b"/"))),
];

fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let end = path.len() - path.iter().rev().take_while(|byte| **byte == b'/').count();
    let path = &path[..end];
    let start = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    if path.is_empty() { b"/" } else { &path[start..] }
}

fn ext(path: &[u8]) -> &[u8] {
    for at in (0..path.len()).rev() {
        match path[at] {
            b'/' => break,
            b'.' => return &path[at..],
            _ => {}
        }
    }
    b""
}

fn dir(path: &[u8]) -> Vec<u8> {
    let end = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    clean(&path[..end])
}

pub(super) fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => {
                parts.pop();
            }
            b".." if rooted => {}
            other => parts.push(other),
        }
    }
    let joined = parts.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", &joined[..]].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}
