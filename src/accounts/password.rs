//! Passwords: Argon2id (RFC 9106) with the parameters that OWASP recommends, off the threads that serve
//! requests.
//!
//! One check takes 19 MiB and some 20 ms of a core. A flood of sign-ins therefore waits for one of a few threads, which
//! give way to all others, and past a bound it is sent away, while everything else goes on.

use std::fmt;
use std::panic;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc;
use std::thread;

use argon2::Algorithm;
use argon2::Argon2;
use argon2::Params;
use argon2::Version;
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc;
use tokio::sync::Semaphore;
use tokio::sync::oneshot;

use crate::base::secret::Secret;

/// In characters. NIST SP 800-63B §3.1.1.2 asks for at least eight where a password stands alone.
pub const MIN_LENGTH: usize = 8;

/// In bytes. Longer than any passphrase; Argon2 would hash megabytes just as willingly.
pub const MAX_LENGTH: usize = 1024;

/// How many sign-ins may wait for their turn before the next is told to come back.
const MAX_WAITING: usize = 256;

/// How much the threads that hash give way to those that answer requests: wholly, but for what keeps a sign-in from
/// waiting for ever.
const NICENESS: i32 = 15;

/// What the database keeps: Argon2id in PHC form.
#[derive(Clone)]
pub struct PasswordHash(String);

impl PasswordHash {
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// What a check found.
#[derive(Debug)]
pub enum Outcome {
    Wrong,
    Right,
    /// Right, but stored with other parameters than today's: store this instead.
    RightAndRehashed(PasswordHash),
}

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many checks are waiting.
    #[error("too many passwords are being checked")]
    Busy,
    #[error("a password could not be hashed: {0}")]
    Failed(String),
}

/// What an unknown address is checked against, so that it takes as long as a known one: the parameters of today, and
/// numbers that are nobody's.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdA$bm9ib2R5J3MgaGFzaCBvZiBub2JvZHkncyBwYXNzd28";

type Work = Box<dyn FnOnce() + Send>;

/// Hashes and checks passwords, a few at a time. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    /// Taken by whichever thread is free.
    work: mpsc::SyncSender<Work>,
    waiting: Arc<Semaphore>,
}

impl Passwords {
    pub fn new() -> anyhow::Result<Self> {
        // Half the cores: a flood of sign-ins leaves the other half to everybody else.
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (work, waiting_work) = mpsc::sync_channel(MAX_WAITING);
        let waiting_work = Arc::new(Mutex::new(waiting_work));
        for _ in 0..(cores / 2).max(1) {
            let waiting_work = Arc::clone(&waiting_work);
            thread::Builder::new().name("passwords".to_owned()).spawn(move || work_through(&waiting_work))?;
        }
        Ok(Self { work, waiting: Arc::new(Semaphore::new(MAX_WAITING)) })
    }

    pub async fn hash(&self, password: Secret) -> Result<PasswordHash, PasswordError> {
        self.run(move || hash_now(&password)).await
    }

    /// Takes the same time whether `stored` is there or not; without it the answer is always `Wrong`.
    pub async fn check(
        &self,
        password: Secret,
        stored: Option<PasswordHash>,
    ) -> Result<Outcome, PasswordError> {
        let is_known = stored.is_some();
        let stored = stored.unwrap_or_else(|| PasswordHash(DECOY.to_owned()));
        self.run(move || {
            let matches = verify_now(&password, &stored)?;
            if !(matches && is_known) {
                return Ok(Outcome::Wrong);
            }
            if has_current_parameters(&stored) {
                return Ok(Outcome::Right);
            }
            hash_now(&password).map(Outcome::RightAndRehashed)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let (answer, result) = oneshot::channel();
        let work: Work = Box::new(move || {
            // Held by the work, not by the request: a client that hangs up has still to be passed by.
            let _place = place;
            // Nobody waits for it any more: then it need not be done.
            if !answer.is_closed() {
                let _ = answer.send(work());
            }
        });
        // There is a place for it: it never waits here.
        self.work.try_send(work).map_err(|_| PasswordError::Busy)?;
        result.await.map_err(|error| PasswordError::Failed(error.to_string()))?
    }
}

/// Until the last [`Passwords`] is gone.
fn work_through(waiting: &Mutex<mpsc::Receiver<Work>>) {
    let _ = rustix::process::nice(NICENESS);
    // The lock is held by the one that waits, not by those that work.
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(work) = next() {
        // A panic ends one check, not all that would come after it.
        let _ = panic::catch_unwind(AssertUnwindSafe(work));
    }
}

/// 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params())
}

fn params() -> Params {
    Params::new(19 * 1024, 2, 1, None).unwrap_or_default()
}

fn hash_now(password: &Secret) -> Result<PasswordHash, PasswordError> {
    let hash = argon2()
        .hash_password(password.expose().as_bytes())
        .map_err(|error| PasswordError::Failed(error.to_string()))?;
    Ok(PasswordHash(hash.to_string()))
}

fn verify_now(password: &Secret, stored: &PasswordHash) -> Result<bool, PasswordError> {
    let parsed =
        phc::PasswordHash::new(&stored.0).map_err(|error| PasswordError::Failed(error.to_string()))?;
    Ok(argon2().verify_password(password.expose().as_bytes(), &parsed).is_ok())
}

fn has_current_parameters(stored: &PasswordHash) -> bool {
    let Ok(parsed) = phc::PasswordHash::new(&stored.0) else { return false };
    let Ok(used) = Params::try_from(&parsed) else { return false };
    let wanted = params();
    parsed.algorithm.as_str() == "argon2id"
        && (used.m_cost(), used.t_cost(), used.p_cost())
            == (wanted.m_cost(), wanted.t_cost(), wanted.p_cost())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_address_takes_as_long_as_a_known_one() {
        let decoy = PasswordHash(DECOY.to_owned());

        assert!(has_current_parameters(&decoy));
        assert!(!verify_now(&Secret::new("correct horse battery"), &decoy).unwrap());
    }
}
