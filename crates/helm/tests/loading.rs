//! Charts from archives and through links, good ones and bad ones.

#[path = "support/links.rs"]
mod links;

use std::io::Write as _;

use bowline_helm::chart::{LoadError, load_archive, load_directory};
use bowline_tree::{MemoryTree, TreePath};
use flate2::Compression;
use flate2::write::GzEncoder;
use links::Linked;

const CHART: &str = "apiVersion: v2\nname: demo\nversion: 1.0.0\n";

/// Packs members as they are named, also where no tool would.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    for (name, content) in members {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[148..156].copy_from_slice(b"        ");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        packed.write_all(&header).expect("memory can be written");
        packed.write_all(content).expect("memory can be written");
        packed.write_all(&vec![0; content.len().next_multiple_of(512) - content.len()]).expect("memory can be written");
    }
    packed.write_all(&[0; 1024]).expect("memory can be written");
    packed.finish().expect("memory can be written")
}

#[test]
fn archives_are_charts() {
    let inner = archive(&[("sub/Chart.yaml", b"apiVersion: v2\nname: sub\nversion: 2.0.0\n")]);
    let outer = archive(&[
        ("demo/templates/a.yaml", b"kind: A\n"),
        ("demo/Chart.yaml", format!("\u{feff}{CHART}").as_bytes()),
        ("demo/values.yaml", b"a: 1\n"),
        ("demo/charts/sub-2.0.0.tgz", &inner),
        ("demo/charts/sub.tgz.prov", b"signed"),
        ("demo/x/../README.md", b"read"),
    ]);
    let chart = load_archive(&outer).expect("is a chart");
    assert_eq!(chart.name(), "demo");
    assert_eq!(chart.values["a"].as_f64(), Some(1.0));
    assert_eq!(chart.dependencies[0].metadata.version, "2.0.0");
    let files: Vec<&str> = chart.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(files, ["charts/sub.tgz.prov", "README.md"]);
}

#[test]
fn archives_that_are_no_charts_are_refused() {
    type Members<'m> = &'m [(&'m str, &'m [u8])];
    let large = vec![0; 60 << 20];
    let cases: [(Members<'_>, &str); 9] = [
        (&[], "no files in chart archive"),
        (&[("Chart.yaml", b"x")], "chart illegally contains content outside the base directory: \"Chart.yaml\""),
        (&[("demo/../../x", b"x")], "chart illegally references parent directory"),
        (&[("demo//etc/passwd", b"x")], "chart illegally contains absolute paths"),
        (&[("demo/c:/x", b"x")], "chart contains illegally named files"),
        (&[("demo\\..\\..\\x", b"x")], "chart illegally references parent directory"),
        (&[("demo/x", b"x")], "Chart.yaml file is missing"),
        (&[("demo/a", &large), ("demo/b", &large)], "decompressed chart is larger than the maximum size 104857600"),
        (
            &[("demo/Chart.yaml", CHART.as_bytes()), ("demo/charts/a.tgz/b", b"x")],
            "error unpacking subchart tar in demo: expected a.tgz, got a.tgz/b",
        ),
    ];
    for (members, want) in cases {
        let error = load_archive(&archive(members)).expect_err("is no chart");
        assert_eq!(error.to_string(), want);
    }
    assert!(load_archive(b"kind: Text\n").is_err());
    let whole = archive(&[("demo/Chart.yaml", CHART.as_bytes())]);
    for end in 0..whole.len() {
        // Cut short anywhere it is refused, or is a chart all the same: never a panic.
        let _ = load_archive(&whole[..end]);
    }
}

#[test]
fn charts_within_charts_have_a_bound() {
    let mut tree = MemoryTree::new();
    for depth in 0..80 {
        let path = format!("{}Chart.yaml", "charts/x/".repeat(depth));
        tree.insert(TreePath::parse(&path).expect("is inside"), CHART.to_owned());
    }
    let error = load_directory(&tree, &TreePath::root()).expect_err("is too deep");
    assert!(error.to_string().ends_with("charts are nested deeper than 50 levels"), "{error}");
}

#[test]
fn links_are_followed_inside_the_source() {
    let files = [
        ("charts/demo/Chart.yaml", CHART),
        ("shared/lib/Chart.yaml", "apiVersion: v2\nname: lib\nversion: 1.0.0\n"),
        ("shared/lib/values.yaml", "a: linked\n"),
    ];
    let links = [
        ("charts/demo/charts", "../../shared"),
        // Through another link.
        ("charts/demo/values.yaml", "charts/lib/values.yaml"),
        ("current", "charts/demo"),
    ];
    let tree = Linked::new(&files, &links);
    let chart = load_directory(&tree, &TreePath::parse("current").expect("is inside")).expect("is a chart");
    assert_eq!(chart.values["a"], "linked");
    assert_eq!(chart.dependencies[0].name(), "lib");
}

#[test]
fn links_out_of_the_source_are_refused() {
    let links: [&[(&str, &'static str)]; 4] =
        [&[("x", "../outside")], &[("x", "/etc/passwd")], &[("x", "y"), ("y", "x")], &[("templates/x", "nowhere")]];
    for links in links {
        let tree = Linked::new(&[("Chart.yaml", CHART), ("templates/a.yaml", "")], links);
        let error = load_directory(&tree, &TreePath::root()).expect_err("is refused");
        assert!(matches!(error, LoadError::Symlink { .. } | LoadError::Tree(_)), "{links:?}: {error}");
    }
    let around = Linked::new(&[("Chart.yaml", CHART), ("a/b", "")], &[("a/top", "..")]);
    assert!(load_directory(&around, &TreePath::root()).is_err(), "the way around has no end");
}
