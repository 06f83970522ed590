//! What requests leave behind for the writer of the access log. A request never waits here: when the queue is
//! full, what it leaves is counted and lost.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use tokio::sync::Mutex;
use tokio::sync::Notify;
use tokio::sync::mpsc;

use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::base::ids::ClientSecretId;
use crate::organizations::access_log::AccessEntry;

/// Of entries: some seconds of a busy node, and a few megabytes.
const CAPACITY: usize = 8192;
/// As many at once are worth a transaction before its time has come.
pub const BATCH: usize = 1024;

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are requests: a box for each would save nothing")]
pub enum Left {
    Request(AccessEntry),
    /// A client has proved itself at an OAuth endpoint; there is no entry for that, only the last use.
    SecretUse {
        client: ClientId,
        secret: ClientSecretId,
        at: Timestamp,
    },
}

/// Cheap to clone; clones are one queue.
#[derive(Clone)]
pub struct AccessQueue(Arc<Inner>);

struct Inner {
    sender: mpsc::Sender<Left>,
    receiver: Mutex<mpsc::Receiver<Left>>,
    /// Since the start, as is the next.
    dropped: AtomicU64,
    written: AtomicU64,
    /// Told when a batch is waiting.
    batch: Notify,
}

impl Default for AccessQueue {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl AccessQueue {
    pub fn with_capacity(capacity: usize) -> Self {
        let (sender, receiver) = mpsc::channel(capacity);
        let (dropped, written, batch) = (AtomicU64::default(), AtomicU64::default(), Notify::default());
        Self(Arc::new(Inner { sender, receiver: Mutex::new(receiver), dropped, written, batch }))
    }

    /// Never waits.
    pub fn push(&self, entry: AccessEntry) {
        self.leave(Left::Request(entry));
    }

    /// Never waits.
    pub fn push_secret_use(&self, client: ClientId, secret: ClientSecretId, at: Timestamp) {
        self.leave(Left::SecretUse { client, secret, at });
    }

    fn leave(&self, left: Left) {
        if self.0.sender.try_send(left).is_err() {
            self.note_dropped(1);
        }
        if self.waiting() >= BATCH {
            self.0.batch.notify_one();
        }
    }

    /// Takes what is waiting, until `into` holds [`BATCH`].
    pub async fn take(&self, into: &mut Vec<Left>) {
        let mut receiver = self.0.receiver.lock().await;
        while into.len() < BATCH
            && let Ok(left) = receiver.try_recv()
        {
            into.push(left);
        }
    }

    /// Ends when a batch is waiting.
    pub async fn batch(&self) {
        self.0.batch.notified().await;
    }

    pub fn waiting(&self) -> usize {
        self.0.sender.max_capacity() - self.0.sender.capacity()
    }

    /// How many were lost since the start.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// How many entries were written since the start.
    pub fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    pub fn note_written(&self, count: u64) {
        self.0.written.fetch_add(count, Ordering::Relaxed);
    }

    pub fn note_dropped(&self, count: u64) {
        self.0.dropped.fetch_add(count, Ordering::Relaxed);
    }
}
