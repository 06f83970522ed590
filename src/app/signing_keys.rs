//! Rotating and revoking the server's own keys, for the command line and for superadmins alike.

use jsonwebtoken::Algorithm;
use serde_json::Value;
use serde_json::json;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::audit::log;
use crate::audit::log::Change;
use crate::base::clock::Timestamp;
use crate::base::server_secret::ServerSecret;
use crate::signing::key;
use crate::signing::key::SigningKey;
use crate::signing::token_key;

/// A fresh key that signs from then on instead of the one of its algorithm; the nodes hear of it when the
/// transaction commits.
pub async fn rotate(
    tx: &mut PgTransaction<'_>,
    (algorithm, secret): (Algorithm, &ServerSecret),
    signs_from: Timestamp,
    act: &Act,
) -> anyhow::Result<SigningKey> {
    let (secret, now) = (secret.clone(), act.at);
    // Not on a thread that others wait for: an RSA key takes long to find.
    let generate = move || SigningKey::generate(algorithm, &secret, now, signs_from);
    let key = tokio::task::spawn_blocking(generate).await??;
    key::rotate(tx, &key).await?;
    key::announce_change(tx).await?;
    let after = json!({ "algorithm": key::algorithm_name(algorithm), "signs_from": signs_from });
    record(tx, "signing_key.rotated", ("signing_key", key.id.clone()), Some(after), act).await?;
    Ok(key)
}

async fn record(
    tx: &mut PgTransaction<'_>,
    action: &str,
    target: (&str, String),
    after: Option<Value>,
    act: &Act,
) -> sqlx::Result<()> {
    log::record(tx, act, &Change { organization: None, action, target, before: None, after }).await
}

/// What came of a revocation.
pub enum Revoked {
    /// There is no such key in force.
    No,
    Yes {
        /// Of its algorithm; made because no other could have gone on signing.
        successor: Option<Box<SigningKey>>,
    },
}

/// Nothing signed with the key counts any more, on any node, once the transaction commits.
pub async fn revoke(
    tx: &mut PgTransaction<'_>,
    secret: &ServerSecret,
    id: &str,
    act: &Act,
) -> anyhow::Result<Revoked> {
    let Some(algorithm) = key::revoke(tx, id, act.at).await? else { return Ok(Revoked::No) };
    key::announce_change(tx).await?;
    record(tx, "signing_key.revoked", ("signing_key", id.to_owned()), None, act).await?;
    // The server must not be left without one that signs, now or when the rest has retired.
    let signs_from = key::successor_signs_from(&key::list(tx).await?, algorithm, act.at);
    let Some(signs_from) = signs_from else { return Ok(Revoked::Yes { successor: None }) };
    let successor = rotate(tx, (algorithm, secret), signs_from, act).await?;
    Ok(Revoked::Yes { successor: Some(Box::new(successor)) })
}

/// A fresh key that derives codes and refresh tokens from now on.
pub async fn rotate_token_key(
    tx: &mut PgTransaction<'_>,
    secret: &ServerSecret,
    act: &Act,
) -> anyhow::Result<i16> {
    let id = token_key::rotate(tx, secret, act.at).await?;
    key::announce_change(tx).await?;
    record(tx, "token_key.rotated", ("token_key", id.to_string()), None, act).await?;
    Ok(id)
}

/// Codes and refresh tokens that it derived are dead. `false` if there is no such key in force.
pub async fn revoke_token_key(tx: &mut PgTransaction<'_>, id: i16, act: &Act) -> anyhow::Result<bool> {
    if !token_key::revoke(tx, id).await? {
        return Ok(false);
    }
    key::announce_change(tx).await?;
    record(tx, "token_key.revoked", ("token_key", id.to_string()), None, act).await?;
    Ok(true)
}
