//! Addresses, as Go's `net/url` takes them apart and puts them together.

use bowline_gotmpl::{FuncError, Function, Map, Type, Value, quote};

use super::args::{Gives, STRING, fail, kind, map, plain, string, text};

pub(super) static TABLE: [Function; 2] = [
    Function::new("urlJoin", &[Type::MAP], STRING, |_, args| join(&map(&args[0]))),
    Function::new("urlParse", &[STRING], Type::MAP, |_, args| {
        let url = match Url::parse(&text(&args[0])) {
            Ok(url) => url,
            Err(error) => return fail(format!("unable to parse url: {error}")),
        };
        let user = url.user.as_ref().map(User::shown).unwrap_or_default();
        let entries: [(&str, Vec<u8>); 8] = [
            ("hostname", url.hostname().to_vec()),
            ("scheme", url.scheme),
            ("host", url.host),
            ("path", url.path),
            ("query", url.query),
            ("opaque", url.opaque),
            ("fragment", url.fragment),
            ("userinfo", user),
        ];
        Ok(Value::Map(entries.into_iter().map(|(key, part)| (key, Value::str(part))).collect()))
    }),
];

#[derive(Default)]
struct Url {
    scheme: Vec<u8>,
    opaque: Vec<u8>,
    user: Option<User>,
    host: Vec<u8>,
    path: Vec<u8>,
    raw_path: Vec<u8>,
    query: Vec<u8>,
    fragment: Vec<u8>,
    raw_fragment: Vec<u8>,
    omit_host: bool,
    force_query: bool,
}

struct User {
    name: Vec<u8>,
    password: Option<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    Zone,
    User,
    Fragment,
}

/// Tells whether Go escapes a byte in a part of a URL.
fn is_escaped(byte: u8, part: Part) -> bool {
    if byte.is_ascii_alphanumeric() {
        return false;
    }
    if matches!(part, Part::Host | Part::Zone) && b"!$&'()*+,;=:[]<>\"".contains(&byte) {
        return false;
    }
    match byte {
        b'-' | b'_' | b'.' | b'~' => false,
        b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' => match part {
            Part::Path => byte == b'?',
            Part::User => matches!(byte, b'@' | b'/' | b'?' | b':'),
            Part::Fragment => false,
            Part::Host | Part::Zone => true,
        },
        b'!' | b'(' | b')' | b'*' => part != Part::Fragment,
        _ => true,
    }
}

fn escaped(text: &[u8], part: Part) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        if is_escaped(*byte, part) {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(*byte);
        }
    }
    out
}

fn unescaped(text: &[u8], part: Part) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        if byte == b'%' {
            let hex = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
            let (Some(high), Some(low)) = (hex(at + 1), hex(at + 2)) else {
                return Err(format!("invalid URL escape {}", quote(&text[at..(at + 3).min(text.len())])));
            };
            let decoded = (high * 16 + low) as u8;
            let ends = &text[at..at + 3];
            if part == Part::Host && high < 8 && ends != b"%25"
                || part == Part::Zone && ends != b"%25" && decoded != b' ' && is_escaped(decoded, Part::Host)
            {
                return Err(format!("invalid URL escape {}", quote(ends)));
            }
            out.push(decoded);
            at += 3;
            continue;
        }
        if matches!(part, Part::Host | Part::Zone) && byte < 0x80 && is_escaped(byte, part) {
            return Err(format!("invalid character {} in host name", quote([byte])));
        }
        out.push(byte);
        at += 1;
    }
    Ok(out)
}

