//! Printing values as Go's `fmt` does.

use crate::bytes::Str;
use crate::error::Limit;
use crate::limits::Limits;
use crate::object::{Field, Object, Shape};
use crate::quote::quoted;
use crate::stack;
use crate::types::Type;
use crate::unicode::push;
use crate::value::{FloatKind, Value};
use crate::verb::Flags;

/// Appends a value as `fmt.Print` prints it.
pub(crate) fn append(out: &mut Vec<u8>, value: &Value, max_depth: usize) -> Result<(), Limit> {
    Printer::new(out, max_depth).arg(value, 'v')
}

/// Appends a value as an action prints it: what a pointer points to, unless it has a text of its own.
pub(crate) fn append_printable(out: &mut Vec<u8>, value: &Value, max_depth: usize) -> Result<(), Limit> {
    if points_to_struct(value) {
        return Printer::new(out, max_depth).pointee(value);
    }
    append(out, value, max_depth)
}

fn points_to_struct(value: &Value) -> bool {
    matches!(value, Value::Object(object) if object.text().is_none() && matches!(object.shape(), Shape::Pointer(_)))
}

/// Returns values as `fmt.Sprint` joins them: with a space between two that are both no strings.
pub fn sprint(values: &[Value]) -> Str {
    // Values deeper than the limit of printing end where the limit is.
    let mut out = Vec::new();
    let _ = append_all(&mut out, values, Limits::default().value_depth);
    out.into()
}

/// Appends values as `fmt.Sprint` joins them.
pub(crate) fn append_all(out: &mut Vec<u8>, values: &[Value], max_depth: usize) -> Result<(), Limit> {
    let mut printer = Printer::new(out, max_depth);
    let mut after_string = true;
    for (at, value) in values.iter().enumerate() {
        let string = is_string(value);
        if at > 0 && !string && !after_string {
            printer.out.push(b' ');
        }
        printer.arg(value, 'v')?;
        after_string = string;
    }
    Ok(())
}

/// Appends values as `html` and its like join them: as [`append_all`], each as an action prints it.
pub(crate) fn append_all_printable(out: &mut Vec<u8>, values: &[Value], max_depth: usize) -> Result<(), Limit> {
    let mut after_string = true;
    for (at, value) in values.iter().enumerate() {
        let string = is_string(value);
        if at > 0 && !string && !after_string {
            out.push(b' ');
        }
        append_printable(out, value, max_depth)?;
        after_string = string;
    }
    Ok(())
}

/// Appends values as `fmt.Sprintln` joins them.
pub(crate) fn append_line(out: &mut Vec<u8>, values: &[Value], max_depth: usize) -> Result<(), Limit> {
    let mut printer = Printer::new(out, max_depth);
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            printer.out.push(b' ');
        }
        printer.arg(value, 'v')?;
    }
    printer.out.push(b'\n');
    Ok(())
}

fn is_string(value: &Value) -> bool {
    match value {
        Value::Str(_) => true,
        Value::Object(object) => matches!(object.shape(), Shape::Plain(Value::Str(_))),
        _ => false,
    }
}

pub(crate) struct Printer<'o> {
    pub(crate) out: &'o mut Vec<u8>,
    pub(crate) flags: Flags,
    /// While a bad verb is told, methods are not asked.
    erroring: bool,
    depth: usize,
    max_depth: usize,
}

