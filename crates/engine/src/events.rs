//! Records Events beside everything else: nothing waits for them, and they wait for everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bowline_cluster::EventRecord;
use bowline_model::Object;
use tokio::sync::{Mutex, mpsc};
use tracing::debug;

use crate::dialect::EventDraft;
use crate::shared::{Shared, Speaker};

/// Events that may wait to be recorded; what comes after that is dropped. A large install makes a few thousand.
const WAITING: usize = 8192;

/// How long an Event lets syncs go first. They share one API server, and somebody waits for the syncs.
const COURTESY: Duration = Duration::from_secs(5);

/// How long the rest may take when the process stops.
const LAST_WORDS: Duration = Duration::from_secs(3);

struct Letter {
    speaker: Speaker,
    about: Arc<Object>,
    event: EventDraft,
    at: jiff::Timestamp,
}

/// The way of Events from tasks to the one task that records them.
pub(crate) struct Events {
    sender: mpsc::Sender<Letter>,
    receiver: Mutex<mpsc::Receiver<Letter>>,
    /// Syncs that write at this moment.
    pub(crate) syncs: AtomicUsize,
}

impl Events {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self { sender, receiver: Mutex::new(receiver), syncs: AtomicUsize::new(0) }
    }

    pub(crate) fn send(&self, speaker: &Speaker, about: &Object, events: Vec<EventDraft>, at: jiff::Timestamp) {
        let about = Arc::new(about.clone());
        for event in events {
            let letter = Letter { speaker: speaker.clone(), about: about.clone(), event, at };
            if self.sender.try_send(letter).is_err() {
                debug!("Too many events wait to be recorded, and one is dropped");
            }
        }
    }

    /// Records Events until the shutdown, and then what is left as far as time allows.
    pub(crate) async fn run(&self, shared: &Shared) {
        let mut letters = self.receiver.lock().await;
        loop {
            tokio::select! {
                biased;
                () = shared.shutdown.cancelled() => break,
                letter = letters.recv() => match letter {
                    Some(letter) => {
                        self.let_syncs_pass().await;
                        record(shared, letter).await;
                    }
                    None => return,
                },
            }
        }
        let rest = async {
            while let Ok(letter) = letters.try_recv() {
                record(shared, letter).await;
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, rest).await;
    }

    async fn let_syncs_pass(&self) {
        let until = tokio::time::Instant::now() + COURTESY;
        while self.syncs.load(Ordering::Relaxed) > 0 && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
}

async fn record(shared: &Shared, letter: Letter) {
    let written = shared.cluster.record(EventRecord {
        about: &letter.about,
        is_warning: letter.event.warning,
        reason: &letter.event.reason,
        message: &letter.event.message,
        annotations: &letter.event.annotations,
        component: &letter.speaker.kind.component,
        at: letter.at,
        suffix: shared.random_suffix(),
    });
    if let Err(error) = written.await {
        debug!(%error, reason = letter.event.reason, "An event was not recorded");
    }
}
