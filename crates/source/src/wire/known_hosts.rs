//! OpenSSH's `known_hosts`, as text (`sshd(8)`, "SSH_KNOWN_HOSTS FILE FORMAT").

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::PublicKey;
use sha1::Sha1;

/// What the known hosts say of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Known,
    /// No line is about this host.
    Unknown,
    /// The host has other keys, or this one is revoked.
    Mismatch,
}

/// The keys on record for one host.
#[derive(Debug, Default)]
pub(super) struct HostKeys {
    keys: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
}

impl HostKeys {
    /// Picks the lines about a host. Lines that do not parse, and `@cert-authority` lines, are passed over.
    pub(super) fn of(text: &str, host: &str, port: u16) -> Self {
        let name = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
        let mut found = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let Some(mut hosts) = words.next() else { continue };
            let mut revoked = false;
            if hosts.starts_with('@') {
                if hosts != "@revoked" {
                    continue;
                }
                revoked = true;
                let Some(next) = words.next() else { continue };
                hosts = next;
            }
            let (Some(_), Some(data)) = (words.next(), words.next()) else { continue };
            let Ok(key) = russh::keys::parse_public_key_base64(data) else { continue };
            if is_about(hosts, &name) {
                if revoked { &mut found.revoked } else { &mut found.keys }.push(key);
            }
        }
        found
    }

    pub(super) fn judge(&self, key: &PublicKey) -> Verdict {
        let among = |keys: &[PublicKey]| keys.iter().any(|known| known.key_data() == key.key_data());
        if among(&self.revoked) {
            Verdict::Mismatch
        } else if among(&self.keys) {
            Verdict::Known
        } else if self.keys.is_empty() {
            Verdict::Unknown
        } else {
            Verdict::Mismatch
        }
    }

    /// The kinds of key on record, which the server should be asked for before others.
    pub(super) fn kinds(&self) -> impl Iterator<Item = russh::keys::Algorithm> + '_ {
        self.keys.iter().map(PublicKey::algorithm)
    }
}

/// Tells whether the first field of a line names the host: patterns by comma, or one hashed name.
fn is_about(hosts: &str, name: &str) -> bool {
    if let Some(hashed) = hosts.strip_prefix("|1|") {
        return is_hash_of(hashed, name);
    }
    let mut matched = false;
    for pattern in hosts.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if is_match(pattern, name) => return false,
            Some(_) => {}
            None => matched |= is_match(pattern, name),
        }
    }
    matched
}

fn is_hash_of(hashed: &str, name: &str) -> bool {
    let base64 = base64::engine::general_purpose::STANDARD;
    let Some((salt, hash)) = hashed.split_once('|') else { return false };
    let (Ok(salt), Ok(hash)) = (base64.decode(salt), base64.decode(hash)) else { return false };
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&salt) else { return false };
    mac.update(name.as_bytes());
    mac.verify_slice(&hash).is_ok()
}

/// Matches `*` and `?`, without regard to case.
fn is_match(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase().into_bytes(), name.to_ascii_lowercase().into_bytes());
    let (mut at, mut seen) = (0, 0);
    // Where to go on when the last `*` must take one more.
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                Some((from, taken)) => {
                    star = Some((from, taken + 1));
                    at = from + 1;
                    seen = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    const TWO: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    fn key(data: &str) -> PublicKey {
        russh::keys::parse_public_key_base64(data).expect("is a key")
    }

    #[test]
    fn lines_name_hosts_as_openssh_reads_them() {
        let name = |hosts: &str| format!("{hosts} ssh-ed25519 {ONE} comment\n");
        // The hashed name is `ssh-keygen -H` of example.com.
        let hashed = hashed("example.com");
        for (text, host, port, want) in [
            (name("example.com"), "example.com", 22, Verdict::Known),
            (name("EXAMPLE.com"), "example.com", 22, Verdict::Known),
            (name("other,example.com"), "example.com", 22, Verdict::Known),
            (name("*.example.com"), "git.example.com", 22, Verdict::Known),
            (name("*.example.com"), "example.com", 22, Verdict::Unknown),
            (name("*.example.com,!git.example.com"), "git.example.com", 22, Verdict::Unknown),
            (name("10.0.0.?"), "10.0.0.7", 22, Verdict::Known),
            (name("[example.com]:2222"), "example.com", 2222, Verdict::Known),
            (name("example.com"), "example.com", 2222, Verdict::Unknown),
            (name(&hashed), "example.com", 22, Verdict::Known),
            (name(&hashed), "example.org", 22, Verdict::Unknown),
            (format!("# {}", name("example.com")), "example.com", 22, Verdict::Unknown),
            (format!("@cert-authority {}", name("example.com")), "example.com", 22, Verdict::Unknown),
            (format!("@revoked {}", name("example.com")), "example.com", 22, Verdict::Mismatch),
            (format!("{}@revoked {}", name("example.com"), name("*")), "example.com", 22, Verdict::Mismatch),
            ("example.com ssh-ed25519 nonsense\n".into(), "example.com", 22, Verdict::Unknown),
            (format!("example.com ssh-ed25519 {TWO}\n"), "example.com", 22, Verdict::Mismatch),
            (format!("example.com ssh-ed25519 {TWO}\n{}", name("example.com")), "example.com", 22, Verdict::Known),
            (String::new(), "example.com", 22, Verdict::Unknown),
        ] {
            assert_eq!(HostKeys::of(&text, host, port).judge(&key(ONE)), want, "{host}:{port} in {text}");
        }
    }

    fn hashed(name: &str) -> String {
        let base64 = base64::engine::general_purpose::STANDARD;
        let mut mac = Hmac::<Sha1>::new_from_slice(&[7; 20]).expect("any length will do");
        mac.update(name.as_bytes());
        format!("|1|{}|{}", base64.encode([7; 20]), base64.encode(mac.finalize().into_bytes()))
    }
}
