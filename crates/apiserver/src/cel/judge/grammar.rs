//! Random expressions of every type, most of which compile.

use serde_json::{Value as Json, json};

/// A type of what is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Duration,
    Timestamp,
    Ints,
    Texts,
    Map,
    Optional,
    Dyn,
    Quantity,
    Ip,
    Cidr,
    Url,
    Semver,
}

const KINDS: [Kind; 18] = [
    Kind::Bool,
    Kind::Int,
    Kind::Uint,
    Kind::Double,
    Kind::Text,
    Kind::Bytes,
    Kind::Duration,
    Kind::Timestamp,
    Kind::Ints,
    Kind::Texts,
    Kind::Map,
    Kind::Optional,
    Kind::Dyn,
    Kind::Quantity,
    Kind::Ip,
    Kind::Cidr,
    Kind::Url,
    Kind::Semver,
];

/// Returns a random expression, and the number of the object it is asked of.
pub(super) fn random(seed: u64) -> Json {
    let mut made = Made { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, bound: Vec::new() };
    made.next();
    made.next();
    let kind = if made.one_in(2) { Kind::Bool } else { made.any(&KINDS) };
    let depth = 1 + made.below(4);
    let source = made.of(kind, depth);
    json!({"source": source, "self": made.below(3)})
}

struct Made {
    state: u64,
    /// The variables of the comprehensions around.
    bound: Vec<(String, Kind)>,
}

impl Made {
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn below(&mut self, most: u64) -> u64 {
        (self.next() >> 16) % most
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn any<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// Fills a template: `{b}` is a boolean and so on; the letters are those of [`letter`].
    fn fill(&mut self, template: &str, depth: u64) -> String {
        let mut out = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('<') {
            let Some((letter, after)) = after.split_once('>').filter(|(letter, _)| kind_of(letter).is_some()) else {
                out.push_str(before);
                out.push('<');
                rest = after;
                continue;
            };
            out.push_str(before);
            let kind = kind_of(letter).unwrap_or(Kind::Dyn);
            out.push_str(&self.of(kind, depth.saturating_sub(1)));
            rest = after;
        }
        out + rest
    }

    fn of(&mut self, kind: Kind, depth: u64) -> String {
        // Now and then something else, that what is refused is compared, too.
        let kind = if self.one_in(120) { self.any(&KINDS) } else { kind };
        let fitting: Vec<String> =
            self.bound.iter().filter(|(_, of)| *of == kind).map(|(name, _)| name.clone()).collect();
        if !fitting.is_empty() && self.one_in(3) {
            return fitting[self.below(fitting.len() as u64) as usize].clone();
        }
        if depth == 0 {
            let leaves = leaves(kind);
            return self.any(leaves).to_owned();
        }
        if self.one_in(6) {
            return self.comprehension(kind, depth);
        }
        let templates = templates(kind);
        let common =
            ["(<b> ? <SAME> : <SAME>)", "[<SAME>][0]", "{'k': <SAME>}.k", "optional.of(<SAME>).orValue(<SAME>)"];
        let template = if self.one_in(12) {
            self.any(&common).replace("SAME", letter(kind))
        } else {
            self.any(templates).to_owned()
        };
        self.fill(&template, depth)
    }

    fn comprehension(&mut self, kind: Kind, depth: u64) -> String {
        let name = ["x", "y", "z", "w"][self.bound.len() % 4].to_owned();
        let item = self.any(&[Kind::Int, Kind::Text, Kind::Dyn]);
        let range = match item {
            Kind::Int => self.of(Kind::Ints, depth - 1),
            Kind::Text => self.of(Kind::Texts, depth - 1),
            _ => self.any(&["self.items", "self.keyed", "[1, 'a', 2.5]", "self.deep"]).to_owned(),
        };
        let (body_kind, template): (Kind, &str) = match kind {
            Kind::Bool => (
                Kind::Bool,
                self.any(&[
                    "R.all(V, B)",
                    "R.exists(V, B)",
                    "R.exists_one(V, B)",
                    "R.all(i, V, B)",
                    "R.exists(i, V, B)",
                    "R.existsOne(i, V, B)",
                    "size(R.filter(V, B)) > 0",
                ]),
            ),
            Kind::Int => (Kind::Int, self.any(&["R.map(V, B).sum()", "R.map(V, B).max()", "size(R.map(V, B))"])),
            Kind::Ints => (
                Kind::Int,
                self.any(&[
                    "R.map(V, B)",
                    "R.transformList(i, V, B)",
                    "R.map(V, V == V, B)",
                    "R.sortBy(V, B).map(V, size(string(V)))",
                ]),
            ),
            Kind::Texts => (
                Kind::Text,
                self.any(&["R.map(V, B)", "R.transformList(i, V, i > 0, B)", "R.map(V, B).filter(v, v != '')"]),
            ),
            Kind::Map => (
                Kind::Int,
                self.any(&["R.transformMap(i, V, B).transformMapEntry(k, v, {'a': v})", "{'z': R.map(V, B).size()}"]),
            ),
            other => (other, self.any(&["R.map(V, B)[0]", "optional.of(R.map(V, B)).optMap(l, l[0]).value()"])),
        };
        self.bound.push((name.clone(), item));
        let body = self.of(body_kind, depth - 1);
        self.bound.pop();
        let mut out = String::new();
        let template = template.replace("sortBy", "sort#y");
        for letter in template.chars() {
            match letter {
                '#' => out.push('B'),
                'R' => out.push_str(&range),
                'V' => out.push_str(&name),
                'B' => out.push_str(&body),
                other => out.push(other),
            }
        }
        out
    }
}

fn letter(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "b",
        Kind::Int => "i",
        Kind::Uint => "u",
        Kind::Double => "f",
        Kind::Text => "s",
        Kind::Bytes => "y",
        Kind::Duration => "d",
        Kind::Timestamp => "t",
        Kind::Ints => "li",
        Kind::Texts => "ls",
        Kind::Map => "m",
        Kind::Optional => "o",
        Kind::Dyn => "dyn",
        Kind::Quantity => "q",
        Kind::Ip => "ip",
        Kind::Cidr => "cidr",
        Kind::Url => "url",
        Kind::Semver => "v",
    }
}

