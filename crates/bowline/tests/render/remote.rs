//! Charts from elsewhere: what is fetched renders as what is here.
//!
//! Where `BOWLINE_CLIENTS` names the folder of the real Helm, it fetches from the same servers, and must print the same; where
//! `BOWLINE_REGISTRY` names a real registry, Helm pushes to that.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use tempfile::TempDir;

use crate::{HERE, bowline};

/// Pages by address, over HTTP.
struct Web {
    address: String,
    pages: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Web {
    /// Serves all who send this `Authorization`.
    fn start(authorization: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let pages = Arc::<Mutex<BTreeMap<String, Vec<u8>>>>::default();
        let shared = Arc::clone(&pages);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let pages = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, authorization, &pages));
            }
        });
        Self { address, pages }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        self.pages.lock().expect("not poisoned").insert(path.to_owned(), content.into());
    }
}

fn serve(stream: TcpStream, authorization: &str, pages: &Mutex<BTreeMap<String, Vec<u8>>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let target = lines.first()?.split(' ').nth(1)?.to_owned();
    let sent =
        lines.iter().find_map(|line| line.strip_prefix("authorization: ").or(line.strip_prefix("Authorization: ")));
    let page = pages.lock().ok()?.get(target.split('?').next()?).cloned();
    let (status, body) = match page {
        _ if sent.unwrap_or_default() != authorization => (401, Vec::new()),
        Some(page) => (200, page),
        None => (404, Vec::new()),
    };
    let head = format!("HTTP/1.1 {status} As Told\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut stream = reader.into_inner();
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

/// Packs the chart `web` under some version.
fn packed(folder: &Path, version: &str) -> PathBuf {
    let copy = folder.join(version);
    std::fs::create_dir_all(&copy).expect("a directory");
    assert!(Command::new("cp").arg("-r").arg(format!("{HERE}/web")).arg(&copy).status().expect("cp runs").success());
    let manifest = copy.join("web/Chart.yaml");
    let text = std::fs::read_to_string(&manifest).expect("is there");
    std::fs::write(&manifest, text.replace("version: 1.2.3", &format!("version: {version}"))).expect("written");
    let told = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web-{{ .Chart.Version }}\n";
    std::fs::write(copy.join("web/templates/version.yaml"), told).expect("written");
    let archive = folder.join(format!("web-{version}.tgz"));
    let done = Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(&copy).arg("web").status();
    assert!(done.expect("tar runs").success());
    archive
}

/// The real Helm in a home of its own, where there is one.
fn helm(home: &Path, arguments: &[&str]) -> Option<Output> {
    let program = PathBuf::from(std::env::var_os("BOWLINE_CLIENTS")?).join("helm4");
    let mut command = Command::new(program);
    command.args(arguments).current_dir(HERE).env("HOME", home).env_remove("HELM_REPOSITORY_CONFIG");
    for name in
        ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "HELM_CONFIG_HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME"]
    {
        command.env_remove(name);
    }
    Some(command.output().expect("helm runs"))
}

/// Renders with the same arguments as Helm, which must print the same; returns what was printed.
fn rendered(home: &Path, arguments: &[&str]) -> String {
    let output = bowline(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let call = [&["template", "release-name"], arguments].concat();
    if let Some(theirs) = helm(home, &call) {
        let (have, want) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&theirs.stdout));
        // What Helm tells of its downloads comes first.
        let want = want.find("---\n").map_or("", |at| &want[at..]);
        assert!(theirs.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&theirs.stderr));
        assert_eq!(have, want, "{arguments:?}");
    }
    String::from_utf8(output.stdout).expect("is text")
}

