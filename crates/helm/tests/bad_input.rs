//! Charts that mean harm: each ends in an error, soon, and the next rendering is as any other. Tests are named for the rows of
//! what is known to have gone wrong elsewhere.

#[path = "support/links.rs"]
mod links;

use std::io::Write as _;

use bowline_gotmpl::Limits;
use bowline_helm::capabilities::Capabilities;
use bowline_helm::chart::{LoadError, load_archive, load_directory};
use bowline_helm::engine::{Execution, Release};
use bowline_helm::functions::{self, Host};
use bowline_helm::template::{Options, Printing, template};
use bowline_helm::values::ValueSources;
use bowline_tree::{MemoryTree, TreePath};
use flate2::Compression;
use flate2::write::GzEncoder;

const CHART: &str = "apiVersion: v2\nname: demo\nversion: 1.0.0\n";

fn path(text: &str) -> TreePath {
    TreePath::parse(text).expect("is inside")
}

fn tree(files: &[(&str, &str)]) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for (name, content) in files {
        tree.insert(path(name), (*content).to_owned());
    }
    tree
}

/// Renders files as a chart, with bounds that are soon come to.
fn render(files: &[(&str, &str)], host: &mut Host) -> Result<String, String> {
    let chart = load_directory(&tree(files), &TreePath::root()).map_err(|error| error.to_string())?;
    let release = Release { name: "rel".to_owned(), namespace: "ns".to_owned(), is_upgrade: false, revision: 1 };
    let options = Options { release, capabilities: Capabilities::default(), skip_schema: false };
    let limits = Limits { steps: 3_000_000, output_bytes: 64 << 20, ..Limits::default() };
    let mut execution = Execution { functions: functions::table(), host, limits };
    let rendered =
        template(chart, &serde_json::Map::new(), &options, &mut execution).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&rendered.print(Printing::default())).into_owned())
}

fn host() -> Host {
    Host::new((0, 0), Box::new(|bytes| bytes.fill(7)))
}

/// Renders one template with values, over Chart.yaml.
fn one(text: &str, values: &str) -> Result<String, String> {
    let files = [("Chart.yaml", CHART), ("templates/a.yaml", text), ("values.yaml", values)];
    let answer = render(&files, &mut host());
    // Whatever came of it, the next rendering is as any other.
    let next = [("Chart.yaml", CHART), ("templates/a.yaml", "a: {{ 1 }}\n")];
    assert_eq!(render(&next, &mut host()).as_deref(), Ok("---\n# Source: demo/templates/a.yaml\na: 1\n"));
    answer
}

fn set(lines: &[&str]) -> Result<String, String> {
    let sources =
        ValueSources { set: lines.iter().map(|line| (*line).to_owned()).collect(), ..ValueSources::default() };
    let merged = sources.merge(&|name| Err(format!("open {name}: no such file or directory")));
    merged.map(|values| serde_json::Value::Object(values).to_string()).map_err(|error| error.to_string())
}

#[test]
fn a1_a2_files_of_a_chart_are_all_that_templates_reach() {
    for name in ["../../victim/values.yaml", "/etc/passwd", "%2e%2e/x", "a/../../..", "templates/a.yaml"] {
        let text = format!("a: {{{{ .Files.Get {name:?} | quote }}}}\nb: {{{{ (.Files.Glob {name:?}).AsConfig }}}}\n");
        let printed = one(&text, "").expect("renders");
        assert!(printed.ends_with("a: \"\"\nb: {}\n"), "{name}: {printed}");
    }
    assert!(TreePath::parse("../../victim/values.yaml").is_err() && TreePath::parse("a/../../..").is_err());
}

/// Whatever reads a file of a chart: values, `.Files`, a template, a schema, a subchart, what `.helmignore` says.
const PLACES: [&str; 8] = [
    "values.yaml",
    "secret.txt",
    "templates/leak.yaml",
    "values.schema.json",
    "charts/sub",
    ".helmignore",
    "Chart.lock",
    "crds/leak.yaml",
];

