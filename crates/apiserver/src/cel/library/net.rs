//! IP addresses and networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::eval::{Failure, Outcome};
use super::super::value::Value;

pub(super) fn call(name: &str, args: &[Value]) -> Option<Outcome> {
    let truth = |flag: bool| Ok(Value::Bool(flag));
    Some(match (name, args) {
        ("ip", [Value::String(text)]) => parse_ip(text).map(Value::Ip),
        ("isIP", [Value::String(text)]) => truth(parse_ip(text).is_ok()),
        ("ip.isCanonical", [Value::String(text)]) => parse_ip(text).map(|ip| Value::Bool(ip.to_string() == **text)),
        ("family", [Value::Ip(ip)]) => Ok(Value::Int(if ip.is_ipv4() { 4 } else { 6 })),
        ("isUnspecified", [Value::Ip(ip)]) => truth(ip.is_unspecified()),
        ("isLoopback", [Value::Ip(ip)]) => truth(ip.is_loopback()),
        ("isLinkLocalMulticast", [Value::Ip(ip)]) => truth(match ip {
            IpAddr::V4(ip) => ip.octets()[..3] == [224, 0, 0],
            IpAddr::V6(ip) => ip.segments()[0] & 0xff0f == 0xff02,
        }),
        ("isLinkLocalUnicast", [Value::Ip(ip)]) => truth(is_link_local(*ip)),
        ("isGlobalUnicast", [Value::Ip(ip)]) => truth(is_global(*ip)),
        ("cidr", [Value::String(text)]) => parse_cidr(text).map(|(ip, bits)| Value::Cidr(ip, bits)),
        ("isCIDR", [Value::String(text)]) => truth(parse_cidr(text).is_ok()),
        ("containsIP", [Value::Cidr(net, bits), Value::Ip(ip)]) => truth(contains(*net, *bits, *ip)),
        ("containsIP", [Value::Cidr(net, bits), Value::String(text)]) => {
            parse_ip(text).map(|ip| Value::Bool(contains(*net, *bits, ip)))
        }
        ("containsCIDR", [Value::Cidr(net, bits), Value::Cidr(other, more)]) => {
            truth(more >= bits && contains(*net, *bits, *other))
        }
        ("containsCIDR", [Value::Cidr(net, bits), Value::String(text)]) => {
            parse_cidr(text).map(|(other, more)| Value::Bool(more >= *bits && contains(*net, *bits, other)))
        }
        ("ip", [Value::Cidr(net, _)]) => Ok(Value::Ip(*net)),
        ("prefixLength", [Value::Cidr(_, bits)]) => Ok(Value::Int(i64::from(*bits))),
        ("masked", [Value::Cidr(net, bits)]) => Ok(Value::Cidr(mask(*net, *bits), *bits)),
        _ => return None,
    })
}

/// Tells what Go's `netip.ParseAddr` would.
fn parse_ip(text: &str) -> Result<IpAddr, Failure> {
    let refuse = |why: &str| {
        let parse = format!("ParseAddr({text:?}): {why}");
        Failure::new(format!("IP Address {text:?} parse error during conversion from string: {parse}"))
    };
    if text.contains('%') && text.contains(':') {
        return Err(Failure::new(format!("IP address {text:?} with zone value is not allowed")));
    }
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) if ip.to_ipv4_mapped().is_some() => {
            Err(Failure::new(format!("IPv4-mapped IPv6 address {text:?} is not allowed")))
        }
        Ok(ip) => Ok(ip),
        Err(_) => Err(refuse(&explain(text))),
    }
}

fn explain(text: &str) -> String {
    let Some(first) = text.find(['.', ':', '%']) else { return "unable to parse IP".to_owned() };
    if text[first..].starts_with('.') {
        return explain_four(text);
    }
    if text[first..].starts_with('%') {
        return "missing IPv6 address".to_owned();
    }
    explain_six(text)
}

