//! Scripts of `resource.customizations`, in Lua 5.1 as Argo CD runs them.
//!
//! A script sees its object as the global `obj` and returns a table of `status` and `message`. It may use Lua's base
//! functions, `table`, and `os.time` and `os.date`; with `useOpenLibs` also `string` and `math`. Files, processes, modules,
//! coroutines and compiled chunks are out of its reach, whatever it says.
//!
//! A script ends after so many instructions or a second, as Argo CD's do, and cannot take more memory than is allotted.
//! What a single call of a library can cost is bounded by the sizes that memory allows; patterns, which can go
//! through a text again and again, are refused where they might.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bowline_model::{Health, HealthScript, HealthStatus, Object};
use mlua::chunk::ChunkMode;
use mlua::{Function, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, Value, VmState};
use serde_json::Value as Json;

use super::clock;
use crate::fields::unknown;

/// The instructions that a script may run: a hundredth of a second or so, of most machines.
const INSTRUCTIONS: u64 = 10_000_000;

/// How often it is looked whether it has run too long.
const STRIDE: u32 = 100;

/// The bytes that a script may hold, its object included.
const MEMORY: usize = 64 << 20;

/// As long as Argo CD lets a script run.
const PATIENCE: Duration = Duration::from_secs(1);

/// The steps that the search for a pattern may take at worst.
const PATTERN_STEPS: f64 = 1e9;

/// What a script said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Told(Health),
    /// An empty table, or one of other types: the object has no health.
    NoHealth,
    /// It returned nothing: it is none of its business.
    Nothing,
}

/// Tells whether a script can be compiled.
pub(super) fn check(script: &str) -> Result<(), String> {
    let lua = Lua::new_with(StdLib::NONE, LuaOptions::new()).map_err(|error| error.to_string())?;
    lua.set_memory_limit(MEMORY).map_err(|error| error.to_string())?;
    compile(&lua, script).map(drop).map_err(|error| reason(&error))
}

/// Runs a script.
pub(super) fn judge(script: &HealthScript, object: &Object, now_secs: i64) -> Result<Verdict, String> {
    run(script, object, now_secs).map_err(|error| reason(&error))
}

fn run(script: &HealthScript, object: &Object, now_secs: i64) -> mlua::Result<Verdict> {
    let libraries = if script.use_open_libs { StdLib::TABLE | StdLib::STRING | StdLib::MATH } else { StdLib::TABLE };
    let lua = Lua::new_with(libraries, LuaOptions::new())?;
    confine(&lua, script.use_open_libs, now_secs)?;
    lua.set_memory_limit(MEMORY)?;
    lua.globals().set("obj", to_lua(&lua, object.value())?)?;
    let chunk = compile(&lua, &script.script)?;
    limit(&lua)?;
    let returned: Value = chunk.call(())?;
    read(returned)
}

fn compile(lua: &Lua, script: &str) -> mlua::Result<Function> {
    lua.load(script).set_name("=health").set_mode(ChunkMode::Text).into_function()
}

/// Takes away what reaches out of the script, and what could be used to get round its limits.
fn confine(lua: &Lua, has_open_libs: bool, now_secs: i64) -> mlua::Result<()> {
    let globals = lua.globals();
    // `load` and its kin take compiled chunks, which are not checked; `newproxy` makes objects with finalizers.
    for name in
        ["load", "loadstring", "loadfile", "dofile", "require", "module", "package", "newproxy", "collectgarbage"]
    {
        globals.set(name, Value::Nil)?;
    }
    globals.set("print", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    globals.set("os", clock::library(lua, now_secs)?)?;
    // Coroutines catch errors, the end of the script too.
    globals.set("coroutine", Value::Nil)?;
    if has_open_libs { bound_patterns(&globals.get("string")?, lua) } else { Ok(()) }
}

/// Ends the script when it has run for too long.
#[expect(clippy::disallowed_types, reason = "the one clock here: it ends what would not end, and decides nothing else")]
fn limit(lua: &Lua) -> mlua::Result<()> {
    let begin = std::time::Instant::now();
    let left = AtomicU64::new(INSTRUCTIONS / u64::from(STRIDE));
    let is_over = Arc::new(AtomicBool::new(false));
    catch_no_end(lua, &is_over)?;
    lua.set_global_hook(HookTriggers::new().every_nth_instruction(STRIDE), move |_, _| {
        let had = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(1)));
        if had != Ok(0) && begin.elapsed() <= PATIENCE {
            return Ok(VmState::Continue);
        }
        is_over.store(true, Ordering::Relaxed);
        Err(mlua::Error::runtime("the script runs for too long"))
    })
}

