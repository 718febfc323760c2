//! Addresses and ranges of them (`apimachinery/pkg/util/validation/ip.go`).

use std::net::{IpAddr, Ipv4Addr};

use super::Errors;

/// Reads an address as Go's sloppy parser does: leading zeros in IPv4 are tolerated.
pub(in crate::builtins) fn sloppy_ip(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() != 4 || parts.iter().any(|part| part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let octets: Vec<u8> = parts.iter().filter_map(|part| part.parse().ok()).collect();
    let octets: [u8; 4] = octets.try_into().ok()?;
    Some(Ipv4Addr::from(octets).into())
}

/// Reads a range; returns its address and the length of its prefix.
pub(super) fn sloppy_cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address = sloppy_ip(address)?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let length: u8 = length.parse().ok().filter(|length| digits && *length <= most)?;
    Some((address, length))
}

/// Returns the first address of a range.
pub(super) fn first_of((address, length): (IpAddr, u8)) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            Ipv4Addr::from(u32::from(address) & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            std::net::Ipv6Addr::from(u128::from(address) & mask).into()
        }
    }
}

const NO_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const NO_CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

pub(super) fn legacy_ip(text: &str, path: &str, errors: &mut Errors) {
    if sloppy_ip(text).is_none() {
        errors.invalid_text(path, text, NO_IP);
    }
}

pub(super) fn legacy_cidr(text: &str, path: &str, errors: &mut Errors) {
    if sloppy_cidr(text).is_none() {
        errors.invalid_text(path, text, NO_CIDR);
    }
}

/// Checks an address of an interface, with the length of its network's prefix.
pub(super) fn interface_address(text: &str, path: &str, errors: &mut Errors) {
    let Some((address, length)) = sloppy_cidr(text) else {
        let detail = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)";
        return errors.invalid_text(path, text, detail);
    };
    let canonical = format!("{}/{length}", address.to_canonical());
    if text != canonical {
        errors.invalid_text(path, text, &format!("must be in canonical form ({canonical:?})"));
    }
}

/// Checks an address of a newer field, which must be written in one way only.
pub(super) fn strict_ip(text: &str, path: &str, errors: &mut Errors) {
    let Some(address) = sloppy_ip(text) else { return errors.invalid_text(path, text, NO_IP) };
    let mapped = matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
    if text.parse::<IpAddr>().is_err() {
        errors.invalid_text(path, text, "must not have leading 0s");
    } else if mapped {
        errors.invalid_text(path, text, "must not be an IPv4-mapped IPv6 address");
    } else if address.to_string() != text {
        errors.invalid_text(path, text, &format!("must be in canonical form ({:?})", address.to_string()));
    }
}

/// Checks the name of an object that stands for an address.
pub(super) fn ip_name(text: &str) -> Vec<String> {
    let mut errors = Errors::default();
    strict_ip(text, "", &mut errors);
    let prefix = format!("Invalid value: {text:?}: ");
    errors.into_list().into_iter().map(|error| error.message.trim_start_matches(&prefix).to_owned()).collect()
}

/// Checks a range of a newer field.
pub(super) fn strict_cidr(text: &str, path: &str, errors: &mut Errors) {
    let Some(range) = sloppy_cidr(text) else { return errors.invalid_text(path, text, NO_CIDR) };
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let mapped = matches!(range.0, IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
    if address.parse::<IpAddr>().is_err() || (length.len() > 1 && length.starts_with('0')) {
        errors.invalid_text(path, text, "must not have leading 0s in IP or prefix length");
    } else if mapped {
        errors.invalid_text(path, text, "must not have an IPv4-mapped IPv6 address");
    } else if first_of(range) != range.0 {
        errors.invalid_text(path, text, "must not have bits set beyond the prefix length");
    } else {
        let canonical = format!("{}/{}", range.0, range.1);
        if canonical != text {
            errors.invalid_text(path, text, &format!("must be in canonical form ({canonical:?})"));
        }
    }
}

/// Checks an address that traffic is sent to.
pub(super) fn endpoint_ip(text: &str, path: &str, errors: &mut Errors) {
    let Some(address) = sloppy_ip(text) else {
        return errors.invalid_text(path, text, "must be a valid IP address");
    };
    let (link_local, multicast) = match address {
        IpAddr::V4(address) => (address.is_link_local(), address.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(address) => (address.is_unicast_link_local(), (address.segments()[0] & 0xff0f) == 0xff02),
    };
    if address.is_unspecified() {
        errors.invalid_text(path, text, &format!("may not be unspecified ({text})"));
    }
    if address.is_loopback() {
        errors.invalid_text(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if link_local {
        errors.invalid_text(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if multicast {
        errors.invalid_text(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

/// Warns of an address that newer fields would refuse, though it can be read (`GetWarningsForIP`).
pub(in crate::builtins) fn unusual_ip(text: &str, path: &str, out: &mut Vec<String>) {
    let Some(address) = sloppy_ip(text) else { return };
    let mapped = match address {
        IpAddr::V6(address) => address.to_ipv4_mapped().map(IpAddr::V4),
        IpAddr::V4(_) => None,
    };
    let better = mapped.unwrap_or(address);
    if text.parse::<IpAddr>().is_err() || mapped.is_some() {
        out.push(format!(
            "{path}: non-standard IP address {text:?} will be considered invalid in a future Kubernetes release: use {:?}",
            better.to_string()
        ));
    } else if address.to_string() != text {
        out.push(format!(
            "{path}: IPv6 address {text:?} should be in RFC 5952 canonical format ({:?})",
            address.to_string()
        ));
    }
}

/// Warns of a range that newer fields would refuse, though it can be read (`GetWarningsForCIDR`).
pub(in crate::builtins) fn unusual_cidr(text: &str, path: &str, out: &mut Vec<String>) {
    let Some(range) = sloppy_cidr(text) else { return };
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let first = first_of(range);
    if first != range.0 {
        out.push(format!(
            "{path}: CIDR value {text:?} is ambiguous in this context (should be \"{first}/{length}\" or \"{}/{}\"?)",
            range.0,
            if range.0.is_ipv4() { 32 } else { 128 },
        ));
    }
    let odd_length = length.len() > 1 && length.starts_with('0');
    if address.parse::<IpAddr>().is_err() || odd_length {
        out.push(format!(
            "{path}: non-standard CIDR value {text:?} will be considered invalid in a future Kubernetes release: use \"{first}/{}\"",
            range.1
        ));
    } else if first == range.0 && format!("{first}/{}", range.1) != text {
        out.push(format!(
            "{path}: IPv6 CIDR value {text:?} should be in RFC 5952 canonical format (\"{first}/{}\")",
            range.1
        ));
    }
}
