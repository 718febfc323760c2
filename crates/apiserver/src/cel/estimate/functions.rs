//! What calls may cost at most (cel-go: `checker/cost.go`, `ext/{lists,sets}.go`;
//! k8s: `apiserver/pkg/cel/library/cost.go`).

use cel::common::ast::{Expr, IdedExpr, LiteralValue};

use super::{Bounds, Estimate, Estimator, Node};
use crate::cel::cost::{CHECK, LETTER, LIST, LOOK_UPS, PATTERN};
use crate::cel::types::Type;

/// The sizes of IP addresses in bytes.
const ADDRESS: Bounds = Bounds { min: 4, max: 16 };

/// The largest text and regular expression of a named format.
const FORMAT: u64 = 64;
const FORMAT_PATTERN: f64 = 128.0;

fn nominal() -> Estimate {
    Estimate::of(Bounds::fixed(1))
}

/// Returns what a regular expression costs for a text.
fn matching(text: Bounds, pattern: Bounds) -> Bounds {
    text.add(Bounds::fixed(1)).scaled(LETTER).times(pattern.scaled(PATTERN))
}

fn literal_int(of: &Node<'_>) -> Option<i64> {
    match of.expr {
        Some(IdedExpr { expr: Expr::Literal(LiteralValue::Int(number)), .. }) => Some(*number.inner()),
        _ => None,
    }
}

