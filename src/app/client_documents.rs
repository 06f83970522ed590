//! The documents that describe clients (draft-ietf-oauth-client-id-metadata-document): fetched when a client is met, and
//! remembered for as long as their headers say, within bounds.
//!
//! An error is never remembered in place of a document (§5.2): whoever has just mended theirs is not told again what was
//! wrong with it. Only where there is another to go by, this server does not knock at a closed door with every request.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use chrono::TimeDelta;
use serde_json::Map;
use serde_json::Value;
use tokio::sync::Mutex as AsyncMutex;
use url::Url;

use crate::base::clock::Timestamp;
use crate::base::document;
use crate::base::outgoing;
use crate::base::outgoing::Outgoing;
use crate::clients::metadata;
use crate::clients::metadata::Terms;
use crate::clients::registration::AuthMethod;
use crate::clients::registration::Invalid;
use crate::clients::registration::Registration;

/// In bytes (§8.7).
const MAX_LENGTH: usize = 5 * 1024;

/// How long a document is used whose publisher asks for less: for a flow, from the first visit to the tokens.
const SHORTEST: TimeDelta = TimeDelta::minutes(5);
/// The same for more: a redirect URI that was taken out should not count much longer.
const LONGEST: TimeDelta = TimeDelta::hours(24);
/// And where nothing is asked.
const USUAL: TimeDelta = TimeDelta::hours(1);

/// How soon a host that is away is asked again, where there is what it said before.
const AGAIN_AFTER: TimeDelta = TimeDelta::minutes(1);

/// How many documents are remembered.
const MOST: usize = 1000;

/// Cheap to clone: handles only.
#[derive(Clone)]
pub struct ClientDocuments {
    outgoing: Outgoing,
    terms: Arc<Terms>,
    all: Arc<Mutex<HashMap<String, Known>>>,
}

struct Known {
    last_used_at: Timestamp,
    fresh_until: Timestamp,
    fetches: u64,
    /// Locked by whoever fetches the document.
    fetched: Arc<AsyncMutex<Fetched>>,
}

/// What came of the last fetch.
#[derive(Default)]
struct Fetched {
    outcome: Option<Result<Arc<Registration>, Unavailable>>,
    at: Timestamp,
    fresh_until: Timestamp,
    /// How many there were.
    count: u64,
}

/// What a document says of its client.
#[derive(Debug, Clone)]
pub struct Described {
    pub registration: Arc<Registration>,
    /// It has just been fetched: whoever keeps what it said before has to look.
    pub is_news: bool,
}

/// Why a document does not describe a client. Made to be read by whoever publishes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    #[error(transparent)]
    Document(#[from] document::Failure),
    #[error("The content type is not application/json")]
    ContentType,
    #[error("It is not a JSON object")]
    NoObject,
    #[error("Its client_id is not its URL to the letter")]
    OtherClient,
    #[error("It has {0}, and whatever is published is no secret")]
    Secret(&'static str),
    #[error("It lacks {0}")]
    Lacks(&'static str),
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl Unavailable {
    /// Whether the document may well be as it was, and only its host does not answer as it should.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Document(document::Failure::Request(failure)) => {
                !matches!(failure, outgoing::Failure::Refused(_))
            }
            Self::Document(document::Failure::Status(status)) => !matches!(status, 404 | 410),
            Self::Document(_) => true,
            _ => false,
        }
    }
}

impl ClientDocuments {
    /// `terms` are those of every client that registers itself.
    pub fn new(outgoing: Outgoing, terms: Terms) -> Self {
        // §4.1: no secret can be shared in a document.
        let terms = Arc::new(Terms { auth_method: AuthMethod::None, ..terms });
        Self { outgoing, terms, all: Arc::default() }
    }

    /// Whether the document need not be fetched.
    pub fn are_fresh(&self, url: &str, now: Timestamp) -> bool {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(url).is_some_and(|known| now < known.fresh_until)
    }

