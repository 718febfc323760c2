//! Floats as Go's `strconv.AppendFloat` writes them.

/// The significant decimal digits of a number, without trailing zeros, and where the decimal point lies.
struct Digits {
    digits: Vec<u8>,
    /// The number is `0.DIGITS × 10^point`.
    point: i32,
}

/// Appends a number: `verb` is one of `e E f F g G b x X`; `prec` is `None` for the shortest text that reads back as the
/// same number of `bits` bits.
pub(crate) fn append(out: &mut Vec<u8>, number: f64, verb: u8, prec: Option<usize>, bits: u32) {
    if number.is_nan() {
        out.extend_from_slice(b"NaN");
        return;
    }
    if number.is_infinite() {
        out.extend_from_slice(if number > 0.0 { b"+Inf" } else { b"-Inf" });
        return;
    }
    if number.is_sign_negative() {
        out.push(b'-');
    }
    let number = number.abs();
    match verb {
        b'b' => binary(out, number, bits),
        b'x' | b'X' => hexadecimal(out, number, verb, prec, bits),
        b'e' | b'E' => {
            let digits = digits(number, prec.map(|prec| prec + 1), bits);
            let prec = prec.unwrap_or(digits.digits.len().saturating_sub(1));
            exponential(out, &digits, prec, verb);
        }
        b'f' | b'F' => match prec {
            Some(prec) => out.extend_from_slice(format!("{number:.prec$}").as_bytes()),
            None => fixed(out, &digits(number, None, bits)),
        },
        _ => general(out, number, verb, prec, bits),
    }
}

fn general(out: &mut Vec<u8>, number: f64, verb: u8, prec: Option<usize>, bits: u32) {
    let prec = prec.map(|prec| prec.max(1));
    let digits = digits(number, prec, bits);
    let len = digits.digits.len();
    let threshold = match prec {
        None => 6,
        Some(prec) if prec > len && len as i32 >= digits.point => len as i32,
        Some(prec) => prec as i32,
    };
    let exponent = digits.point - 1;
    if exponent < -4 || exponent >= threshold {
        let prec = prec.unwrap_or(len).min(len).saturating_sub(1);
        exponential(out, &digits, prec, if verb == b'G' { b'E' } else { b'e' });
    } else {
        fixed(out, &digits);
    }
}

/// Finds the digits: the shortest that tell the number, or `count` of them.
fn digits(number: f64, count: Option<usize>, bits: u32) -> Digits {
    if number == 0.0 {
        return Digits { digits: Vec::new(), point: 0 };
    }
    let text = match count {
        Some(count) => format!("{number:.*e}", count - 1),
        None if bits == 32 => format!("{:e}", number as f32),
        None => format!("{number:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    Digits { digits, point: exponent.parse::<i32>().unwrap_or(0) + 1 }
}

fn exponential(out: &mut Vec<u8>, digits: &Digits, prec: usize, e: u8) {
    out.push(digits.digits.first().copied().unwrap_or(b'0'));
    if prec > 0 {
        out.push(b'.');
        out.extend((1..=prec).map(|at| digits.digits.get(at).copied().unwrap_or(b'0')));
    }
    out.push(e);
    let exponent = if digits.digits.is_empty() { 0 } else { digits.point - 1 };
    out.push(if exponent < 0 { b'-' } else { b'+' });
    out.extend_from_slice(format!("{:02}", exponent.abs()).as_bytes());
}

fn fixed(out: &mut Vec<u8>, digits: &Digits) {
    let len = digits.digits.len() as i32;
    if digits.point > 0 {
        out.extend((0..digits.point).map(|at| digits.digits.get(at as usize).copied().unwrap_or(b'0')));
    } else {
        out.push(b'0');
    }
    if len > digits.point {
        out.push(b'.');
        out.extend((digits.point..len).map(|at| if at < 0 { b'0' } else { digits.digits[at as usize] }));
    }
}

/// The bits of a number: mantissa with its hidden bit, and the exponent of the mantissa's last bit.
fn parts(number: f64, bits: u32) -> (u64, i32) {
    let (raw, mantissa_bits, bias) =
        if bits == 32 { (u64::from((number as f32).to_bits()), 23, 127) } else { (number.to_bits(), 52, 1023) };
    let mantissa = raw & ((1 << mantissa_bits) - 1);
    let exponent = (raw >> mantissa_bits & ((1 << (if bits == 32 { 8 } else { 11 })) - 1)) as i32;
    if exponent == 0 {
        (mantissa, 1 - bias - mantissa_bits)
    } else {
        (mantissa | 1 << mantissa_bits, exponent - bias - mantissa_bits)
    }
}

fn binary(out: &mut Vec<u8>, number: f64, bits: u32) {
    let (mantissa, exponent) = parts(number, bits);
    out.extend_from_slice(format!("{mantissa}p{exponent:+}").as_bytes());
}

fn hexadecimal(out: &mut Vec<u8>, number: f64, verb: u8, prec: Option<usize>, bits: u32) {
    let (mantissa, exponent) = parts(number, bits);
    let mut exponent = if mantissa == 0 { 0 } else { exponent };
    let mut mantissa = mantissa;
    if mantissa != 0 {
        // The leading one goes to bit 60, so that 15 hexadecimal digits follow the point.
        let shift = mantissa.leading_zeros() as i32 - 3;
        mantissa <<= shift;
        exponent += 60 - shift;
    }
    if let Some(prec) = prec
        && prec < 15
    {
        let shift = prec * 4;
        let extra = (mantissa << shift) & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        if extra | (mantissa & 1) > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let digit = |value: u64| {
        let table: &[u8; 16] = if verb == b'X' { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
        table[(value & 15) as usize]
    };
    out.extend_from_slice(&[b'0', verb, b'0' + (mantissa >> 60 & 1) as u8]);
    mantissa <<= 4;
    if prec.is_none_or(|prec| prec > 0) && (prec.is_some() || mantissa != 0) {
        out.push(b'.');
        let mut written = 0;
        while prec.map_or(mantissa != 0, |prec| written < prec) {
            out.push(digit(mantissa >> 60));
            mantissa <<= 4;
            written += 1;
        }
    }
    out.push(if verb == b'X' { b'P' } else { b'p' });
    out.push(if exponent < 0 { b'-' } else { b'+' });
    out.extend_from_slice(format!("{:02}", exponent.abs()).as_bytes());
}
