//! From what is wanted and what a remote lists to the commit meant. No input or output here.

use bowline_model::GitRef;
use git2::Oid;

use bowline_model::semver::{Constraint, Version, VersionError};

/// What a remote lists: its references, sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) refs: Vec<Listed>,
    /// What `HEAD` is a symbolic reference to.
    pub(crate) head: Option<String>,
}

/// One reference of a remote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    pub(crate) name: String,
    /// The object the reference names: a commit, or an annotated tag.
    pub(crate) id: Oid,
    /// What an annotated tag leads to.
    pub(crate) peeled: Option<Oid>,
}

/// What was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// A reference of the remote.
    Tip(Tip),
    /// A commit by its full id: no reference needs to name it.
    Commit(Oid),
    /// The first digits of a commit that no listed reference names.
    Short(String),
}

/// A reference that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tip {
    /// The name as revisions show it.
    pub(crate) name: String,
    /// What to ask the remote for: the tag object of an annotated tag.
    pub(crate) object: Oid,
    /// The commit.
    pub(crate) commit: Oid,
}

/// Why nothing was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unresolved {
    NotFound,
    Ambiguous,
    Invalid(String),
}

const HEADS: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";

/// The longest name or constraint.
const MAX_LENGTH: usize = 1024;

/// Finding out what a reference means.
pub(crate) trait Resolve: Sized {
    /// The same, cut where it is too long to be shown.
    fn shortened(&self) -> Self;
    /// Says why no repository can have this; such texts never reach a remote.
    fn flaw(&self) -> Option<String>;
    /// The prefixes of the reference names worth listing; none when no listing is needed.
    fn prefixes(&self) -> Vec<String>;
    /// Chooses from a listing.
    fn resolve(&self, listing: &Listing) -> Result<Resolved, Unresolved>;
}

impl Resolve for GitRef {
    fn shortened(&self) -> Self {
        let cut = |text: &String| shortened(text);
        match self {
            Self::Head => Self::Head,
            Self::Branch(text) => Self::Branch(cut(text)),
            Self::Tag(text) => Self::Tag(cut(text)),
            Self::Semver(text) => Self::Semver(cut(text)),
            Self::Name(text) => Self::Name(cut(text)),
            Self::Commit(text) => Self::Commit(cut(text)),
            Self::Any(text) => Self::Any(cut(text)),
        }
    }

    fn flaw(&self) -> Option<String> {
        match self {
            Self::Head => None,
            Self::Any(text) if text.is_empty() => None,
            Self::Branch(text) | Self::Tag(text) | Self::Name(text) | Self::Commit(text) => flaw(text, false),
            Self::Semver(text) | Self::Any(text) => flaw(text, true),
        }
    }

    fn prefixes(&self) -> Vec<String> {
        match self {
            Self::Head => vec!["HEAD".into()],
            Self::Branch(name) => vec![format!("{HEADS}{name}")],
            Self::Tag(name) => vec![format!("{TAGS}{name}")],
            Self::Semver(_) => vec![TAGS.into()],
            Self::Name(name) => vec![name.clone()],
            Self::Commit(_) => vec![],
            Self::Any(text) => match text.as_str() {
                "" | "HEAD" => vec!["HEAD".into()],
                text if full_commit(text).is_some() => vec![],
                // A full name may lie anywhere; the rest is a branch, a tag, or a commit of either.
                text => {
                    let mut prefixes = vec!["HEAD".into(), HEADS.into(), TAGS.into()];
                    if text.starts_with("refs/") && !text.starts_with(HEADS) && !text.starts_with(TAGS) {
                        prefixes.push(text.to_owned());
                    }
                    prefixes
                }
            },
        }
    }

    fn resolve(&self, listing: &Listing) -> Result<Resolved, Unresolved> {
        match self {
            Self::Head => listing.head(),
            Self::Branch(name) => listing.tip(&format!("{HEADS}{name}"), name),
            Self::Tag(name) => listing.tip(&format!("{TAGS}{name}"), name),
            Self::Semver(text) => {
                let constraint = Constraint::parse(text).map_err(|error| Unresolved::Invalid(error.to_string()))?;
                listing.highest(&constraint, Version::parse_strict).ok_or(Unresolved::NotFound)
            }
            Self::Name(name) => listing.tip(name, name),
            Self::Commit(text) => full_commit(text)
                .map(Resolved::Commit)
                .ok_or_else(|| Unresolved::Invalid("a commit has 40 hexadecimal digits".into())),
            Self::Any(text) => listing.any(text),
        }
    }
}