#[test]
fn a3_links_out_of_the_source_are_refused_wherever_a_chart_reads() {
    const TARGETS: [&str; 5] =
        ["/etc/passwd", "/proc/self/environ", "../../../victim", "../../../../etc/passwd", "loop"];
    let shows = "a: {{ .Files.Get \"secret.txt\" | quote }}\nb: {{ .Values | toJson }}\n";
    let files = [
        ("app/Chart.yaml", CHART),
        ("app/templates/a.yaml", shows),
        ("app/charts/_none", ""),
        ("app/crds/a.yaml", "a: 1\n"),
        ("victim", "canary"),
    ];
    assert!(load_directory(&links::Linked::new(&files, &[]), &path("app")).is_ok(), "without a link it is a chart");
    for place in PLACES {
        for target in TARGETS {
            let name = place.rsplit('/').next().unwrap_or(place);
            let from = format!("app/{place}");
            let tree = links::Linked::new(&files, &[(from.as_str(), if target == "loop" { name } else { target })]);
            match load_directory(&tree, &path("app")) {
                // What is ignored is not told by a link; nothing is read through it.
                Ok(chart) => assert!(place == ".helmignore" && !format!("{chart:?}").contains("canary"), "{place}"),
                Err(error) => {
                    assert!(matches!(error, LoadError::Symlink { .. }), "{place} to {target}: {error}");
                    assert!(!error.to_string().contains("canary"), "{place} to {target}: {error}");
                }
            }
        }
    }
    // In an archive a link is no file at all: see B2.
}

#[test]
fn a3_a_link_within_the_source_is_what_it_names() {
    let files =
        [("app/Chart.yaml", CHART), ("app/templates/a.yaml", "a: {{ .Files.Get \"x.txt\" }}\n"), ("shared/x", "7")];
    let tree = links::Linked::new(&files, &[("app/x.txt", "../shared/x")]);
    let chart = load_directory(&tree, &path("app")).expect("stays inside");
    let file = chart.files.iter().find(|file| file.name == "x.txt").expect("is there");
    assert_eq!(file.data.as_ref(), b"7");
}

#[test]
fn a12_a_lock_that_is_a_link_is_never_written_through() {
    // Nothing here can write: a tree is only read, and dependencies are not fetched into it. A lock elsewhere is refused,
    // one within the source is read, and stays as it is.
    let lock = "dependencies: []\ndigest: sha256:0\ngenerated: \"2020-01-01T00:00:00Z\"\n";
    let files = [("app/Chart.yaml", CHART), ("app/templates/a.yaml", "a: 1\n"), ("victim.lock", lock)];
    let outside = links::Linked::new(&files, &[("app/Chart.lock", "../../victim.lock")]);
    assert!(matches!(load_directory(&outside, &path("app")), Err(LoadError::Symlink { .. })));
    let inside = links::Linked::new(&files, &[("app/Chart.lock", "../victim.lock")]);
    load_directory(&inside, &path("app")).expect("is a chart");
    let read = bowline_tree::Tree::read(&inside, &path("victim.lock")).expect("is there");
    assert_eq!(read.as_ref(), lock.as_bytes());
}

#[test]
fn a7_a_dependency_elsewhere_is_missing_not_fetched() {
    for repository in ["file://../../other", "file:///etc", "https://example.org", "oci://example.org/x"] {
        let chart = format!("{CHART}dependencies:\n  - name: other\n    version: 1.x\n    repository: {repository}\n");
        let error = render(&[("Chart.yaml", &chart)], &mut host()).expect_err("is missing");
        assert!(error.ends_with("missing in charts/ directory: other"), "{error}");
    }
}

#[test]
fn a11_names_and_versions_are_no_paths() {
    for (name, version) in [(".", "1.0.0"), ("..", "1.0.0"), ("a/b", "1.0.0"), ("a", "../1"), ("a", "1/../2")] {
        let chart = format!("apiVersion: v2\nname: {name:?}\nversion: {version:?}\n");
        let error = load_directory(&tree(&[("Chart.yaml", &chart)]), &TreePath::root()).expect_err("is refused");
        assert!(matches!(error, LoadError::Invalid(_)), "{name} {version}: {error}");
    }
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(data).expect("memory can be written");
    packed.finish().expect("memory can be written")
}

fn member(kind: tar::EntryType, name: &str, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    let bytes = &mut header.as_old_mut().name;
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(size);
    header.set_mode(0o777);
    header.set_entry_type(kind);
    header.set_cksum();
    header
}

