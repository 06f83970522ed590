//! The keys with which clients sign (RFC 7591 §2). Those that one publishes at its `jwks_uri` are fetched when one is
//! needed, and remembered.
//!
//! Anybody can make up a request of some client. So that nobody can have this server knock at somebody's door again and
//! again, a URI is asked once a minute at the most, whatever came of it, and by one request while others wait for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use chrono::TimeDelta;
use tokio::sync::Mutex as AsyncMutex;
use url::Url;

use crate::base::clock::Timestamp;
use crate::base::document;
use crate::base::outgoing::Outgoing;
use crate::clients::registration::Registration;
use crate::signing::foreign::key_set;
use crate::signing::foreign::key_set::KeySet;

/// How long keys are used for which their publisher asks for less: no key set changes faster.
const SHORTEST: TimeDelta = TimeDelta::minutes(1);
/// The same for more: a key that was taken out of the set should not count much longer.
const LONGEST: TimeDelta = TimeDelta::hours(1);
/// And where nothing is asked.
const USUAL: TimeDelta = TimeDelta::minutes(10);

/// How soon a URI is asked again, because it failed or because a key was not there.
const AGAIN_AFTER: TimeDelta = TimeDelta::minutes(1);

/// How many URIs are remembered.
const MOST: usize = 1000;

/// Cheap to clone: handles only.
#[derive(Clone)]
pub struct ClientKeys {
    outgoing: Outgoing,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

struct Known {
    last_used_at: Timestamp,
    /// Locked by whoever asks the URI.
    published: Arc<AsyncMutex<Published>>,
}

/// What is known of a URI; at first as if it had been asked long ago.
#[derive(Default)]
struct Published {
    keys: Arc<KeySet>,
    fresh_until: Timestamp,
    asked_at: Timestamp,
    /// What came of it, if not the keys.
    failure: Option<Unavailable>,
}

/// Why there are no keys. Made to be read by whoever publishes them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    #[error("The client has neither jwks nor jwks_uri")]
    None,
    #[error(transparent)]
    Document(#[from] document::Failure),
    #[error("The answer is not JSON")]
    NotJson,
    #[error(transparent)]
    KeySet(#[from] key_set::Refusal),
}

impl ClientKeys {
    pub fn new(outgoing: Outgoing) -> Self {
        Self { outgoing, known: Arc::default() }
    }

    /// The client's keys; fetched again first if they do not suffice, because it may have rotated them.
    pub async fn of(
        &self,
        client: &Registration,
        suffice: impl Fn(&KeySet) -> bool,
        now: Timestamp,
    ) -> Result<Arc<KeySet>, Unavailable> {
        match (&client.jwks, &client.jwks_uri) {
            (Some(jwks), _) => Ok(Arc::new(KeySet::read(jwks)?)),
            (None, Some(uri)) => self.at(uri, suffice, now).await,
            (None, None) => Err(Unavailable::None),
        }
    }

    /// The same for what is published at `uri`.
    pub async fn at(
        &self,
        uri: &str,
        suffice: impl Fn(&KeySet) -> bool,
        now: Timestamp,
    ) -> Result<Arc<KeySet>, Unavailable> {
        let published = self.published(uri, now);
        let mut locked = Arc::clone(&published).lock_owned().await;
        if locked.may_be_asked(now) && !(locked.is_fresh(now) && suffice(&locked.keys)) {
            let (outgoing, uri) = (self.outgoing.clone(), uri.to_owned());
            // In a task of its own: it is asked to the end even if whoever wants the keys hangs up.
            let asking = tokio::spawn(async move { locked.ask(&outgoing, &uri, now).await });
            let _ = asking.await;
            locked = published.lock_owned().await;
        }
        match &locked.failure {
            Some(failure) if !locked.is_fresh(now) => Err(failure.clone()),
            _ => Ok(Arc::clone(&locked.keys)),
        }
    }

    /// Makes room, if there is none, where keys were not used for the longest time.
    fn published(&self, uri: &str, now: Timestamp) -> Arc<AsyncMutex<Published>> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST
            && !all.contains_key(uri)
            && let Some(oldest) = all.iter().min_by_key(|(_, known)| known.last_used_at)
        {
            let oldest = oldest.0.clone();
            all.remove(&oldest);
        }
        let known = all
            .entry(uri.to_owned())
            .or_insert_with(|| Known { last_used_at: now, published: Arc::default() });
        known.last_used_at = now;
        Arc::clone(&known.published)
    }
}

impl Published {
    fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.fresh_until
    }

    fn may_be_asked(&self, now: Timestamp) -> bool {
        self.asked_at + AGAIN_AFTER <= now
    }

    /// Keys that were there before stay good for as long as they would have been.
    async fn ask(&mut self, outgoing: &Outgoing, uri: &str, now: Timestamp) {
        self.asked_at = now;
        match fetch(outgoing, uri).await {
            Ok((keys, fresh_for)) => {
                self.keys = Arc::new(keys);
                self.fresh_until = now + fresh_for.unwrap_or(USUAL).clamp(SHORTEST, LONGEST);
                self.failure = None;
            }
            Err(failure) => {
                let host = Url::parse(uri).ok().and_then(|url| url.host_str().map(str::to_owned));
                tracing::info!(host, problem = %failure, "the keys of a client could not be fetched");
                self.failure = Some(failure);
            }
        }
    }
}

/// With how long they may be used. The type of the content is not looked at: what is JSON and has keys is a key set.
async fn fetch(outgoing: &Outgoing, uri: &str) -> Result<(KeySet, Option<TimeDelta>), Unavailable> {
    let document = document::fetch(outgoing, uri, key_set::MAX_LENGTH).await?;
    let jwks = serde_json::from_slice(&document.body).map_err(|_| Unavailable::NotJson)?;
    Ok((KeySet::read(&jwks)?, document.fresh_for))
}
