//! go-yaml v2's order of map keys: numbers inside keys count as numbers, letters come after all else.

use std::cmp::Ordering;

/// Sorts keys as go-yaml v2 does before it writes a map.
///
/// A merge sort of our own: go-yaml's comparison is not quite a total order (leading zeros), and the
/// standard library may panic on such.
pub(crate) fn sort_keys(keys: &mut Vec<&String>) {
    sort_by(keys, &|a, b| is_less(a, b));
}

/// Sorts as [`sort_keys`] does, by any comparison.
pub(crate) fn sort_by<T>(keys: &mut Vec<T>, is_less: &impl Fn(&T, &T) -> bool) {
    if keys.len() < 2 {
        return;
    }
    let mut right = keys.split_off(keys.len() / 2);
    sort_by(keys, is_less);
    sort_by(&mut right, is_less);
    let left = std::mem::take(keys);
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
        let next = if is_less(second, first) { right.next() } else { left.next() };
        keys.extend(next);
    }
    keys.extend(left);
    keys.extend(right);
}

/// Tells whether key `a` comes before key `b`.
fn is_less(a: &str, b: &str) -> bool {
    // Nearly always letters decide, and then bytes will do.
    if a.is_ascii() && b.is_ascii() {
        let Some((x, y)) = a.bytes().zip(b.bytes()).find(|(x, y)| x != y) else { return a.len() < b.len() };
        match (x.is_ascii_alphabetic(), y.is_ascii_alphabetic()) {
            (true, true) => return x < y,
            (false, true) => return true,
            (true, false) => return false,
            (false, false) => {}
        }
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else { return a.len() < b.len() };
    let (x, y) = (a[at], b[at]);
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x < y,
        (false, true) => return true,
        (true, false) => return false,
        (false, false) => {}
    }
    is_less_number(&a, &b, at)
}

/// Tells whether key `a` comes before key `b` to go-yaml v3: letters come before all else after a digit, and after it
/// elsewhere.
pub(crate) fn is_less_to_v3(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else { return a.len() < b.len() };
    let after_digit = at > 0 && a[at - 1].is_numeric();
    match (a[at].is_alphabetic(), b[at].is_alphabetic()) {
        (true, true) => a[at] < b[at],
        (false, false) => is_less_number(&a, &b, at),
        (a_is_letter, b_is_letter) => {
            if after_digit {
                a_is_letter
            } else {
                b_is_letter
            }
        }
    }
}

/// Compares what differs from a place on, where neither is a letter.
fn is_less_number(a: &[char], b: &[char], at: usize) -> bool {
    let (x, y) = (a[at], b[at]);
    // A zero that differs is a leading zero, unless a digit other than zero stands before it.
    let inside_a_number =
        (x == '0' || y == '0') && a[..at].iter().rev().take_while(|c| c.is_numeric()).any(|c| *c != '0');
    let number = |text: &[char]| {
        let start = i64::from(inside_a_number);
        let digits = text[at..].iter().take_while(|c| c.is_ascii_digit());
        let (value, length) = digits.fold((start, 0), |(value, length): (i64, usize), digit| {
            let digit = i64::from(u32::from(*digit) - u32::from('0'));
            (value.wrapping_mul(10).wrapping_add(digit), length + 1)
        });
        (value, length)
    };
    let ((a_value, a_length), (b_value, b_length)) = (number(a), number(b));
    match a_value.cmp(&b_value).then(a_length.cmp(&b_length)) {
        Ordering::Less => true,
        Ordering::Greater => false,
        Ordering::Equal => x < y,
    }
}