#[test]
fn b1_archives_are_not_unpacked_beyond_their_bound() {
    // Zeros without end, in as many members of gzip as it takes.
    let zeros = gzip(&vec![0; 8 << 20]);
    let mut start = member(tar::EntryType::Regular, "demo/a", 10 << 30).as_bytes().to_vec();
    start = gzip(&start);
    let bomb: Vec<u8> = start.into_iter().chain((0..40).flat_map(|_| zeros.clone())).collect();
    assert!(bomb.len() < 1 << 20);
    let error = load_archive(&bomb).expect_err("is a bomb");
    assert!(matches!(error, LoadError::TooLarge { .. }), "{error}");
    // Files without content are counted, too.
    let mut many = Vec::new();
    for number in 0..100_100 {
        many.extend_from_slice(member(tar::EntryType::Regular, &format!("demo/{number}"), 0).as_bytes());
    }
    let error = load_archive(&gzip(&many)).expect_err("are too many");
    assert!(matches!(error, LoadError::TooLarge { .. }), "{error}");
    // Archives in archives.
    let mut inner = Vec::new();
    for _ in 0..70 {
        let mut members = Vec::new();
        for (name, data) in [("demo/Chart.yaml", CHART.as_bytes()), ("demo/charts/demo.tgz", &inner)] {
            members.extend_from_slice(member(tar::EntryType::Regular, name, data.len() as u64).as_bytes());
            members.extend_from_slice(data);
            members.resize(members.len().next_multiple_of(512), 0);
            if inner.is_empty() {
                break;
            }
        }
        inner = gzip(&members);
    }
    let error = load_archive(&inner).expect_err("is too deep").to_string();
    assert!(error.ends_with("charts are nested deeper than 50 levels"), "{error}");
}

#[test]
fn b2_links_and_devices_in_archives_are_never_followed() {
    let mut members = Vec::new();
    members.extend_from_slice(member(tar::EntryType::Regular, "demo/Chart.yaml", CHART.len() as u64).as_bytes());
    members.extend_from_slice(CHART.as_bytes());
    members.resize(members.len().next_multiple_of(512), 0);
    for (kind, name) in [
        (tar::EntryType::Symlink, "demo/values.yaml"),
        (tar::EntryType::Link, "demo/files/hard"),
        (tar::EntryType::Char, "demo/files/device"),
        (tar::EntryType::Fifo, "demo/files/pipe"),
    ] {
        let mut header = member(kind, name, 0);
        header.set_link_name("/etc/passwd").expect("is short enough");
        header.set_cksum();
        members.extend_from_slice(header.as_bytes());
    }
    let chart = load_archive(&gzip(&members)).expect("is a chart");
    assert!(chart.values.is_empty());
    assert!(chart.files.iter().all(|file| file.data.is_empty()), "{:?}", chart.files);
}

#[test]
fn c1_alias_bombs_and_deep_nesting_are_refused() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, of) in ('b'..='m').zip('a'..) {
        bomb.extend([format!("{name}: &{name} ["), vec![format!("*{of}"); 9].join(", "), "]\n".to_owned()]);
    }
    assert!(one("a: 1\n", &bomb).expect_err("is a bomb").contains("values.yaml"));
    assert!(one(&bomb, "").is_err());
    let deep = format!("a: {}{}\n", "[".repeat(20_000), "]".repeat(20_000));
    assert!(one("a: 1\n", &deep).is_err());
    assert!(one("a: {{ .Values.text | fromYaml | toJson }}\n", &format!("text: {bomb:?}\n")).is_ok());
    let broken = [b"a: \xff\xfe".as_slice(), b"\x00", b"a: \"\\x\"", b"\xef\xbb\xbf: ["];
    for bytes in broken {
        let mut files = tree(&[("Chart.yaml", CHART)]);
        files.insert(path("values.yaml"), bytes.to_vec());
        // A table, or an error; never a panic.
        let _ = load_directory(&files, &TreePath::root());
    }
}