impl<'a> Estimator<'a> {
    /// Estimates what a call costs with its arguments.
    pub(super) fn function(
        &mut self,
        at: &'a IdedExpr,
        (name, overload): (&str, &str),
        target: Option<&Node<'a>>,
        args: &[Node<'a>],
        costs: &[Bounds],
    ) -> Estimate {
        let sum = costs.iter().fold(Bounds::default(), |sum, cost| sum.add(*cost));
        let own = self.extension(overload, target, args).or_else(|| self.library(name, overload, target, args));
        if let Some(own) = own {
            return Estimate { cost: own.cost.add(sum), size: own.size };
        }
        match (overload, args) {
            ("logical_or" | "logical_and", [_, _]) => {
                return Estimate::of(Bounds { min: costs[0].min, max: costs[0].add(costs[1]).max });
            }
            ("conditional", [_, truthy, falsy]) => {
                let size = known(truthy).union(known(falsy));
                if let (Some(truthy), Some(falsy)) = (self.entries_in(truthy), self.entries_in(falsy)) {
                    self.entries.insert(at.id, truthy.union(falsy));
                }
                return Estimate { cost: costs[0].add(costs[1].union(costs[2])), size: Some(size) };
            }
            _ => {}
        }
        let own = self.standard(at, overload, target, args);
        Estimate { cost: own.cost.add(sum), size: own.size }
    }

    fn entries_in(&self, node: &Node<'_>) -> Option<super::Entries> {
        node.expr.and_then(|expr| self.entries_of(expr))
    }

    /// Returns the size of an argument as the libraries tell it: from the schema, too.
    fn sized(&self, node: &Node<'_>) -> Bounds {
        node.size.or_else(|| self.size_at(&node.path)).unwrap_or(Bounds::UNKNOWN)
    }

    /// Functions of cel-go's extensions.
    fn extension(&self, overload: &str, target: Option<&Node<'a>>, args: &[Node<'a>]) -> Option<Estimate> {
        let made = |factor: f64, size: Bounds| {
            let cost = size.scaled(factor).add(Bounds::fixed(1 + LIST));
            Some(Estimate { cost, size: Some(size) })
        };
        let number = |node: &Node<'_>, otherwise: u64| {
            literal_int(node).map_or(otherwise, |number| u64::try_from(number).unwrap_or(0))
        };
        let squared = |node: &Node<'a>, factor: f64| {
            let size = self.sized(node);
            made(factor, size.times(size))
        };
        match (overload, target, args) {
            ("list_slice", Some(of), [from, to]) => {
                let to = number(to, self.sized(of).max);
                made(1.0, Bounds::fixed(to.wrapping_sub(number(from, 0))))
            }
            ("lists_range", None, [count]) => made(1.0, Bounds::fixed(number(count, u64::MAX))),
            ("list_reverse", Some(of), []) => made(1.0, self.sized(of)),
            ("list_flatten", Some(of), []) => made(1.0, self.sized(of)),
            ("list_flatten", Some(of), [depth]) => made(number(depth, u64::MAX) as f64, self.sized(of)),
            ("list_distinct" | "list_sort", Some(of), []) => squared(of, 2.0),
            ("list_sort_texts", Some(of), []) => squared(of, 2.0 + LETTER),
            ("list_sort_by", Some(_), [keys]) => squared(keys, 2.0),
            ("list_sort_by_texts", Some(_), [keys]) => squared(keys, 2.0 + LETTER),
            ("list_sets_contains_list" | "list_sets_intersects_list", _, [a, b]) => {
                Some(Estimate::of(self.sized(a).times(self.sized(b)).scaled(1.0).add(Bounds::fixed(1))))
            }
            ("list_sets_equivalent_list", _, [a, b]) => {
                Some(Estimate::of(self.sized(a).times(self.sized(b)).scaled(2.0).add(Bounds::fixed(1))))
            }
            _ => None,
        }
    }

    /// Functions of Kubernetes' libraries; some names are those of others, too.
    fn library(&self, name: &str, overload: &str, target: Option<&Node<'a>>, args: &[Node<'a>]) -> Option<Estimate> {
        let sized_as = |node: &Node<'a>, factor: f64| {
            let size = self.sized(node);
            Some(Estimate { cost: size.scaled(factor), size: Some(size) })
        };
        let cost_of = |node: &Node<'a>, factor: f64| Some(Estimate::of(self.sized(node).scaled(factor)));
        match (name, target, args) {
            ("check", ..) => Some(Estimate::of(Bounds::fixed(CHECK))),
            (
                "serviceAccount" | "path" | "group" | "resource" | "subresource" | "namespace" | "name" | "allowed"
                | "reason" | "error" | "errored",
                ..,
            ) => Some(nominal()),
            (name, ..) if LOOK_UPS.contains(&name) => Some(nominal()),
            ("fieldSelector" | "labelSelector", _, [selector]) => {
                let length = self.sized(selector);
                let requirements = length.scaled(0.5).scaled(50.0);
                Some(Estimate::of(Bounds::fixed(LIST).add(length.scaled(LETTER)).add(requirements)))
            }
            ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf", Some(of), _) => {
                let Some(item) = item_of(of) else { return cost_of(of, LETTER) };
                let mut each = Bounds::fixed(1);
                if matches!(item.ty, Type::String | Type::Bytes) {
                    each = each.add(self.sized(&item).scaled(LETTER));
                }
                Some(Estimate::of(self.sized(of).times(each)))
            }
            ("url" | "jsonpatch.escapeKey", _, [of]) => sized_as(of, LETTER),
            ("lowerAscii" | "upperAscii" | "substring" | "trim", Some(of), _) => sized_as(of, LETTER),
            ("replace", Some(of), [from, to, ..]) => {
                let (size, from, to) = (self.sized(of), self.sized(from), self.sized(to));
                let cost = size.scaled(2.0 * LETTER);
                Some(Estimate { cost, size: Some(replaced(size, from, to)) })
            }
            ("split", Some(of), _) => {
                let size = self.sized(of);
                let limit = args.get(1).and_then(literal_int).map_or(size.max, i64::cast_unsigned);
                Some(Estimate { cost: size.scaled(2.0 * LETTER), size: Some(Bounds { min: 0, max: limit }) })
            }
            ("join", Some(of), _) => {
                let count = self.sized(of);
                let mut size = item_of(of).map_or(Bounds::default(), |item| count.times(self.sized(&item)));
                if let Some(separator) = args.first() {
                    let times = Bounds { min: count.min.saturating_sub(1), max: count.max.saturating_sub(1) };
                    size = size.add(self.sized(separator).times(times));
                }
                Some(Estimate { cost: size.scaled(LETTER), size: Some(size) })
            }
            ("find" | "findAll", Some(of), [pattern, ..]) => {
                let size = self.sized(of);
                let cost = matching(size, self.sized(pattern));
                Some(Estimate { cost, size: Some(Bounds { min: 0, max: size.max }) })
            }
            ("ip", ..) if overload == "cidr_ip" => Some(nominal()),
            ("cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver", _, [of, ..]) => {
                cost_of(of, LETTER)
            }
            ("ip.isCanonical", _, [of, ..]) => cost_of(of, 2.0 * LETTER),
            ("containsIP", _, [of, ..]) => {
                let cost = ADDRESS.add(ADDRESS).scaled(LETTER);
                let of_text = self.sized(of).scaled(LETTER);
                Some(Estimate::of(if overload == "cidr_contains_ip_string" { cost.add(of_text) } else { cost }))
            }
            ("containsCIDR", _, [of, ..]) => {
                let cost = ADDRESS.add(ADDRESS).scaled(LETTER).add(ADDRESS.scaled(LETTER)).add(Bounds::fixed(1));
                let of_text = self.sized(of).scaled(LETTER);
                Some(Estimate::of(if overload == "cidr_contains_cidr_string" { cost.add(of_text) } else { cost }))
            }
            ("validate", _, [of, ..]) => {
                Some(Estimate::of(self.sized(of).scaled(LETTER).scaled(FORMAT_PATTERN * PATTERN)))
            }
            ("_==_", _, [a, b]) => equality(a, b),
            _ => None,
        }
    }

    /// CEL's own functions.
    fn standard(&mut self, at: &IdedExpr, overload: &str, target: Option<&Node<'a>>, args: &[Node<'a>]) -> Estimate {
        let sized = |cost: Bounds, size: Bounds| Estimate { cost, size: Some(size) };
        match (overload, target, args) {
            ("string_format", Some(of), _) => Estimate::of(known(of).scaled(LETTER)),
            ("string_to_bytes", _, [of]) => {
                let size = known(of);
                sized(size.scaled(LETTER), Bounds { min: size.min, max: size.max.wrapping_mul(4) })
            }
            ("bytes_to_string", _, [of]) => {
                let size = known(of);
                sized(size.scaled(LETTER), Bounds { min: size.min / 4, max: size.max })
            }
            ("strings_quote", _, [of]) => {
                let size = known(of);
                let quoted = Bounds { min: size.min.wrapping_add(2), max: size.max.wrapping_mul(2).wrapping_add(2) };
                sized(size.scaled(LETTER), quoted)
            }
            ("starts_with_string" | "ends_with_string", _, [part]) => Estimate::of(known(part).scaled(LETTER)),
            ("in_list", _, [_, list]) => Estimate::of(known(list).scaled(1.0)),
            ("matches_string", Some(of), [pattern]) => Estimate::of(matching(known(of), known(pattern))),
            ("contains_string", Some(of), [part]) => {
                Estimate::of(known(of).scaled(LETTER).times(known(part).scaled(LETTER)))
            }
            ("add_string" | "add_bytes" | "add_list", _, [a, b]) => {
                let size = known(a).add(known(b));
                if let (Some(a), Some(b)) = (self.entries_in(a), self.entries_in(b)) {
                    self.entries.insert(at.id, a.union(b));
                }
                let cost = if overload == "add_list" { Bounds::fixed(1) } else { size.scaled(LETTER) };
                sized(cost, size)
            }
            (
                "less_string"
                | "greater_string"
                | "less_equals_string"
                | "greater_equals_string"
                | "less_bytes"
                | "greater_bytes"
                | "less_equals_bytes"
                | "greater_equals_bytes"
                | "equals"
                | "not_equals",
                _,
                [a, b],
            ) => {
                let max = known(a).max.min(known(b).max);
                Estimate::of(Bounds { min: u64::from(max > 0), max }.scaled(LETTER))
            }
            _ => nominal(),
        }
    }
}

