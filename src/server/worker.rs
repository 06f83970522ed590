//! What goes on beside the requests, and ends in peace when the server stops.

use std::future::Future;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(super) struct Worker {
    /// Dropped to tell it to stop.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Worker {
    /// `work` is handed what tells it to stop.
    pub(super) fn start<F>(work: impl FnOnce(oneshot::Receiver<()>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(work(stopped)) }
    }

    /// Waits for what is under way: what is given up is done again, by whoever finds that its lease is over.
    pub(super) async fn stop(self, patience: Duration) {
        drop(self.stop);
        let _ = tokio::time::timeout(patience, self.task).await;
    }
}