/// What Helm 4.3 reads of `values.yaml`, or what it tells.
#[test]
fn c2_what_values_mean_is_what_helm_reads() {
    let read = |values: &str| one("{{ .Values | toJson }}\n", values);
    for (values, want) in [
        ("a: NO\nb: on\nc: y\nd: ~\ne: Off\nf: \"NO\"\n", r#"{"a":false,"b":true,"c":true,"e":false,"f":"NO"}"#),
        (
            "a: 0755\nb: 0o17\nc: 0b11\nd: 0x1F\ne: 1_000\nf: 190:20:30\n",
            r#"{"a":493,"b":15,"c":3,"d":31,"e":1000,"f":"190:20:30"}"#,
        ),
        ("a: 1e999\n", r#"{"a":"1e999"}"#),
        (
            "a: 1e3\nb: 9007199254740993\nc: 18446744073709551616\nd: 1.0\n",
            r#"{"a":1000,"b":9007199254740992,"c":18446744073709552000,"d":1}"#,
        ),
        ("a: 1\na: 2\n", r#"{"a":2}"#),
        ("b: &b {x: 1}\na: {<<: *b, y: 2}\n", r#"{"a":{"true":2,"x":1},"b":{"x":1}}"#),
        ("a: !!python/object:os.system {}\n", r#"{"a":{}}"#),
        ("a: !!python/object:os.system ls\n", r#"{"a":"ls"}"#),
        ("a: !!binary aGk=\nb: !!int \"3\"\nc: !!str 3\n", r#"{"a":"hi","b":3,"c":"3"}"#),
        ("a: 2001-01-01\nb: 2001-01-01T00:00:00Z\n", r#"{"a":"2001-01-01","b":"2001-01-01T00:00:00Z"}"#),
    ] {
        let have = read(values).unwrap_or_else(|error| panic!("{values}: {error}"));
        assert_eq!(have.lines().last(), Some(want), "{values}");
    }
    for (values, want) in [
        ("a: .inf\n", "json: unsupported value: +Inf"),
        ("a: -.INF\n", "json: unsupported value: -Inf"),
        ("a: &a {<<: *a}\n", "yaml: anchor 'a' value contains itself"),
        ("a: &a\n  b: 1\n  <<: *a\n", "yaml: anchor 'a' value contains itself"),
        ("a: &x [*x]\n", "yaml: anchor 'x' value contains itself"),
        ("a: {<<: [1]}\n", "yaml: map merge requires map or sequence of maps as the value"),
        ("a: !!int x\n", "yaml: cannot decode !!str `x` as a !!int"),
        ("? {x: 1}\n: 2\n", "yaml: invalid map key: map[interface {}]interface {}{\"x\":1}"),
        ("1: a\ntrue: b\nnull: c\n1.5: d\n", "unsupported map key of type: %!s(<nil>), key: <nil>, value: \"c\""),
    ] {
        let have = read(values).expect_err(values);
        let want =
            format!("cannot load values.yaml: cannot unmarshal yaml document: error converting YAML to JSON: {want}");
        assert!(have.contains(&want), "{values}: want {want}\nhave {have}");
    }
    let have = read("[1, 2]\n").expect_err("is no map");
    assert!(have.contains("json: cannot unmarshal array into Go value of type map[string]interface {}"), "{have}");
}

#[test]
fn c3_many_documents_cost_what_they_are() {
    let many = "---\n".repeat(200_000);
    assert_eq!(one(&many, "").as_deref(), Ok("\n"));
    let long = format!("a: {}\n", "x".repeat(10 << 20));
    assert!(one(&long, "").is_ok());
}

#[test]
fn c4_what_set_asks_for_has_bounds() {
    for line in ["a[2147483647]=1", "a[65537]=1", "a[99999999999999999999]=1", "a[-1]=1", "a[0][2147483647]=1"] {
        assert!(set(&[line]).is_err(), "{line}");
    }
    for line in [format!("{}a=1", "a.".repeat(1_000_000)), format!("a{}=1", "[0]".repeat(100_000))] {
        assert!(set(&[&line]).is_err());
    }
    let many: Vec<String> = (0..40).map(|number| format!("a{number}[60000]=1")).collect();
    assert!(set(&many.iter().map(String::as_str).collect::<Vec<_>>()).is_err());
    assert_eq!(set(&["a[2]=1"]).as_deref(), Ok(r#"{"a":[null,null,1]}"#));
}

#[test]
fn c5_nulls_and_doubles_in_descriptions_are_told() {
    for more in [
        "dependencies: [null]\n",
        "maintainers: [null]\n",
        "dependencies:\n- {name: a, version: 1.x}\n- {name: a, version: 2.x}\n",
        "dependencies:\n- {name: a, version: 1.x, alias: ../../b}\n",
        "dependencies:\n- {name: a, version: 1.x, alias: \"a b\"}\n",
    ] {
        let chart = format!("{CHART}{more}");
        let error = load_directory(&tree(&[("Chart.yaml", &chart)]), &TreePath::root()).expect_err("is refused");
        assert!(matches!(error, LoadError::Invalid(_)), "{more}: {error}");
    }
}

#[test]
fn c6_schemas_neither_run_in_circles_nor_fetch() {
    let with = |schema: &str| {
        render(
            &[("Chart.yaml", CHART), ("values.yaml", "a: {a: {a: 1}}\n"), ("values.schema.json", schema)],
            &mut host(),
        )
    };
    for reference in [
        "/dev/zero",
        "file:///etc/passwd",
        "file:///dev/zero",
        "http://169.254.169.254/latest",
        "https://example.org/schema.json",
        "../../other/values.schema.json",
    ] {
        let error = with(&format!(r#"{{"$ref": "{reference}"}}"#)).expect_err("is not fetched");
        assert!(error.contains("schemas are not fetched"), "{reference}: {error}");
    }
    // Endless by itself, and endless only with endless values.
    for schema in [
        r##"{"$ref": "#"}"##,
        r##"{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}"##,
        r##"{"allOf": [{"$ref": "#"}]}"##,
        r##"{"properties": {"a": {"$ref": "#"}}}"##,
    ] {
        // Helm refuses the first ones, and takes the last.
        assert_eq!(with(schema).is_ok(), schema.contains("properties"), "{schema}");
    }
    let deep = format!("{}true{}", r#"{"not":"#.repeat(5_000), "}".repeat(5_000));
    assert!(with(&deep).is_err(), "too deep to be read");
}

#[test]
fn c7_templates_end() {
    let cases = [
        r#"{{ define "a" }}{{ include "b" . }}{{ end }}{{ define "b" }}{{ include "a" . }}{{ end }}{{ include "a" . }}"#,
        r#"{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}"#,
        "{{ tpl .Values.again . }}",
        r#"{{ define "a" }}{{ tpl "{{ include \"a\" . }}" . }}{{ end }}{{ include "a" . }}"#,
        "{{ range until 1000000000 }}{{ end }}",
        "{{ until 1000000000 }}",
        "{{ range 1000000000 }}{{ end }}",
        "{{ seq 1 1000000000 }}",
        r#"{{ repeat 2000000000 "x" }}"#,
        r#"{{ range until 50000 }}{{ repeat 10000 "x" }}{{ end }}"#,
        r#"{{ nindent 2000000000 "x" }}"#,
        r#"{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ deepCopy $d }}"#,
        "{{ $l := list 1 }}{{ range until 60 }}{{ $l = concat $l $l }}{{ end }}",
        r#"{{ $t := "xx" }}{{ range until 60 }}{{ $t = print $t $t }}{{ end }}"#,
        r#"{{ range until 10000 }}{{ genCA "x" 1 }}{{ end }}"#,
        r#"{{ range until 10000 }}{{ bcrypt "x" }}{{ end }}"#,
        r#"{{ range until 10000 }}{{ derivePassword 1 "long" "x" "y" "z" }}{{ end }}"#,
        r#"{{ regexMatch "((x{1000}){1000}){1000}" "x" }}"#,
        r#"{{ printf "%2000000000d" 1 }}"#,
    ];
    for text in cases {
        let error = one(text, "again: '{{ tpl .Values.again . }}'\n").expect_err(text);
        assert!(error.contains("demo/templates/a.yaml") && error.len() < 1 << 20, "{text}: {} bytes", error.len());
    }
}

#[test]
fn c8_templates_see_no_network_environment_or_cluster() {
    assert!(one(r#"a: {{ getHostByName "example.org" | quote }}"#, "").expect("renders").ends_with("a: \"\"\n"));
    let looked = one(r#"a: {{ lookup "v1" "Secret" "kube-system" "x" | toJson }}"#, "").expect("renders");
    assert!(looked.ends_with("a: {}\n"));
    for function in ["env", "expandenv"] {
        let error = one(&format!("a: {{{{ {function} \"HOME\" }}}}"), "").expect_err("is not there");
        assert!(error.contains(&format!("function \"{function}\" not defined")), "{error}");
    }
}

#[test]
fn c9_what_changes_from_run_to_run_is_told() {
    let used = |text: &str| {
        let mut host = host();
        render(&[("Chart.yaml", CHART), ("templates/a.yaml", text)], &mut host).expect("renders");
        host.used
    };
    assert!(used("a: {{ now | date \"2006\" }}").time);
    for text in
        ["a: {{ randAlphaNum 5 }}", "a: {{ uuidv4 }}", "a: {{ shuffle \"abc\" }}", "a: {{ htpasswd \"a\" \"b\" }}"]
    {
        assert!(used(text).random, "{text}");
    }
    assert!(used("a: {{ range $k, $v := dict \"b\" 1 \"a\" 2 }}{{ $k }}{{ end }}").is_deterministic());
}
