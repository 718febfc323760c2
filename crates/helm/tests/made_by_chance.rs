//! What templates make by chance, Go takes for its own: certificates, keys, hashes of passwords, ciphers.
//!
//! With `BOWLINE_GOTEMPLATE` naming the built `conformance/gotemplate`, the same template is executed by both, and Go is
//! asked of both outcomes what it makes of them: all but what is of chance must be the same.

#[path = "../../gotmpl/tests/support/host.rs"]
#[expect(dead_code, reason = "the functions that only the engine's own tests call")]
mod host;
#[path = "../../gotmpl/tests/support/protocol.rs"]
mod protocol;

use bowline_helm::functions::{Host, Random, table};
use protocol::Referee;
use serde_json::{Value as Json, json};

/// Bytes that differ from call to call, the same in every run.
fn chance(seed: u64) -> Random {
    let mut state = seed;
    Box::new(move |bytes| {
        for byte in bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 33) as u8;
        }
    })
}

fn case(template: &str) -> Json {
    json!({"helm": true, "templates": [["main", template]], "run": "main"})
}

fn ours(template: &str) -> Json {
    let mut state = Host::new((1_700_000_000, 0), chance(1));
    protocol::answer(&case(template), table(), &mut state)
}

fn both(referee: &mut Referee, template: &str) -> [Json; 2] {
    [ours(template), referee.ask(&[case(template)]).remove(0)]
}

fn text(answer: &Json) -> &str {
    answer["out"].as_str().unwrap_or_else(|| panic!("no output: {answer}"))
}

fn asked(referee: &mut Referee, check: &Json) -> Json {
    referee.ask(&[json!({"check": check})]).remove(0)
}

fn referee() -> Option<Referee> {
    let found = Referee::start();
    if found.is_none() {
        eprintln!("skipped: BOWLINE_GOTEMPLATE does not name the referee");
    }
    found
}

/// Ways to make a certificate `$c`, and the authority `$ca` that signs it, if another one does.
const CERTIFICATES: [&str; 26] = [
    r#"{{ $c := genCA "an authority" 365 }}"#,
    r#"{{ $c := genCA "" 1 }}"#,
    r#"{{ $c := genCA "überall, *.example" 36500 }}"#,
    r#"{{ $c := genCA "zero" 0 }}"#,
    r#"{{ $c := genCAWithKey "ca" 10 (genPrivateKey "ecdsa") }}"#,
    r#"{{ $c := genCAWithKey "ca" 10 (genPrivateKey "ed25519") }}"#,
    r#"{{ $c := genCAWithKey "ca" 10 (genPrivateKey "rsa") }}"#,
    r#"{{ $c := genSelfSignedCert "plain" nil nil 30 }}"#,
    r#"{{ $c := genSelfSignedCert "named" (list "10.0.0.1" "::1" "fe80::1" "::ffff:1.2.3.4") (list "a.example" "*.b.example" "bare") 30 }}"#,
    r#"{{ $c := genSelfSignedCert "" (list) (list "only.example") 30 }}"#,
    r#"{{ $c := genSelfSignedCert "" (list "127.0.0.1") (list) 30 }}"#,
    r#"{{ $c := genSelfSignedCert "under_score@x" (list) (list "under_score.example" "") 30 }}"#,
    r#"{{ $c := genSelfSignedCertWithKey "k" (list) (list "x.example") 30 (genPrivateKey "ecdsa") }}"#,
    r#"{{ $c := genSelfSignedCertWithKey "k" (list) (list "x.example") 30 (genPrivateKey "ed25519") }}"#,
    r#"{{ $ca := genCA "ca" 365 }}{{ $c := genSignedCert "leaf" (list "10.1.2.3") (list "leaf.example") 100 $ca }}"#,
    r#"{{ $ca := genCA "ca" 365 }}{{ $c := genSignedCert "" nil nil 100 $ca }}"#,
    r#"{{ $ca := genCA "" 365 }}{{ $c := genSignedCert "leaf" nil (list "leaf.example") 100 $ca }}"#,
    r#"{{ $ca := genCA "ca" 365 }}{{ $c := genSignedCertWithKey "leaf" nil (list "l.example") 5 $ca (genPrivateKey "ecdsa") }}"#,
    r#"{{ $ca := genCA "ca" 365 }}{{ $c := genSignedCertWithKey "leaf" nil (list "l.example") 5 $ca (genPrivateKey "ed25519") }}"#,
    r#"{{ $ca := genCAWithKey "ca" 365 (genPrivateKey "ecdsa") }}{{ $c := genSignedCert "leaf" nil (list "l.example") 5 $ca }}"#,
    r#"{{ $ca := genCAWithKey "ca" 365 (genPrivateKey "ed25519") }}{{ $c := genSignedCert "leaf" nil (list "l.example") 5 $ca }}"#,
    r#"{{ $ca := genCAWithKey "ca" 365 (genPrivateKey "ecdsa") }}{{ $c := genSignedCertWithKey "leaf" nil nil 5 $ca (genPrivateKey "ed25519") }}"#,
    r#"{{ $ca := genSelfSignedCert "no authority" nil nil 9 }}{{ $c := genSignedCert "leaf" nil (list "l.example") 5 $ca }}"#,
    r#"{{ $of := genCA "given" 9 }}{{ $ca := buildCustomCert (b64enc $of.Cert) (b64enc $of.Key) }}{{ $c := genSignedCert "leaf" nil (list "l.example") 5 $ca }}"#,
    r#"{{ $of := genSelfSignedCert "given" nil (list "g.example") 9 }}{{ $c := buildCustomCert (b64enc $of.Cert) (b64enc $of.Key) }}"#,
    r#"{{ $of := genCAWithKey "ca" 3 (genPrivateKey "ecdsa") }}{{ $c := genCAWithKey "again" 3 $of.Key }}"#,
];

