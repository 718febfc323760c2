//! The Common Expression Language, as Kubernetes has it: rules of custom resources and conditions of policies.
//!
//! Expressions are parsed by the `cel` crate, with cel-go's grammar and macros. Types are checked and expressions evaluated
//! here, for the real server refuses expressions whose types do not fit, and tells where.
//!
//! What an expression may cost is estimated from its text and the bounds its variables have, and what it does cost is counted
//! in the same units, both to the number the real server comes to: it refuses by them.

mod arithmetic;
pub(crate) mod authorizer;
mod check;
mod cost;
mod declare;
mod estimate;
mod eval;
pub(crate) mod extent;
mod functions;
#[cfg(test)]
mod judge;
mod library;
mod literals;
mod macros;
mod plan;
mod quantity;
pub(crate) mod rules;
mod semver;
mod tracker;
pub(crate) mod types;
mod unify;
mod urls;
pub(crate) mod value;

use std::sync::LazyLock;

use cel::Env;

pub(crate) use declare::named_type_of;
pub(crate) use eval::{Failure, Lazy, Variables};
use extent::Extent;
use plan::Step;
use types::Type;
use value::Value;

/// An expression that may be evaluated.
pub(crate) struct Expression {
    plan: Result<Step, String>,
    pub(crate) ty: Type,
    mentions: Vec<String>,
    /// The most an evaluation may cost.
    pub(crate) estimate: u64,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expression({})", self.ty)
    }
}

impl Expression {
    /// Reads an expression whose variables have the given types, or tells what is wrong with it, in cel-go's form.
    pub(crate) fn compile(source: &str, variables: &[(&str, Type)]) -> Result<Self, String> {
        Self::compile_within(source, variables, None)
    }

    /// Does the same where something is known of how large the variables may be.
    pub(crate) fn compile_within(
        source: &str,
        variables: &[(&str, Type)],
        extent: Option<&Extent>,
    ) -> Result<Self, String> {
        static ENV: LazyLock<Env> = LazyLock::new(macros::environment);
        let (tree, info) = ENV.parser().parse_with_source_info(source).map_err(|wrong| {
            let is_consequence = |message: &str| message.starts_with("Incomplete `ExprContext`");
            let mut told: Vec<_> = wrong.errors.iter().filter(|error| !is_consequence(&error.msg)).collect();
            if told.is_empty() {
                told = wrong.errors.iter().collect();
            }
            let all: Vec<String> = told
                .iter()
                .map(|error| {
                    let (line, column) = (error.pos.0.max(1) as usize, error.pos.1.max(1) as usize);
                    let text = source.split('\n').nth(line - 1).unwrap_or_default();
                    // Columns are in bytes.
                    let letters = text.char_indices().take_while(|(at, _)| *at < column - 1).count();
                    let before: usize = source.split('\n').take(line - 1).map(|line| line.len() + 1).sum();
                    let message = expected(&error.msg, source.get(..before + column - 1).unwrap_or(source));
                    show_mistake(source, line, letters, &syntax_message(&message))
                })
                .collect();
            all.join("\n")
        })?;
        let copies = macros::take_copies();
        let checked = check::check(&tree, check::Text { source, info: &info, copies: &copies }, variables);
        let mut wrong = checked.mistakes.clone();
        if wrong.is_empty() {
            let text = check::Text { source, info: &info, copies: &copies };
            wrong.extend(literals::unfit(&tree, &text, &checked));
            wrong.extend(literals::mixed(&tree, &text, &checked));
        }
        if wrong.is_empty() {
            let plan = plan::plan(&tree, &checked);
            let estimate = estimate::estimate(&tree, &checked, extent);
            return Ok(Self { plan, ty: checked.ty, mentions: checked.variables, estimate });
        }
        wrong.sort_by_key(|mistake| mistake.offset);
        let all: Vec<String> = wrong
            .iter()
            .map(|mistake| {
                let (line, column) = place(source, mistake.offset);
                show_mistake(source, line, column, &mistake.message)
            })
            .collect();
        Err(all.join("\n"))
    }

    /// Returns whether a variable is mentioned.
    pub(crate) fn mentions(&self, variable: &str) -> bool {
        self.mentions.iter().any(|have| have == variable)
    }

    /// Returns why the expression cannot be evaluated at all, as with constants that cannot be converted.
    pub(crate) fn unplannable(&self) -> Option<&str> {
        self.plan.as_ref().err().map(String::as_str)
    }

    /// Evaluates the expression; tells what that cost, too.
    pub(crate) fn evaluate(&self, variables: &Variables) -> (Result<Value, Failure>, u64) {
        let unknown = |name: &str| Err(Failure(format!("no such key: {name}")));
        self.evaluate_asking(variables, &|_| (false, String::new()), &unknown)
    }

    /// Evaluates an expression that may ask the authorizer, and for fields made when they are asked for.
    pub(crate) fn evaluate_asking(
        &self,
        variables: &Variables,
        ask: &authorizer::Ask<'_>,
        lazy: &Lazy<'_>,
    ) -> (Result<Value, Failure>, u64) {
        match &self.plan {
            Ok(step) => eval::evaluate(step, variables, ask, lazy),
            Err(why) => (Err(Failure(why.clone())), 0),
        }
    }
}

