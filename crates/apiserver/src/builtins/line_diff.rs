//! Unified diffs of lines, found the way Python's difflib does, which upstream's diffs are a port of.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

/// Lines that are shown around a change.
const CONTEXT: usize = 3;

/// From so many lines on, those that come up in more than one of a hundred do not start a match.
const MANY_LINES: usize = 200;

/// A stretch of both texts, and whether it is the same in them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stretch {
    same: bool,
    old: Range<usize>,
    new: Range<usize>,
}

/// Returns how one text becomes another, or nothing when they are the same.
pub(super) fn unified(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let mut out = String::new();
    for group in groups(&stretches(&old, &new)) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let (before, after) = (span(&(first.old.start..last.old.end)), span(&(first.new.start..last.new.end)));
        writeln!(out, "@@ -{before} +{after} @@").expect("a String can be written to");
        for stretch in &group {
            let mut put = |mark: char, lines: &[&str]| {
                for line in lines {
                    writeln!(out, "{mark}{line}").expect("a String can be written to");
                }
            };
            if stretch.same {
                put(' ', &old[stretch.old.clone()]);
            } else {
                put('-', &old[stretch.old.clone()]);
                put('+', &new[stretch.new.clone()]);
            }
        }
    }
    out
}

/// Tells which lines a range holds: `3`, `3,2`, or `2,0` for none after the second.
fn span(range: &Range<usize>) -> String {
    match range.len() {
        1 => format!("{}", range.start + 1),
        0 => format!("{},0", range.start),
        length => format!("{},{length}", range.start + 1),
    }
}

/// Divides two texts into what is the same and what is not, in order.
fn stretches(old: &[&str], new: &[&str]) -> Vec<Stretch> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, line) in new.iter().enumerate() {
        places.entry(line).or_default().push(at);
    }
    if new.len() >= MANY_LINES {
        places.retain(|_, at| at.len() <= new.len() / 100 + 1);
    }
    let mut matches = Vec::new();
    let mut left = vec![(0..old.len(), 0..new.len())];
    while let Some((in_old, in_new)) = left.pop() {
        let (i, j, length) = longest(old, new, &places, &in_old, &in_new);
        if length == 0 {
            continue;
        }
        matches.push((i, j, length));
        if in_old.start < i && in_new.start < j {
            left.push((in_old.start..i, in_new.start..j));
        }
        if i + length < in_old.end && j + length < in_new.end {
            left.push((i + length..in_old.end, j + length..in_new.end));
        }
    }
    matches.sort_unstable();
    matches.push((old.len(), new.len(), 0));
    let mut out: Vec<Stretch> = Vec::new();
    let (mut i, mut j) = (0, 0);
    for (next_i, next_j, length) in matches {
        if i < next_i || j < next_j {
            out.push(Stretch { same: false, old: i..next_i, new: j..next_j });
        }
        if length > 0 {
            match out.last_mut().filter(|last| last.same) {
                // Two matches with nothing between them are one.
                Some(last) => (last.old.end, last.new.end) = (next_i + length, next_j + length),
                None => {
                    out.push(Stretch { same: true, old: next_i..next_i + length, new: next_j..next_j + length });
                }
            }
        }
        (i, j) = (next_i + length, next_j + length);
    }
    out
}

/// Finds the longest run of lines in both ranges, the earliest of those.
fn longest(
    old: &[&str],
    new: &[&str],
    places: &HashMap<&str, Vec<usize>>,
    in_old: &Range<usize>,
    in_new: &Range<usize>,
) -> (usize, usize, usize) {
    let (mut best_i, mut best_j, mut best) = (in_old.start, in_new.start, 0);
    let mut lengths: HashMap<usize, usize> = HashMap::new();
    for i in in_old.clone() {
        let mut next = HashMap::new();
        for &j in places.get(old[i]).into_iter().flatten().filter(|j| in_new.contains(j)) {
            let length = 1 + j.checked_sub(1).and_then(|before| lengths.get(&before)).copied().unwrap_or(0);
            next.insert(j, length);
            if length > best {
                (best_i, best_j, best) = (i + 1 - length, j + 1 - length, length);
            }
        }
        lengths = next;
    }
    // Lines too common to start a match may still belong to one.
    while best_i > in_old.start && best_j > in_new.start && old[best_i - 1] == new[best_j - 1] {
        (best_i, best_j, best) = (best_i - 1, best_j - 1, best + 1);
    }
    while best_i + best < in_old.end && best_j + best < in_new.end && old[best_i + best] == new[best_j + best] {
        best += 1;
    }
    (best_i, best_j, best)
}

/// Divides stretches into groups of changes that are near each other, each with its context.
fn groups(stretches: &[Stretch]) -> Vec<Vec<Stretch>> {
    let mut stretches = stretches.to_vec();
    let keep_end = |stretch: &mut Stretch| {
        stretch.old.start = stretch.old.start.max(stretch.old.end.saturating_sub(CONTEXT));
        stretch.new.start = stretch.new.start.max(stretch.new.end.saturating_sub(CONTEXT));
    };
    let keep_start = |stretch: &mut Stretch| {
        stretch.old.end = stretch.old.end.min(stretch.old.start + CONTEXT);
        stretch.new.end = stretch.new.end.min(stretch.new.start + CONTEXT);
    };
    if let Some(first) = stretches.first_mut().filter(|first| first.same) {
        keep_end(first);
    }
    if let Some(last) = stretches.last_mut().filter(|last| last.same) {
        keep_start(last);
    }
    let mut out = Vec::new();
    let mut group: Vec<Stretch> = Vec::new();
    for mut stretch in stretches {
        if stretch.same && stretch.old.len() > 2 * CONTEXT {
            let mut end = stretch.clone();
            keep_start(&mut end);
            group.push(end);
            out.push(std::mem::take(&mut group));
            keep_end(&mut stretch);
        }
        group.push(stretch);
    }
    out.push(group);
    out.retain(|group| group.iter().any(|stretch| !stretch.same));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_the_same_have_no_diff() {
        assert_eq!(unified("a\nb", "a\nb"), "");
    }

    #[test]
    fn far_changes_are_shown_apart() {
        let old: Vec<String> = (1..=20).map(|number| number.to_string()).collect();
        let mut new = old.clone();
        new[1] = "two".to_owned();
        new.remove(17);
        assert_eq!(
            unified(&old.join("\n"), &new.join("\n")),
            "@@ -1,5 +1,5 @@\n 1\n-2\n+two\n 3\n 4\n 5\n@@ -15,6 +15,5 @@\n 15\n 16\n 17\n-18\n 19\n 20\n"
        );
    }
}
