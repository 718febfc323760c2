use bowline_model::{GitRef, Remote};
use bytes::Bytes;
use git2::Oid;
use tokio::sync::mpsc;

use super::pkt::{Pkt, Request};
use super::{HttpClients, Link, Stage};
use crate::SourceError;
use crate::limits::{MAX_PACK_BYTES, MAX_REFS};
use crate::resolve::{Listed, Listing};

/// Where the bytes of a pack go; closing it without [`PackPart::End`] means that the pack is incomplete.
pub(crate) type PackSink = mpsc::Sender<PackPart>;

/// A piece of a pack.
#[derive(Debug)]
pub(crate) enum PackPart {
    Data(Bytes),
    End,
}

/// What to fetch.
#[derive(Debug, Default)]
pub(crate) struct Want {
    pub(crate) objects: Vec<Oid>,
    /// Commits whose whole trees are here already, without their parents.
    pub(crate) have: Vec<Oid>,
    pub(crate) depth: Depth,
}

/// How much of the history to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Depth {
    /// The wanted commits alone, where the server can cut there.
    #[default]
    One,
    /// All commits, without files and directories where the server can leave them out.
    Commits,
    /// Everything.
    All,
}

/// One conversation with a remote.
pub(crate) struct Session<'a> {
    remote: &'a Remote,
    clients: &'a HttpClients,
    url: String,
    link: Link,
    dialect: Dialect,
    stage: Stage,
    /// Whether the other side has ended, as a server of version 0 does with its first pack.
    is_spent: bool,
}

enum Dialect {
    /// What the server can do, one `key` or `key=value` each.
    Two(Vec<String>),
    /// All references came with the greeting.
    Zero { capabilities: Vec<String>, listing: Listing },
}

const AGENT: &str = concat!("agent=bowline/", env!("CARGO_PKG_VERSION"));

impl<'a> Session<'a> {
    /// Connects, proves both sides to each other and reads the server's greeting.
    pub(crate) async fn open(remote: &'a Remote, clients: &'a HttpClients, stage: Stage) -> Result<Self, SourceError> {
        let link = Link::open(remote, clients).await?;
        let dialect = Dialect::Two(Vec::new());
        let url = remote.shown_url();
        let mut session = Self { remote, clients, url, link, dialect, stage, is_spent: false };
        session.greet().await?;
        Ok(session)
    }

    async fn greet(&mut self) -> Result<(), SourceError> {
        let mut first = self.next().await?;
        // Over HTTP the greeting may have a title of its own.
        if first.text().starts_with("# service=") {
            let _flush = self.next().await?;
            first = self.next().await?;
        }
        self.dialect = if first.text() == "version 2" {
            let mut capabilities = Vec::new();
            loop {
                match self.next().await? {
                    Pkt::Flush => break Dialect::Two(capabilities),
                    line => capabilities.push(line.text().to_owned()),
                }
            }
        } else {
            self.greeting_zero(first).await?
        };
        let format = self.capability("object-format").unwrap_or("sha1");
        if format != "sha1" {
            let what = format!("{format} object names");
            return Err(SourceError::Unsupported { url: self.url.clone(), what });
        }
        Ok(())
    }

    async fn greeting_zero(&mut self, first: Pkt) -> Result<Dialect, SourceError> {
        let Pkt::Data(data) = &first else {
            // A flush alone: an empty repository of a very old server.
            return Ok(Dialect::Zero { capabilities: Vec::new(), listing: Listing::default() });
        };
        let text = String::from_utf8_lossy(data);
        let (line, capabilities) = text.trim_end_matches('\n').split_once('\0').unwrap_or((text.trim_end(), ""));
        let capabilities: Vec<String> = capabilities.split_whitespace().map(str::to_owned).collect();
        let mut lines = vec![line.to_owned()];
        if line != "version 1" && Oid::from_str(line.get(..40).unwrap_or_default()).is_err() {
            return Err(self.protocol("its greeting is not Git's"));
        }
        loop {
            match self.next().await? {
                Pkt::Flush => break,
                line => lines.push(line.text().to_owned()),
            }
            self.check_count(lines.len())?;
        }
        let mut refs: Vec<Listed> = Vec::new();
        for line in &lines {
            let Some((id, name)) = line.split_once(' ') else { continue };
            let Ok(id) = Oid::from_str(id) else { continue };
            match name.strip_suffix("^{}") {
                Some("capabilities") => {}
                // The peeled tag follows its tag.
                Some(tag) => {
                    if let Some(listed) = refs.last_mut().filter(|listed| listed.name == tag) {
                        listed.peeled = Some(id);
                    }
                }
                None => refs.push(Listed { name: name.to_owned(), id, peeled: None }),
            }
        }
        refs.sort();
        let head = capabilities.iter().find_map(|word| word.strip_prefix("symref=HEAD:")).map(str::to_owned);
        Ok(Dialect::Zero { capabilities, listing: Listing { refs, head } })
    }

