//! The forms the API server stores some scalars in.

mod quantity;

use serde_json::Value;

pub use quantity::{Quantity, canonical_quantity};

use crate::schema::Format;
use crate::time;

/// Whether two scalars of this format are the same to the API server: `1000m` and `1` as quantities, `1` and `1.0`
/// as numbers, one instant written in two offsets, base64 with and without line breaks.
pub fn same_scalar(format: Format, left: &Value, right: &Value) -> bool {
    if crate::typed::equal(left, right) {
        return true;
    }
    match format {
        Format::Quantity => match (Quantity::of(left), Quantity::of(right)) {
            (Some(left), Some(right)) => left.amount() == right.amount(),
            _ => false,
        },
        Format::DateTime => match (left.as_str().and_then(time::parse), right.as_str().and_then(time::parse)) {
            (Some(left), Some(right)) => same_instant(left, right),
            _ => false,
        },
        Format::Byte => match (left.as_str(), right.as_str()) {
            (Some(left), Some(right)) => one_line(left).eq(one_line(right)),
            _ => false,
        },
        _ => false,
    }
}

/// Most times are kept in whole seconds, some in microseconds; the type does not say which.
fn same_instant(left: time::Instant, right: time::Instant) -> bool {
    let micros = |instant: time::Instant| instant.nanos / 1_000;
    left.seconds == right.seconds && (micros(left) == micros(right) || left.nanos == 0 || right.nanos == 0)
}

fn one_line(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|letter| !matches!(letter, '\r' | '\n'))
}

/// Encodes bytes as the API server does in `data` of a Secret: standard base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().enumerate().fold(0_u32, |group, (at, byte)| group | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            if at <= chunk.len() {
                out.push(char::from(ALPHABET[(group >> (18 - 6 * at) & 63) as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_are_compared_as_the_server_reads_them() {
        let same = |format, left: Value, right: Value| same_scalar(format, &left, &right);
        assert!(same(Format::Quantity, json!("1000m"), json!(1)));
        assert!(same(Format::Quantity, json!("0.5"), json!("500m")));
        assert!(!same(Format::Quantity, json!("1G"), json!("1Gi")));
        assert!(!same(Format::Plain, json!("1000m"), json!("1")));
        assert!(same(Format::Plain, json!(1), json!(1.0)));
        assert!(!same(Format::IntOrString, json!(80), json!("80")));
        assert!(same(Format::DateTime, json!("2026-11-21T12:00:00+02:00"), json!("2026-11-21T10:00:00Z")));
        assert!(same(Format::Byte, json!("aGVs\nbG8="), json!("aGVsbG8=")));
    }

    #[test]
    fn base64_is_padded() {
        let encoded: Vec<String> = ["", "f", "fo", "foo", "foob"].iter().map(|text| base64(text.as_bytes())).collect();
        assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }
}
