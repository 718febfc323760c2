//! What users' rules say, and what they cannot do.

use bowline_health::Rules;
use bowline_model::HealthStatus::{Degraded, Healthy, Progressing, Suspended, Unknown};
use bowline_model::{CustomHealth, Health, HealthExpressions, HealthJudge, HealthScript, HealthStatus, Object};
use serde_json::{Value, json};

const NOW: i64 = 1_700_000_000;

fn widget(rest: &Value) -> Object {
    let mut value =
        json!({"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w", "generation": 2}});
    for (field, content) in rest.as_object().expect("is a map") {
        value[field] = content.clone();
    }
    Object::from_value(value).expect("is an object")
}

fn scripts(list: &[(&str, &str)], use_open_libs: bool) -> CustomHealth {
    let script = |text: &str| HealthScript { script: text.to_owned(), use_open_libs };
    let scripts = list.iter().map(|(key, text)| ((*key).to_owned(), script(text))).collect();
    CustomHealth { scripts, ..CustomHealth::default() }
}

fn expressions(kind: &str, current: &str, in_progress: &str, failed: &str) -> CustomHealth {
    let expressions = HealthExpressions {
        api_version: "example.org/v1beta1".to_owned(),
        kind: kind.to_owned(),
        current: current.to_owned(),
        in_progress: in_progress.to_owned(),
        failed: failed.to_owned(),
    };
    CustomHealth { expressions: vec![expressions], ..CustomHealth::default() }
}

fn compile(texts: &CustomHealth) -> Rules {
    let (rules, errors) = Rules::new(texts);
    assert!(errors.is_empty(), "{errors:?}");
    rules
}

fn by_lua(text: &str, use_open_libs: bool, rest: &Value) -> Option<Health> {
    let rules = compile(&scripts(&[("example.org/Widget", text)], use_open_libs));
    rules.assess(HealthJudge::ArgoCd, &widget(rest), NOW)
}

#[expect(clippy::unnecessary_wraps, reason = "what it is compared with may be none")]
fn told(status: HealthStatus, message: &str) -> Option<Health> {
    Some(Health::new(status, message))
}

#[test]
fn a_script_sees_its_object_and_tells_its_health() {
    let script = r#"
        hs = {}
        if obj.status ~= nil and obj.status.conditions ~= nil then
          for i, condition in ipairs(obj.status.conditions) do
            if condition.type == "Ready" and condition.status == "True" then
              hs.status = "Healthy"
              hs.message = condition.message .. " " .. i .. " of " .. table.getn(obj.status.conditions)
              return hs
            end
          end
        end
        hs.status = "Progressing"
        hs.message = "generation " .. obj.metadata.generation
        return hs"#;
    let ready = json!({"status": {"conditions": [
        {"type": "Synced", "status": "True"}, {"type": "Ready", "status": "True", "message": "ready"},
    ]}});
    assert_eq!(by_lua(script, false, &ready), told(Healthy, "ready 2 of 2"));
    assert_eq!(by_lua(script, false, &json!({})), told(Progressing, "generation 2"));
}

#[test]
fn what_is_returned_is_read_as_argo_cd_reads_it() {
    let cases: [(&str, Option<Health>); 8] = [
        ("return {status = 'Suspended'}", told(Suspended, "")),
        ("return {status = 'Fine', message = 'x'}", told(Unknown, "Lua returned an invalid health status")),
        ("return {message = 'x'}", told(Unknown, "Lua returned an invalid health status")),
        ("return {}", None),
        ("return {'Healthy'}", None),
        ("return {status = 5}", None),
        ("return 'Healthy'", told(Unknown, "expect table output from Lua script, not string")),
        ("local x = obj.status.phase", told(Unknown, "health:1: attempt to index field 'status' (a nil value)")),
    ];
    for (script, want) in cases {
        assert_eq!(by_lua(script, false, &json!({})), want, "{script}");
    }
}

#[test]
fn a_script_that_returns_nothing_leaves_the_verdict_to_others() {
    let rules = compile(&scripts(&[("apps/Deployment", "return nil")], false));
    let paused =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w"}, "spec": {"paused": true}});
    let paused = Object::from_value(paused).expect("is an object");
    assert_eq!(rules.assess(HealthJudge::ArgoCd, &paused, NOW), told(Suspended, "Deployment is paused"));
    assert_eq!(by_lua("return nil", false, &json!({})), None);
}