fn kind_of(text: &str) -> Option<Kind> {
    KINDS.into_iter().find(|kind| letter(*kind) == text)
}

/// What needs nothing more.
fn leaves(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Bool => &["true", "false", "self.b", "has(self.s)", "has(self.inner.q.r)", "has(self.labels.app)"],
        Kind::Int => &[
            "0",
            "1",
            "2",
            "-3",
            "7",
            "1000000",
            "9223372036854775807",
            "self.i",
            "self.inner.q.r",
            "self.ints[0]",
            "self.limits.cpu",
            "self.items[0].count",
            "size(self.s)",
        ],
        Kind::Uint => &["0u", "1u", "3u", "18446744073709551615u"],
        Kind::Double => &["0.0", "1.5", "-2.25", "1e100", "self.n", "3.0"],
        Kind::Text => &[
            "''",
            "'a'",
            "'hello world'",
            "'b,c,d'",
            "'ü✓'",
            "self.s",
            "self.short",
            "self.choice",
            "self.texts[0]",
            "self.labels.app",
            "self.labels['app']",
            "self.inner.p",
            "self.inner.q.t",
            "self.items[0].name",
            "self.keyed[0].v",
            "self.set[1]",
        ],
        Kind::Bytes => &["b''", "b'abc'", "b'\\xff\\x00'", "self.raw"],
        Kind::Duration => &["duration('1h')", "duration('-90s')", "self.wait", "duration('0s')"],
        Kind::Timestamp => {
            &["timestamp('2020-01-01T00:00:00Z')", "timestamp('2024-02-29T23:59:59.123Z')", "self.at", "timestamp(0)"]
        }
        Kind::Ints => &["[]", "[1]", "[1, 2, 3]", "[3, 1, 2, 1]", "self.ints"],
        Kind::Texts => &["[]", "['a']", "['b', 'a', 'c']", "self.texts", "self.set", "self.items.map(e, e.name)"],
        Kind::Map => &["{}", "{'a': 1}", "self.limits"],
        Kind::Optional => &[
            "optional.none()",
            "optional.of(1)",
            "self.?i",
            "self.ints[?0]",
            "self.limits[?'cpu']",
            "self.?inner.?q.?r",
        ],
        Kind::Dyn => &["dyn(1)", "dyn('a')", "dyn([1])", "self.port", "dyn({'a': 1})", "null", "dyn(1.5)"],
        Kind::Quantity => &["quantity('1Gi')", "quantity('500m')", "quantity('-3')", "quantity('1.5k')"],
        Kind::Ip => &["ip('10.0.0.1')", "ip('::1')", "ip('224.0.0.1')", "ip('2001:db8::ff')"],
        Kind::Cidr => &["cidr('10.0.0.0/8')", "cidr('192.168.1.7/24')", "cidr('2001:db8::/32')"],
        Kind::Url => &["url('https://example.com:80/a/b?c=d&c=e')", "url('/path')", "url('http://[::1]:8080/x y')"],
        Kind::Semver => &["semver('1.2.3')", "semver('2.0.0-rc.1')", "semver('v1.0', true)"],
    }
}

