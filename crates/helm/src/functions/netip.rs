//! Addresses as Go's `net/netip` reads them, and what it says of those that are none.

use bowline_gotmpl::quote;

/// Tells what is wrong with a text as an IP address; `Ok` tells whether it is one of version 4.
pub(super) fn check(source: &[u8]) -> Result<bool, String> {
    let checked = match source.iter().find(|byte| matches!(byte, b'.' | b':' | b'%')) {
        Some(b'.') => four(source).map(|()| true),
        Some(b':') => six(source).map(|()| false),
        Some(_) => Err(("missing IPv6 address", &b""[..])),
        None => Err(("unable to parse IP", &b""[..])),
    };
    checked.map_err(|(message, at)| {
        let at = if at.is_empty() { String::new() } else { format!(" (at {})", quote(at)) };
        format!("ParseAddr({}): {message}{at}", quote(source))
    })
}

/// What is wrong, and from where on.
type Checked<'t> = Result<(), (&'static str, &'t [u8])>;

fn four(text: &[u8]) -> Checked<'_> {
    let (mut value, mut position, mut digits) = (0u32, 0, 0);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                if digits == 1 && value == 0 {
                    return Err(("IPv4 field has octet with leading zero", b""));
                }
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return Err(("IPv4 field has value >255", b""));
                }
            }
            b'.' => {
                if at == 0 || at == text.len() - 1 || text[at - 1] == b'.' {
                    return Err(("IPv4 field must have at least one digit", &text[at..]));
                }
                if position == 3 {
                    return Err(("IPv4 address too long", b""));
                }
                (position, value, digits) = (position + 1, 0, 0);
            }
            _ => return Err(("unexpected character", &text[at..])),
        }
    }
    if position < 3 { Err(("IPv4 address too short", b"")) } else { Ok(()) }
}

fn six(source: &[u8]) -> Checked<'_> {
    let mut text = source;
    if let Some(zone) = memchr::memchr(b'%', source) {
        text = &source[..zone];
        if zone + 1 == source.len() {
            return Err(("zone must be a non-empty string", b""));
        }
    }
    let mut ellipsis = false;
    if let Some(rest) = text.strip_prefix(b"::") {
        ellipsis = true;
        text = rest;
        if text.is_empty() {
            return Ok(());
        }
    }
    let mut bytes = 0;
    while bytes < 16 {
        let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        match digits {
            0 => return Err(("each colon-separated field must have at least one digit", text)),
            1..=4 => {}
            _ => return Err(("each group must have 4 or less digits", text)),
        }
        if text.get(digits) == Some(&b'.') {
            if !ellipsis && bytes != 12 {
                return Err(("embedded IPv4 address must replace the final 2 fields of the address", text));
            }
            if bytes + 4 > 16 {
                return Err(("too many hex fields to fit an embedded IPv4 at the end of the address", text));
            }
            four(text)?;
            (text, bytes) = (b"", bytes + 4);
            break;
        }
        bytes += 2;
        text = &text[digits..];
        match text {
            [] => break,
            [b':'] => return Err(("colon must be followed by more characters", text)),
            [b':', b':', rest @ ..] => {
                if ellipsis {
                    return Err(("multiple :: in address", &text[1..]));
                }
                ellipsis = true;
                text = rest;
                if rest.is_empty() {
                    break;
                }
            }
            [b':', rest @ ..] => text = rest,
            _ => return Err(("unexpected character, want colon", text)),
        }
    }
    match (text.is_empty(), bytes < 16, ellipsis) {
        (false, ..) => Err(("trailing garbage after address", text)),
        (_, true, false) => Err(("address string too short", b"")),
        (_, false, true) => Err(("the :: must expand to at least one field of zeros", b"")),
        _ => Ok(()),
    }
}
