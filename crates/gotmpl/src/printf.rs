//! `printf`: formats with verbs, as Go's `fmt.Sprintf` reads them.

use crate::bytes::Str;
use crate::error::Limit;
use crate::limits::Limits;
use crate::print::Printer;
use crate::unicode::{decode, push};
use crate::value::Value;
use crate::verb::Flags;

/// Widths and precisions beyond this are mistakes.
const MAX_NUMBER: i64 = 1_000_000;

/// Returns `args` formatted as `fmt.Sprintf` does.
pub fn sprintf(format: impl AsRef<[u8]>, args: &[Value]) -> Str {
    let mut out = Vec::new();
    // Values deeper than the limit of printing end where the limit is.
    let _ = append(&mut out, format.as_ref(), args, &Limits::default(), usize::MAX);
    out.into()
}

/// Appends `args` as `format` says, at most about `max` bytes.
pub(crate) fn append(
    out: &mut Vec<u8>,
    format: &[u8],
    args: &[Value],
    limits: &Limits,
    max: usize,
) -> Result<(), Limit> {
    let mut reader = Reader { format, at: 0, args, arg: 0, reordered: false, good_index: true };
    let mut printer = Printer::new(out, limits.value_depth);
    while reader.at < format.len() {
        reader.good_index = true;
        let text = &format[reader.at..];
        let plain = memchr::memchr(b'%', text).unwrap_or(text.len());
        printer.out.extend_from_slice(&text[..plain]);
        reader.at += plain;
        if reader.at >= format.len() {
            break;
        }
        reader.at += 1;
        printer.flags = Flags::default();
        if !reader.verb(&mut printer)? {
            break;
        }
        if printer.out.len() > max {
            return Err(Limit::Output(limits.output_bytes));
        }
    }
    // Arguments taken out of order are not counted.
    if !reader.reordered && reader.arg < args.len() {
        printer.flags = Flags::default();
        printer.text("%!(EXTRA ");
        for (at, arg) in args[reader.arg..].iter().enumerate() {
            if at > 0 {
                printer.text(", ");
            }
            if matches!(arg, Value::Nil) {
                printer.text("<nil>");
            } else {
                printer.text(&arg.type_name());
                printer.out.push(b'=');
                printer.arg(arg, 'v')?;
            }
        }
        printer.out.push(b')');
    }
    Ok(())
}

struct Reader<'a> {
    format: &'a [u8],
    at: usize,
    args: &'a [Value],
    /// The next argument.
    arg: usize,
    reordered: bool,
    /// Whether the last explicit index was right.
    good_index: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    /// Reads one verb with its flags, and prints what it asks for; `false` when the format ended before the verb.
    fn verb(&mut self, printer: &mut Printer<'_>) -> Result<bool, Limit> {
        let flags = &mut printer.flags;
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        let mut after_index = self.index();
        if self.peek() == Some(b'*') {
            self.at += 1;
            match self.star() {
                Some(width) => {
                    flags.width = Some(width.unsigned_abs() as usize);
                    if width < 0 {
                        flags.minus = true;
                        // No zeros to the right.
                        flags.zero = false;
                    }
                }
                None => printer.text("%!(BADWIDTH)"),
            }
            after_index = false;
        } else {
            printer.flags.width = self.number();
            if after_index && printer.flags.width.is_some() {
                self.good_index = false;
            }
        }
        if self.at + 1 < self.format.len() && self.peek() == Some(b'.') {
            self.at += 1;
            if after_index {
                self.good_index = false;
            }
            after_index = self.index();
            if self.peek() == Some(b'*') {
                self.at += 1;
                match self.star() {
                    Some(precision) if precision >= 0 => printer.flags.precision = Some(precision as usize),
                    // A negative precision is as good as none.
                    _ => printer.text("%!(BADPREC)"),
                }
                after_index = false;
            } else {
                printer.flags.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !after_index {
            self.index();
        }
        if self.at >= self.format.len() {
            printer.text("%!(NOVERB)");
            return Ok(false);
        }
        let (verb, len) = decode(&self.format[self.at..]);
        self.at += len;
        if verb == '%' {
            printer.out.push(b'%');
        } else if !self.good_index {
            complain(printer, verb, "(BADINDEX)");
        } else if let Some(arg) = self.args.get(self.arg) {
            if matches!(verb, 'v' | 'w') {
                let flags = &mut printer.flags;
                flags.sharp_v = std::mem::take(&mut flags.sharp);
                flags.plus_v = std::mem::take(&mut flags.plus);
            }
            self.arg += 1;
            printer.arg(arg, verb)?;
        } else {
            complain(printer, verb, "(MISSING)");
        }
        Ok(true)
    }

    /// Reads digits; none, or too many, are no number.
    fn number(&mut self) -> Option<usize> {
        let mut number: Option<i64> = None;
        while let Some(byte) = self.peek().filter(u8::is_ascii_digit) {
            let so_far = number.unwrap_or(0);
            if so_far > MAX_NUMBER {
                // Go gives up on the whole format here.
                self.at = self.format.len();
                return None;
            }
            number = Some(so_far * 10 + i64::from(byte - b'0'));
            self.at += 1;
        }
        number.map(|number| number as usize)
    }

    /// Takes the next argument as a width or precision.
    fn star(&mut self) -> Option<i64> {
        let arg = self.args.get(self.arg)?;
        self.arg += 1;
        let number = match arg {
            Value::Int(_, number) => *number,
            Value::Uint(_, number) => i64::try_from(*number).ok()?,
            _ => return None,
        };
        (-MAX_NUMBER..=MAX_NUMBER).contains(&number).then_some(number)
    }

    /// Reads an explicit argument index, `[3]`, if there is one.
    fn index(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = &self.format[self.at..];
        let end = if rest.len() < 3 { None } else { memchr::memchr(b']', rest) };
        let Some(end) = end else {
            self.at += 1;
            self.good_index = false;
            return false;
        };
        self.at += end + 1;
        let mut inside = Reader { format: &rest[1..end], at: 0, args: &[], arg: 0, reordered: false, good_index: true };
        let number = inside.number().filter(|_| inside.at == inside.format.len());
        // `number` of 1 000 000 and more is left whole by Go only if no digit follows.
        match number {
            Some(number) if (1..=self.args.len()).contains(&number) => {
                self.arg = number - 1;
                true
            }
            other => {
                self.good_index = false;
                other.is_some()
            }
        }
    }
}

fn complain(printer: &mut Printer<'_>, verb: char, what: &str) {
    printer.text("%!");
    push(printer.out, verb);
    printer.text(what);
}