    /// What the document at `url` says; one request fetches it while others wait. `can_do_without`: there is what it
    /// said before.
    pub async fn get(
        &self,
        url: &str,
        can_do_without: bool,
        now: Timestamp,
    ) -> Result<Described, Unavailable> {
        let (fetched, count_before) = self.known(url, now);
        let mut locked = fetched.lock_owned().await;
        if let Some(outcome) = &locked.outcome {
            let has_waited = locked.count > count_before;
            let may_rest = can_do_without && now < locked.at + AGAIN_AFTER;
            let counts = match outcome {
                Ok(_) => now < locked.fresh_until,
                Err(why) => may_rest && why.is_temporary(),
            };
            if has_waited || counts {
                let described = |registration| Described { registration, is_news: false };
                return outcome.clone().map(described);
            }
        }
        let (this, url) = (self.clone(), url.to_owned());
        // In a task of its own: it is fetched to the end even if whoever wants it hangs up.
        let fetching = tokio::spawn(async move {
            let fetched = this.fetch(&url).await;
            if let Err(problem) = &fetched {
                let host = Url::parse(&url).ok().and_then(|url| url.host_str().map(str::to_owned));
                tracing::info!(host, %problem, "the document of a client cannot be used");
            }
            locked.take_over(fetched, now);
            this.note(&url, &locked);
            locked.outcome.clone()
        });
        let outcome = fetching.await.ok().flatten();
        let outcome = outcome.unwrap_or_else(|| Err(document::Failure::TimedOut.into()));
        outcome.map(|registration| Described { registration, is_news: true })
    }

    async fn fetch(&self, url: &str) -> Result<(Registration, Option<TimeDelta>), Unavailable> {
        let document = document::fetch(&self.outgoing, url, MAX_LENGTH).await?;
        if !is_json(&document.content_type) {
            return Err(Unavailable::ContentType);
        }
        let read = serde_json::from_slice(&document.body);
        let Ok(Value::Object(metadata)) = read else { return Err(Unavailable::NoObject) };
        Ok((described(url, metadata, &self.terms)?, document.fresh_for))
    }

    fn note(&self, url: &str, fetched: &Fetched) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get_mut(url) {
            known.fresh_until = fetched.fresh_until;
            known.fetches = fetched.count;
        }
    }

    /// With how often it was fetched. Makes room, if there is none, where a document was not used for the longest time.
    fn known(&self, url: &str, now: Timestamp) -> (Arc<AsyncMutex<Fetched>>, u64) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST
            && !all.contains_key(url)
            && let Some(oldest) = all.iter().min_by_key(|(_, known)| known.last_used_at)
        {
            let oldest = oldest.0.clone();
            all.remove(&oldest);
        }
        let known = all.entry(url.to_owned()).or_insert_with(|| Known {
            last_used_at: now,
            fresh_until: Timestamp::default(),
            fetches: 0,
            fetched: Arc::default(),
        });
        known.last_used_at = now;
        (Arc::clone(&known.fetched), known.fetches)
    }
}

impl Fetched {
    fn take_over(&mut self, fetched: Result<(Registration, Option<TimeDelta>), Unavailable>, now: Timestamp) {
        self.count += 1;
        self.at = now;
        self.fresh_until = match &fetched {
            Ok((_, fresh_for)) => now + fresh_for.unwrap_or(USUAL).clamp(SHORTEST, LONGEST),
            Err(_) => now,
        };
        self.outcome = Some(fetched.map(|(registration, _)| Arc::new(registration)));
    }
}

/// `application/json`, or another type that is JSON inside (RFC 6839 §3.1).
fn is_json(content_type: &str) -> bool {
    content_type == "application/json"
        || (content_type.starts_with("application/") && content_type.ends_with("+json"))
}

fn described(
    url: &str,
    mut metadata: Map<String, Value>,
    terms: &Terms,
) -> Result<Registration, Unavailable> {
    if metadata.get("client_id").and_then(Value::as_str) != Some(url) {
        return Err(Unavailable::OtherClient);
    }
    for name in ["client_secret", "client_secret_expires_at"] {
        if metadata.contains_key(name) {
            return Err(Unavailable::Secret(name));
        }
    }
    for name in ["client_name", "redirect_uris"] {
        if metadata.get(name).is_none_or(Value::is_null) {
            return Err(Unavailable::Lacks(name));
        }
    }
    // Its own to say for everybody who has its keys, and for nobody else: a document has a host of its own.
    metadata.remove("sector_identifier_uri");
    choose_method(&mut metadata);
    let registration = metadata::read(&metadata, terms)?;
    if registration.token_endpoint_auth_method.has_secret() {
        return Err(Unavailable::Secret("a token_endpoint_auth_method with a shared secret"));
    }
    Ok(registration)
}

/// Some publish the methods that they know, as a server does, in place of the one that they use.
fn choose_method(metadata: &mut Map<String, Value>) {
    if metadata.contains_key("token_endpoint_auth_method") {
        return;
    }
    let known = metadata.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
    let usable = |method: &&Value| matches!(method.as_str(), Some("none" | "private_key_jwt"));
    let chosen = known.and_then(|known| known.iter().find(usable)).cloned();
    if let Some(method) = chosen {
        metadata.insert("token_endpoint_auth_method".to_owned(), method);
    }
}