    /// Lists the references with one of the prefixes, perhaps others too.
    pub(crate) async fn list(&mut self, prefixes: &[String]) -> Result<Listing, SourceError> {
        if let Dialect::Zero { listing, .. } = &self.dialect {
            return Ok(listing.clone());
        }
        self.stage.set("listing references");
        let mut request = self.command("ls-refs");
        request.delimiter().line("peel").line("symrefs");
        for prefix in prefixes {
            request.line(&format!("ref-prefix {prefix}"));
        }
        request.flush();
        self.link.send(request.finish()).await?;
        let mut listing = Listing::default();
        loop {
            let line = match self.next().await? {
                Pkt::Flush => break,
                line => line,
            };
            let mut words = line.text().split(' ');
            let (id, name) = (words.next().map(Oid::from_str), words.next());
            let (Some(Ok(id)), Some(name)) = (id, name) else {
                return Err(self.protocol("a reference has no valid line"));
            };
            let mut peeled = None;
            for word in words {
                if let Some(target) = word.strip_prefix("symref-target:").filter(|_| name == "HEAD") {
                    listing.head = Some(target.to_owned());
                } else if let Some(id) = word.strip_prefix("peeled:") {
                    peeled = Oid::from_str(id).ok();
                }
            }
            listing.refs.push(Listed { name: name.to_owned(), id, peeled });
            self.check_count(listing.refs.len())?;
        }
        listing.refs.sort();
        Ok(listing)
    }

    /// Fetches objects into the sink, which gets an end only when the pack is complete.
    pub(crate) async fn fetch(&mut self, want: &Want, sink: PackSink) -> Result<(), SourceError> {
        if self.is_spent {
            self.stage.set("connecting again");
            self.link = Link::open(self.remote, self.clients).await?;
            self.greet().await?;
        }
        self.stage.set("fetching");
        match &self.dialect {
            Dialect::Two(_) => self.fetch_two(want, sink).await,
            Dialect::Zero { .. } => {
                self.is_spent = !self.link.is_stateless();
                self.fetch_zero(want, sink).await
            }
        }
    }

    /// Whether the server can leave out files and directories.
    pub(crate) fn can_filter(&self) -> bool {
        match &self.dialect {
            Dialect::Two(_) => self.fetch_feature("filter"),
            Dialect::Zero { capabilities, .. } => capabilities.iter().any(|word| word == "filter"),
        }
    }

    /// Whether a commit can be asked for that no reference names.
    pub(crate) fn can_want_any_commit(&self) -> bool {
        match &self.dialect {
            Dialect::Two(_) => true,
            Dialect::Zero { capabilities, .. } => capabilities
                .iter()
                .any(|word| matches!(word.as_str(), "allow-reachable-sha1-in-want" | "allow-any-sha1-in-want")),
        }
    }

    async fn fetch_two(&mut self, want: &Want, sink: PackSink) -> Result<(), SourceError> {
        let mut request = self.command("fetch");
        request.delimiter().line("ofs-delta").line("no-progress");
        for object in &want.objects {
            request.line(&format!("want {object}"));
        }
        if !want.have.is_empty() {
            // Only for a thin pack does a server look at what the trees of shallow commits hold; the indexer
            // completes it from what is here.
            request.line("thin-pack");
        }
        let shallow = self.fetch_feature("shallow");
        for commit in &want.have {
            request.line(&format!("have {commit}"));
            if shallow && want.depth == Depth::One {
                request.line(&format!("shallow {commit}"));
            }
        }
        if want.depth == Depth::Commits && self.can_filter() {
            request.line("filter tree:0");
        }
        if want.depth == Depth::One && shallow {
            request.line("deepen 1");
        }
        request.line("done").flush();
        self.link.send(request.finish()).await?;
        // Sections other than the pack tell nothing that is needed: what is shallow is known without.
        loop {
            match self.next().await? {
                line if line.text() == "packfile" => break,
                Pkt::Flush => return Err(self.protocol("its answer has no pack")),
                _ => {}
            }
        }
        self.pack(None, sink).await
    }

    fn request_zero(&self, want: &Want) -> Result<Bytes, SourceError> {
        let offered = |name: &str| self.has_capability(name);
        if !offered("side-band-64k") {
            return Err(self.protocol("it cannot send a pack beside messages"));
        }
        let mut words = vec!["side-band-64k", "ofs-delta", "no-progress"];
        words.retain(|word| offered(word));
        let shallow = want.depth == Depth::One && offered("shallow");
        let filter = want.depth == Depth::Commits && offered("filter");
        words.extend(shallow.then_some("shallow").into_iter().chain(filter.then_some("filter")));
        let mut request = Request::default();
        for (index, object) in want.objects.iter().enumerate() {
            let words = if index == 0 { format!(" {} {AGENT}", words.join(" ")) } else { String::new() };
            request.line(&format!("want {object}{words}"));
        }
        if shallow {
            request.line("deepen 1");
        }
        if filter {
            request.line("filter tree:0");
        }
        request.flush().line("done");
        Ok(request.finish())
    }

