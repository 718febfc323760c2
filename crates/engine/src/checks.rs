//! Whether what renders read is the same in a newer revision, asked by many apps at once.
//!
//! A commit to a repository of thousands of apps wakes all of them. Each asks for a handful of look-ups, which may read
//! from the disk and so must not be made where others wait; a thread for each would cost more than the look-ups.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use bowline_tree::{ReadSet, Tree};
use tokio::sync::oneshot;

use crate::shared::Workplace;

struct Check {
    reads: Arc<Vec<ReadSet>>,
    trees: Vec<Arc<dyn Tree>>,
    answer: oneshot::Sender<bool>,
}

impl Check {
    fn run(self) {
        // One that breaks counts as a difference, for the render that follows says what is wrong; others go on.
        let holds = std::panic::catch_unwind(AssertUnwindSafe(|| {
            self.reads.iter().zip(&self.trees).all(|(reads, tree)| reads.holds_in(&**tree))
        }));
        let holds = holds.unwrap_or(false);
        // Nobody waits any more where the task has gone.
        let _ = self.answer.send(holds);
    }
}

/// Checks that wait for a thread.
#[derive(Clone, Default)]
pub(crate) struct Checks(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    checks: Vec<Check>,
    is_running: bool,
}

impl Checks {
    /// Tells whether reads would see the same in these trees.
    pub(crate) async fn holds(
        &self,
        workplace: Workplace,
        reads: Arc<Vec<ReadSet>>,
        trees: Vec<Arc<dyn Tree>>,
    ) -> bool {
        let (answer, answered) = oneshot::channel();
        let begins = {
            let mut waiting = self.lock();
            waiting.checks.push(Check { reads, trees, answer });
            !std::mem::replace(&mut waiting.is_running, true)
        };
        if begins {
            let checks = self.clone();
            match workplace {
                Workplace::Threads => drop(tokio::task::spawn_blocking(move || checks.run())),
                Workplace::Here => checks.run(),
            }
        }
        // The runtime may stop before a thread was there.
        answered.await.unwrap_or(false)
    }

    fn run(&self) {
        loop {
            let checks = std::mem::take(&mut self.lock().checks);
            if checks.is_empty() {
                let mut waiting = self.lock();
                if waiting.checks.is_empty() {
                    waiting.is_running = false;
                    return;
                }
                continue;
            }
            checks.into_iter().for_each(Check::run);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bowline_tree::{MemoryTree, Recorder, TreeError, TreePath};

    use super::*;

    fn tree(content: &str) -> Arc<dyn Tree> {
        let mut tree = MemoryTree::new();
        tree.insert(TreePath::parse("a").expect("a path"), content.to_owned());
        Arc::new(tree)
    }

    fn reads(tree: &dyn Tree) -> Arc<Vec<ReadSet>> {
        let recorder = Recorder::new(tree);
        recorder.read(&TreePath::parse("a").expect("a path")).expect("is there");
        Arc::new(vec![recorder.finish()])
    }

    /// A tree whose reader has a mistake.
    struct Broken;

    impl Tree for Broken {
        fn entry(&self, _: &TreePath) -> Result<Option<bowline_tree::Entry>, TreeError> {
            panic!("on purpose")
        }
        fn read(&self, _: &TreePath) -> Result<bytes::Bytes, TreeError> {
            panic!("on purpose")
        }
        fn list(&self, _: &TreePath) -> Result<Vec<bowline_tree::Entry>, TreeError> {
            panic!("on purpose")
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn everybody_gets_their_own_answer() {
        let checks = Checks::default();
        let (one, other) = (tree("1"), tree("2"));
        let reads = reads(&*one);
        let asked: Vec<_> = (0..200)
            .map(|at| {
                let (checks, reads) = (checks.clone(), reads.clone());
                let tree = if at % 3 == 0 { one.clone() } else { other.clone() };
                tokio::spawn(async move { checks.holds(Workplace::Threads, reads, vec![tree]).await })
            })
            .collect();
        for (at, answer) in asked.into_iter().enumerate() {
            assert_eq!(answer.await.expect("does not panic"), at % 3 == 0, "{at}");
        }
    }

    #[tokio::test]
    async fn one_that_breaks_does_not_stop_the_others() {
        let checks = Checks::default();
        let one = tree("1");
        let reads = reads(&*one);
        assert!(!checks.holds(Workplace::Threads, reads.clone(), vec![Arc::new(Broken)]).await);
        assert!(checks.holds(Workplace::Threads, reads.clone(), vec![one.clone()]).await);
        assert!(checks.holds(Workplace::Here, reads, vec![one]).await);
    }
}