/// Makes `pcall` and `xpcall` catch every error but the end of the script.
fn catch_no_end(lua: &Lua, is_over: &Arc<AtomicBool>) -> mlua::Result<()> {
    let caught = |lua: &Lua, error: mlua::Error, is_over: &AtomicBool| -> mlua::Result<Value> {
        if is_over.load(Ordering::Relaxed) {
            return Err(error);
        }
        lua.create_string(reason(&error)).map(Value::String)
    };
    let over = Arc::clone(is_over);
    let call = lua.create_function(move |lua, (function, arguments): (Value, MultiValue)| {
        match invoke(&function, arguments) {
            Ok(mut returned) => {
                returned.push_front(Value::Boolean(true));
                Ok(returned)
            }
            Err(error) => Ok(MultiValue::from_iter([Value::Boolean(false), caught(lua, error, &over)?])),
        }
    })?;
    let over = Arc::clone(is_over);
    let call_with_handler = lua.create_function(move |lua, (function, handler): (Value, Function)| {
        match invoke(&function, MultiValue::new()) {
            Ok(mut returned) => {
                returned.push_front(Value::Boolean(true));
                Ok(returned)
            }
            Err(error) => {
                let mut returned: MultiValue = handler.call(caught(lua, error, &over)?)?;
                returned.push_front(Value::Boolean(false));
                Ok(returned)
            }
        }
    })?;
    lua.globals().set("pcall", call)?;
    lua.globals().set("xpcall", call_with_handler)
}

fn invoke(function: &Value, arguments: MultiValue) -> mlua::Result<MultiValue> {
    match function {
        Value::Function(function) => function.call(arguments),
        other => Err(mlua::Error::runtime(format!("attempt to call a {} value", other.type_name()))),
    }
}

/// Puts a guard before the functions that search for patterns, and takes away what writes compiled chunks.
///
/// Each repetition of a pattern may try every length at every place, so a search takes at worst the text's length to the
/// power of the repetitions, once more where it is not tied to the beginning.
fn bound_patterns(string: &Table, lua: &Lua) -> mlua::Result<()> {
    string.set("dump", Value::Nil)?;
    for name in ["find", "match", "gmatch", "gsub"] {
        let search: Function = string.get(name)?;
        let guarded = lua.create_function(move |_, arguments: MultiValue| {
            if let (Some(Value::String(text)), Some(Value::String(pattern))) = (arguments.front(), arguments.get(1)) {
                let pattern = pattern.as_bytes();
                let repetitions = pattern.iter().filter(|byte| matches!(byte, b'*' | b'+' | b'-' | b'?')).count();
                let is_tied = pattern.first() == Some(&b'^');
                let power = repetitions + usize::from(!is_tied);
                let steps = (text.as_bytes().len() as f64 + 1.0).powi(i32::try_from(power).unwrap_or(i32::MAX));
                if steps > PATTERN_STEPS {
                    return Err(mlua::Error::runtime("the pattern could take too long on a text of this length"));
                }
            }
            search.call::<MultiValue>(arguments)
        })?;
        string.set(name, guarded)?;
    }
    Ok(())
}

/// Makes Lua's values of JSON's: lists count from 1, null is no value.
fn to_lua(lua: &Lua, json: &Json) -> mlua::Result<Value> {
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(is) => Value::Boolean(*is),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or_default()),
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (at, item) in items.iter().enumerate() {
                table.raw_set(at + 1, to_lua(lua, item)?)?;
            }
            Value::Table(table)
        }
        Json::Object(fields) => {
            let table = lua.create_table_with_capacity(0, fields.len())?;
            for (name, value) in fields {
                table.raw_set(name.as_str(), to_lua(lua, value)?)?;
            }
            Value::Table(table)
        }
    })
}

/// Reads what a script returned, by the rules of Argo CD's `ExecuteHealthLua`.
fn read(returned: Value) -> mlua::Result<Verdict> {
    let table = match returned {
        Value::Table(table) => table,
        Value::Nil => return Ok(Verdict::Nothing),
        other => {
            let kind = other.type_name();
            return Err(mlua::Error::runtime(format!("expect table output from Lua script, not {kind}")));
        }
    };
    let status: Value = table.raw_get("status")?;
    let message: Value = table.raw_get("message")?;
    let text = |value: &Value| match value {
        Value::Nil => Some(String::new()),
        Value::String(text) => Some(text.to_string_lossy()),
        _ => None,
    };
    // A table without names is a list, or empty; neither is a verdict.
    let is_list = table.raw_len() > 0 || table.is_empty();
    let (Some(status), Some(message), false) = (text(&status), text(&message), is_list) else {
        return Ok(Verdict::NoHealth);
    };
    let status = match status.as_str() {
        "Healthy" => HealthStatus::Healthy,
        "Progressing" => HealthStatus::Progressing,
        "Degraded" => HealthStatus::Degraded,
        "Suspended" => HealthStatus::Suspended,
        "Missing" => HealthStatus::Missing,
        "Unknown" => HealthStatus::Unknown,
        _ => return Ok(Verdict::Told(unknown("Lua returned an invalid health status"))),
    };
    Ok(Verdict::Told(Health::new(status, message)))
}

/// One line, without the trace.
fn reason(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } => reason(cause),
        mlua::Error::MemoryError(_) => "the script takes too much memory".to_owned(),
        mlua::Error::SyntaxError { message, .. } | mlua::Error::RuntimeError(message) => first_line(message),
        other => first_line(&other.to_string()),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