#[test]
fn certificates_are_as_those_of_go() {
    let Some(mut referee) = referee() else { return };
    let mut wrong = Vec::new();
    for template in CERTIFICATES {
        let ca = if template.contains("$ca ") { "$ca" } else { "$c" };
        let whole = format!("{template}{{{{ $c.Cert }}}}={{{{ $c.Key }}}}={{{{ {ca}.Cert }}}}");
        let checked = both(&mut referee, &whole).map(|answer| {
            let out = text(&answer).replace("==\n", "%%\n").replace("=\n", "%\n");
            let parts: Vec<String> = out.split('=').map(|part| part.replace('%', "=")).collect();
            let ca = if ca == "$ca" { parts[2].as_str() } else { "" };
            asked(&mut referee, &json!({"what": "certificate", "cert": parts[0], "key": parts[1], "ca": ca}))
        });
        let [have, want] = checked;
        if have != want {
            wrong.push(format!("{template}\n  want {want}\n  have {have}"));
        }
        assert!(have["check"]["written"] == json!(true), "{template}: {have}");
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CERTIFICATES.len(), wrong.join("\n"));
}

#[test]
fn keys_are_as_those_of_go() {
    let Some(mut referee) = referee() else { return };
    for kind in ["rsa", "", "ecdsa", "ed25519"] {
        let keys = both(&mut referee, &format!("{{{{ genPrivateKey {kind:?} }}}}"));
        let [have, want] = keys.map(|key| asked(&mut referee, &json!({"what": "key", "key": text(&key)})));
        assert_eq!(have, want, "{kind}");
        assert_eq!(have["check"]["same"], json!(true), "{kind}: {have}");
    }
}

#[test]
fn hashes_of_passwords_belong_to_them() {
    let Some(mut referee) = referee() else { return };
    for password in ["", "secret", "pässwörd", "a\\x00b", &"x".repeat(72), &"x".repeat(73)] {
        let plain = password.replace("\\x00", "\0");
        let hashes = both(&mut referee, &format!("{{{{ bcrypt \"{password}\" }}}}"));
        let check = |hash: Json| json!({"what": "bcrypt", "hash": text(&hash), "password": plain});
        let [have, want] = hashes.map(|hash| asked(&mut referee, &check(hash)));
        assert_eq!(have, want, "{password}");
        let entries = both(&mut referee, &format!("{{{{ htpasswd \"user\" \"{password}\" }}}}"));
        let [have, want] = entries.map(|entry| {
            let (user, hash) = text(&entry).split_once(':').expect("an entry has a colon");
            assert_eq!(user, "user");
            asked(&mut referee, &json!({"what": "bcrypt", "hash": hash, "password": plain}))
        });
        assert_eq!(have, want, "{password}");
    }
}

#[test]
fn ciphers_are_read_by_the_other_side() {
    let Some(mut referee) = referee() else { return };
    for plain in ["", "x", "fifteen letters", "sixteen letters!", "a longer text, of several blocks, with ünïcödë"]
    {
        for password in ["", "p", "a password of more than thirty-two bytes, really"] {
            let sealed = both(&mut referee, &format!("{{{{ encryptAES {password:?} {plain:?} }}}}"));
            let lengths = sealed.each_ref().map(|sealed| text(sealed).len());
            assert_eq!(lengths[0], lengths[1], "{plain}");
            for sealed in sealed {
                let opened = both(&mut referee, &format!("{{{{ decryptAES {password:?} {:?} }}}}", text(&sealed)));
                for opened in opened {
                    assert_eq!(opened["out"], json!(plain), "{password:?} {sealed}");
                }
            }
        }
    }
}

