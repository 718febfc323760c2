//! What is remote: addresses of repositories in all the ways that kustomizations write them, and who fetches.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bowline_tree::{Tree, TreePath};
use bytes::Bytes;

/// Fetches what is named by an address.
///
/// What is asked for twice in one build must be the same both times.
pub trait Remotes {
    /// Returns the content of a file that is named by `http` or `https`.
    ///
    /// # Errors
    ///
    /// [`NotFetched`], which tells whether a server answered.
    fn file(&self, url: &str) -> Result<Bytes, NotFetched>;

    /// Returns the files of a repository; submodules are not among them.
    ///
    /// # Errors
    ///
    /// Why there are none, in words.
    fn repository(&self, url: &RepositoryUrl) -> Result<Arc<dyn Tree>, String>;

    /// Returns the files of a chart, whose own directory is the top.
    ///
    /// # Errors
    ///
    /// Why there are none, in words.
    fn chart(&self, chart: &RemoteChart<'_>) -> Result<Arc<dyn Tree>, String>;
}

/// Why a file that is named by its address was not fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotFetched {
    /// The server answered with another status than success.
    Status(u16),
    /// There was no answer, or none of use.
    Failed(String),
}

/// A chart that is named with the repository that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteChart<'a> {
    /// The address of the repository or, beginning with `oci://`, of the registry.
    pub repository: &'a str,
    /// The chart's name there.
    pub name: &'a str,
    /// The version or a constraint; empty for the newest.
    pub version: &'a str,
    /// Whether the newest may be a pre-release.
    pub takes_pre_releases: bool,
}

/// A directory of a Git repository, as kustomizations name it: `github.com/org/repo//dir?ref=v1` and others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryUrl {
    pub(crate) raw: String,
    /// What `git fetch` would be given.
    pub address: String,
    /// The directory in the repository; empty for its top.
    pub directory: String,
    /// The branch, tag, reference or full commit; empty for `HEAD`.
    pub reference: String,
    /// How long fetching may take, where the address says.
    pub timeout: Option<Duration>,
}

/// The text is no address of a repository: it is a path, if anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotARepository(String);

impl RepositoryUrl {
    /// Reads an address as Kustomize does (`api/internal/git/repospec.go`).
    ///
    /// # Errors
    ///
    /// [`NotARepository`] for everything that Kustomize takes for a path.
    pub fn parse(text: &str) -> Result<Self, NotARepository> {
        let not = |why: String| Err(NotARepository(why));
        if text.starts_with('/') {
            return not(format!("uri looks like abs path: {text}"));
        }
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let (host, path) = match host(place) {
            Ok(found) => found,
            Err(why) => return not(why.to_owned()),
        };
        let Some((repository, directory)) = split(path, host == FILE).filter(|(repository, _)| !repository.is_empty())
        else {
            return not("failed to parse repo path segment".to_owned());
        };
        let directory = directory.strip_prefix('/').unwrap_or(directory);
        if TreePath::root().join(&format!("./{directory}")).is_err() {
            return not(format!("url path exits repo: {path}"));
        }
        let query = Query::parse(query).unwrap_or_default();
        Ok(Self {
            raw: text.to_owned(),
            address: format!("{host}{repository}"),
            directory: directory.to_owned(),
            reference: query.reference,
            timeout: query.timeout,
        })
    }

    /// The directory as a path in the repository.
    pub(crate) fn path(&self) -> TreePath {
        TreePath::root().join(&format!("./{}", self.directory)).unwrap_or_default()
    }
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may hold a password.
        f.write_str(&bowline_model::Remote::new(self.address.clone()).shown_url())?;
        if self.reference.is_empty() { Ok(()) } else { write!(f, "@{}", self.reference) }
    }
}

/// What HTTP calls a status.
pub(crate) fn status_text(status: u16) -> &'static str {
    const TEXTS: [(u16, &str); 26] = [
        (300, "Multiple Choices"),
        (304, "Not Modified"),
        (305, "Use Proxy"),
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (402, "Payment Required"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (406, "Not Acceptable"),
        (407, "Proxy Authentication Required"),
        (408, "Request Timeout"),
        (409, "Conflict"),
        (410, "Gone"),
        (412, "Precondition Failed"),
        (414, "Request URI Too Long"),
        (418, "I'm a teapot"),
        (421, "Misdirected Request"),
        (423, "Locked"),
        (429, "Too Many Requests"),
        (451, "Unavailable For Legal Reasons"),
        (500, "Internal Server Error"),
        (501, "Not Implemented"),
        (502, "Bad Gateway"),
        (503, "Service Unavailable"),
        (504, "Gateway Timeout"),
    ];
    TEXTS.iter().find(|(code, _)| *code == status).map_or("", |(_, text)| text)
}

const FILE: &str = "file://";
const SSH: &str = "ssh://";
const SCHEMES: [&str; 4] = [SSH, "https://", "http://", FILE];

