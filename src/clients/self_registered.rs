//! Clients that registered themselves by asking for it (RFC 7591), and what they may change of that (RFC 7592). They
//! belong to no organization.
//!
//! Public ones that say the very same are one client, whoever and wherever they are: a loop that registers again and
//! again fills no table. Nobody must be able to change what others rely on, so such a client can be changed by nobody:
//! the second registration ends the first one's token. Only before anybody has let the client in: later it would take
//! something away, and the second becomes a client of its own.

use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::base::secret::sha256;
use crate::clients::client;
use crate::clients::client::Client;
use crate::clients::client::ClientWithSecrets;
use crate::clients::client::Origin;
use crate::clients::columns;
use crate::clients::registration::AuthMethod;
use crate::clients::registration::Registration;
use crate::clients::secret;

/// What a registration access token begins with, so that people and secret scanners recognise it.
const PREFIX: &str = "rat_";
/// 256 bits.
const LENGTH: usize = 43;

/// What only whoever has just registered is told.
#[derive(Debug)]
pub struct Registered {
    pub id: ClientId,
    pub secret: Option<Secret>,
    /// Opens the registration; `None` for a client that is shared.
    pub token: Option<Secret>,
}

/// The registration has been checked.
pub async fn register(
    tx: &mut PgTransaction<'_>,
    registration: &Registration,
    now: Timestamp,
) -> sqlx::Result<Registered> {
    let fingerprint = fingerprint(registration);
    loop {
        if let Some(fingerprint) = fingerprint
            && let Some(id) = share(tx, fingerprint, now).await?
        {
            return Ok(Registered { id, secret: None, token: None });
        }
        let (id, token) = (ClientId::new(now), Secret::generate(PREFIX, LENGTH));
        let origin = Origin { registration_token: Some(token.hash()), fingerprint, ..Origin::default() };
        // Another request may have been faster with the same.
        if client::insert(tx, id, origin, now).await? {
            columns::write(tx, id, registration, now).await?;
            let secret = if registration.token_endpoint_auth_method.has_secret() {
                Some(new_secret(tx, id, now).await?)
            } else {
                None
            };
            return Ok(Registered { id, secret, token: Some(token) });
        }
    }
}

/// `None` for a client that can prove who it is.
fn fingerprint(registration: &Registration) -> Option<[u8; 32]> {
    (registration.token_endpoint_auth_method == AuthMethod::None)
        .then(|| sha256(registration.told().to_string().as_bytes()))
}

/// The client that said the very same before, if it may be shared.
async fn share(
    db: &mut PgConnection,
    fingerprint: [u8; 32],
    now: Timestamp,
) -> sqlx::Result<Option<ClientId>> {
    sqlx::query_scalar!(
        r#"
        update clients
           set registration_token_hash = null, last_used_at = $2
         where fingerprint = $1
        returning id as "id: ClientId"
        "#,
        &fingerprint,
        now,
    )
    .fetch_optional(db)
    .await
}

async fn new_secret(db: &mut PgConnection, client: ClientId, now: Timestamp) -> sqlx::Result<Secret> {
    let secret = secret::generate();
    secret::store(db, client, ("Registered", None), &secret, now).await?;
    Ok(secret)
}

/// The client whose registration the token opens; locked until the transaction ends, so that of two changes at once the
/// second begins where the first ended.
pub async fn find_for_update(
    tx: &mut PgTransaction<'_>,
    id: ClientId,
    token: &Secret,
) -> sqlx::Result<Option<ClientWithSecrets>> {
    let known = sqlx::query_scalar!(
        r#"select registration_token_hash as "hash: SecretHash" from clients where id = $1 for update"#,
        id as ClientId,
    )
    .fetch_optional(&mut **tx)
    .await?;
    if known.flatten() != Some(token.hash()) {
        return Ok(None);
    }
    let found = client::find(tx, id).await?;
    Ok(found.filter(|found| found.client.works()))
}

/// The registration has been checked. With a secret, if the client needs one now and did not before.
pub async fn update(
    tx: &mut PgTransaction<'_>,
    client: &Client,
    registration: &Registration,
    act: &Act,
) -> sqlx::Result<Option<Secret>> {
    client::update(tx, client, registration, act).await?;
    let had_one = client.registration.token_endpoint_auth_method.has_secret();
    let needs_one = registration.token_endpoint_auth_method.has_secret();
    if !needs_one {
        sqlx::query!("delete from client_secrets where client_id = $1", client.id as ClientId)
            .execute(&mut **tx)
            .await?;
    }
    // Whoever says now what this one said before is another client.
    sqlx::query!("update clients set fingerprint = null where id = $1", client.id as ClientId)
        .execute(&mut **tx)
        .await?;
    if needs_one && !had_one { new_secret(tx, client.id, act.at).await.map(Some) } else { Ok(None) }
}
