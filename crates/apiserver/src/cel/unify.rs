//! Which type may stand for which, and what that says of types yet to be found out (cel-go: `checker/types.go`).

use std::collections::HashMap;

use super::types::Type;

/// What has been found out of type parameters.
#[derive(Debug, Clone, Default)]
pub(super) struct Mapping(HashMap<String, Type>);

impl Mapping {
    /// Returns whether `have` may stand where `want` is asked for, and keeps what follows from it if so.
    pub(super) fn assign(&mut self, have: &Type, want: &Type) -> bool {
        let mut next = self.clone();
        let fits = next.is_assignable(have, want);
        if fits {
            *self = next;
        }
        fits
    }

    /// Does the same for several at once.
    pub(super) fn assign_all(&mut self, have: &[Type], want: &[Type]) -> bool {
        let mut next = self.clone();
        let fits = next.are_assignable(have, want);
        if fits {
            *self = next;
        }
        fits
    }

    fn are_assignable(&mut self, have: &[Type], want: &[Type]) -> bool {
        have.len() == want.len() && have.iter().zip(want).all(|(have, want)| self.is_assignable(have, want))
    }

    fn is_assignable(&mut self, a: &Type, b: &Type) -> bool {
        if let Type::Param(name) = b {
            let (valid, known) = self.may_be(a, b, name);
            if valid || known {
                return valid;
            }
        }
        if let Type::Param(name) = a {
            return self.may_be(b, a, name).0;
        }
        if a.is_dyn_or_error() || b.is_dyn_or_error() {
            return true;
        }
        let nullable = |ty: &Type| {
            matches!(ty, Type::Null | Type::Opaque(..) | Type::Object(_) | Type::Duration | Type::Timestamp)
        };
        match (a, b) {
            (Type::Null, other) | (other, Type::Null) => nullable(other),
            (Type::List(a), Type::List(b)) => self.is_assignable(a, b),
            (Type::Map(ka, va), Type::Map(kb, vb)) => self.is_assignable(ka, kb) && self.is_assignable(va, vb),
            (Type::Opaque(a, pa), Type::Opaque(b, pb)) => a == b && self.are_assignable(pa, pb),
            (Type::Meta(_), Type::Meta(_)) => true,
            (Type::Object(a), Type::Object(b)) => a.name == b.name,
            (a, b) => a == b,
        }
    }

    /// Returns whether parameter `b` may be `a`, and whether something was known of it.
    fn may_be(&mut self, a: &Type, b: &Type, name: &str) -> (bool, bool) {
        if a == b {
            return (true, true);
        }
        if let Some(known) = self.0.get(name).cloned() {
            if *a == known {
                return (true, true);
            }
            if self.is_assignable(a, &known) {
                let general = most_general(a, &known);
                if self.is_free_of(b, &general) {
                    self.0.insert(name.to_owned(), general);
                }
                return (true, true);
            }
            return (false, true);
        }
        if self.is_free_of(b, a) {
            self.0.insert(name.to_owned(), a.clone());
            return (true, false);
        }
        (false, false)
    }

    /// Returns whether a parameter does not occur within a type.
    fn is_free_of(&self, param: &Type, within: &Type) -> bool {
        if param == within {
            return false;
        }
        match within {
            Type::Param(name) => self.0.get(name).is_none_or(|known| self.is_free_of(param, known)),
            Type::Opaque(_, params) => params.iter().all(|inner| self.is_free_of(param, inner)),
            Type::List(inner) | Type::Meta(inner) => self.is_free_of(param, inner),
            Type::Map(key, value) => self.is_free_of(param, key) && self.is_free_of(param, value),
            _ => true,
        }
    }

    /// Replaces parameters by what is known of them; with `finally`, the others by `dyn`.
    pub(super) fn resolve(&self, ty: &Type, finally: bool) -> Type {
        match ty {
            Type::Param(name) => match self.0.get(name) {
                Some(known) => self.resolve(known, finally),
                None if finally => Type::Dyn,
                None => ty.clone(),
            },
            Type::List(inner) => Type::list(self.resolve(inner, finally)),
            Type::Map(key, value) => Type::map(self.resolve(key, finally), self.resolve(value, finally)),
            Type::Opaque(name, params) => {
                Type::Opaque(name.clone(), params.iter().map(|param| self.resolve(param, finally)).collect())
            }
            Type::Meta(inner) => Type::Meta(Box::new(self.resolve(inner, finally))),
            _ => ty.clone(),
        }
    }
}

/// Returns the less specific of two types that fit each other.
pub(super) fn most_general(a: &Type, b: &Type) -> Type {
    if is_less_specific(a, b) { a.clone() } else { b.clone() }
}

fn is_less_specific(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Dyn | Type::Param(_), _) => true,
        (_, Type::Dyn | Type::Param(_)) => false,
        (Type::List(a), Type::List(b)) => is_less_specific(a, b),
        (Type::Map(ka, va), Type::Map(kb, vb)) => is_less_specific(ka, kb) && is_less_specific(va, vb),
        (Type::Opaque(a, pa), Type::Opaque(b, pb)) => {
            a == b && pa.len() == pb.len() && pa.iter().zip(pb).all(|(a, b)| is_less_specific(a, b))
        }
        (Type::Meta(_), Type::Meta(_)) => true,
        (a, b) => a == b,
    }
}
