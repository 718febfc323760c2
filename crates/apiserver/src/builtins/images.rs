//! What is a reference to an image (`distribution/reference`).

/// Returns whether a text names an image: `host:port/path/name:tag@digest`, of which only the name is needed.
pub(super) fn is_reference(text: &str) -> bool {
    let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
    if !digest.is_none_or(is_digest) {
        return false;
    }
    let after_host = rest.find('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[after_host..].split_once(':') {
        Some((path, tag)) => (&rest[..after_host + path.len()], Some(tag)),
        None => (rest, None),
    };
    if !tag.is_none_or(is_tag) || name.is_empty() {
        return false;
    }
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if is_like_host(host) => (Some(host), path),
        _ => (None, name),
    };
    let is_identifier =
        host.is_none() && path.len() == 64 && path.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    !is_identifier && host.is_none_or(is_host) && path.split('/').all(is_component)
}

/// Whether the first part of a name is taken for a host.
fn is_like_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost" || part.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            let fits = !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
            return fits && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_number));
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        !label.is_empty() && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    host.split('.').all(is_label) && port.is_none_or(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Small letters and digits, with one dot, one or two underscores or any number of dashes between them.
fn is_component(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    text.starts_with(is_letter)
        && text.ends_with(is_letter)
        && text.split(is_letter).all(|between| {
            between.is_empty() || [".", "_", "__"].contains(&between) || between.bytes().all(|byte| byte == b'-')
        })
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&text.len())
        && is_word(text.as_bytes()[0])
        && text.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, digits)) = text.split_once(':') else { return false };
    let parts = algorithm.split(['-', '_', '+', '.']);
    let fits = parts.into_iter().all(|part| {
        part.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    fits && digits.len() >= 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_other_texts() {
        for image in
            ["nginx", "a/b", "localhost:5000/a/b:v1", "r.example.com/a__b-c.d", "Host/a", "[fd00::1]:80/a", "a:B"]
        {
            assert!(is_reference(image), "{image}");
        }
        for text in ["", "http://x", "Bad", "a b", "-x", "..", "a/B", "a:", "a@sha256:00", "a//b", "a___b"] {
            assert!(!is_reference(text), "{text}");
        }
    }
}