/// Calls that end the same each time, though what they are of is chance.
const SURE: [&str; 40] = [
    r#"{{ derivePassword 1 "long" "password" "user" "example.com" }}"#,
    r#"{{ derivePassword 4294967295 "pin" "p" "u" "s" }}"#,
    r#"{{ derivePassword 1 "unknown" "p" "u" "s" }}"#,
    r#"{{ derivePassword -1 "pin" "p" "u" "s" }}"#,
    r#"{{ htpasswd "a:b" "c" }}"#,
    r#"{{ genCA "x" }}"#,
    r"{{ genCA 1 2 }}",
    r#"{{ genCAWithKey "x" 1 "" }}"#,
    r#"{{ genCAWithKey "x" 1 "junk" }}"#,
    r#"{{ genPrivateKey "junk" }}"#,
    r#"{{ genSelfSignedCert "x" (list 1) nil 1 }}"#,
    r#"{{ genSelfSignedCert "x" (list "1.2.3") nil 1 }}"#,
    r#"{{ genSelfSignedCert "x" (list "") nil 1 }}"#,
    r#"{{ genSelfSignedCert "x" nil (list 1) 1 }}"#,
    r#"{{ genSelfSignedCert "x" nil (list nil) 1 }}"#,
    r#"{{ genSelfSignedCert "x" "y" nil 1 }}"#,
    r#"{{ genSignedCert "x" nil nil 1 nil }}"#,
    r#"{{ genSignedCert "x" nil nil 1 "ca" }}"#,
    r#"{{ buildCustomCert "" "" }}"#,
    r#"{{ buildCustomCert "!" "" }}"#,
    r#"{{ buildCustomCert (b64enc "x") "!" }}"#,
    r#"{{ buildCustomCert (b64enc "x") (b64enc "y") }}"#,
    r#"{{ (genCA "x" 1).Nothing }}"#,
    r#"{{ typeOf (genCA "x" 1) }} {{ kindOf (genCA "x" 1) }}"#,
    r"{{ randAlpha 0 }}|{{ randAlphaNum -1 }}|{{ randNumeric 0 }}|{{ randAscii 0 }}",
    r"{{ randBytes 0 }}",
    r"{{ randBytes -1 }}",
    r"{{ randInt 5 6 }}",
    r"{{ randInt 5 5 }}",
    r"{{ randInt 6 5 }}",
    r"{{ len (randAlpha 7) }} {{ len (randAlphaNum 8) }} {{ len (randNumeric 9) }} {{ len (randAscii 10) }} {{ len (randBytes 11) }}",
    r#"{{ regexMatch "^[a-zA-Z]{40}$" (randAlpha 40) }} {{ regexMatch "^[a-zA-Z0-9]{40}$" (randAlphaNum 40) }}"#,
    r#"{{ regexMatch "^[0-9]{40}$" (randNumeric 40) }} {{ regexMatch "^[ -~]{40}$" (randAscii 40) }}"#,
    r#"{{ regexMatch "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$" uuidv4 }}"#,
    r#"{{ shuffle "abc" | splitList "" | sortAlpha | join "" }}|{{ shuffle "" }}|{{ len (shuffle "héllo") }}"#,
    r"{{ eq uuidv4 uuidv4 }} {{ eq (randAlpha 30) (randAlpha 30) }}",
    r#"{{ adler32sum "abc" }} {{ sha1sum "" }} {{ sha256sum "é" }} {{ sha512sum "x" }}"#,
    r#"{{ encryptAES "p" "" }}|{{ decryptAES "p" "" }}"#,
    r#"{{ decryptAES "p" "junk" }}"#,
    r#"{{ decryptAES "p" "30tEfhuJSVRhpG97XCuWgz2okj7L8vQ1s6V9zVUPeDQ=" }}"#,
];

#[test]
fn what_is_not_of_chance_is_the_same() {
    let Some(mut referee) = referee() else { return };
    let mut wrong = Vec::new();
    for template in SURE {
        let [have, want] = both(&mut referee, template);
        if have != want {
            wrong.push(format!("{template}\n  want {want}\n  have {have}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), SURE.len(), wrong.join("\n"));
}