#[test]
fn a_kind_of_its_own_goes_before_patterns_and_longer_patterns_before_shorter() {
    let say = |word: &str| format!("return {{status = 'Healthy', message = '{word}'}}");
    let (exact, group, all) = (say("exact"), say("group"), say("all"));
    let list = [("example.org/Widget", exact.as_str()), ("*.org/*", group.as_str()), ("*/*", all.as_str())];
    for (skipped, want) in ["exact", "group", "all"].into_iter().enumerate() {
        let rules = compile(&scripts(&list[skipped..], false));
        assert_eq!(rules.assess(HealthJudge::ArgoCd, &widget(&json!({})), NOW), told(Healthy, want));
    }
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
    let secret = Object::from_value(secret).expect("is an object");
    assert_eq!(compile(&scripts(&list, false)).assess(HealthJudge::ArgoCd, &secret, NOW), None);
}

#[test]
fn what_is_being_deleted_is_on_its_way_whatever_a_rule_says() {
    let going = json!({"metadata": {"name": "w", "deletionTimestamp": "2024-01-01T00:00:00Z"}});
    let healthy = "return {status = 'Healthy'}";
    assert_eq!(by_lua(healthy, false, &going), told(Progressing, "Pending deletion"));
}

#[test]
fn scripts_have_the_libraries_that_they_should() {
    let absent = [
        "io",
        "os.execute",
        "os.getenv",
        "os.exit",
        "os.remove",
        "require",
        "load",
        "loadstring",
        "loadfile",
        "dofile",
        "module",
        "package",
        "debug",
        "newproxy",
        "collectgarbage",
        "coroutine",
    ];
    for open in [false, true] {
        for name in absent {
            let script = format!("return {{status = 'Healthy', message = type({name})}}");
            assert_eq!(by_lua(&script, open, &json!({})), told(Healthy, "nil"), "{name} {open}");
        }
    }
    let kinds = "return {status = 'Healthy', message = type(string)..type(math)..type(table)..type(os)}";
    assert_eq!(by_lua(kinds, false, &json!({})), told(Healthy, "nilniltabletable"));
    assert_eq!(by_lua(kinds, true, &json!({})), told(Healthy, "tabletabletabletable"));
    let found = "return {status = 'Healthy', message = string.match('a: 17', '^%a+:%s*(%d+)$') .. ('x'):rep(2)}";
    assert_eq!(by_lua(found, true, &json!({})), told(Healthy, "17xx"));
    assert_eq!(by_lua("print('hidden') return {status = 'Healthy'}", false, &json!({})), told(Healthy, ""));
}

#[test]
fn time_is_what_was_passed_in() {
    let cases = [
        ("os.time()", "1700000000"),
        ("os.time({year = 2024, month = 2, day = 29, hour = 1})", "1709168400"),
        ("os.time({year = 2023, month = 14, day = 1, hour = 0})", "1706745600"),
        ("os.date('!%Y-%m-%dT%H:%M:%SZ')", "2023-11-14T22:13:20Z"),
        ("os.date('%c', 0)", "Thu Jan  1 00:00:00 1970"),
        ("os.date('*t').yday", "318"),
    ];
    for (expression, want) in cases {
        let script = format!("return {{status = 'Healthy', message = '' .. {expression}}}");
        let have = by_lua(&script, false, &json!({})).expect("has a verdict");
        // Lua 5.1 writes large numbers with fourteen digits; all of these have fewer.
        assert_eq!((have.status, have.message.as_str()), (Healthy, want), "{expression}");
    }
}

#[test]
fn scripts_that_never_end_are_ended() {
    let endless = [
        "while true do xpcall(function() while true do end end, tostring) end",
        "local function f() pcall(f) while true do end end f()",
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() return f() end f()",
        "local t = {} for i = 1, 1e9 do table.insert(t, 1, i) end",
        "local s = ('x'):rep(1e6) while true do local t = s .. 'y' end",
        "xpcall(function() while true do end end, function() while true do end end)",
    ];
    for script in endless {
        let health = by_lua(script, true, &json!({})).expect("has a verdict");
        assert_eq!(health.status, Unknown, "{script}: {health:?}");
    }
}

