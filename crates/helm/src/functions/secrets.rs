//! Passwords, random texts and ciphers.

use aes::cipher::{Array, BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use blowfish::Blowfish;
use bowline_gotmpl::{Context, FuncError, Function, Type, UintKind, Value};

use super::args::{Gives, STRING, fail, int, string, text};
use super::encoding::{base64, base64_decoded};
use super::host::host;

const SS: &[Type] = &[STRING, STRING];
const N: &[Type] = &[Type::INT];
const DIGITS: &[u8] = b"0123456789";
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

pub(super) static TABLE: [Function; 11] = [
    Function::new("bcrypt", &[STRING], STRING, |ctx, args| {
        let password = text(&args[0]);
        string(bcrypted(ctx, &password)?)
    }),
    Function::new("decryptAES", SS, STRING, |_, args| decrypt(&text(&args[0]), &text(&args[1]))),
    Function::new(
        "derivePassword",
        &[Type::Uint(UintKind::Uint32), STRING, STRING, STRING, STRING],
        STRING,
        |ctx, args| {
            ctx.charge(SLOW)?;
            let counter = if let Value::Uint(_, counter) = args[0] { counter as u32 } else { 0 };
            let parts: Vec<_> = args[1..].iter().map(text).collect();
            string(derived(counter, &parts[0], &parts[1], &parts[2], &parts[3]))
        },
    ),
    Function::new("encryptAES", SS, STRING, |ctx, args| {
        let mut iv = [0; 16];
        if !text(&args[1]).is_empty() {
            host(ctx).fill(&mut iv);
        }
        encrypt(&text(&args[0]), &text(&args[1]), iv)
    }),
    Function::new("htpasswd", SS, STRING, |ctx, args| {
        let (user, password) = (text(&args[0]), text(&args[1]));
        if user.contains(&b':') {
            return string([b"invalid username: ", &user[..]].concat());
        }
        let hash = bcrypted(ctx, &password)?;
        string([&user[..], b":", hash.as_bytes()].concat())
    }),
    Function::new("randAlpha", N, STRING, |ctx, args| random(ctx, int(&args[0]), LETTERS)),
    Function::new("randAlphaNum", N, STRING, |ctx, args| {
        let all = [DIGITS, LETTERS].concat();
        random(ctx, int(&args[0]), &all)
    }),
    Function::new("randAscii", N, STRING, |ctx, args| {
        let all: Vec<u8> = (b' '..=b'~').collect();
        random(ctx, int(&args[0]), &all)
    }),
    Function::new("randBytes", N, STRING, |ctx, args| {
        let Ok(count) = usize::try_from(int(&args[0])) else {
            return fail("runtime error: makeslice: len out of range");
        };
        ctx.charge_bytes(count.saturating_mul(2))?;
        let mut bytes = vec![0; count];
        host(ctx).fill(&mut bytes);
        string(base64(&bytes))
    }),
    Function::new("randNumeric", N, STRING, |ctx, args| random(ctx, int(&args[0]), DIGITS)),
    Function::new("uuidv4", &[], STRING, |ctx, _| {
        let mut bytes = [0; 16];
        host(ctx).fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let all = hex::encode(bytes);
        string([&all[..8], &all[8..12], &all[12..16], &all[16..20], &all[20..]].join("-"))
    }),
];

/// What is slow on purpose takes as long as so many steps.
const SLOW: u64 = 1_000_000;

fn random(ctx: &mut Context<'_, '_>, count: i64, of: &[u8]) -> Gives {
    let Ok(count) = usize::try_from(count) else { return string("") };
    ctx.charge(count as u64)?;
    ctx.charge_bytes(count)?;
    let host = host(ctx);
    string((0..count).map(|_| of[host.below(of.len() as u64) as usize]).collect::<Vec<u8>>())
}

/// A password's hash, as `golang.org/x/crypto/bcrypt` makes it, at the default cost of 10.
fn bcrypted(ctx: &mut Context<'_, '_>, password: &[u8]) -> Result<String, FuncError> {
    const COST: u32 = 10;
    if password.len() > 72 {
        return Ok("failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_owned());
    }
    ctx.charge(SLOW)?;
    let mut salt = [0; 16];
    host(ctx).fill(&mut salt);
    let key = [password, &[0]].concat();
    let mut state: Blowfish = Blowfish::bc_init_state();
    state.salted_expand_key(&salt, &key);
    for _ in 0..1u32 << COST {
        state.bc_expand_key(&key);
        state.bc_expand_key(&salt);
    }
    let mut out = Vec::new();
    for block in b"OrpheanBeholderScryDoubt".chunks(8) {
        let word = |at: usize| u32::from_be_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
        let mut pair = [word(0), word(4)];
        for _ in 0..64 {
            pair = state.bc_encrypt(pair);
        }
        out.extend(pair.into_iter().flat_map(u32::to_be_bytes));
    }
    Ok(format!("$2a${COST}${}{}", bcrypt_base64(&salt), bcrypt_base64(&out[..23])))
}

fn bcrypt_base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let standard = base64(bytes);
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    standard.bytes().filter(|byte| *byte != b'=').map(|byte| char::from(ALPHABET[usize::from(digit(byte))])).collect()
}

fn cipher(password: &[u8]) -> aes::Aes256 {
    let mut key = [0; 32];
    let len = password.len().min(32);
    key[..len].copy_from_slice(&password[..len]);
    aes::Aes256::new(&Array::from(key))
}

fn encrypt(password: &[u8], plain: &[u8], iv: [u8; 16]) -> Gives {
    if plain.is_empty() {
        return string("");
    }
    let cipher = cipher(password);
    let padding = 16 - plain.len() % 16;
    let mut out = iv.to_vec();
    let padded = [plain, &vec![padding as u8; padding]].concat();
    let mut previous = iv;
    for chunk in padded.chunks(16) {
        let mut block = [0; 16];
        for (at, byte) in block.iter_mut().enumerate() {
            *byte = chunk[at] ^ previous[at];
        }
        let mut block = Array::from(block);
        cipher.encrypt_block(&mut block);
        previous = block.into();
        out.extend_from_slice(&previous);
    }
    string(base64(&out))
}

fn decrypt(password: &[u8], source: &[u8]) -> Gives {
    if source.is_empty() {
        return string("");
    }
    let sealed = match base64_decoded(source) {
        Ok(sealed) => sealed,
        Err(at) => return fail(format!("illegal base64 data at input byte {at}")),
    };
    if sealed.len() < 16 {
        // The capacity is that of the buffer that was decoded into.
        let capacity = source.len() / 4 * 3;
        if capacity < 16 {
            return fail(format!("runtime error: slice bounds out of range [:16] with capacity {capacity}"));
        }
        return fail(format!("runtime error: slice bounds out of range [16:{}]", sealed.len()));
    }
    if !sealed.len().is_multiple_of(16) {
        return fail("crypto/cipher: input not full blocks");
    }
    let cipher = cipher(password);
    let mut out = Vec::with_capacity(sealed.len());
    for at in (16..sealed.len()).step_by(16) {
        let mut block = [0; 16];
        block.copy_from_slice(&sealed[at..at + 16]);
        let mut block = Array::from(block);
        cipher.decrypt_block(&mut block);
        out.extend(block.iter().zip(&sealed[at - 16..at]).map(|(byte, before)| byte ^ before));
    }
    let Some(last) = out.last() else { return fail("runtime error: index out of range [-1]") };
    let end = out.len() as i64 - i64::from(*last);
    match usize::try_from(end) {
        Ok(end) => string(&out[..end]),
        Err(_) => fail(format!("runtime error: slice bounds out of range [:{end}]")),
    }
}

/// The master password algorithm.
fn derived(counter: u32, kind: &[u8], password: &[u8], user: &[u8], site: &[u8]) -> String {
    const SEED: &[u8] = b"com.lyndir.masterpassword";
    let templates: &[&str] = match kind {
        b"maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        b"long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        b"medium" => &["CvcnoCvc", "CvcCvcno"],
        b"short" => &["Cvcn"],
        b"basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        b"pin" => &["nnnn"],
        _ => return format!("cannot find password template {}", String::from_utf8_lossy(kind)),
    };
    let sized = |text: &[u8]| [&(text.len() as u32).to_be_bytes()[..], text].concat();
    let salt = [SEED, &sized(user)].concat();
    let mut key = [0; 64];
    let made =
        scrypt::Params::new(15, 8, 2).ok().and_then(|params| scrypt::scrypt(password, &salt, &params, &mut key).ok());
    if made.is_none() {
        return "failed to derive password: scrypt".to_owned();
    }
    let message = [SEED, &sized(site), &counter.to_be_bytes()].concat();
    let signing = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
    let tag = aws_lc_rs::hmac::sign(&signing, &message);
    let seed = tag.as_ref();
    let template = templates[usize::from(seed[0]) % templates.len()];
    let characters = |class: u8| match class {
        b'V' => "AEIOU",
        b'C' => "BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => "aeiou",
        b'c' => "bcdfghjklmnpqrstvwxyz",
        b'a' => "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => "0123456789",
        b'o' => "@&%?,=[]_:-+*$#!'^~;()/.",
        _ => "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    };
    let pick = |(at, class): (usize, u8)| {
        let from = characters(class).as_bytes();
        char::from(from[usize::from(seed[at + 1]) % from.len()])
    };
    template.bytes().enumerate().map(pick).collect()
}