    async fn fetch_zero(&mut self, want: &Want, sink: PackSink) -> Result<(), SourceError> {
        let request = self.request_zero(want)?;
        self.link.send(request).await?;
        let first = loop {
            let line = self.next().await?;
            let text = line.text();
            let word = text.split(' ').next().unwrap_or_default();
            match word {
                "shallow" | "unshallow" | "NAK" | "ACK" => {}
                _ if line == Pkt::Flush => {}
                _ => break line,
            }
        };
        self.pack(Some(first), sink).await
    }

    /// Passes the pack on until the flush that ends it.
    async fn pack(&mut self, first: Option<Pkt>, sink: PackSink) -> Result<(), SourceError> {
        let mut total = 0;
        let mut line = first;
        loop {
            let data = match line.take() {
                Some(line) => line,
                None => self.next().await?,
            };
            let Pkt::Data(data) = data else { break };
            match data.first() {
                Some(1) => {
                    total += data.len() as u64 - 1;
                    if total > MAX_PACK_BYTES {
                        let what = "the pack";
                        return Err(SourceError::TooLarge { url: self.url.clone(), what, limit: MAX_PACK_BYTES });
                    }
                    // A closed sink means that the pack is bad; the one who reads it knows why.
                    if sink.send(PackPart::Data(data.slice(1..))).await.is_err() {
                        return Ok(());
                    }
                }
                Some(3) => {
                    let message = String::from_utf8_lossy(&data[1..]).trim().to_owned();
                    return Err(SourceError::Remote { url: self.url.clone(), message });
                }
                // Band 2 is progress for people who watch.
                Some(2) | None => {}
                Some(_) => return Err(self.protocol("its pack comes in no known band")),
            }
        }
        if total == 0 {
            return Err(self.protocol("its pack is empty"));
        }
        // The same as above: the reader has the reason.
        let _closed = sink.send(PackPart::End).await;
        Ok(())
    }

    /// Reads one line; a line that begins with `ERR` ends the conversation.
    async fn next(&mut self) -> Result<Pkt, SourceError> {
        let line = match self.link.reader().next().await {
            Ok(line) => line,
            Err(error) => return Err(self.link.explain(error).await),
        };
        match line.text().strip_prefix("ERR ") {
            Some(message) => Err(remote_message(&self.url, message)),
            None => Ok(line),
        }
    }

    fn command(&self, name: &str) -> Request {
        let mut request = Request::default();
        request.line(&format!("command={name}"));
        if self.has_capability("agent") {
            request.line(AGENT);
        }
        if self.has_capability("object-format") {
            request.line("object-format=sha1");
        }
        request
    }

    fn capabilities(&self) -> &[String] {
        match &self.dialect {
            Dialect::Two(capabilities) | Dialect::Zero { capabilities, .. } => capabilities,
        }
    }

    fn capability(&self, name: &str) -> Option<&str> {
        self.capabilities().iter().find_map(|word| match word.split_once('=') {
            Some((key, value)) if key == name => Some(value),
            None if word == name => Some(""),
            _ => None,
        })
    }

    fn has_capability(&self, name: &str) -> bool {
        self.capability(name).is_some()
    }

    fn fetch_feature(&self, name: &str) -> bool {
        self.capability("fetch").is_some_and(|features| features.split(' ').any(|feature| feature == name))
    }

    fn check_count(&self, count: usize) -> Result<(), SourceError> {
        if count <= MAX_REFS {
            return Ok(());
        }
        Err(SourceError::TooLarge { url: self.url.clone(), what: "the number of references", limit: MAX_REFS as u64 })
    }

    fn protocol(&self, why: &str) -> SourceError {
        SourceError::Protocol { url: self.url.clone(), why: why.into() }
    }

    /// Says goodbye, where the other side waits for it.
    pub(crate) async fn close(mut self) {
        if !self.link.is_stateless() && !self.is_spent {
            let mut request = Request::default();
            request.flush();
            // The answer is here already: a lost goodbye harms nobody.
            let _lost = self.link.send(request.finish()).await;
        }
    }
}

/// Sorts out what a remote says in its own words.
pub(super) fn remote_message(url: &str, message: &str) -> SourceError {
    let message = message.trim().trim_start_matches("ERROR: ").trim();
    let lower = message.to_ascii_lowercase();
    if let Some((_, id)) = message.split_once("not our ref ") {
        let wanted = GitRef::Commit(id.split_whitespace().next().unwrap_or_default().to_owned());
        return SourceError::ReferenceNotFound { url: url.to_owned(), wanted: wanted.into() };
    }
    let gone = ["repository not found", "does not appear to be a git repository", "not found", "does not exist"];
    if gone.iter().any(|words| lower.contains(words)) {
        return SourceError::RepositoryNotFound { url: url.to_owned() };
    }
    SourceError::Remote { url: url.to_owned(), message: message.chars().take(500).collect() }
}