/// What is made of other expressions.
fn templates(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Bool => &[
            "<b> && <b>",
            "<b> || <b>",
            "!<b>",
            "(<b> || <b>) && <b>",
            "<i> < <i>",
            "<i> >= <i>",
            "<f> <= <f>",
            "<i> < <f>",
            "<u> > <i>",
            "<s> < <s>",
            "<s> == <s>",
            "<s> != <s>",
            "<i> == <i>",
            "<li> == <li>",
            "<ls> == <ls>",
            "<m> == <m>",
            "<y> == <y>",
            "<y> < <y>",
            "<t> < <t>",
            "<d> >= <d>",
            "<d> == <d>",
            "<t> != <t>",
            "<dyn> == <dyn>",
            "<dyn> == <i>",
            "<i> in <li>",
            "<s> in <ls>",
            "<s> in <m>",
            "<s> in ['a', 'b']",
            "<i> in [1, 2, 3]",
            "<i> in []",
            "<s>.contains(<s>)",
            "<s>.startsWith(<s>)",
            "<s>.endsWith(<s>)",
            "<s>.matches('^[a-z]+$')",
            "<s>.matches(<s>)",
            "matches(<s>, 'l+o')",
            "has(self.inner.p) && <b>",
            "has({'a': <i>}.a)",
            "<o>.hasValue()",
            "<li>.isSorted()",
            "<ls>.isSorted()",
            "sets.contains(<li>, <li>)",
            "sets.equivalent(<ls>, <ls>)",
            "sets.intersects(<li>, <li>)",
            "type(<i>) == int",
            "type(<dyn>) == string",
            "type(<s>) == type(<s>)",
            "bool('true') && <b>",
            "isIP(<s>)",
            "isCIDR(<s>)",
            "isURL(<s>)",
            "isQuantity(<s>)",
            "isSemver(<s>)",
            "<q> == <q>",
            "<q>.isGreaterThan(<q>)",
            "<q>.isLessThan(<q>)",
            "<q>.isInteger()",
            "<ip> == <ip>",
            "<ip>.isLoopback()",
            "<ip>.isGlobalUnicast()",
            "<ip>.isUnspecified()",
            "<ip>.isLinkLocalMulticast()",
            "ip.isCanonical(<s>)",
            "<cidr>.containsIP(<ip>)",
            "<cidr>.containsIP('10.2.3.4')",
            "<cidr>.containsCIDR(<cidr>)",
            "<cidr>.containsCIDR('10.1.0.0/16')",
            "<cidr> == <cidr>",
            "<url> == <url>",
            "<v> == <v>",
            "<v>.isLessThan(<v>)",
            "<v>.isGreaterThan(<v>)",
            "!format.dns1123Label().validate(<s>).hasValue()",
            "format.named('uuid').hasValue()",
            "format.qualifiedName().validate(<s>).hasValue()",
            "format.uri().validate(<s>).hasValue()",
            "<i> / <i> == <i> || <b>",
            "(<b> ? <b> : <b>)",
            "self.port == <dyn>",
            "self.items == self.items",
            "self.inner == self.inner",
            "self.keyed == self.keyed",
            "self.set == <ls>",
            "<o> == <o>",
            "self.items.all(e, e.name.size() < <i>)",
            "self.deep.all(k, k != <s>)",
            "self.keyed.exists(e, has(e.v) && e.v == <s>)",
            "<y> != <y>",
            "<dyn> < <dyn>",
            "size(<dyn>) > <i>",
            "self.items.all(e, has(e.tags) ? e.tags.all(f, f != <s>) : true)",
            "string(<i>).matches('[0-9]+')",
            "duration(<s>) < <d>",
            "self.items.exists(e, e.tags.exists(f, e.name == f))",
        ],
        Kind::Int => &[
            "<i> + <i>",
            "<i> - <i>",
            "<i> * <i>",
            "<i> / <i>",
            "<i> % <i>",
            "-<i>",
            "size(<s>)",
            "<s>.size()",
            "size(<li>)",
            "<ls>.size()",
            "size(<m>)",
            "size(<y>)",
            "int(<f>)",
            "int(<u>)",
            "int('42')",
            "int(<s>)",
            "int(<t>)",
            "int(<d>)",
            "<li>[0]",
            "<li>[<i>]",
            "<m>['a']",
            "<m>[<s>]",
            "<li>.sum()",
            "<li>.max()",
            "<li>.min()",
            "<li>.indexOf(<i>)",
            "<ls>.lastIndexOf(<s>)",
            "<s>.indexOf(<s>)",
            "<s>.lastIndexOf(<s>)",
            "<s>.indexOf(<s>, <i>)",
            "<t>.getFullYear()",
            "<t>.getMonth()",
            "<t>.getDayOfWeek()",
            "<t>.getHours('America/New_York')",
            "<t>.getDayOfYear()",
            "<t>.getDate()",
            "<t>.getMinutes('+05:30')",
            "<d>.getHours()",
            "<d>.getMinutes()",
            "<d>.getSeconds()",
            "<d>.getMilliseconds()",
            "<q>.sign()",
            "<q>.compareTo(<q>)",
            "<q>.asInteger()",
            "<ip>.family()",
            "<cidr>.prefixLength()",
            "<v>.major()",
            "<v>.compareTo(<v>)",
            "<o>.orValue(<i>)",
            "<o>.value()",
            "(<b> ? <i> : <i>)",
            "{'a': <i>}.a",
            "[<i>, <i>][1]",
            "self.limits.map(k, self.limits[k]).sum()",
            "<li>.first().orValue(<i>)",
            "<dyn> + <i>",
            "<li>.slice(0, 1)[0]",
        ],
        Kind::Uint => {
            &["<u> + <u>", "<u> - <u>", "<u> * <u>", "<u> / <u>", "uint(<i>)", "uint(<f>)", "uint('7')", "uint(<s>)"]
        }
        Kind::Double => &[
            "<f> + <f>",
            "<f> * <f>",
            "<f> / <f>",
            "<f> - <f>",
            "-<f>",
            "double(<i>)",
            "double(<u>)",
            "double('1.25')",
            "double(<s>)",
            "<q>.asApproximateFloat()",
            "[<f>, <f>].sum()",
            "[<f>, 1.0].max()",
        ],
        Kind::Text => &[
            "<s> + <s>",
            "string(<i>)",
            "string(<f>)",
            "string(<b>)",
            "string(<d>)",
            "string(<t>)",
            "string(<u>)",
            "string(<y>)",
            "<s>.lowerAscii()",
            "<s>.upperAscii()",
            "<s>.trim()",
            "<s>.substring(1)",
            "<s>.substring(0, <i>)",
            "<s>.replace('a', <s>)",
            "<s>.replace(<s>, <s>, 1)",
            "<s>.charAt(0)",
            "<s>.charAt(<i>)",
            "<ls>.join(',')",
            "<ls>.join()",
            "<ls>.join(<s>)",
            "<s>.split(',')[0]",
            "<s>.find('[a-z]+')",
            "<s>.find(<s>)",
            "strings.quote(<s>)",
            "'%s-%d'.format([<s>, <i>])",
            "'%s %s'.format([<li>, <m>])",
            "'%.2f|%e'.format([<f>, <f>])",
            "'%x %X %b %o'.format([<i>, <s>, <i>, <i>])",
            "'%s'.format([<dyn>])",
            "'%s|%s'.format([<d>, <t>])",
            "<ls>[0]",
            "<ls>[<i>]",
            "(<b> ? <s> : <s>)",
            "<url>.getHost()",
            "<url>.getHostname()",
            "<url>.getPort()",
            "<url>.getScheme()",
            "<url>.getEscapedPath()",
            "string(<ip>)",
            "string(<cidr>)",
            "self.labels[<s>]",
            "self.?labels['app'].orValue(<s>)",
            "<ls>.max()",
            "<ls>.min()",
            "<ls>.last().orValue(<s>)",
            "self.items.map(e, e.name).join('-')",
            "self.keyed.filter(e, e.name == <s>).map(e, e.name).join()",
            "string(type(<i>) == int)",
        ],
        Kind::Bytes => &["<y> + <y>", "bytes(<s>)", "[<y>, b'z'].max()"],
        Kind::Duration => &[
            "<d> + <d>",
            "<d> - <d>",
            "<t> - <t>",
            "duration(string(<i>) + 's')",
            "duration(<i>)",
            "[<d>, <d>].sum()",
            "duration(<s>)",
        ],
        Kind::Timestamp => &["<t> + <d>", "<t> - <d>", "<d> + <t>", "timestamp(string(<t>))", "timestamp(<i>)"],
        Kind::Ints => &[
            "<li> + <li>",
            "[<i>]",
            "[<i>, <i>]",
            "<li>.sort()",
            "<li>.reverse()",
            "<li>.distinct()",
            "<li>.slice(0, 1)",
            "<li>.slice(<i>, <i>)",
            "[<li>, <li>].flatten()",
            "lists.range(3)",
            "lists.range(<i> % 5)",
            "<li>.map(q, q + <i>)",
            "<li>.filter(q, q > <i>)",
            "<li>.sortBy(q, -q)",
            "<ls>.map(q, q.size())",
            "<li>.transformList(n, q, n * q)",
            "[?<o>, <i>]",
            "[<o>, <o>].unwrapOpt()",
            "[[[<i>]]].flatten(2).map(q, size(string(q)))",
            "(<b> ? <li> : <li>)",
            "{1: <li>}[1]",
        ],
        Kind::Texts => &[
            "<ls> + <ls>",
            "[<s>]",
            "[<s>, <s>]",
            "<s>.split(',')",
            "<s>.split('', 2)",
            "<s>.split(<s>)",
            "<ls>.sort()",
            "<ls>.reverse()",
            "<ls>.distinct()",
            "<ls>.filter(q, q.contains(<s>))",
            "<ls>.map(q, q + <s>)",
            "<s>.findAll('[a-z]')",
            "<s>.findAll(<s>, 2)",
            "<ls>.sortBy(q, q.size())",
            "self.labels.map(k, k)",
            "self.items.map(e, e.name + <s>)",
            "self.set + <ls>",
            "self.deep.map(k, self.deep[k].list.join())",
            "<li>.map(q, string(q))",
        ],
        Kind::Map => &[
            "{'a': <i>}",
            "{<s>: <i>}",
            "{'a': <i>, 'b': <i>}",
            "<li>.transformMap(n, q, n + q).transformMapEntry(k, v, {string(k): v})",
            "{?'o': <o>}",
            "{'x': <i>}.transformMap(k, v, v + <i>)",
            "(<b> ? <m> : <m>)",
        ],
        Kind::Optional => &[
            "optional.of(<i>)",
            "optional.ofNonZeroValue(<i>)",
            "<o>.or(<o>)",
            "<o>.optMap(p, p + <i>)",
            "<o>.optFlatMap(p, p > 0 ? optional.of(p) : optional.none())",
            "<li>[?<i>]",
            "<m>[?<s>]",
            "{'a': <i>}.?a",
            "<li>.first()",
            "<li>.last()",
        ],
        Kind::Dyn => &[
            "dyn(<i>)",
            "dyn(<s>)",
            "dyn(<li>)",
            "dyn(<f>)",
            "dyn(<m>).a",
            "dyn(<li>)[<i>]",
            "dyn(<i>) + dyn(<i>)",
            "dyn(<s>) + dyn(<s>)",
            "(<b> ? dyn(<i>) : dyn(<s>))",
            "dyn(<o>)",
            "[dyn(<i>), dyn(<s>)][<i>]",
            "dyn(<d>)",
            "dyn(<t>)",
            "self.port",
        ],
        Kind::Quantity => &["quantity(<s>)", "<q>.add(<q>)", "<q>.sub(<i>)", "<q>.add(<i>)", "<q>.sub(<q>)"],
        Kind::Ip => &["ip(<s>)", "<cidr>.ip()", "(<b> ? <ip> : <ip>)"],
        Kind::Cidr => &["cidr(<s>)", "<cidr>.masked()"],
        Kind::Url => &["url(<s>)", "(<b> ? <url> : <url>)"],
        Kind::Semver => &["semver(<s>)", "semver(<s>, true)"],
    }
}