/// Cuts a text that is too long to be shown.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Says why a text can be neither a name nor a constraint; only the latter may hold blanks.
pub(crate) fn flaw(text: &str, blanks: bool) -> Option<String> {
    if text.len() > MAX_LENGTH {
        return Some(format!("it is longer than {MAX_LENGTH} bytes"));
    }
    if text.is_empty() {
        return Some("it is empty".into());
    }
    let bad = |letter: char| letter.is_control() || (letter == ' ' && !blanks);
    text.chars().find(|letter| bad(*letter)).map(|letter| format!("it holds the character {letter:?}"))
}

/// Reads 40 hexadecimal digits.
pub(crate) fn full_commit(text: &str) -> Option<Oid> {
    let digits = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits { Oid::from_str(&text.to_ascii_lowercase()).ok() } else { None }
}

impl Listing {
    /// The objects that branches and tags name.
    pub(crate) fn tips(&self) -> Vec<Oid> {
        let kept = |listed: &&Listed| listed.name.starts_with(HEADS) || listed.name.starts_with(TAGS);
        let mut tips: Vec<Oid> = self.refs.iter().filter(kept).map(|listed| listed.id).collect();
        tips.sort_unstable();
        tips.dedup();
        tips
    }

    fn get(&self, name: &str) -> Option<&Listed> {
        self.refs.binary_search_by(|listed| listed.name.as_str().cmp(name)).ok().map(|index| &self.refs[index])
    }

    fn tip(&self, name: &str, shown: &str) -> Result<Resolved, Unresolved> {
        self.get(name).map(|listed| listed.tip(shown)).ok_or(Unresolved::NotFound)
    }

    /// A revision names `HEAD` by the branch behind it, when the remote tells.
    fn head(&self) -> Result<Resolved, Unresolved> {
        let shown = self.head.as_deref().and_then(|name| name.strip_prefix(HEADS)).unwrap_or("HEAD");
        self.tip("HEAD", shown)
    }

    fn highest(&self, constraint: &Constraint, read: fn(&str) -> Result<Version, VersionError>) -> Option<Resolved> {
        let tags = self.refs.iter().filter_map(|listed| listed.name.strip_prefix(TAGS));
        let tag = constraint.highest(tags, read)?;
        self.get(&format!("{TAGS}{tag}")).map(|listed| listed.tip(tag))
    }

    /// Argo CD's order (`util/git/client.go`, `lsRemote`): a full commit; the highest tag when the text is a
    /// constraint and no plain version; a branch before a tag of the same name; at last a shortened commit.
    fn any(&self, text: &str) -> Result<Resolved, Unresolved> {
        if matches!(text, "" | "HEAD") {
            return self.head();
        }
        if let Some(commit) = full_commit(text) {
            return Ok(Resolved::Commit(commit));
        }
        if Version::parse(text).is_err()
            && let Ok(constraint) = Constraint::parse(text)
            && let Some(found) = self.highest(&constraint, Version::parse)
        {
            return Ok(found);
        }
        let full = [text.to_owned(), format!("{HEADS}{text}"), format!("{TAGS}{text}")];
        if let Some(listed) = full.iter().find_map(|name| self.get(name)) {
            return Ok(listed.tip(text));
        }
        if is_short_commit(text) { self.short(text) } else { Err(Unresolved::NotFound) }
    }

    fn short(&self, text: &str) -> Result<Resolved, Unresolved> {
        let digits = text.to_ascii_lowercase();
        let mut commits: Vec<Oid> = self
            .refs
            .iter()
            .map(|listed| listed.peeled.unwrap_or(listed.id))
            .filter(|commit| commit.to_string().starts_with(&digits))
            .collect();
        commits.sort_unstable();
        commits.dedup();
        match commits[..] {
            [] => Ok(Resolved::Short(digits)),
            [commit] => Ok(Resolved::Commit(commit)),
            _ => Err(Unresolved::Ambiguous),
        }
    }
}