fn cut(text: &[u8], byte: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(byte, text) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

impl Url {
    /// `url.Parse`; the error names the text.
    fn parse(source: &[u8]) -> Result<Self, String> {
        let (before, fragment) = cut(source, b'#');
        let shown = |error: String, part: &[u8]| format!("parse {}: {error}", quote(part));
        let mut url = Self::without_fragment(before).map_err(|error| shown(error, before))?;
        if let Some(fragment) = fragment.filter(|fragment| !fragment.is_empty()) {
            url.fragment = unescaped(fragment, Part::Fragment).map_err(|error| shown(error, source))?;
            if escaped(&url.fragment, Part::Fragment) != fragment {
                url.raw_fragment = fragment.to_vec();
            }
        }
        Ok(url)
    }

    fn without_fragment(source: &[u8]) -> Result<Self, String> {
        if source.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let mut url = Self::default();
        if source == b"*" {
            url.path = b"*".to_vec();
            return Ok(url);
        }
        let (scheme, rest) = scheme(source)?;
        url.scheme = scheme.to_ascii_lowercase();
        let mut rest = rest;
        if rest.ends_with(b"?") && !rest[..rest.len() - 1].contains(&b'?') {
            url.force_query = true;
            rest = &rest[..rest.len() - 1];
        } else {
            let (path, query) = cut(rest, b'?');
            rest = path;
            url.query = query.unwrap_or_default().to_vec();
        }
        if !rest.starts_with(b"/") {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_vec();
                return Ok(url);
            }
            let (first, _) = cut(rest, b'/');
            if first.contains(&b':') {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        if (!url.scheme.is_empty() || !rest.starts_with(b"///")) && rest.starts_with(b"//") {
            let end = memchr::memchr(b'/', &rest[2..]).map_or(rest.len(), |at| at + 2);
            let authority = &rest[2..end];
            rest = &rest[end..];
            url.authority(authority)?;
        } else if !url.scheme.is_empty() && rest.starts_with(b"/") {
            url.omit_host = true;
        }
        url.path = unescaped(rest, Part::Path)?;
        if escaped(&url.path, Part::Path) != rest {
            url.raw_path = rest.to_vec();
        }
        Ok(url)
    }

    fn authority(&mut self, authority: &[u8]) -> Result<(), String> {
        let Some(at) = memchr::memrchr(b'@', authority) else {
            self.host = host(&self.scheme, authority)?;
            return Ok(());
        };
        self.host = host(&self.scheme, &authority[at + 1..])?;
        let userinfo = &authority[..at];
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte);
        if !userinfo.iter().all(fits) {
            return Err("net/url: invalid userinfo".to_owned());
        }
        let (name, password) = cut(userinfo, b':');
        let name = unescaped(name, Part::User)?;
        let password = password.map(|password| unescaped(password, Part::User)).transpose()?;
        self.user = Some(User { name, password });
        Ok(())
    }

    fn hostname(&self) -> &[u8] {
        let mut host = &self.host[..];
        if let Some(colon) = memchr::memrchr(b':', host)
            && host[colon + 1..].iter().all(u8::is_ascii_digit)
        {
            host = &host[..colon];
        }
        host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host)
    }

    /// `URL.String`
    fn shown(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if self.opaque.is_empty() {
            if !self.scheme.is_empty() || !self.host.is_empty() || self.user.is_some() {
                let has_authority = !self.host.is_empty() || self.user.is_some();
                if has_authority || (!self.omit_host && !self.path.is_empty()) {
                    out.extend_from_slice(b"//");
                }
                if let Some(user) = &self.user {
                    out.extend_from_slice(&user.shown());
                    out.push(b'@');
                }
                out.extend_from_slice(&escaped(&self.host, Part::Host));
            }
            let path = if self.path == b"*" { b"*".to_vec() } else { escaped(&self.path, Part::Path) };
            if !path.is_empty() && path[0] != b'/' && !self.host.is_empty() {
                out.push(b'/');
            }
            if out.is_empty() && cut(&path, b'/').0.contains(&b':') {
                out.extend_from_slice(b"./");
            }
            out.extend_from_slice(&path);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if self.force_query || !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend_from_slice(&escaped(&self.fragment, Part::Fragment));
        }
        out
    }
}

impl User {
    fn shown(&self) -> Vec<u8> {
        let mut out = escaped(&self.name, Part::User);
        if let Some(password) = &self.password {
            out.push(b':');
            out.extend_from_slice(&escaped(password, Part::User));
        }
        out
    }
}

fn scheme(source: &[u8]) -> Result<(&[u8], &[u8]), String> {
    for (at, byte) in source.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&source[..at], &source[at + 1..])),
            _ => return Ok((b"", source)),
        }
    }
    Ok((b"", source))
}

fn host(scheme: &[u8], source: &[u8]) -> Result<Vec<u8>, String> {
    let port_fits = |port: &[u8]| port.is_empty() || port[0] == b':' && port[1..].iter().all(u8::is_ascii_digit);
    if let Some(open) = memchr::memrchr(b'[', source) {
        if open > 0 {
            return Err("invalid IP-literal".to_owned());
        }
        let Some(close) = memchr::memrchr(b']', source) else { return Err("missing ']' in host".to_owned()) };
        let port = &source[close + 1..];
        if !port_fits(port) {
            return Err(format!("invalid port {} after host", quote(port)));
        }
        let mut name = unescaped(&source[1..close], Part::Host);
        if let Some(zone) = memchr::memmem::find(&source[1..close], b"%25") {
            let mut whole = unescaped(&source[1..=zone], Part::Host)?;
            whole.extend(unescaped(&source[1 + zone..close], Part::Zone)?);
            name = Ok(whole);
        }
        let (name, port) = (name?, unescaped(port, Part::Host)?);
        return match super::netip::check(&name) {
            Ok(false) => Ok([b"[", &name[..], b"]", &port[..]].concat()),
            Ok(true) => Err("invalid IP-literal".to_owned()),
            Err(error) => Err(format!("invalid host: {error}")),
        };
    }
    // Colons beyond the one of the port are refused where a host can have none.
    let colon =
        if matches!(scheme, b"http" | b"https") { memchr::memchr(b':', source) } else { memchr::memrchr(b':', source) };
    if let Some(colon) = colon
        && !port_fits(&source[colon..])
    {
        return Err(format!("invalid port {} after host", quote(&source[colon..])));
    }
    unescaped(source, Part::Host)
}

fn part(dict: &Map, key: &str) -> Result<Vec<u8>, FuncError> {
    let Some(value) = dict.get(key) else { return Ok(Vec::new()) };
    match plain(&value) {
        Some(Value::Str(text)) => Ok(text.to_vec()),
        Some(Value::Nil) => fail(super::args::NIL),
        _ => fail(format!("unable to parse {key} key, must be of type string, but {} found", kind(&value))),
    }
}

fn join(dict: &Map) -> Gives {
    let mut url = Url {
        scheme: part(dict, "scheme")?,
        host: part(dict, "host")?,
        path: part(dict, "path")?,
        query: part(dict, "query")?,
        opaque: part(dict, "opaque")?,
        fragment: part(dict, "fragment")?,
        ..Url::default()
    };
    let userinfo = part(dict, "userinfo")?;
    if !userinfo.is_empty() {
        let whole = [b"proto://", &userinfo[..], b"@host"].concat();
        match Url::parse(&whole) {
            Ok(parsed) => url.user = parsed.user,
            Err(error) => return fail(format!("unable to parse userinfo in dict: {error}")),
        }
    }
    string(url.shown())
}
