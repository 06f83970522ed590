//! Clients that a document describes (draft-ietf-oauth-client-id-metadata-document). They belong to no organization.
//!
//! The row is what the document said when it was fetched last. It is written when somebody is to be given something:
//! anybody can make up a URL.

use std::sync::Arc;

use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::clients::client;
use crate::clients::client::Client;
use crate::clients::client::ClientWithSecrets;
use crate::clients::client::Origin;
use crate::clients::columns;
use crate::clients::registration::Registration;

/// One that has no row yet.
pub fn new(id: ClientId, url: &str, registration: Registration, now: Timestamp) -> ClientWithSecrets {
    let client = Client {
        id,
        organization_id: None,
        publisher: None,
        metadata_url: Some(url.to_owned()),
        away_since: None,
        accepted_at: None,
        is_reviewed: false,
        registration,
        created_at: now,
        last_used_at: None,
        disabled_at: None,
        suspended_at: None,
    };
    ClientWithSecrets { client: Arc::new(client), secrets: Vec::new() }
}

/// Writes the row of a client that a document describes, if it has none.
pub async fn keep(tx: &mut PgConnection, client: &Client, now: Timestamp) -> sqlx::Result<()> {
    let Some(url) = &client.metadata_url else { return Ok(()) };
    let origin = Origin { metadata_url: Some(url), ..Origin::default() };
    if client::insert(tx, client.id, origin, now).await? {
        columns::write(tx, client.id, &client.registration, now).await?;
    }
    Ok(())
}

/// The document could be had again, and this is what it says.
pub async fn renew(
    tx: &mut PgTransaction<'_>,
    client: &Client,
    registration: &Registration,
    act: &Act,
) -> sqlx::Result<()> {
    client::update(tx, client, registration, act).await?;
    if client.away_since.is_some() {
        set_away_since(tx, client.id, None).await?;
    }
    Ok(())
}

/// Since when the document cannot be had.
pub async fn set_away_since(
    db: &mut PgConnection,
    id: ClientId,
    since: Option<Timestamp>,
) -> sqlx::Result<()> {
    sqlx::query!("update clients set metadata_away_since = $2 where id = $1", id as ClientId, since)
        .execute(db)
        .await?;
    Ok(())
}
