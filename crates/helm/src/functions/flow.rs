//! Choices, types, and what ends a rendering.

use bowline_gotmpl::{Function, Type, Value};

use super::args::{ANY, STRING, boolean, fail, is_empty, kind, text, truth};
use super::host::host;

pub(super) static TABLE: [Function; 10] = [
    Function::variadic("all", &[ANY], Type::Bool, |_, args| boolean(!args.iter().any(is_empty))),
    Function::variadic("any", &[ANY], Type::Bool, |_, args| boolean(!args.iter().all(is_empty))),
    Function::variadic("coalesce", &[ANY], ANY, |_, args| {
        Ok(args.iter().find(|value| !is_empty(value)).cloned().unwrap_or_default())
    }),
    Function::variadic("default", &[ANY, ANY], ANY, |_, args| {
        let given = args.get(1).filter(|given| !is_empty(given));
        Ok(given.unwrap_or(&args[0]).clone())
    }),
    Function::new("fail", &[STRING], STRING, |ctx, args| {
        if host(ctx).lint {
            return Ok(Value::str(""));
        }
        fail(wrapped(&text(&args[0])))
    }),
    Function::new("kindIs", &[STRING, ANY], Type::Bool, |_, args| {
        boolean(text(&args[0]).as_bytes() == kind(&args[1]).as_bytes())
    }),
    Function::new("required", &[STRING, ANY], ANY, |ctx, args| {
        let missing = match &args[1] {
            Value::Nil => true,
            Value::Str(text) => text.is_empty(),
            _ => false,
        };
        if !missing {
            return Ok(std::mem::take(&mut args[1]));
        }
        if host(ctx).lint {
            return Ok(Value::str(""));
        }
        fail(wrapped(&text(&args[0])))
    }),
    Function::new("ternary", &[ANY, ANY, Type::Bool], ANY, |_, args| {
        let chosen = usize::from(!truth(&args[2]));
        Ok(std::mem::take(&mut args[chosen]))
    }),
    Function::new("typeIs", &[STRING, ANY], Type::Bool, |_, args| {
        boolean(text(&args[0]).as_bytes() == args[1].type_name().as_bytes())
    }),
    Function::new("typeIsLike", &[STRING, ANY], Type::Bool, |_, args| {
        let (target, name) = (text(&args[0]), args[1].type_name());
        boolean(target.as_bytes() == name.as_bytes() || [b"*", target.as_bytes()].concat() == name.as_bytes())
    }),
];

/// Marks a message for whoever reports the error: Helm shows what is between the marks alone.
fn wrapped(message: &bowline_gotmpl::Str) -> String {
    format!("HELM_ERR_START{}HELM_ERR_END", message.to_text())
}
