//! Remotes become trees: Git over file, HTTP and SSH; charts of Helm repositories; charts and artifacts of registries.
//!
//! [`Sources`] is the hub. A [`Subscription`] tells what is [wanted](bowline_model::Wanted) of a [remote](bowline_model::Remote) means now and wakes when
//! that changes; [`Sources::open`] gives the files of a revision as a [`bowline_tree::Tree`], straight from
//! the object database of one bare clone, or from an archive kept by its digest. No work tree is ever written, and no hook, filter, submodule command
//! or other program is ever run: this crate speaks Git's wire protocol itself.
//!
//! What this crate leaves to others: which references to follow and what to do when one moves.

mod ancestry;
mod archive;
mod commit;
mod elsewhere;
mod error;
mod limits;
mod local;
mod mirror;
mod poller;
mod remote;
mod resolve;
mod sources;
mod store;
mod tree;
mod wire;

pub use commit::CommitInfo;
pub use elsewhere::GitRemotes;
pub use error::SourceError;
pub use limits::{
    DEFAULT_TIMEOUT, MAX_ARCHIVE_BYTES, MAX_ARCHIVE_FILES, MAX_BLOB_BYTES, MAX_INDEX_BYTES, MAX_INDEX_VERSIONS,
    MAX_MANIFEST_BYTES, MAX_PACK_BYTES, MAX_REDIRECTS, MAX_REFS, MAX_TAGS, MAX_UNPACKED_BYTES,
};
pub use poller::{Polled, Subscription};
pub use sources::{Options, Sources};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use bowline_model::semver::{Constraint, Version};
    use bowline_model::{GitRef, Remote};

    use crate::commit::Commit;
    use crate::remote::Located as _;
    use crate::resolve::Resolve as _;
    use crate::tree::RawEntry;

    proptest! {
        /// What a server, a repository or a resource may say is read or refused, never fatal.
        #[test]
        fn no_text_panics(text in r"\PC*|[a-z0-9.:@/\[\]%~^<>=|* \-\n\x00]{0,60}") {
            let remote = Remote::new(text.clone());
            let _any = (remote.address().is_ok(), remote.shown_url(), remote.key());
            let _any = (Version::parse(&text).is_ok(), Version::parse_strict(&text).is_ok(), Constraint::parse(&text).is_ok());
            let _any = GitRef::Any(text.clone()).resolve(&crate::resolve::Listing::default()).is_ok();
            let _any = (Commit::parse(text.as_bytes()), RawEntry::parse_all(text.as_bytes()));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _any = (Commit::parse(&bytes), RawEntry::parse_all(&bytes));
        }
    }
}
