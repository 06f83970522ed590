//! Which client a request is from: one that is registered, or one that a document describes.

use std::sync::Arc;

use crate::app::App;
use crate::app::client_documents::Unavailable;
use crate::audit::act::Act;
use crate::base::clock::Timestamp;
use crate::clients::client;
use crate::clients::client::ClientWithSecrets;
use crate::clients::described;
use crate::clients::identifier;
use crate::clients::registration::Registration;
use crate::gate::client_address::ClientAddress;
use crate::gate::rate_limit;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;

/// For how long a client goes by what its document said before, while its host is away. Whoever has tokens shall not
/// lose them over an outage elsewhere.
const BRIDGED: chrono::TimeDelta = chrono::TimeDelta::hours(24);

/// Why there is no client.
pub(super) enum Missing {
    /// Also one that nobody may use for now.
    Unknown,
    /// The document at the URL cannot be used.
    Document {
        url: String,
        why: String,
    },
    /// Somebody has come with too many new ones; how many seconds to wait.
    TooMany(i64),
    Failed(anyhow::Error),
}

impl From<sqlx::Error> for Missing {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// For a client that asks itself.
impl From<Missing> for OAuthError {
    fn from(missing: Missing) -> Self {
        match missing {
            // One refusal for every cause, so that a stranger cannot learn which clients exist.
            Missing::Unknown => ErrorCode::InvalidClient.because("client authentication failed"),
            Missing::Document { why, .. } => ErrorCode::InvalidClient.because(why),
            Missing::TooMany(seconds) => ErrorCode::RateLimitExceeded
                .because("too many new apps come from this address")
                .retry_after(seconds),
            Missing::Failed(error) => error.into(),
        }
    }
}

/// One that a document describes need not have a row yet: [`described::keep`].
pub(super) async fn find(
    app: &App,
    identifier: &str,
    address: ClientAddress,
    now: Timestamp,
) -> Result<Arc<ClientWithSecrets>, Missing> {
    let id = identifier::row_id(identifier).ok_or(Missing::Unknown)?;
    let found = app.cache.client(id).await?;
    // A client has one identifier: the id of its row is none for one that has a URL.
    let found = found.filter(|found| found.client.identifier() == identifier);
    if found.as_ref().is_some_and(|found| !found.client.works()) {
        return Err(Missing::Unknown);
    }
    if identifier::is_url(identifier) {
        return Box::pin(by_document(app, identifier, found, (address, now))).await;
    }
    let found = found.ok_or(Missing::Unknown)?;
    if !found.client.registered_itself() {
        return Ok(found);
    }
    // Not its own to say, and what the deployment has added since is among it.
    let scopes = app.config.scopes.for_people().without_admin();
    Ok(Arc::new(found.with_scopes(scopes)))
}

async fn by_document(
    app: &App,
    url: &str,
    known: Option<Arc<ClientWithSecrets>>,
    (address, now): (ClientAddress, Timestamp),
) -> Result<Arc<ClientWithSecrets>, Missing> {
    check_url(app, url)?;
    // Whoever is known is fetched again at times; of whom nobody has let in, anybody can make up any number.
    if known.is_none() && !app.client_documents.are_fresh(url, now) {
        rate_limit::count_registration(app, address, now).await.map_err(Missing::TooMany)?;
    }
    let described = app.client_documents.get(url, known.is_some(), now).await;
    match (described, known) {
        (Ok(described), None) => {
            let id = identifier::row_id(url).ok_or(Missing::Unknown)?;
            Ok(Arc::new(described::new(id, url, Registration::clone(&described.registration), now)))
        }
        (Ok(described), Some(known)) if described.is_news => {
            renewed(app, known, &described.registration, now).await
        }
        (Ok(_), Some(known)) => Ok(known),
        (Err(why), Some(known)) if why.is_temporary() => bridged(app, known, (url, &why), now).await,
        (Err(why), _) => Err(cannot_be_used(url, &why)),
    }
}

fn check_url(app: &App, url: &str) -> Result<(), Missing> {
    let refused = |why: String| Missing::Document { url: url.to_owned(), why };
    let rules = app.config.client_metadata_hosts.as_ref().ok_or(Missing::Unknown)?;
    let parsed = identifier::check_url(url, app.config.outgoing_to_private)
        .map_err(|refusal| refused(format!("The URL {refusal}")))?;
    if rules.take(&parsed) {
        Ok(())
    } else {
        Err(refused("This server takes no documents from the host of the URL".to_owned()))
    }
}

fn cannot_be_used(url: &str, why: &Unavailable) -> Missing {
    Missing::Document {
        url: url.to_owned(),
        why: format!("The document of the client cannot be used: {why}"),
    }
}

/// What the document says now takes the place of what it said before.
async fn renewed(
    app: &App,
    known: Arc<ClientWithSecrets>,
    registration: &Registration,
    now: Timestamp,
) -> Result<Arc<ClientWithSecrets>, Missing> {
    let mut tx = app.db.begin().await?;
    described::renew(&mut tx, &known.client, registration, &Act::of_server(now)).await?;
    let found = client::find(&mut tx, known.client.id).await?;
    tx.commit().await?;
    found.map(Arc::new).ok_or(Missing::Unknown)
}

/// While its host is away the client goes by what the document said before, but not for ever.
async fn bridged(
    app: &App,
    known: Arc<ClientWithSecrets>,
    (url, why): (&str, &Unavailable),
    now: Timestamp,
) -> Result<Arc<ClientWithSecrets>, Missing> {
    let since = known.client.away_since.unwrap_or(now);
    if now - since >= BRIDGED {
        return Err(cannot_be_used(url, why));
    }
    if known.client.away_since.is_none() {
        let mut db = app.db.acquire().await?;
        described::set_away_since(&mut db, known.client.id, Some(now)).await?;
    }
    Ok(known)
}
