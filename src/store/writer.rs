//! The one writer: batches that come while it writes become one transaction, and one sync, of each file.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::batch::Batch;
use super::file::{File, Memory};
use super::{Part, StoreError};

/// How many batches may wait; more wait at the door.
const QUEUE: usize = 64;
/// How many batches become one transaction at most.
const GROUP: usize = 64;

/// Both files.
pub(super) struct Files {
    pub(super) cache: File,
    pub(super) ledger: File,
    pub(super) memory: Memory,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("cache", &self.cache).field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

impl Files {
    /// Commits a group of batches. Each learns of the files that it touches alone: a cache that can't be written
    /// holds up nothing of the ledger.
    pub(super) fn commit(&self, group: &[Batch]) -> Vec<Result<(), StoreError>> {
        let sound = || group.iter().filter(|batch| batch.refused.is_none());
        let part = |part: Part, file: &File| -> Result<(), StoreError> {
            let mut ops = sound().flat_map(|batch| batch.ops_of(part)).peekable();
            if ops.peek().is_none() { Ok(()) } else { file.write(ops) }
        };
        let ledger = part(Part::Ledger, &self.ledger);
        let cache = part(Part::Cache, &self.cache);
        if group.iter().any(|batch| batch.retry) {
            self.ledger.retry();
            self.cache.retry();
        }
        let outcome = |batch: &Batch| {
            if let Some(error) = &batch.refused {
                return Err(error.clone());
            }
            if !batch.ledger.is_empty() {
                ledger.clone()?;
            }
            if batch.cache.is_empty() { Ok(()) } else { cache.clone() }
        };
        group.iter().map(outcome).collect()
    }

    /// Writes what has been waiting for a reason to.
    pub(super) fn flush(&self) {
        for (part, result) in [(Part::Ledger, self.ledger.flush()), (Part::Cache, self.cache.flush())] {
            if let Err(error) = result {
                tracing::warn!(%part, %error, "the last values could not be written");
            }
        }
    }
}

struct Job {
    batch: Batch,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// The writer's thread, and the way to it.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(files: Arc<Files>) -> std::io::Result<Writer> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || work(queue, &files))?;
        Ok(Writer { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Hands a batch over and waits for its sync.
    pub(super) async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let Some(jobs) = &self.jobs else { return Err(StoreError::Ended) };
        let (done, outcome) = oneshot::channel();
        jobs.send(Job { batch, done }).await.map_err(|_| StoreError::Ended)?;
        outcome.await.map_err(|_| StoreError::Ended)?
    }
}

impl Drop for Writer {
    /// Lets the thread end what it was given, so that the files are closed when this returns.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there has been told on standard error already.
            let _ = thread.join();
        }
    }
}

fn work(mut queue: mpsc::Receiver<Job>, files: &Files) {
    while let Some(first) = queue.blocking_recv() {
        let mut batches = vec![first.batch];
        let mut waiting = vec![first.done];
        while batches.len() < GROUP {
            let Ok(job) = queue.try_recv() else { break };
            batches.push(job.batch);
            waiting.push(job.done);
        }
        for (done, outcome) in waiting.into_iter().zip(files.commit(&batches)) {
            // Whoever asked may have stopped waiting; the batch is committed all the same.
            let _ = done.send(outcome);
        }
    }
    files.flush();
}
