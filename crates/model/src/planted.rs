//! Bugs that the peers have had, to be brought back for the simulator to find.
//!
//! Only a build with the feature `planted` has them, and a thread of it only the one it asked for. Without the feature
//! [`is_planted`] is constantly false, and nothing of them is in the program.

/// One bug. The letters name rows of the catalogue of what went wrong elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Planted {
    /// L2: an empty render prunes everything.
    EmptyRenderPrunes,
    /// L4: when the source cannot be reached, the oldest revision that was seen is synced.
    FallsBackToOldest,
    /// L5: the files of an older commit are served as those of the newest.
    StaleFiles,
    /// L7: while the source fails, half of a render counts as the whole.
    HalfARenderPrunes,
    /// L9: an object is pruned though its marks name somebody else.
    PrunesWhateverTheMarks,
    /// L9: a copied tracking id counts, whatever object it names.
    CopiedMarksCount,
    /// L10: an object that another app desires is pruned.
    PrunesWhatOthersDesire,
    /// L10: what one commit hands over is pruned before its heir has seen that commit.
    PrunesBeforeTheHeirLooks,
    /// L12: what could not be pruned is forgotten.
    ForgetsWhatIsLeft,
    /// L12: an app's finalizer goes before its objects.
    FinalizerGoesFirst,
    /// M2: after 410 a watch goes on from now, and what happened between is missed.
    WatchGoesOnAfterGone,
    /// M2: a new listing tells of what came, and not of what went.
    ListingForgetsDeletions,
    /// M3: after enough refusals for being busy nothing is ever written again.
    BusyForEver,
    /// M4: a deletion names no UID.
    DeletesWhateverUid,
    /// N2: the inventory is recorded after the writes.
    RecordsAfterWriting,
    /// N2: a new process knows nothing of what the old one applied.
    ForgetsInventory,
    /// N4: a source that failed once is never asked again.
    SourceFailsOnce,
    /// N7: a task that failed is not started again.
    TaskEndsWithItsFailure,
    /// F1: a failure quotes the object it is about.
    FailureQuotesSecret,
    /// A drift that was there once is taken for how things are.
    RestsForEver,
    /// Status is written at every look.
    WritesStatusAlways,
    /// What is not automatic is synced all the same.
    SyncsWhatIsManual,
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::EmptyRenderPrunes,
        Self::FallsBackToOldest,
        Self::StaleFiles,
        Self::HalfARenderPrunes,
        Self::PrunesWhateverTheMarks,
        Self::CopiedMarksCount,
        Self::PrunesWhatOthersDesire,
        Self::PrunesBeforeTheHeirLooks,
        Self::ForgetsWhatIsLeft,
        Self::FinalizerGoesFirst,
        Self::WatchGoesOnAfterGone,
        Self::ListingForgetsDeletions,
        Self::BusyForEver,
        Self::DeletesWhateverUid,
        Self::RecordsAfterWriting,
        Self::ForgetsInventory,
        Self::SourceFailsOnce,
        Self::TaskEndsWithItsFailure,
        Self::FailureQuotesSecret,
        Self::RestsForEver,
        Self::WritesStatusAlways,
        Self::SyncsWhatIsManual,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static CHOSEN: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in whatever this thread does from now on, or takes it out again.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Planted>) {
    CHOSEN.set(bug);
}

/// Tells whether a bug is planted in this thread.
#[cfg(feature = "planted")]
pub fn is_planted(bug: Planted) -> bool {
    CHOSEN.get() == Some(bug)
}

/// Tells whether a bug is planted: in this build there are none.
#[cfg(not(feature = "planted"))]
pub const fn is_planted(_: Planted) -> bool {
    false
}
