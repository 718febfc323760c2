//! URLs, as Go's `url.ParseRequestURI` takes them apart.

use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(super) scheme: String,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) query: String,
}

impl Url {
    /// Reads an absolute URL or a rooted path; the words of errors are Go's.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("parse {text:?}: {why}"));
        if text.is_empty() {
            return refuse("empty url");
        }
        if text.chars().any(|letter| letter.is_ascii_control()) {
            return refuse("net/url: invalid control character in URL");
        }
        let scheme_end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && !"+-.".contains(letter));
        let (scheme, rest) = match scheme_end {
            Some(0) if text.starts_with(':') => return refuse("missing protocol scheme"),
            Some(at)
                if text[at..].starts_with(':') && text.starts_with(|letter: char| letter.is_ascii_alphabetic()) =>
            {
                (text[..at].to_lowercase(), &text[at + 1..])
            }
            _ => (String::new(), text),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        if scheme.is_empty() && !rest.starts_with('/') {
            return refuse("invalid URI for request");
        }
        if !scheme.is_empty() && !rest.starts_with('/') {
            return Ok(Self { scheme, host: String::new(), path: String::new(), query: query.to_owned() });
        }
        let (host, path) = match rest.strip_prefix("//") {
            Some(rest) if !scheme.is_empty() => {
                let end = rest.find('/').unwrap_or(rest.len());
                let authority = &rest[..end];
                (authority.rsplit_once('@').map_or(authority, |(_, host)| host), &rest[end..])
            }
            _ => ("", rest),
        };
        if let Some(letter) = host.chars().find(|letter| " \"\\^`{}|".contains(*letter)) {
            return refuse(&format!("invalid character {:?} in host name", letter.to_string()));
        }
        let port = host.rsplit_once(']').map_or(host, |(_, rest)| rest).rsplit_once(':').map(|(_, port)| port);
        if let Some(port) = port.filter(|port| !port.bytes().all(|byte| byte.is_ascii_digit())) {
            return refuse(&format!("invalid port {:?} after host", format!(":{port}")));
        }
        if let Some((at, _)) = path.match_indices('%').find(|(at, _)| {
            !path.as_bytes().get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
        }) {
            return refuse(&format!("invalid URL escape {:?}", path.get(at..at + 3).unwrap_or(&path[at..])));
        }
        Ok(Self { scheme, host: host.to_owned(), path: path.to_owned(), query: query.to_owned() })
    }

    pub(super) fn hostname(&self) -> &str {
        let bare = match self.host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            Some((inner, _)) => return inner,
            None => &self.host,
        };
        bare.rsplit_once(':').map_or(bare, |(name, _)| name)
    }

    pub(super) fn port(&self) -> &str {
        let after = self.host.rsplit_once(']').map_or(self.host.as_str(), |(_, rest)| rest);
        after.rsplit_once(':').map_or("", |(_, port)| port)
    }

    /// Returns the path as a URL spells it.
    pub(super) fn escaped_path(&self) -> String {
        self.path
            .bytes()
            .map(|byte| {
                let plain = byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@%!'()*".contains(&byte);
                if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
            })
            .collect()
    }

    pub(super) fn query_values(&self) -> BTreeMap<String, Vec<String>> {
        let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pair in self.query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            out.entry(unescape(key)).or_default().push(unescape(value));
        }
        out
    }
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}
