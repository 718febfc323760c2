//! The functions that are part of `text/template`.

use smallvec::SmallVec;

use crate::call;
use crate::compare;
use crate::context::Run;
use crate::error::FuncError;
use crate::escape;
use crate::exec::Exec;
use crate::function::{Function, Signature};
use crate::index;
use crate::print;
use crate::printf;
use crate::rv::Rv;
use crate::types::Type;
use crate::value::Value;

/// A function that sees its arguments as `text/template` does, before they become plain values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    And,
    Call,
    Eq,
    Ge,
    Gt,
    Html,
    Index,
    Js,
    Le,
    Len,
    Lt,
    Ne,
    Not,
    Or,
    Print,
    Printf,
    Println,
    Slice,
    Urlquery,
}

const fn reflect(
    name: &'static str,
    params: &'static [Type],
    variadic: bool,
    result: Type,
    builtin: Builtin,
) -> Function {
    Function::builtin(name, Signature { params, variadic, result }, builtin)
}

const ONE: &[Type] = &[Type::Reflect];
const TWO: &[Type] = &[Type::Reflect, Type::Reflect];
const ANY: &[Type] = &[Type::Any];

/// All of them, sorted by name.
pub(crate) static TABLE: [Function; 19] = [
    reflect("and", TWO, true, Type::Reflect, Builtin::And),
    reflect("call", TWO, true, Type::Reflect, Builtin::Call),
    reflect("eq", TWO, true, Type::Bool, Builtin::Eq),
    reflect("ge", TWO, false, Type::Bool, Builtin::Ge),
    reflect("gt", TWO, false, Type::Bool, Builtin::Gt),
    reflect("html", ANY, true, Type::String, Builtin::Html),
    reflect("index", TWO, true, Type::Reflect, Builtin::Index),
    reflect("js", ANY, true, Type::String, Builtin::Js),
    reflect("le", TWO, false, Type::Bool, Builtin::Le),
    reflect("len", ONE, false, Type::INT, Builtin::Len),
    reflect("lt", TWO, false, Type::Bool, Builtin::Lt),
    reflect("ne", TWO, false, Type::Bool, Builtin::Ne),
    reflect("not", ONE, false, Type::Bool, Builtin::Not),
    reflect("or", TWO, true, Type::Reflect, Builtin::Or),
    reflect("print", ANY, true, Type::String, Builtin::Print),
    reflect("printf", &[Type::String, Type::Any], true, Type::String, Builtin::Printf),
    reflect("println", ANY, true, Type::String, Builtin::Println),
    reflect("slice", TWO, true, Type::Reflect, Builtin::Slice),
    reflect("urlquery", ANY, true, Type::String, Builtin::Urlquery),
];

/// Calls a function with arguments that fit its signature.
pub(crate) fn call(
    builtin: Builtin,
    exec: &mut Exec<'_, '_, '_>,
    callee: &str,
    mut args: SmallVec<[Rv; 4]>,
) -> Result<Rv, FuncError> {
    let truth = |truth: bool| Ok(Rv::Typed(Value::Bool(truth)));
    let depth = exec.run.limits.value_depth;
    match builtin {
        // These two do not evaluate all their arguments: `Exec` does them.
        Builtin::And | Builtin::Or => Ok(args.pop().unwrap_or(Rv::Invalid)),
        Builtin::Call => {
            let function = args.remove(0).dig();
            if matches!(function, Rv::Invalid) {
                return Err(FuncError::new("call of nil"));
            }
            let mut args: SmallVec<[Value; 4]> = args.into_iter().map(Rv::into_any).collect();
            call::call_value(exec, callee, function.as_any(), &mut args)
        }
        Builtin::Eq => truth(compare::equal_any(&args, depth)?),
        Builtin::Ne => truth(!compare::equal_any(&args, depth)?),
        Builtin::Lt => truth(compare::less(&args[0], &args[1])?),
        Builtin::Le => truth(compare::less_or_equal(&args[0], &args[1])?),
        Builtin::Gt => truth(!compare::less_or_equal(&args[0], &args[1])?),
        Builtin::Ge => truth(!compare::less(&args[0], &args[1])?),
        Builtin::Not => truth(!args[0].is_true()),
        Builtin::Index => {
            let item = args.remove(0);
            index::index(item, &args)
        }
        Builtin::Slice => {
            let item = args.remove(0);
            index::slice(item, &args)
        }
        Builtin::Len => Ok(Rv::Typed(Value::int(index::length(&args[0])? as i64))),
        Builtin::Print | Builtin::Println | Builtin::Printf => {
            let values: SmallVec<[Value; 4]> = args.into_iter().map(Rv::into_any).collect();
            print(builtin, exec.run, &values).map(Rv::Typed)
        }
        Builtin::Html | Builtin::Js | Builtin::Urlquery => {
            let mut text = Vec::new();
            escape::joined(&mut text, args, depth)?;
            let escaped = match builtin {
                Builtin::Html => escape::html(&text),
                Builtin::Js => escape::js(&text),
                _ => escape::query(&text),
            };
            exec.run.wrote(escaped.len())?;
            Ok(Rv::Typed(Value::Str(escaped.into())))
        }
    }
}

/// Calls `print`, `printf` or `println`.
pub(crate) fn print(builtin: Builtin, run: &mut Run<'_>, values: &[Value]) -> Result<Value, FuncError> {
    let depth = run.limits.value_depth;
    let mut out = Vec::with_capacity(64);
    match builtin {
        Builtin::Print => print::append_all(&mut out, values, depth)?,
        Builtin::Println => print::append_line(&mut out, values, depth)?,
        _ => {
            let (format, args) = values.split_first().ok_or("no format")?;
            let format = format.as_str().ok_or("no format")?;
            let limits = run.limits;
            printf::append(&mut out, format, args, &limits, run.bytes_left)?;
        }
    }
    run.wrote(out.len())?;
    Ok(Value::Str(out.into()))
}

/// Turns a value into one of a type, where `index` and `call` ask for it: integers change their size.
pub(crate) fn prepared(value: Value, ty: &'static Type) -> Result<Value, String> {
    if matches!(value, Value::Nil) {
        if !ty.can_be_nil() {
            return Err(format!("value is nil; should be of type {ty}"));
        }
        return Ok(ty.zero());
    }
    if call::is_assignable(&value, ty) {
        return Ok(value);
    }
    let bits = match value {
        Value::Int(_, number) => Some(number as u64),
        Value::Uint(_, number) => Some(number),
        _ => None,
    };
    match (bits, ty) {
        (Some(bits), Type::Int(kind)) => Ok(Value::Int(*kind, call::truncated(*kind, bits as i64))),
        (Some(bits), Type::Uint(kind)) => Ok(Value::Uint(*kind, call::truncated_uint(*kind, bits))),
        _ => Err(format!("value has type {}; should be {ty}", value.type_name())),
    }
}
