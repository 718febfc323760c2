//! Going through two sorted sequences side by side.

use std::cmp::Ordering;

/// Pairs what has the same key on both sides; what one side alone has comes alone. Both must be sorted by key.
pub(crate) fn pairs<L, R, K: Ord>(
    left: impl IntoIterator<Item = L>,
    right: impl IntoIterator<Item = R>,
    left_key: impl Fn(&L) -> K,
    right_key: impl Fn(&R) -> K,
) -> impl Iterator<Item = (Option<L>, Option<R>)> {
    let mut left = left.into_iter().peekable();
    let mut right = right.into_iter().peekable();
    std::iter::from_fn(move || {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => left_key(left).cmp(&right_key(right)),
        };
        let left = if order == Ordering::Greater { None } else { left.next() };
        let right = if order == Ordering::Less { None } else { right.next() };
        Some((left, right))
    })
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn each_side_waits_for_the_other() {
        let found: Vec<_> = pairs([1, 3, 4], [2, 3, 5], |left| *left, |right| *right).collect();
        let want = [(Some(1), None), (None, Some(2)), (Some(3), Some(3)), (Some(4), None), (None, Some(5))];
        assert_eq!(found, want);
        assert_eq!(pairs([7; 0], [7], |left| *left, |right| *right).collect::<Vec<_>>(), [(None, Some(7))]);
    }
}
