//! Formatting of plain values with flags, width and precision (`fmt/format.go`).

use crate::float;
use crate::quote;
use crate::unicode::{count, decode, from_code, is_print, push};

/// The flags of one verb.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flags {
    pub(crate) width: Option<usize>,
    pub(crate) precision: Option<usize>,
    pub(crate) minus: bool,
    pub(crate) plus: bool,
    pub(crate) sharp: bool,
    pub(crate) space: bool,
    pub(crate) zero: bool,
    /// `%+v`
    pub(crate) plus_v: bool,
    /// `%#v`
    pub(crate) sharp_v: bool,
}

impl Flags {
    /// Tells whether there is nothing but the verb.
    pub(crate) fn is_plain(self) -> bool {
        let flags = [self.minus, self.plus, self.sharp, self.space, self.zero, self.plus_v, self.sharp_v];
        self.width.is_none() && self.precision.is_none() && flags.iter().all(|flag| !flag)
    }

    fn pad_byte(self) -> u8 {
        if self.zero && !self.minus { b'0' } else { b' ' }
    }

    /// Appends a text, padded to the width.
    pub(crate) fn pad(self, out: &mut Vec<u8>, text: &[u8]) {
        let Some(width) = self.width.filter(|width| *width > 0) else {
            out.extend_from_slice(text);
            return;
        };
        let padding = width.saturating_sub(count(text));
        if self.minus {
            out.extend_from_slice(text);
            self.padding(out, padding);
        } else {
            self.padding(out, padding);
            out.extend_from_slice(text);
        }
    }

    fn padding(self, out: &mut Vec<u8>, len: usize) {
        out.resize(out.len() + len, self.pad_byte());
    }

    fn without_zero(self) -> Self {
        Self { zero: false, ..self }
    }

    /// Cuts a text to as many characters as the precision says.
    fn cut(self, text: &[u8]) -> &[u8] {
        let Some(precision) = self.precision else { return text };
        let mut end = 0;
        for _ in 0..precision {
            let len = decode(&text[end..]).1;
            if len == 0 {
                break;
            }
            end += len;
        }
        &text[..end]
    }

    pub(crate) fn string(self, out: &mut Vec<u8>, text: &[u8]) {
        self.pad(out, self.cut(text));
    }

    pub(crate) fn quoted(self, out: &mut Vec<u8>, text: &[u8]) {
        let text = self.cut(text);
        let mut quoted = Vec::with_capacity(text.len() + 2);
        if self.sharp && quote::can_backquote(text) {
            quoted.push(b'`');
            quoted.extend_from_slice(text);
            quoted.push(b'`');
        } else {
            quote::quote(&mut quoted, text, self.plus);
        }
        self.pad(out, &quoted);
    }