/// Goes through the letters of an IPv4 address as Go does.
fn explain_four(text: &str) -> String {
    let (mut value, mut digits, mut dots) = (0, 0, 0);
    let mut before = '.';
    for (at, letter) in text.char_indices() {
        match letter.to_digit(10) {
            Some(_) if digits == 1 && value == 0 => return "IPv4 field has octet with leading zero".to_owned(),
            Some(digit) => {
                value = value * 10 + digit;
                digits += 1;
                if value > 255 {
                    return "IPv4 field has value >255".to_owned();
                }
            }
            None if letter != '.' => {
                return format!("unexpected character (at {})", bowline_smd::quote_go(&text[at..]));
            }
            None if before == '.' || at + 1 == text.len() => {
                let rest = &text[at..];
                return format!("IPv4 field must have at least one digit (at {rest:?})");
            }
            None if dots == 3 => return "IPv4 address too long".to_owned(),
            None => (value, digits, dots) = (0, 0, dots + 1),
        }
        before = letter;
    }
    "IPv4 address too short".to_owned()
}

/// Goes through the fields of an IPv6 address as Go does.
fn explain_six(text: &str) -> String {
    let mut rest = text.strip_prefix("::").unwrap_or(text);
    let (mut ellipsis, mut fields) = (rest.len() < text.len(), 0);
    if ellipsis && rest.is_empty() {
        return "unexpected character".to_owned();
    }
    while fields < 8 {
        let end = rest.find(|letter: char| !letter.is_ascii_hexdigit()).unwrap_or(rest.len());
        if end > 4 {
            return format!("each group must have 4 or less digits (at {rest:?})");
        }
        if end == 0 {
            return format!("each colon-separated field must have at least one digit (at {rest:?})");
        }
        if rest[end..].starts_with('.') {
            if !ellipsis && fields != 6 {
                return format!("embedded IPv4 address must replace the final 2 fields of the address (at {rest:?})");
            }
            return explain_four(rest);
        }
        fields += 1;
        rest = &rest[end..];
        if rest.is_empty() {
            break;
        }
        if !rest.starts_with(':') {
            return format!("unexpected character, want colon (at {rest:?})");
        }
        if rest.len() == 1 {
            return format!("colon must be followed by more characters (at {rest:?})");
        }
        rest = &rest[1..];
        if rest.starts_with(':') {
            if ellipsis {
                return format!("multiple :: in address (at {rest:?})");
            }
            ellipsis = true;
            rest = &rest[1..];
            if rest.is_empty() {
                break;
            }
        }
    }
    if !rest.is_empty() {
        return format!("trailing garbage after address (at {rest:?})");
    }
    if fields < 8 && !ellipsis {
        "address string too short".to_owned()
    } else {
        "the :: must expand to at least one field of zeros".to_owned()
    }
}

fn parse_cidr(text: &str) -> Result<(IpAddr, u8), Failure> {
    let refuse = |why: String| {
        Failure::new(format!(
            "network address parse error during conversion from string: network address parse error during conversion \
             from string: netip.ParsePrefix({text:?}): {why}"
        ))
    };
    let Some((address, bits)) = text.rsplit_once('/') else { return Err(refuse("no '/'".to_owned())) };
    let ip: IpAddr = address.parse().map_err(|_| refuse(format!("ParseAddr({address:?}): {}", explain(address))))?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || (bits.len() > 1 && bits.starts_with('0')) {
        return Err(refuse(format!("bad bits after slash: {bits:?}")));
    }
    match bits.parse::<u8>() {
        Ok(bits) if bits <= most => match ip {
            IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => {
                Err(Failure::new(format!("IPv4-mapped IPv6 address {text:?} is not allowed")))
            }
            _ => Ok((ip, bits)),
        },
        _ => Err(refuse("prefix length out of range".to_owned())),
    }
}

pub(super) fn print_cidr(ip: IpAddr, bits: u8) -> String {
    format!("{ip}/{bits}")
}

fn mask(ip: IpAddr, bits: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let kept = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & kept))
        }
        IpAddr::V6(ip) => {
            let kept = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & kept))
        }
    }
}

fn contains(net: IpAddr, bits: u8, ip: IpAddr) -> bool {
    net.is_ipv4() == ip.is_ipv4() && mask(net, bits) == mask(ip, bits)
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.segments()[0] & 0xffc0 == 0xfe80,
    }
}

fn is_global(ip: IpAddr) -> bool {
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !is_broadcast && !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast() && !is_link_local(ip)
}
