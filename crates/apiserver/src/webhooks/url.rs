//! URLs as Go's `url.Parse` takes them apart.

/// The parts of a URL that a client's configuration is asked about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) scheme: String,
    /// Who asks, as the URL spells it.
    pub(super) user: Option<String>,
    pub(super) host: String,
    pub(super) query: String,
    pub(super) fragment: String,
}

impl Url {
    /// Reads a URL or a reference relative to one; the words of errors are Go's.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        let refuse = |why: &str| Err(format!("parse {text:?}: {why}"));
        if rest.chars().any(|letter| letter.is_ascii_control()) {
            return refuse("net/url: invalid control character in URL");
        }
        let (scheme, rest) = match split_scheme(rest) {
            Some(("", _)) => return refuse("missing protocol scheme"),
            Some((scheme, rest)) => (scheme.to_lowercase(), rest),
            None => (String::new(), rest),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut url = Self { scheme, query: query.to_owned(), fragment: fragment.to_owned(), ..Self::default() };
        if !rest.starts_with('/') {
            // What follows a scheme without a slash has no parts.
            if url.scheme.is_empty() && rest.split('/').next().is_some_and(|first| first.contains(':')) {
                return refuse("first path segment in URL cannot contain colon");
            }
            return Ok(url);
        }
        let mut path = rest;
        if let Some(rest) = rest.strip_prefix("//").filter(|_| !url.scheme.is_empty() || !rest.starts_with("///")) {
            let (authority, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
            if let Some(why) = mistake_in_host(host) {
                return refuse(&why);
            }
            url.user = user.map(str::to_owned);
            host.clone_into(&mut url.host);
            path = below;
        }
        match mistake_in_escapes(path) {
            Some(why) => refuse(&why),
            None => Ok(url),
        }
    }
}

/// Splits off what stands before the first colon, if it is made of the letters of a scheme.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let at = text.find(|letter: char| !letter.is_ascii_alphanumeric() && !"+-.".contains(letter))?;
    let begins = at == 0 || text.starts_with(|letter: char| letter.is_ascii_alphabetic());
    (begins && text[at..].starts_with(':')).then(|| (&text[..at], &text[at + 1..]))
}

fn mistake_in_host(host: &str) -> Option<String> {
    let port = if host.starts_with('[') {
        match host.rfind(']') {
            None => return Some("missing ']' in host".to_owned()),
            Some(end) => &host[end + 1..],
        }
    } else {
        host.rfind(':').map_or("", |at| &host[at..])
    };
    let is_port =
        |port: &str| port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    if !port.is_empty() && !is_port(port) {
        return Some(format!("invalid port {port:?} after host"));
    }
    mistake_in_escapes(host).or_else(|| {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:[]<>\"%".contains(letter);
        let wrong = host.chars().find(|letter| letter.is_ascii() && !is_plain(*letter))?;
        Some(format!("invalid character {:?} in host name", wrong.to_string()))
    })
}

fn mistake_in_escapes(text: &str) -> Option<String> {
    let is_wrong = |at: usize| {
        let digits = text.as_bytes().get(at + 1..at + 3);
        !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let (at, _) = text.match_indices('%').find(|(at, _)| is_wrong(*at))?;
    Some(format!("invalid URL escape {:?}", text.get(at..at + 3).unwrap_or(&text[at..])))
}

#[cfg(test)]
mod tests {
    use super::Url;

    #[test]
    fn urls_come_apart_as_in_go() {
        let parts = |text: &str| Url::parse(text).map(|url| (url.scheme, url.host));
        let pair = |scheme: &str, host: &str| Ok((scheme.to_owned(), host.to_owned()));
        assert_eq!(parts("HTTPS://h:1/x?y#z"), pair("https", "h:1"));
        assert_eq!(parts("a:b"), pair("a", ""));
        assert_eq!(parts("///x"), pair("", ""));
        assert_eq!(parts("http:"), pair("http", ""));
        assert_eq!(parts(":x"), Err("parse \":x\": missing protocol scheme".to_owned()));
        assert_eq!(parts("1a:b"), Err("parse \"1a:b\": first path segment in URL cannot contain colon".to_owned()));
        assert_eq!(parts("https://h:x"), Err("parse \"https://h:x\": invalid port \":x\" after host".to_owned()));
        assert_eq!(
            parts("https://a b/"),
            Err("parse \"https://a b/\": invalid character \" \" in host name".to_owned())
        );
        assert_eq!(parts("https://h/%zz"), Err("parse \"https://h/%zz\": invalid URL escape \"%zz\"".to_owned()));
    }
}
