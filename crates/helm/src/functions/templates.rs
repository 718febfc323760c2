//! Templates that execute templates.

use bowline_gotmpl::{Context, FuncError, Function, Map, Set, Str, Type, Value, quote};

use super::args::{ANY, Gives, STRING, fail, string, text};
use super::host::host;
use super::runes::replaced;

pub(super) static TABLE: [Function; 4] = [
    Function::new("getHostByName", &[STRING], STRING, |_, _| string("")),
    Function::new("include", &[STRING, ANY], STRING, |ctx, args| {
        let name = text(&args[0]);
        if host(ctx).enter(&name).is_none() {
            return fail(format!(
                "rendering template has a nested reference name: {}: unable to execute template",
                name.to_text()
            ));
        }
        let made = ctx.execute(&name, &args[1]);
        host(ctx).leave(&name);
        string(made?)
    }),
    Function::new("lookup", &[STRING, STRING, STRING, STRING], Type::MAP, |ctx, args| {
        let key: Vec<Str> = args.iter().map(text).collect();
        let key: Vec<_> = key.iter().map(Str::to_text).collect();
        let found = host(ctx).look([&key[0], &key[1], &key[2], &key[3]])?;
        Ok(found.unwrap_or_else(|| Value::Map(Map::new())))
    }),
    Function::new("tpl", &[STRING, ANY], STRING, |ctx, args| {
        let source = text(&args[0]);
        // Most texts of values are no templates, and need no set of their own.
        if memchr::memmem::find(&source, b"{{").is_none() {
            ctx.charge_bytes(source.len())?;
            return string(scrubbed(&source));
        }
        if host(ctx).enter_text().is_none() {
            return fail("texts are executed as templates within each other, too deep");
        }
        let made = run_text(ctx, &source, &args[1]);
        host(ctx).leave_text();
        made
    }),
];

fn scrubbed(out: &[u8]) -> Vec<u8> {
    replaced(out, b"<no value>", b"")
}

/// Executes a text in a copy of the set, which alone sees what the text defines.
fn run_text(ctx: &mut Context<'_, '_>, source: &Str, data: &Value) -> Gives {
    let name = ctx.set().name().to_owned();
    let not_parsed = |error: bowline_gotmpl::ParseError| {
        let mut wrapped = FuncError::new(format!("cannot parse template {}: {error}", quote(source)));
        wrapped.cause = Some(Box::new(error));
        wrapped
    };
    // Within another such text the name is taken already, and a text that only defines would not replace it.
    if ctx.set().contains(&name) {
        let mut alone = Set::new(ctx.set().functions().clone());
        alone.set_name(&name);
        alone.parse(&name, source).map_err(not_parsed)?;
        let printed = alone.print(&name).unwrap_or_default();
        if printed.iter().all(|byte| matches!(byte, b' ' | b'\t'..=b'\r')) {
            return string(printed);
        }
    }
    let mut set = ctx.set().clone();
    set.parse(&name, source).map_err(not_parsed)?;
    if !set.contains(&name) {
        return string("");
    }
    match ctx.execute_in(&set, &name, data) {
        Ok(out) => string(scrubbed(&out)),
        Err(error) => {
            let mut wrapped =
                FuncError::new(format!("error during tpl function execution for {}: {error}", quote(source)));
            wrapped.limit = error.limit;
            wrapped.cause = Some(Box::new(error));
            Err(wrapped)
        }
    }
}