/// Returns the size of an argument as CEL itself tells it.
fn known(node: &Node<'_>) -> Bounds {
    node.size.unwrap_or(Bounds::UNKNOWN)
}

/// Returns the items of a list, or of what else has a type of its parts.
fn item_of<'a>(list: &Node<'a>) -> Option<Node<'a>> {
    let ty = match &list.ty {
        Type::List(of) | Type::Map(of, _) => (**of).clone(),
        Type::Opaque(_, params) => params.first()?.clone(),
        _ => return None,
    };
    let path = if list.path.steps().is_empty() { list.path.clone() } else { list.path.apart().then("@items") };
    Some(Node { path, ty, expr: None, size: None })
}

fn replaced(size: Bounds, from: Bounds, to: Bounds) -> Bounds {
    let divided = |size: u64, by: u64| (size as f64 / by as f64).ceil() as u64;
    // An empty text is found around every letter.
    let (most, most_kept) = if from.min == 0 {
        (size.max.saturating_add(1), size.max)
    } else if to.max <= from.min {
        (0, size.max)
    } else {
        (divided(size.max, from.min), 0)
    };
    let (least, least_kept) = if from.max == 0 {
        (size.min.saturating_add(1), size.min)
    } else if from.max <= to.min {
        (0, size.min)
    } else {
        (divided(size.min, from.max), 0)
    };
    Bounds { min: least, max: most }.times(to).add(Bounds { min: least_kept, max: most_kept })
}

/// Equality of the libraries' own types.
fn equality(a: &Node<'_>, b: &Node<'_>) -> Option<Estimate> {
    let (Type::Opaque(name, _), true) = (&a.ty, a.ty == b.ty) else { return None };
    let scaled = |max: u64| Some(Estimate::of(Bounds { min: 1, max }.scaled(LETTER)));
    match name.as_str() {
        "kubernetes.NamedFormat" => scaled(FORMAT),
        "kubernetes.URL" => scaled(b.size.map_or(1, |size| size.max)),
        "optional_type" => None,
        _ => Some(nominal()),
    }
}
