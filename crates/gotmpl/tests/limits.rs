//! Bad templates end in an error, whatever they try: rows C1, C7 and C14's kin of the list of known bad input.

#[path = "support/host.rs"]
#[expect(dead_code, reason = "only the functions are used here")]
mod host;

use bowline_gotmpl::{Context, ExecError, FuncError, Function, Functions, Limit, Limits, Map, Set, Type, Value};

fn tpl(context: &mut Context<'_, '_>, args: &mut [Value]) -> Result<Value, FuncError> {
    let mut set = context.set().clone();
    set.parse("tpl", args[0].as_str().cloned().unwrap_or_default())?;
    Ok(Value::str(context.execute_in(&set, "tpl", &args[1])?))
}

static TPL: [Function; 1] = [Function::new("tpl", &[Type::String, Type::Any], Type::String, tpl)];

const SMALL: Limits = Limits { steps: 100_000, output_bytes: 1_000_000, depth: 1000, value_depth: 1000 };

fn execute_within(limits: Limits, text: &str, data: &Value) -> Result<Vec<u8>, ExecError> {
    let mut set = Set::new(Functions::builtin().with(&host::FUNCTIONS).with(&TPL));
    set.parse("t", text).expect("the template parses");
    let mut out = Vec::new();
    set.execute("t", data, &mut out, limits, &mut ()).map(|()| out)
}

fn limit(text: &str, data: &Value) -> Limit {
    let error = execute_within(SMALL, text, data).expect_err("the template goes too far");
    error.limit.unwrap_or_else(|| panic!("no limit was reached: {error}"))
}

#[test]
fn c7_templates_that_invoke_themselves_end() {
    assert_eq!(limit("{{template \"t\" .}}", &Value::Nil), Limit::Depth(1000));
    let mutual =
        "{{define \"a\"}}{{finclude \"b\" .}}{{end}}{{define \"b\"}}{{finclude \"a\" .}}{{end}}{{finclude \"a\" .}}";
    assert_eq!(limit(mutual, &Value::Nil), Limit::Depth(1000));
    let data: Value = Map::from_iter([("text", "{{tpl .text .}}")]).into();
    assert_eq!(limit("{{tpl .text .}}", &data), Limit::Depth(1000));
}

#[test]
fn c7_the_depth_of_go_is_reached_without_overflowing_the_stack() {
    let error = execute_within(Limits::default(), "{{template \"t\" .}}", &Value::Nil).expect_err("it is endless");
    assert_eq!(
        error.to_string(),
        "template: t:1:11: executing \"t\" at <{{template \"t\" .}}>: exceeded maximum template depth (100000)"
    );
}

#[test]
fn c7_loops_end() {
    assert_eq!(limit("{{range 1000000000}}{{end}}", &Value::Nil), Limit::Steps(100_000));
    assert_eq!(limit("{{range 1000}}{{range 1000}}{{$x := .}}{{end}}{{end}}", &Value::Nil), Limit::Steps(100_000));
}

#[test]
fn c7_output_ends() {
    assert_eq!(limit("{{range 1000}}{{printf \"%100000d\" 1}}{{end}}", &Value::Nil), Limit::Output(1_000_000));
    assert_eq!(
        limit("{{$x := \"aaaaaaaa\"}}{{range 100}}{{$x = print $x $x}}{{end}}", &Value::Nil),
        Limit::Output(1_000_000)
    );
    let wide = format!("{{{{printf \"{}\" 1}}}}", "%999999[1]d".repeat(1000));
    assert_eq!(limit(&wide, &Value::Nil), Limit::Output(1_000_000));
}

#[test]
fn c1_values_nested_too_deep_are_not_printed_and_are_freed() {
    let deep = "{{$x := fdict}}{{range 200000}}{{$x = fdict \"a\" (flist0 $x)}}{{end}}";
    let limits = Limits { steps: 10_000_000, ..SMALL };
    execute_within(limits, deep, &Value::Nil).expect("a deep value is no harm");
    let error = execute_within(limits, &format!("{deep}{{{{$x}}}}"), &Value::Nil).expect_err("it is too deep to print");
    assert_eq!(error.limit, Some(Limit::ValueDepth(1000)));
}

#[test]
fn a_map_within_itself_is_told() {
    let data: Value = Map::new().into();
    assert_eq!(limit("{{$x := fset . \"self\" .}}{{.self.self.self | len}}{{.}}", &data), Limit::ValueDepth(1000));
    assert!(data.to_json().is_err(), "it has no JSON");
}

#[test]
fn deeply_nested_texts_are_refused_or_run() {
    let parse = |text: &str| Set::new(Functions::builtin()).parse("t", text).map_err(|error| error.message);
    let nested = |open: &str, close: &str, times| format!("{}{}", open.repeat(times), close.repeat(times));
    assert_eq!(parse(&nested("{{if 1}}", "{{end}}", 100_000)), Err("max action depth exceeded".to_owned()));
    assert_eq!(
        parse(&format!("{{{{if 1}}}}{}{{{{end}}}}", "{{else if 1}}".repeat(100_000))),
        Err("max action depth exceeded".to_owned())
    );
    assert_eq!(parse(&format!("{{{{{}", "(".repeat(1_000_000))), Err("max expression depth exceeded".to_owned()));
    let deep = nested("{{with 1}}", "{{end}}", 9_000);
    execute_within(SMALL, &deep, &Value::Nil).expect("nine thousand levels are no harm");
    let deep = format!("{{{{{}}}}}", nested("(", ")", 9_999).replacen("()", "(1)", 1));
    assert_eq!(execute_within(SMALL, &deep, &Value::Nil).expect("ten thousand parentheses are no harm"), b"1");
}

#[test]
fn sets_are_shared_by_threads() {
    let mut set = Set::new(Functions::builtin());
    set.parse("t", "{{range .}}{{.}};{{end}}").expect("parses");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let data: Value = ["a", "b"].into_iter().map(Value::from).collect::<bowline_gotmpl::List>().into();
                    assert_eq!(set.render("t", &data).expect("renders"), b"a;b;");
                }
            });
        }
    });
}