    /// Appends bytes in hexadecimal.
    pub(crate) fn hex(self, out: &mut Vec<u8>, bytes: &[u8], upper: bool) {
        let bytes = self.precision.and_then(|precision| bytes.get(..precision)).unwrap_or(bytes);
        let len = bytes.len();
        if len == 0 {
            self.padding(out, self.width.unwrap_or(0));
            return;
        }
        let mut width = 2 * len;
        if self.space {
            width = if self.sharp { 2 * width } else { width } + len - 1;
        } else if self.sharp {
            width += 2;
        }
        let padding = self.width.unwrap_or(0).saturating_sub(width);
        if !self.minus {
            self.padding(out, padding);
        }
        let prefix: &[u8] = match (self.sharp, upper) {
            (false, _) => b"",
            (true, false) => b"0x",
            (true, true) => b"0X",
        };
        let digits: &[u8; 16] = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
        for (at, byte) in bytes.iter().enumerate() {
            if self.space && at > 0 {
                out.push(b' ');
            }
            if at == 0 || self.space {
                out.extend_from_slice(prefix);
            }
            out.extend_from_slice(&[digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
        }
        if self.minus {
            self.padding(out, padding);
        }
    }

    /// Appends an integer, given as magnitude and sign. `verb` matters for `O`, and `X` for upper-case digits.
    pub(crate) fn integer(self, out: &mut Vec<u8>, magnitude: u64, negative: bool, radix: u64, verb: char) {
        if radix == 10 && self.is_plain() {
            if negative {
                out.push(b'-');
            }
            decimal(out, magnitude);
            return;
        }
        // From right to left, as the number of digits is not known before.
        let mut digits = Vec::with_capacity(24);
        let mut precision = 0;
        if let Some(wanted) = self.precision {
            precision = wanted;
            if precision == 0 && magnitude == 0 {
                self.without_zero().padding(out, self.width.unwrap_or(0));
                return;
            }
        } else if let Some(width) = self.width
            && self.zero
            && !self.minus
        {
            precision = width.saturating_sub(usize::from(negative || self.plus || self.space));
        }
        let table: &[u8; 16] = if verb == 'X' { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
        let mut rest = magnitude;
        loop {
            digits.push(table[(rest % radix) as usize]);
            rest /= radix;
            if rest == 0 {
                break;
            }
        }
        if digits.len() < precision {
            digits.resize(precision, b'0');
        }
        if self.sharp {
            match radix {
                2 => digits.extend_from_slice(b"b0"),
                8 if digits.last() != Some(&b'0') => digits.push(b'0'),
                16 => digits.extend_from_slice(if verb == 'X' { b"X0" } else { b"x0" }),
                _ => {}
            }
        }
        if verb == 'O' {
            digits.extend_from_slice(b"o0");
        }
        if negative {
            digits.push(b'-');
        } else if self.plus {
            digits.push(b'+');
        } else if self.space {
            digits.push(b' ');
        }
        digits.reverse();
        self.without_zero().pad(out, &digits);
    }

    /// `%c`
    pub(crate) fn character(self, out: &mut Vec<u8>, code: u64) {
        let mut text = Vec::with_capacity(4);
        push(&mut text, from_code(code));
        self.pad(out, &text);
    }

    /// `%q` of an integer.
    pub(crate) fn quoted_character(self, out: &mut Vec<u8>, code: u64) {
        let mut text = Vec::with_capacity(12);
        quote::quote_char(&mut text, from_code(code), self.plus);
        self.pad(out, &text);
    }

    /// `%U`
    pub(crate) fn code_point(self, out: &mut Vec<u8>, code: u64) {
        let precision = self.precision.unwrap_or(4).max(4);
        let mut text = format!("U+{code:0precision$X}").into_bytes();
        if self.sharp
            && let Some(c) = u32::try_from(code).ok().and_then(char::from_u32)
            && is_print(c)
        {
            text.extend_from_slice(b" '");
            push(&mut text, c);
            text.push(b'\'');
        }
        self.without_zero().pad(out, &text);
    }

    /// Appends a float; `default` is the precision where none is asked for.
    pub(crate) fn float(self, out: &mut Vec<u8>, number: f64, bits: u32, verb: u8, default: Option<usize>) {
        let precision = self.precision.or(default);
        let mut text = vec![b'+'];
        float::append(&mut text, number, verb, precision, bits);
        if matches!(text[1], b'-' | b'+') {
            text.remove(0);
        }
        if self.space && text[0] == b'+' && !self.plus {
            text[0] = b' ';
        }
        if matches!(text[1], b'I' | b'N') {
            if text[1] == b'N' && !self.space && !self.plus {
                text.remove(0);
            }
            self.without_zero().pad(out, &text);
            return;
        }
        if self.sharp && verb != b'b' {
            sharpen(&mut text, verb, precision);
        }
        if self.plus || text[0] != b'+' {
            // Zeros go between the sign and the number.
            if let Some(width) = self.width
                && self.zero
                && !self.minus
                && width > text.len()
            {
                out.push(text[0]);
                self.padding(out, width - text.len());
                out.extend_from_slice(&text[1..]);
                return;
            }
            self.pad(out, &text);
            return;
        }
        self.pad(out, &text[1..]);
    }
}

/// Appends a number in decimal.
fn decimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = number;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Gives a number the decimal point and the trailing zeros that `#` asks for.
fn sharpen(text: &mut Vec<u8>, verb: u8, precision: Option<usize>) {
    let mut digits = match verb {
        b'v' | b'g' | b'G' | b'x' => precision.map_or(6, |precision| precision as i64),
        _ => 0,
    };
    let mut tail = Vec::new();
    let mut has_point = false;
    let mut seen_digit = false;
    for at in 1..text.len() {
        match text[at] {
            b'.' => has_point = true,
            b'p' | b'P' => {
                tail = text.split_off(at);
                break;
            }
            b'e' | b'E' if verb != b'x' && verb != b'X' => {
                tail = text.split_off(at);
                break;
            }
            byte => {
                seen_digit |= byte != b'0';
                digits -= i64::from(seen_digit);
            }
        }
    }
    if !has_point {
        if text.len() == 2 && text[1] == b'0' {
            digits -= 1;
        }
        text.push(b'.');
    }
    while digits > 0 {
        text.push(b'0');
        digits -= 1;
    }
    text.extend_from_slice(&tail);
}