fn says(arguments: &[&str]) -> String {
    let output = bowline(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const VERSIONS: [&str; 3] = ["1.2.3", "1.3.0", "2.0.0-beta.1"];

/// A repository with some versions of `web`.
fn repository(folder: &Path, authorization: &'static str) -> Web {
    let web = Web::start(authorization);
    let mut index = "apiVersion: v1\nentries:\n  web:\n".to_owned();
    for version in VERSIONS {
        let archive = packed(folder, version);
        web.put(&format!("/charts/web-{version}.tgz"), std::fs::read(archive).expect("is there"));
        let entry = format!("  - {{apiVersion: v2, name: web, version: {version}, urls: [web-{version}.tgz]}}\n");
        index.push_str(&entry);
    }
    web.put("/charts/index.yaml", index);
    web
}

#[test]
fn charts_of_repositories_and_addresses_render_as_those_that_are_here() {
    let folder = tempfile::tempdir().expect("a directory");
    let web = repository(folder.path(), "");
    let repo = web.url("charts");
    let label = |version: &str| format!("web-{version}");
    for (arguments, version) in [
        (vec!["web", "--repo", &repo], "1.3.0"),
        (vec!["web", "--repo", &repo, "--version", "~1.2"], "1.2.3"),
        (vec!["web", "--repo", &repo, "--devel"], "2.0.0-beta.1"),
        (vec![&web.url("charts/web-1.2.3.tgz")], "1.2.3"),
    ] {
        let printed = rendered(folder.path(), &arguments);
        assert!(printed.contains(&label(version)), "{arguments:?}: {printed}");
    }
    for (arguments, want) in [
        (vec!["web", "--repo", &repo, "--version", ">3"], "chart `web` with version `>3` is not in"),
        (vec!["gone", "--repo", &repo], "chart `gone` is not in"),
        (vec!["web", "--repo", &web.url("elsewhere")], "there is no repository at"),
        (vec![&web.url("charts/gone.tgz")], "answered with HTTP status 404"),
        (vec!["./gone"], "path \"./gone\" not found"),
        (vec!["gone"], "path \"gone\" not found"),
        (vec!["gone/web"], "repo gone not found"),
    ] {
        let said = says(&arguments);
        assert!(said.contains(want), "{arguments:?}: {said}");
    }
}

#[test]
fn passwords_are_sent_and_helms_list_of_repositories_is_read() {
    let folder = tempfile::tempdir().expect("a directory");
    let web = repository(folder.path(), "Basic bWU6cGFzcw==");
    assert_eq!(base64::engine::general_purpose::STANDARD.encode("me:pass"), "bWU6cGFzcw==");
    let repo = web.url("charts");
    let said = says(&["web", "--repo", &repo]);
    assert!(said.contains("asks for credentials"), "{said}");
    let said = says(&["web", "--repo", &repo, "--username", "me", "--password", "wrong"]);
    assert!(said.contains("refused the credentials") && !said.contains("wrong"), "{said}");
    rendered(folder.path(), &["web", "--repo", &repo, "--username", "me", "--password", "pass"]);
    let list = folder.path().join("repositories.yaml");
    let known = format!("repositories:\n- {{name: known, url: '{repo}', username: me, password: pass}}\n");
    std::fs::write(&list, known).expect("written");
    let list = list.display().to_string();
    let printed = bowline(&["known/web", "--version", "1.2.3", "--repository-config", &list]);
    assert!(String::from_utf8_lossy(&printed.stdout).contains("web-1.2.3"), "{printed:?}");
}

#[test]
fn dependencies_are_fetched_where_they_are_missing() {
    let folder = tempfile::tempdir().expect("a directory");
    let web = repository(folder.path(), "");
    // Charts beside the chart are found inside the Git work tree around it.
    std::fs::create_dir(folder.path().join(".git")).expect("a directory");
    let chart = folder.path().join("all");
    let base = folder.path().join("base");
    for dir in [&chart.join("templates"), &base.join("templates")] {
        std::fs::create_dir_all(dir).expect("a directory");
    }
    std::fs::write(base.join("Chart.yaml"), "apiVersion: v2\nname: base\nversion: 0.1.0\n").expect("written");
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Chart.Name }}\n";
    for dir in [&chart, &base] {
        std::fs::write(dir.join("templates/a.yaml"), object).expect("written");
    }
    let manifest = format!(
        "apiVersion: v2\nname: all\nversion: 0.1.0\ndependencies:\n\
         - {{name: web, version: ^1, repository: '{}'}}\n- {{name: base, version: '>=0.1', repository: 'file://../base', alias: other}}\n",
        web.url("charts")
    );
    std::fs::write(chart.join("Chart.yaml"), manifest).expect("written");
    let path = chart.display().to_string();
    let said = says(&[&path]);
    assert!(said.contains("found in Chart.yaml, but missing in charts/ directory: web, base"), "{said}");
    let printed = rendered(folder.path(), &[&path, "--dependency-update"]);
    for want in ["web-1.3.0", "# Source: all/charts/other/templates/a.yaml", "name: other"] {
        assert!(printed.contains(want), "{want}: {printed}");
    }
    if helm(folder.path(), &["version"]).is_none() {
        assert!(!chart.join("charts").exists(), "nothing is written");
    }
}

/// A real registry, which ends with its standard input.
struct Registry(Child);

impl Drop for Registry {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

#[test]
fn charts_of_a_real_registry_render_as_with_helm() {
    let Some(program) = std::env::var_os("BOWLINE_REGISTRY") else { return };
    let folder = tempfile::tempdir().expect("a directory");
    for guarded in [false, true] {
        let mut command = Command::new(&program);
        if guarded {
            command.args(["me", "pass"]);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("runs");
        let mut address = String::new();
        BufReader::new(child.stdout.take().expect("is piped")).read_line(&mut address).expect("an address");
        let _registry = Registry(child);
        with_registry(&folder, address.trim(), guarded);
    }
}

fn with_registry(folder: &TempDir, address: &str, guarded: bool) {
    let place = format!("oci://{address}/team/charts");
    let login: &[&str] = if guarded { &["--username", "me", "--password", "pass"] } else { &[] };
    for version in VERSIONS.into_iter().chain(["1.4.0+build.7"]) {
        let archive = packed(folder.path(), version).display().to_string();
        let pushed = helm(folder.path(), &[&["push", &archive, &place, "--plain-http"], login].concat());
        let Some(pushed) = pushed else { return };
        assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    }
    let chart = format!("{place}/web");
    for (version, want) in
        [("", "1.4.0"), ("1.2.3", "1.2.3"), ("~1.2", "1.2.3"), (">=2-0", "2.0.0-beta.1"), ("1.4.0+build.7", "1.4.0")]
    {
        let version: &[&str] = if version.is_empty() { &[] } else { &["--version", version] };
        let printed = rendered(folder.path(), &[&[&*chart, "--plain-http"], version, login].concat());
        assert!(printed.contains(&format!("web-{want}")), "{version:?}: {printed}");
    }
    let tagged = format!("{chart}:1.3.0");
    rendered(folder.path(), &[&[&*tagged, "--plain-http"], login].concat());
    if guarded {
        let said = says(&[&chart, "--plain-http"]);
        assert!(said.contains("asks for credentials"), "{said}");
    }
}
