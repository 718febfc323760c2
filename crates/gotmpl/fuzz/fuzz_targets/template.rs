//! Any bytes as a template: it is refused, fails or renders within its limits, and never panics.
#![no_main]

use bowline_gotmpl::{Context, FuncError, Function, Functions, Limits, Set, Type, Value};

fn include(context: &mut Context<'_, '_>, args: &mut [Value]) -> Result<Value, FuncError> {
    let name = args[0].as_str().cloned().unwrap_or_default();
    Ok(Value::str(context.execute(name, &args[1])?))
}

fn tpl(context: &mut Context<'_, '_>, args: &mut [Value]) -> Result<Value, FuncError> {
    let mut set = context.set().clone();
    set.parse("tpl", args[0].as_str().cloned().unwrap_or_default())?;
    Ok(Value::str(context.execute_in(&set, "tpl", &args[1])?))
}

fn set(_: &mut Context<'_, '_>, args: &mut [Value]) -> Result<Value, FuncError> {
    let map = args[0].as_map().cloned().unwrap_or_default();
    map.insert(args[1].as_str().cloned().unwrap_or_default(), std::mem::take(&mut args[2]));
    Ok(Value::Map(map))
}

static FUNCTIONS: [Function; 3] = [
    Function::new("include", &[Type::String, Type::Any], Type::String, include),
    Function::new("tpl", &[Type::String, Type::Any], Type::String, tpl),
    Function::new("set", &[Type::MAP, Type::String, Type::Any], Type::MAP, set),
];

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let mut set = Set::new(Functions::builtin().with(&FUNCTIONS));
    if set.parse("t", text).is_err() {
        return;
    }
    set.print("t");
    let data = Value::from_json(&serde_json::json!({
        "a": {"b": {"c": "text"}}, "l": [1, "two", null, [3.5]], "n": 12, "s": "héllo", "t": true, "e": {}, "z": null,
    }));
    let limits = Limits { steps: 20_000, output_bytes: 1 << 20, depth: 200, value_depth: 200 };
    let mut out = Vec::new();
    let result = set.execute("t", &data, &mut out, limits, &mut ());
    if let Err(error) = result {
        assert!(!error.to_string().is_empty(), "an error says something");
    }
});