#[test]
fn scripts_that_want_too_much_get_nothing() {
    let cases = [
        ("local s = 'x' while true do s = s .. s end", "the script takes too much memory"),
        ("local s = ('x'):rep(1e9)", "the script takes too much memory"),
        ("local t = {} for i = 1, 1e8 do t[i] = {} end", "the script takes too much memory"),
        ("return ('x'):rep(10000):find('.-.-.-.-y')", "the pattern could take too long on a text of this length"),
        ("local function f() return 1 + f() end f()", "health:1: stack overflow"),
    ];
    for (script, want) in cases {
        let health = by_lua(script, true, &json!({})).expect("has a verdict");
        assert_eq!(health.status, Unknown, "{script}");
        // A slow machine may end it by time first.
        let is_ended = health.message.contains(want) || health.message == "the script runs for too long";
        assert!(is_ended, "{script}: {}", health.message);
    }
}

#[test]
fn rules_that_are_none_are_named_and_the_others_hold() {
    let mut texts = scripts(&[("a.org/Bad", "hs = = 1"), ("example.org/Widget", "return {status = 'Healthy'}")], false);
    texts
        .scripts
        .insert("b.org/Binary".to_owned(), HealthScript { script: "\u{1b}Lua".to_owned(), use_open_libs: true });
    texts.expressions = expressions("Gadget", "status.phase ==", "", "").expressions;
    let (rules, errors) = Rules::new(&texts);
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert_eq!(errors[0], "the health script of `a.org/Bad` is no Lua: health:1: unexpected symbol near '='");
    assert!(errors[1].starts_with("the health script of `b.org/Binary` is no Lua: "), "{errors:?}");
    assert!(errors[2].starts_with("expression `current` for `example.org/v1beta1 Gadget`: "), "{errors:?}");
    assert_eq!(rules.assess(HealthJudge::ArgoCd, &widget(&json!({})), NOW), told(Healthy, ""));
}

fn by_cel(texts: &CustomHealth, rest: &Value) -> Health {
    compile(texts).assess(HealthJudge::Kstatus, &widget(rest), NOW).expect("kstatus has a verdict on everything")
}

#[test]
fn expressions_are_asked_in_flux_order() {
    let texts = expressions(
        "Widget",
        "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True' && metadata.generation >= 2)",
        "status.phase == 'Rolling'",
        "status.phase in ['Broken', 'Rolling']",
    );
    let with = |phase: &str, ready: &str| json!({"status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}});
    for (phase, ready, want) in [
        ("Up", "True", Healthy),
        ("Up", "False", Progressing),
        ("Rolling", "True", Progressing),
        ("Broken", "True", Degraded),
    ] {
        assert_eq!(by_cel(&texts, &with(phase, ready)).status, want, "{phase} {ready}");
    }
    let behind = json!({"status": {"phase": "Broken", "observedGeneration": 1}});
    assert_eq!(by_cel(&texts, &behind).status, Progressing);
}

#[test]
fn expressions_that_fail_make_health_unknown() {
    let cases = [
        ("status.phase == 'Up'", "expression `current` fails: "),
        ("'yes'", "expression `current` gives string where a bool is wanted"),
        (
            "metadata.l.all(a, metadata.l.all(b, metadata.l.all(c, metadata.l.all(d, a + b + c + d >= 0))))",
            "expression `current` could take too long on this object",
        ),
    ];
    let list: Vec<u32> = (0..100).collect();
    for (current, want) in cases {
        let health = by_cel(&expressions("Widget", current, "", ""), &json!({"metadata": {"name": "w", "l": list}}));
        assert_eq!(health.status, Unknown, "{current}");
        assert!(health.message.starts_with(want), "{current}: {}", health.message);
    }
}

#[test]
fn expressions_for_a_group_hold_for_kinds_that_have_none() {
    let group = expressions("", "has(status.phase) && status.phase.lowerAscii() == 'up'", "", "");
    assert_eq!(by_cel(&group, &json!({"status": {"phase": "Up"}})).status, Healthy);
    assert_eq!(by_cel(&group, &json!({"status": {}})).status, Progressing);
    let mut both = group.clone();
    both.expressions.extend(expressions("Widget", "false", "", "true").expressions);
    assert_eq!(by_cel(&both, &json!({"status": {"phase": "Up"}})).status, Degraded);
    let other = json!({"apiVersion": "other.org/v1", "kind": "Widget", "metadata": {"name": "w"}});
    let other = Object::from_value(other).expect("is an object");
    let health = compile(&both).assess(HealthJudge::Kstatus, &other, NOW).expect("kstatus has a verdict on everything");
    assert_eq!(health.message, "Resource is current");
}