/// Argo CD takes 7 digits or more as a shortened commit.
fn is_short_commit(text: &str) -> bool {
    (7..40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Listed {
    fn tip(&self, shown: &str) -> Resolved {
        Resolved::Tip(Tip { name: shown.to_owned(), object: self.id, commit: self.peeled.unwrap_or(self.id) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(digit: char) -> Oid {
        Oid::from_str(&digit.to_string().repeat(40)).expect("is hexadecimal")
    }

    fn listing() -> Listing {
        let mut refs: Vec<Listed> = [
            ("HEAD", 'a', None),
            ("refs/heads/main", 'a', None),
            ("refs/heads/v1.x", 'b', None),
            ("refs/heads/both", 'c', None),
            ("refs/tags/both", 'd', None),
            ("refs/tags/v1.0.0", '1', Some('2')),
            ("refs/tags/v1.2.0", '3', None),
            ("refs/tags/v2.0.0-rc.1", '4', None),
            ("refs/pull/7/head", '7', None),
        ]
        .into_iter()
        .map(|(name, id, peeled)| Listed { name: name.into(), id: oid(id), peeled: peeled.map(oid) })
        .collect();
        refs.sort();
        Listing { refs, head: Some("refs/heads/main".into()) }
    }

    #[test]
    fn each_kind_of_reference_is_found() {
        let any = |text: &str| GitRef::Any(text.into());
        let cases = [
            (GitRef::Head, "main aa"),
            (GitRef::Branch("main".into()), "main aa"),
            (GitRef::Branch("v1.0.0".into()), "not found"),
            (GitRef::Tag("v1.0.0".into()), "v1.0.0 12"),
            (GitRef::Tag("main".into()), "not found"),
            (GitRef::Semver("^1".into()), "v1.2.0 33"),
            (GitRef::Semver(">2".into()), "not found"),
            (GitRef::Semver("2.0.0-0".into()), "not found"),
            (GitRef::Semver(">=2.0.0-0".into()), "v2.0.0-rc.1 44"),
            (GitRef::Semver("main".into()), "invalid"),
            (GitRef::Name("refs/pull/7/head".into()), "refs/pull/7/head 77"),
            (GitRef::Commit("A".repeat(40)), "commit a"),
            (GitRef::Commit("abc".into()), "invalid"),
            (any(""), "main aa"),
            (any("HEAD"), "main aa"),
            (any("main"), "main aa"),
            (any("both"), "both cc"),
            (any("v1.0.0"), "v1.0.0 12"),
            (any("v1.x"), "v1.2.0 33"),
            (any("1.*"), "v1.2.0 33"),
            (any("refs/tags/v1.0.0"), "refs/tags/v1.0.0 12"),
            (any("refs/pull/7/head"), "refs/pull/7/head 77"),
            (any(&"7".repeat(40)), "commit 7"),
            (any("aaaaaaa"), "commit a"),
            (any("2222222"), "commit 2"),
            (any("abcdef0"), "short abcdef0"),
            (any("abcdef"), "not found"),
            (any("nothing"), "not found"),
        ];
        let listing = listing();
        for (wanted, want) in cases {
            let first = |oid: Oid| oid.to_string()[..1].to_owned();
            let have = match wanted.resolve(&listing) {
                Ok(Resolved::Tip(tip)) => format!("{} {}{}", tip.name, first(tip.object), first(tip.commit)),
                Ok(Resolved::Commit(commit)) => format!("commit {}", first(commit)),
                Ok(Resolved::Short(digits)) => format!("short {digits}"),
                Err(Unresolved::NotFound) => "not found".into(),
                Err(Unresolved::Ambiguous) => "ambiguous".into(),
                Err(Unresolved::Invalid(_)) => "invalid".into(),
            };
            assert_eq!(have, want, "{wanted}");
        }
    }

    #[test]
    fn what_is_needed_is_listed() {
        let listing = listing();
        for wanted in ["main", "v1.0.0", "refs/pull/7/head", "HEAD", "both"] {
            let wanted = GitRef::Any(wanted.into());
            let prefixes = wanted.prefixes();
            let seen = Listing {
                refs: listing
                    .refs
                    .iter()
                    .filter(|listed| prefixes.iter().any(|prefix| listed.name.starts_with(prefix)))
                    .cloned()
                    .collect(),
                head: listing.head.clone(),
            };
            assert_eq!(wanted.resolve(&seen), wanted.resolve(&listing), "{wanted}");
        }
    }
}
