//! What happens in one run, written down before it begins: so it can be repeated, and made shorter.

use std::fmt;
use std::time::Duration;

use crate::dice::Dice;
use crate::model::Dialect;

/// One run, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Where all chance within the run comes from.
    pub seed: u64,
    pub clusters: usize,
    pub apps: Vec<AppSpec>,
    pub steps: Vec<Step>,
    pub troubles: Vec<Trouble>,
}

/// An app that is there from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppSpec {
    pub cluster: usize,
    pub dialect: Dialect,
    pub items: u64,
    /// Whether an Application takes its objects along when it goes.
    pub finalizer: bool,
    /// Whether its items come in waves.
    pub waves: bool,
}

/// Something that people, or the power company, do after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub pause: Duration,
    pub act: Act,
    /// Which app, item or cluster: a number that is taken modulo how many there are.
    pub which: u64,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// A commit changes items of an app.
    Change,
    /// A commit adds one.
    Add,
    /// A commit removes one.
    Remove,
    /// A commit hands one from an app to another.
    HandOver,
    /// A commit writes what is no YAML.
    Break,
    /// A commit mends that.
    Mend,
    /// A commit removes all items of an app, and its directory stays.
    Wipe,
    /// A commit takes all items back to the contents of the commit before, under a version of its own.
    Revert,
    /// A commit adds a hook to an app.
    Hook,
    /// A commit adds a definition and a resource of the kind it defines.
    Define,
    /// Somebody deletes the namespace that everything lives in.
    LoseNamespace,
    /// Somebody makes it again.
    MakeNamespace,
    /// Somebody edits a live object.
    Edit,
    /// Somebody deletes one.
    Delete,
    /// Somebody copies an object with all its labels and annotations, under another name.
    Copy,
    /// Somebody makes an object of their own.
    Bystand,
    Suspend,
    Resume,
    DeleteApp,
    NewApp,
    /// An app goes without its objects, and another of another name takes them over.
    Rename,
    /// Somebody asks for a look right now.
    Refresh,
    /// The process is killed, and another begins.
    Kill,
    /// The API server forgets its history.
    Compact,
    /// All watches end at once.
    CutWatches,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {:?}: {:?} {}", self.pause, self.act, self.which)
    }
}

/// A time in which something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    pub cluster: usize,
    pub from: Duration,
    pub lasts: Duration,
    pub fault: Fault,
    /// So many of a hundred requests meet it.
    pub percent: u64,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A request never arrives.
    Drop,
    /// A request is carried out and its reply is lost.
    Lose,
    /// A request takes long on its way.
    SlowRequest,
    /// A reply takes long on its way, and others overtake it.
    SlowReply,
    /// A request arrives twice, and the second reply comes back.
    Twice,
    Conflict,
    TooMany,
    Internal,
    Unavailable,
    /// The server carries it out and says that it ran out of time.
    TimedOut,
    /// A watch ends after some events.
    CutWatch,
    /// A watch tells nothing.
    SilentWatch,
    /// A watch tells everything late.
    StaleWatch,
    /// A watch tells everything twice.
    EchoWatch,
    /// A watch begins with 410, or a list's next page.
    Gone,
    /// The power goes before a request, in it (it is carried out), or after it.
    PowerBefore,
    PowerDuring,
    PowerAfter,
    /// Nobody reaches the API server.
    Away,
    GitAway,
    GitSlow,
}

/// Every fault there is.
pub const FAULTS: [Fault; 21] = [
    Fault::PowerBefore,
    Fault::PowerDuring,
    Fault::PowerAfter,
    Fault::Drop,
    Fault::Lose,
    Fault::SlowRequest,
    Fault::SlowReply,
    Fault::Twice,
    Fault::Conflict,
    Fault::TooMany,
    Fault::Internal,
    Fault::Unavailable,
    Fault::TimedOut,
    Fault::CutWatch,
    Fault::SilentWatch,
    Fault::StaleWatch,
    Fault::EchoWatch,
    Fault::Gone,
    Fault::Away,
    Fault::GitAway,
    Fault::GitSlow,
];

/// How often each act comes.
const ACTS: [(Act, u64); 23] = [
    (Act::Hook, 2),
    (Act::Define, 2),
    (Act::Change, 16),
    (Act::Add, 8),
    (Act::Remove, 8),
    (Act::HandOver, 6),
    (Act::Break, 3),
    (Act::Mend, 4),
    (Act::Wipe, 2),
    (Act::Revert, 3),
    (Act::Edit, 9),
    (Act::Delete, 6),
    (Act::Copy, 4),
    (Act::Bystand, 2),
    (Act::Suspend, 3),
    (Act::Resume, 4),
    (Act::DeleteApp, 3),
    (Act::NewApp, 4),
    (Act::Rename, 2),
    (Act::Refresh, 3),
    (Act::Kill, 6),
    (Act::Compact, 3),
    (Act::CutWatches, 3),
];

impl Script {
    /// Writes the script of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5eed_0000_0000);
        let clusters = if dice.chance(25) { 2 } else { 1 };
        let apps = (0..dice.between(2, 4))
            .map(|at| AppSpec {
                cluster: at as usize % clusters,
                dialect: if dice.chance(50) { Dialect::Argo } else { Dialect::Flux },
                items: dice.between(2, 5),
                finalizer: dice.chance(60),
                waves: dice.chance(35),
            })
            .collect();
        let mut length = Duration::ZERO;
        let steps = (0..dice.between(8, 24))
            .map(|_| {
                let pause = pause(&mut dice);
                length += pause;
                Step { pause, act: act(&mut dice), which: dice.throw() % 1_000_000 }
            })
            .collect();
        // One seed in eight has fair weather: what then goes wrong is simple.
        let storms = if dice.chance(12) { 0 } else { dice.between(1, 7) };
        let troubles = (0..storms)
            .map(|_| Trouble {
                cluster: dice.below(clusters as u64) as usize,
                from: Duration::from_millis(dice.below(length.as_millis() as u64 + 1)),
                lasts: Duration::from_millis(match dice.below(3) {
                    0 => dice.between(100, 5_000),
                    1 => dice.between(5_000, 60_000),
                    _ => dice.between(60_000, 900_000),
                }),
                fault: *dice.pick(&FAULTS),
                percent: *dice.pick(&[5, 15, 30, 60, 100]),
            })
            .collect();
        Self { seed, clusters, apps, steps, troubles }
    }

    /// Returns how much happens, which shrinking makes less.
    pub fn size(&self) -> usize {
        self.steps.len() + self.troubles.len() + self.apps.len() + self.clusters
    }
}

fn pause(dice: &mut Dice) -> Duration {
    Duration::from_millis(match dice.below(100) {
        0..25 => dice.between(0, 400),
        25..50 => dice.between(400, 5_000),
        50..85 => dice.between(5_000, 150_000),
        _ => dice.between(150_000, 1_200_000),
    })
}

fn act(dice: &mut Dice) -> Act {
    let whole: u64 = ACTS.iter().map(|(_, weight)| weight).sum();
    let mut at = dice.below(whole);
    for (act, weight) in ACTS {
        if at < weight {
            return act;
        }
        at -= weight;
    }
    unreachable!("holds because the number is below the sum of the weights")
}
