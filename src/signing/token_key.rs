//! Keys that derived tokens are made with. Several may be in the ring: the newest derives, all verify.

use anyhow::Context;
use aws_lc_rs::hmac;
use sqlx::PgConnection;

use crate::base::clock::Timestamp;
use crate::base::server_secret::ServerSecret;

#[derive(Debug)]
pub struct TokenKey {
    /// The number that a token carries, so that one key has to be tried.
    pub id: i16,
    pub created_at: Timestamp,
    sealed: Vec<u8>,
}

impl TokenKey {
    /// Fails if the key was sealed under another server secret.
    pub fn open(&self, secret: &ServerSecret) -> anyhow::Result<hmac::Key> {
        let key = secret.open(&context(self.id), &self.sealed).context(
            "a token key does not open: the server secret is not the one with which this database was set up",
        )?;
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }
}

/// The newest last.
pub async fn list(db: &mut PgConnection) -> sqlx::Result<Vec<TokenKey>> {
    sqlx::query_as!(TokenKey, "select id, created_at, sealed from token_keys order by id").fetch_all(db).await
}

/// Adds a key, which derives all tokens from now on. Those of the keys before it stay good.
///
/// The caller holds a lock against two rotations at once; a clash of numbers is an error, not a lost key.
pub async fn rotate(db: &mut PgConnection, secret: &ServerSecret, now: Timestamp) -> anyhow::Result<i16> {
    let newest = sqlx::query_scalar!("select max(id) from token_keys").fetch_one(&mut *db).await?;
    let id = newest.map_or(Some(1), |id| id.checked_add(1)).context("the key ring has run out of numbers")?;
    let sealed = secret.seal(&context(id), &rand::random::<[u8; 32]>())?;
    sqlx::query!("insert into token_keys (id, sealed, created_at) values ($1, $2, $3)", id, sealed, now)
        .execute(db)
        .await?;
    Ok(id)
}

/// Takes a key out of the ring: every code and refresh token that it derived is dead, at once. The row
/// stays while grants or sessions name it, but nothing can be derived from it.
pub async fn revoke(db: &mut PgConnection, id: i16) -> sqlx::Result<bool> {
    let done = sqlx::query!("update token_keys set sealed = '' where id = $1 and sealed <> ''", id)
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

impl TokenKey {
    pub fn is_revoked(&self) -> bool {
        self.sealed.is_empty()
    }
}

fn context(id: i16) -> String {
    format!("token key {id}")
}