/// Tells of what was expected at the end of a text only what must come first, as upstream does.
fn expected(message: &str, before: &str) -> String {
    let Some((what, _)) = message.split_once(" expecting {").filter(|(what, set)| {
        what.contains("mismatched input") && (set.starts_with("'=='") || set.starts_with("<EOF>"))
    }) else {
        return message.to_owned();
    };
    let mut open = Vec::new();
    let mut quote = None;
    for letter in before.chars() {
        match (quote, letter) {
            (Some(mark), letter) if letter == mark => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '(') => open.push(')'),
            (None, '[') => open.push(']'),
            (None, '{') => open.push('}'),
            (None, '?') => open.push(':'),
            (None, ':') => drop(open.pop_if(|last| *last == ':')),
            (None, ')' | ']' | '}') => while open.pop().is_some_and(|last| last != letter) {},
            _ => {}
        }
    }
    let wanted = open.last().map_or_else(|| "<EOF>".to_owned(), |last| format!("'{last}'"));
    format!("{what} expecting {wanted}")
}

fn syntax_message(message: &str) -> String {
    const OF_MACROS: [&str; 6] =
        ["argument", "macro", "variable", "sortBy can only", "is called on too large", "reserved identifier"];
    if message.starts_with("Syntax error") || OF_MACROS.iter().any(|words| message.contains(words)) {
        message.to_owned()
    } else {
        format!("Syntax error: {message}")
    }
}

/// Returns the line, from 1, and the column, from 0, of a place in a text.
fn place(source: &str, offset: usize) -> (usize, usize) {
    let (mut line, mut column) = (1, 0);
    for (_, letter) in source.char_indices().take_while(|(at, _)| *at < offset) {
        if letter == '\n' {
            (line, column) = (line + 1, 0);
        } else {
            column += 1;
        }
    }
    (line, column)
}

fn show_mistake(source: &str, line: usize, column: usize, message: &str) -> String {
    if source.is_empty() {
        // The end of nothing is before its first column.
        return format!("ERROR: <input>:{line}:0: {message}");
    }
    let text = source.split('\n').nth(line - 1).unwrap_or_default();
    let mut out = format!("ERROR: <input>:{line}:{}: {message}", column + 1);
    if !text.is_empty() {
        // Letters of several bytes are pointed at by wide marks.
        let mut letters = text.chars();
        let dots: String =
            letters.by_ref().take(column).map(|letter| if letter.is_ascii() { '.' } else { '．' }).collect();
        let dots = dots + &".".repeat(column.saturating_sub(text.chars().count()));
        let mark = if letters.next().is_none_or(|letter| letter.is_ascii()) { "^" } else { "＾" };
        out.extend(["\n | ", text, "\n | ", &dots, mark]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(source: &str) -> Result<Value, String> {
        let expression = Expression::compile(source, &[])?;
        expression.evaluate(&Variables::default()).0.map_err(|failure| failure.0)
    }

    #[test]
    fn expressions_have_the_values_cel_go_gives_them() {
        let rows = [
            "1 + 2 == 3",
            "'abc'.contains('b') && !false",
            "[1, 2, 3].all(x, x > 0)",
            "[1, 2, 3].exists_one(x, x > 2)",
            "[1, 2, 3].map(x, x * 2) == [2, 4, 6]",
            "{'a': 1}.exists(k, k == 'a')",
            "[1, 2].exists(i, v, i == 1 && v == 2)",
            "[1, 2].transformList(i, v, i + v) == [1, 3]",
            "{'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
            "has({'a': 1}.a)",
            "{'a': 1}[?'b'].orValue(2) == 2",
            "{'a': 1}.?a.hasValue()",
            "optional.of(1).optMap(x, x + 1).value() == 2",
            "[3, 1, 2].sortBy(x, x) == [1, 2, 3]",
            "duration('1h') > duration('59m')",
            "timestamp('2020-01-01T00:00:00Z').getFullYear() == 2020",
            "quantity('1Gi').isGreaterThan(quantity('500Mi'))",
            "ip('10.0.0.1').family() == 4",
            "cidr('10.0.0.0/8').containsIP('10.1.2.3')",
            "semver('1.2.3').isLessThan(semver('1.10.0'))",
            "url('https://a.b:80/c?d=e').getPort() == '80'",
            "'%s-%d'.format(['a', 1]) == 'a-1'",
            "sets.contains([1, 2], [2])",
            "false || [1, 0].exists(x, 1 / x == 1)",
            "type(1) == int",
            "1 < 2.5 && 2u > 1",
            "'a b'.split(' ').join('-') == 'a-b'",
            "format.dns1123Label().validate('A').hasValue()",
        ];
        for source in rows {
            assert_eq!(eval(source), Ok(Value::Bool(true)), "{source}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let told = Expression::compile("self.foo == 1", &[("self", Type::object("object", []))]);
        assert_eq!(
            told.map(|_| ()),
            Err("ERROR: <input>:1:5: undefined field 'foo'\n | self.foo == 1\n | ....^".to_owned())
        );
        let told = Expression::compile("1 == 'a'", &[]).map(|_| ());
        assert_eq!(
            told,
            Err("ERROR: <input>:1:3: found no matching overload for '_==_' applied to '(int, string)'\n | 1 == 'a'\n | ..^"
                .to_owned())
        );
        assert_eq!(eval("1 / 0 == 1"), Err("division by zero".to_owned()));
        assert_eq!(eval("[1][2] == 1"), Err("index out of bounds: 2".to_owned()));
        assert_eq!(eval("{'a': 1}.b == 1"), Err("no such key: b".to_owned()));
    }
}
