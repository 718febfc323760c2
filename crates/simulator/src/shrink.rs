use crate::script::Script;

/// Makes a script shorter as long as `fails` says that it still fails, within so many attempts.
///
/// Leaves out halves of what happens, then quarters, and so on down to single steps; troubles and apps alike.
pub fn shrink(script: &Script, attempts: usize, mut fails: impl FnMut(&Script) -> bool) -> Script {
    let mut best = script.clone();
    let mut left = attempts;
    loop {
        let before = best.size();
        for part in [Part::Troubles, Part::Steps, Part::Apps] {
            let mut length = part.length(&best).div_ceil(2);
            while length > 0 {
                let mut at = 0;
                while at < part.length(&best) {
                    if left == 0 {
                        return best;
                    }
                    let shorter = part.without(&best, at, length);
                    left -= 1;
                    if fails(&shorter) {
                        best = shorter;
                    } else {
                        at += length;
                    }
                }
                length /= 2;
            }
        }
        if best.size() == before {
            return best;
        }
    }
}

#[derive(Clone, Copy)]
enum Part {
    Troubles,
    Steps,
    Apps,
}

impl Part {
    fn length(self, script: &Script) -> usize {
        match self {
            Self::Troubles => script.troubles.len(),
            Self::Steps => script.steps.len(),
            // One app stays.
            Self::Apps => script.apps.len().saturating_sub(1),
        }
    }

    fn without(self, script: &Script, at: usize, length: usize) -> Script {
        let mut shorter = script.clone();
        let end = (at + length).min(self.length(script));
        match self {
            Self::Troubles => drop(shorter.troubles.drain(at..end)),
            Self::Steps => {
                // What comes later happens when it did: troubles have their times.
                let pause = shorter.steps[at..end].iter().map(|step| step.pause).sum();
                shorter.steps.drain(at..end);
                if let Some(next) = shorter.steps.get_mut(at) {
                    next.pause = next.pause.saturating_add(pause);
                }
            }
            Self::Apps => drop(shorter.apps.drain(at + 1..=end)),
        }
        shorter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let script = (1..1000).map(Script::of_seed).find(|script| script.steps.len() > 20).expect("some seed is long");
        let culprit = script.steps[11];
        let mut runs = 0;
        let shrunk = shrink(&script, 500, |script| {
            runs += 1;
            script.steps.iter().any(|step| (step.act, step.which) == (culprit.act, culprit.which))
        });
        assert_eq!((shrunk.steps.len(), shrunk.troubles.len(), shrunk.apps.len()), (1, 0, 1));
        assert!(runs <= 500);
        let ends = |script: &Script| script.steps.iter().map(|step| step.pause).sum::<std::time::Duration>();
        assert!(ends(&shrunk) >= script.steps[..=11].iter().map(|step| step.pause).sum::<std::time::Duration>());
        assert!(ends(&shrunk) <= ends(&script));
    }
}