fn without<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// Takes off what comes before the path: scheme, user and host, up to the separator and with it.
fn host(text: &str) -> Result<(String, &str), &'static str> {
    let text = without(text, "git::").unwrap_or(text);
    let found = SCHEMES.iter().find_map(|scheme| Some((*scheme, without(text, scheme)?)));
    let (scheme, rest) = found.unwrap_or(("", text));
    if scheme == FILE {
        return Ok((FILE.to_owned(), rest));
    }
    let (user, rest) = user(rest);
    let is_github = ["github.com/", "github.com:"].iter().any(|host| without(rest, host).is_some());
    // `user@host:path`, as scp has it: no scheme, and a colon.
    let may_be_scp = scheme.is_empty() && (!user.is_empty() || is_github);
    if scheme.is_empty() && !may_be_scp {
        return Err("failed to parse scheme");
    }
    let mut end = rest.find('/');
    if may_be_scp {
        let colon = rest.find(':');
        if end.is_none() || colon.is_some_and(|colon| colon > 0 && Some(colon) < end) {
            end = colon;
        }
    }
    let (host, path) = end.map_or((rest, ""), |end| rest.split_at(end + 1));
    if is_github {
        let by_ssh = scheme == SSH || !user.is_empty();
        return Ok((if by_ssh { format!("{user}github.com:") } else { "https://github.com/".to_owned() }, path));
    }
    if host.is_empty() {
        return Err("failed to parse host segment");
    }
    Ok((format!("{scheme}{user}{host}"), path))
}

/// Takes off `name@`.
fn user(text: &str) -> (&str, &str) {
    let length = text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-').count();
    let is_user = text.starts_with(|first: char| first.is_ascii_alphabetic()) && text[length..].starts_with('@');
    if is_user { text.split_at(length + 1) } else { ("", text) }
}

/// Tells the repository's part of a path from the directory in it: by `_git/`, `//` or `.git`, in this order, or by how
/// many parts repositories of GitHub have.
fn split(path: &str, is_local: bool) -> Option<(&str, &str)> {
    const AZURE: &str = "_git/";
    const SUFFIX: &str = ".git";
    if let Some(at) = path.find(AZURE) {
        let start = at + AZURE.len();
        return Some(match path[start..].find('/') {
            Some(end) => (&path[..start + end], &path[start + end + 1..]),
            None => (path, ""),
        });
    }
    if let Some(parts) = path.split_once("//") {
        return Some(parts);
    }
    if let Some(at) = path.find(SUFFIX) {
        return Some(path.split_at(at + SUFFIX.len()));
    }
    if is_local {
        return Some((path, ""));
    }
    let mut slashes = path.match_indices('/').map(|(at, _)| at);
    slashes.next()?;
    Some(match slashes.next() {
        Some(end) => (&path[..end], &path[end + 1..]),
        None => (path, ""),
    })
}

/// What follows the question mark.
#[derive(Default)]
struct Query {
    reference: String,
    timeout: Option<Duration>,
}

impl Query {
    /// Reads a query; `None` where Go cannot read it, and then nothing of it counts.
    fn parse(text: &str) -> Option<Self> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pair.contains(';') {
                return None;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((unescaped(name)?, unescaped(value)?));
        }
        let first = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let said = |wanted: &str| first(wanted).filter(|value| !value.is_empty());
        let reference = said("ref").or_else(|| said("version")).unwrap_or_default().to_owned();
        Some(Self { reference, timeout: said("timeout").and_then(timeout) })
    }
}

/// Reads seconds, or a duration as Go writes it; what is neither, or not above zero, is passed over.
fn timeout(text: &str) -> Option<Duration> {
    let read = match text.parse::<i64>() {
        Ok(secs) => u64::try_from(secs).ok().map(Duration::from_secs),
        Err(_) => bowline_model::parse_go_duration(text).ok(),
    };
    read.filter(|duration| !duration.is_zero())
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<[String; 3]> {
        let url = RepositoryUrl::parse(text).ok()?;
        Some([url.address, url.directory, url.reference])
    }

    #[test]
    fn repositories_are_told_from_paths_and_taken_apart() {
        for (text, want) in [
            ("https://github.com/org/repo//dir?ref=v1", ["https://github.com/org/repo", "dir", "v1"]),
            ("github.com/org/repo/a/b?ref=v1", ["https://github.com/org/repo", "a/b", "v1"]),
            ("GitHub.com/org/repo.git/a", ["https://github.com/org/repo.git", "a", ""]),
            ("git@github.com:org/repo", ["git@github.com:org/repo", "", ""]),
            ("ssh://git@github.com/org/repo//a", ["git@github.com:org/repo", "a", ""]),
            ("ssh://git@host:22/team/org/repo.git/dir", ["ssh://git@host:22/team/org/repo.git", "dir", ""]),
            ("git::https://host/org/repo?version=2", ["https://host/org/repo", "", "2"]),
            ("me@host.example:team/repo//x", ["me@host.example:team/repo", "x", ""]),
            ("https://host/org/_git/repo/a/b", ["https://host/org/_git/repo", "a/b", ""]),
            ("file:///srv/repo.git//a?ref=main&timeout=61", ["file:///srv/repo.git", "a", "main"]),
            ("file:///srv/repo", ["file:///srv/repo", "", ""]),
            ("https://host/org/repo?ref=a%2Fb+c", ["https://host/org/repo", "", "a/b c"]),
            ("https://host/org/repo?ref=a%zz", ["https://host/org/repo", "", ""]),
        ] {
            assert_eq!(parts(text), Some(want.map(str::to_owned)), "{text}");
        }
        for path in [
            "../base",
            "base/dir",
            "/absolute",
            "https://host/file",
            "github.com",
            "a@b",
            "https://host/org/repo//../..",
            "https://",
        ] {
            assert_eq!(parts(path), None, "{path}");
        }
    }

    #[test]
    fn timeouts_are_seconds_or_durations() {
        let read = |text: &str| RepositoryUrl::parse(&format!("https://h/o/r?timeout={text}")).ok()?.timeout;
        assert_eq!(read("61"), Some(Duration::from_secs(61)));
        assert_eq!(read("2m"), Some(Duration::from_mins(2)));
        assert_eq!((read("0"), read("-1"), read("x")), (None, None, None));
    }
}
