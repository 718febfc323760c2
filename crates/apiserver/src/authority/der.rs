//! The little of DER that a certificate needs.

/// Puts a tag and a length before some contents.
pub(super) fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = contents.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let from = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
        out.push(0x80 | (bytes.len() - from) as u8);
        out.extend_from_slice(&bytes[from..]);
    }
    out.extend_from_slice(contents);
    out
}

pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tagged(0x30, &parts.concat())
}

/// A number that is not negative.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let from = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len().saturating_sub(1));
    let mut contents = bytes[from..].to_vec();
    if contents.first().is_none_or(|first| first & 0x80 != 0) {
        contents.insert(0, 0);
    }
    tagged(0x02, &contents)
}

pub(super) fn octets(contents: &[u8]) -> Vec<u8> {
    tagged(0x04, contents)
}

pub(super) fn bits(contents: &[u8]) -> Vec<u8> {
    tagged(0x03, &[&[0], contents].concat())
}

/// Named bits, the first being the highest; zeros at the end are left out.
pub(super) fn named_bits(set: u16) -> Vec<u8> {
    let bytes = set.to_be_bytes();
    let length = if bytes[1] == 0 { 1 } else { 2 };
    let unused = if length == 1 { (set >> 8).trailing_zeros() } else { set.trailing_zeros() };
    tagged(0x03, &[&[unused.min(7) as u8], &bytes[..length]].concat())
}

/// An object identifier.
pub(super) fn oid(arcs: &[u32]) -> Vec<u8> {
    let mut contents = Vec::new();
    let first = arcs.first().copied().unwrap_or(0) * 40 + arcs.get(1).copied().unwrap_or(0);
    for arc in std::iter::once(first).chain(arcs.iter().skip(2).copied()) {
        let mut groups = vec![(arc & 0x7f) as u8];
        let mut rest = arc >> 7;
        while rest > 0 {
            groups.push(0x80 | (rest & 0x7f) as u8);
            rest >>= 7;
        }
        contents.extend(groups.into_iter().rev());
    }
    tagged(0x06, &contents)
}

/// A moment, in the form that its year demands.
pub(super) fn time(at: jiff::Timestamp) -> Vec<u8> {
    let year = at.to_zoned(jiff::tz::TimeZone::UTC).year();
    if (1950..2050).contains(&year) {
        tagged(0x17, at.strftime("%y%m%d%H%M%SZ").to_string().as_bytes())
    } else {
        tagged(0x18, at.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spelled_as_x_690_says() {
        assert_eq!(integer(&[0, 0]), [2, 1, 0]);
        assert_eq!(integer(&[0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(oid(&[2, 5, 29, 37, 0]), [6, 4, 0x55, 0x1d, 0x25, 0]);
        assert_eq!(oid(&[1, 2, 840, 113_549]), [6, 6, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]);
        assert_eq!(named_bits(0xa000), [3, 2, 5, 0xa0]);
        assert_eq!(named_bits(0x8080), [3, 3, 7, 0x80, 0x80]);
        assert_eq!(tagged(4, &[1; 200])[..4], [4, 0x81, 200, 1]);
        let moment = |text: &str| time(text.parse().expect("a time"));
        assert_eq!(moment("2026-01-02T03:04:05Z"), b"\x17\x0d260102030405Z");
        assert_eq!(moment("2050-01-02T03:04:05Z"), b"\x18\x0f20500102030405Z");
    }
}
