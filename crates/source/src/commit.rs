use git2::Oid;
use jiff::Timestamp;

/// What a commit says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// Who wrote the change.
    pub author: String,
    /// The author's address.
    pub email: String,
    /// When the change was written.
    pub date: Timestamp,
    /// The whole message.
    pub message: String,
}

impl CommitInfo {
    /// The first line of the message.
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

/// A commit object, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) tree: Oid,
    pub(crate) parents: Vec<Oid>,
    /// When it was committed, in seconds since 1970.
    pub(crate) committed: i64,
    pub(crate) info: CommitInfo,
}

impl Commit {
    /// Reads the object's text: headers, a blank line, the message.
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(data);
        let (headers, message) = text.split_once("\n\n").unwrap_or((&text, ""));
        let (mut tree, mut parents, mut author, mut committed) = (None, Vec::new(), None, 0);
        for line in headers.lines() {
            match line.split_once(' ') {
                Some(("tree", id)) => tree = Oid::from_str(id).ok(),
                Some(("parent", id)) => parents.push(Oid::from_str(id).ok()?),
                // A continued header, such as a signature, starts with a blank and so has an empty word.
                Some(("author", who)) => author = signature(who),
                Some(("committer", who)) => committed = signature(who).map_or(0, |(_, _, seconds)| seconds),
                _ => {}
            }
        }
        let (author, email, seconds) = author.unwrap_or_default();
        let date = Timestamp::from_second(seconds).unwrap_or_default();
        let info = CommitInfo { author, email, date, message: message.to_owned() };
        Some(Self { tree: tree?, parents, committed, info })
    }
}

/// Takes `Name <address> seconds zone` apart.
fn signature(text: &str) -> Option<(String, String, i64)> {
    let (name, rest) = text.split_once('<')?;
    let (email, rest) = rest.rsplit_once('>')?;
    let seconds = rest.split_whitespace().next().and_then(|seconds| seconds.parse().ok()).unwrap_or_default();
    Some((name.trim().to_owned(), email.to_owned(), seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read() {
        let text = "tree 1111111111111111111111111111111111111111\nparent 2222222222222222222222222222222222222222\n\
                    author Ann Lee <ann@example.com> 1700000000 +0100\ncommitter Bob <bob@example.com> 1700000060 +0000\n\
                    gpgsig -----BEGIN\n abc\n -----END\n\nFix it\n\nBecause.\n";
        let commit = Commit::parse(text.as_bytes()).expect("is one");
        assert_eq!(commit.parents.len(), 1);
        assert_eq!(commit.committed, 1_700_000_060);
        assert_eq!(commit.info.author, "Ann Lee");
        assert_eq!(commit.info.email, "ann@example.com");
        assert_eq!(commit.info.date.as_second(), 1_700_000_000);
        assert_eq!(commit.info.subject(), "Fix it");
        assert_eq!(Commit::parse(b"nonsense"), None);
    }
}