impl<'o> Printer<'o> {
    pub(crate) fn new(out: &'o mut Vec<u8>, max_depth: usize) -> Self {
        Self { out, flags: Flags::default(), erroring: false, depth: 0, max_depth }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Prints an operand.
    pub(crate) fn arg(&mut self, value: &Value, verb: char) -> Result<(), Limit> {
        match (value, verb) {
            (Value::Nil, 'T' | 'v') => {
                self.flags.pad(self.out, b"<nil>");
                Ok(())
            }
            (_, 'T') => {
                self.flags.string(self.out, value.type_name().as_bytes());
                Ok(())
            }
            (_, 'p') if !matches!(value, Value::Nil) => self.pointer(value, verb, true),
            _ => self.value(value, verb, true),
        }
    }

    /// Prints a value that Go's printer is given as a `reflect.Value`.
    pub(crate) fn reflected(&mut self, value: &Value, verb: char) -> Result<(), Limit> {
        match value {
            Value::Nil => {
                self.text("<invalid reflect.Value>");
                Ok(())
            }
            _ => self.value(value, verb, true),
        }
    }

    /// Prints what a pointer points to, or the value itself, as a `reflect.Value`.
    pub(crate) fn pointee(&mut self, value: &Value) -> Result<(), Limit> {
        if let Value::Object(object) = value
            && let Shape::Pointer(fields) = object.shape()
        {
            return match object.pointee_text() {
                Some(text) => {
                    self.out.extend_from_slice(&text);
                    Ok(())
                }
                None => self.fields(object.type_name().trim_start_matches('*'), &fields, 'v'),
            };
        }
        if matches!(value, Value::Object(_)) && self.methods(value, 'v')? {
            return Ok(());
        }
        self.reflected(value, 'v')
    }

    /// Prints a value: an operand itself (`top`), or something inside of one.
    fn value(&mut self, value: &Value, verb: char, top: bool) -> Result<(), Limit> {
        if self.methods(value, verb)? {
            return Ok(());
        }
        match value {
            Value::Nil if top => self.bad_verb(value, verb),
            Value::Nil => {
                self.text(if self.flags.sharp_v { "interface {}(nil)" } else { "<nil>" });
                Ok(())
            }
            Value::Bool(truth) => match verb {
                't' | 'v' => {
                    self.flags.pad(self.out, if *truth { b"true" } else { b"false" });
                    Ok(())
                }
                _ => self.bad_verb(value, verb),
            },
            Value::Int(_, number) => self.integer(value, number.unsigned_abs(), *number < 0, true, verb),
            Value::Uint(_, number) => self.integer(value, *number, false, false, verb),
            Value::Float(kind, number) => {
                let bits = if *kind == FloatKind::Float32 { 32 } else { 64 };
                if self.float(*number, bits, verb) { Ok(()) } else { self.bad_verb(value, verb) }
            }
            Value::Complex(re, im) => self.complex(value, *re, *im, verb),
            Value::Str(text) => self.string(value, text, verb),
            Value::Bytes(bytes) => self.bytes(bytes.as_deref(), verb, top),
            Value::List(list) => {
                let byte_like = *list.ty().elem() == *Type::BYTES.elem();
                if byte_like && matches!(verb, 's' | 'q' | 'x' | 'X') {
                    let bytes: Vec<u8> =
                        list.iter().map(|item| if let Value::Uint(_, byte) = item { *byte as u8 } else { 0 }).collect();
                    return self.bytes(Some(&bytes), verb, top);
                }
                if self.open(&list.ty().to_string(), list.is_nil(), b'[') {
                    for (at, item) in list.iter().enumerate() {
                        self.separate(at);
                        self.element(item, list.ty().elem(), verb)?;
                    }
                    self.close(b']');
                }
                Ok(())
            }
            Value::Map(map) => {
                if self.open(&map.ty().to_string(), map.is_nil(), b'm') {
                    for (at, (key, item)) in map.entries().into_iter().enumerate() {
                        self.separate(at);
                        self.value(&Value::Str(key), verb, false)?;
                        self.out.push(b':');
                        self.element(&item, map.ty().elem(), verb)?;
                    }
                    self.close(b']');
                }
                Ok(())
            }
            Value::Object(object) => self.object(value, object.as_ref(), verb, top),
            Value::Func(_) => self.pointer(value, verb, top),
        }
    }

    fn element(&mut self, value: &Value, ty: &Type, verb: char) -> Result<(), Limit> {
        // A nil that is no interface cannot be: zero values are typed.
        debug_assert!(ty.is_interface() || !matches!(value, Value::Nil), "holds because elements are of their type");
        self.depth += 1;
        if self.depth > self.max_depth {
            return Err(Limit::ValueDepth(self.max_depth));
        }
        let result = stack::deeper(32 * 1024, 1024 * 1024, || self.value(value, verb, false));
        self.depth -= 1;
        result
    }

    /// Writes what comes before the elements of a list or map; tells whether elements follow.
    fn open(&mut self, ty: &str, nil: bool, bracket: u8) -> bool {
        if self.flags.sharp_v {
            self.text(ty);
            if nil {
                self.text("(nil)");
                return false;
            }
            self.out.push(b'{');
        } else {
            self.text(if bracket == b'm' { "map[" } else { "[" });
        }
        true
    }

    fn separate(&mut self, at: usize) {
        if at > 0 {
            self.text(if self.flags.sharp_v { ", " } else { " " });
        }
    }

    fn close(&mut self, bracket: u8) {
        self.out.push(if self.flags.sharp_v { b'}' } else { bracket });
    }

    /// Prints values that print themselves; tells whether this one did.
    fn methods(&mut self, value: &Value, verb: char) -> Result<bool, Limit> {
        if self.erroring {
            return Ok(false);
        }
        // Bytes are printed one by one, and each complains.
        if verb == 'w' && !matches!(value, Value::Nil | Value::Bytes(_)) {
            self.bad_verb(value, verb)?;
            return Ok(true);
        }
        if !self.flags.sharp_v
            && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
            && let Value::Object(object) = value
            && let Some(text) = object.text()
        {
            self.string(value, &text, verb)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn bad_verb(&mut self, value: &Value, verb: char) -> Result<(), Limit> {
        self.erroring = true;
        self.text("%!");
        push(self.out, verb);
        self.out.push(b'(');
        if matches!(value, Value::Nil) {
            self.text("<nil>");
        } else {
            self.text(&value.type_name());
            self.out.push(b'=');
            self.arg(value, 'v')?;
        }
        self.out.push(b')');
        self.erroring = false;
        Ok(())
    }

    fn integer(
        &mut self,
        value: &Value,
        magnitude: u64,
        negative: bool,
        signed: bool,
        verb: char,
    ) -> Result<(), Limit> {
        let bits = if negative { magnitude.wrapping_neg() } else { magnitude };
        match verb {
            'v' if self.flags.sharp_v && !signed => self.hex_number(magnitude, true),
            'v' | 'd' => self.flags.integer(self.out, magnitude, negative, 10, verb),
            'b' => self.flags.integer(self.out, magnitude, negative, 2, verb),
            'o' | 'O' => self.flags.integer(self.out, magnitude, negative, 8, verb),
            'x' | 'X' => self.flags.integer(self.out, magnitude, negative, 16, verb),
            'c' => self.flags.character(self.out, bits),
            'q' => self.flags.quoted_character(self.out, bits),
            'U' => self.flags.code_point(self.out, bits),
            _ => return self.bad_verb(value, verb),
        }
        Ok(())
    }

    fn hex_number(&mut self, number: u64, prefix: bool) {
        Flags { sharp: prefix, ..self.flags }.integer(self.out, number, false, 16, 'v');
    }

    fn float(&mut self, number: f64, bits: u32, verb: char) -> bool {
        if verb == 'v' && self.flags.is_plain() && number.fract() == 0.0 && number != 0.0 && number.abs() < 1e6 {
            self.flags.integer(self.out, number.abs() as u64, number < 0.0, 10, 'd');
            return true;
        }
        let (verb, precision) = match verb {
            'v' => (b'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => (verb as u8, None),
            'f' | 'e' | 'E' => (verb as u8, Some(6)),
            'F' => (b'f', Some(6)),
            _ => return false,
        };
        self.flags.float(self.out, number, bits, verb, precision);
        true
    }

    fn complex(&mut self, value: &Value, re: f64, im: f64, verb: char) -> Result<(), Limit> {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            return self.bad_verb(value, verb);
        }
        let plus = self.flags.plus;
        self.out.push(b'(');
        self.float(re, 64, verb);
        // The imaginary part always has a sign.
        self.flags.plus = true;
        self.float(im, 64, verb);
        self.text("i)");
        self.flags.plus = plus;
        Ok(())
    }

    fn string(&mut self, value: &Value, text: &[u8], verb: char) -> Result<(), Limit> {
        match verb {
            'v' if self.flags.sharp_v => self.flags.quoted(self.out, text),
            'v' | 's' => self.flags.string(self.out, text),
            'x' | 'X' => self.flags.hex(self.out, text, verb == 'X'),
            'q' => self.flags.quoted(self.out, text),
            _ => return self.bad_verb(value, verb),
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: Option<&[u8]>, verb: char, top: bool) -> Result<(), Limit> {
        let given = bytes.unwrap_or_default();
        match verb {
            's' => self.flags.string(self.out, given),
            'q' => self.flags.quoted(self.out, given),
            'x' | 'X' => self.flags.hex(self.out, given, verb == 'X'),
            _ => {
                let ty = if top && matches!(verb, 'v' | 'd') { "[]byte" } else { "[]uint8" };
                if self.open(ty, bytes.is_none(), b'[') {
                    for (at, byte) in given.iter().enumerate() {
                        self.separate(at);
                        self.value(&Value::Uint(crate::UintKind::Uint8, u64::from(*byte)), verb, false)?;
                    }
                    self.close(b']');
                }
            }
        }
        Ok(())
    }

    fn object(&mut self, value: &Value, object: &dyn Object, verb: char, top: bool) -> Result<(), Limit> {
        match object.shape() {
            Shape::Struct(fields) => {
                let name = object.type_name();
                self.fields(&name, &fields, verb)
            }
            Shape::Pointer(fields) if top => {
                self.out.push(b'&');
                let name = object.type_name();
                self.fields(name.trim_start_matches('*'), &fields, verb)
            }
            Shape::Pointer(_) | Shape::NilPointer => self.pointer(value, verb, top),
            Shape::Plain(inner) => self.plain(value, object, &inner, verb),
        }
    }

    /// A defined type over something plain prints as that, under its own name where names are printed.
    fn plain(&mut self, value: &Value, object: &dyn Object, inner: &Value, verb: char) -> Result<(), Limit> {
        match inner {
            Value::Map(_) | Value::List(_) if self.flags.sharp_v => {
                let before = self.out.len();
                self.value(inner, verb, false)?;
                let rest = self.out.split_off(before + inner.type_name().len());
                self.out.truncate(before);
                self.text(&object.type_name());
                self.out.extend_from_slice(&rest);
                Ok(())
            }
            Value::Bool(_) if !matches!(verb, 't' | 'v') => self.bad_verb(value, verb),
            _ => self.value(inner, verb, false),
        }
    }

    fn fields(&mut self, ty: &str, fields: &[Field], verb: char) -> Result<(), Limit> {
        if self.flags.sharp_v {
            self.text(ty);
        }
        self.out.push(b'{');
        for (at, field) in fields.iter().enumerate() {
            self.separate(at);
            if self.flags.plus_v || self.flags.sharp_v {
                self.text(field.name);
                self.out.push(b':');
            }
            if matches!(field.value, Value::Nil) && self.flags.sharp_v {
                self.text(&format!("{}(nil)", field.ty));
            } else {
                self.depth += 1;
                if self.depth > self.max_depth {
                    return Err(Limit::ValueDepth(self.max_depth));
                }
                stack::deeper(32 * 1024, 1024 * 1024, || self.value(&field.value, verb, false))?;
                self.depth -= 1;
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Prints an address. Which one it is differs from run to run, as in Go.
    fn pointer(&mut self, value: &Value, verb: char, _top: bool) -> Result<(), Limit> {
        let Some(address) = address(value) else { return self.bad_verb(value, verb) };
        match verb {
            'v' if self.flags.sharp_v => {
                self.text(&format!("({})(", value.type_name()));
                if address == 0 {
                    self.text("nil");
                } else {
                    self.hex_number(address, true);
                }
                self.out.push(b')');
            }
            'v' if address == 0 => self.flags.pad(self.out, b"<nil>"),
            'v' | 'p' => self.hex_number(address, !self.flags.sharp),
            'b' | 'o' | 'd' | 'x' | 'X' => return self.integer(value, address, false, false, verb),
            _ => return self.bad_verb(value, verb),
        }
        Ok(())
    }
}

fn address(value: &Value) -> Option<u64> {
    let address = match value {
        Value::Map(map) => map.address(),
        Value::List(list) => list.address(),
        Value::Bytes(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.as_ptr().addr()),
        Value::Func(func) => std::rc::Rc::as_ptr(func).addr(),
        Value::Object(object) => match object.shape() {
            Shape::NilPointer => 0,
            Shape::Pointer(_) => std::rc::Rc::as_ptr(object).addr(),
            Shape::Plain(inner) => return address(&inner),
            Shape::Struct(_) => return None,
        },
        _ => return None,
    };
    Some(address as u64)
}

/// Returns a text as a Go string literal, as `%q` prints it.
pub fn quote(text: impl AsRef<[u8]>) -> String {
    quoted(text.as_ref())
}
