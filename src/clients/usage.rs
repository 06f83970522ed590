//! When clients and their secrets were last used, as the writer of the access log tells, and what its readers call
//! them.

use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::base::clock::Timestamp;
use crate::base::db::note_last_uses;
use crate::base::ids::ClientId;
use crate::base::ids::ClientSecretId;

/// Notes the last use of clients; one that is older than what is noted is left. At most one for each.
pub async fn note_uses(tx: &mut PgTransaction<'_>, uses: &[(ClientId, Timestamp)]) -> sqlx::Result<()> {
    note_last_uses!(tx, "clients", uses)
}

/// The same of secrets.
pub async fn note_secret_uses(
    tx: &mut PgTransaction<'_>,
    uses: &[(ClientSecretId, Timestamp)],
) -> sqlx::Result<()> {
    note_last_uses!(tx, "client_secrets", uses)
}

/// The names of clients, whoever's they are: a name is there for everybody whom the client asks for access.
pub async fn names(db: &mut PgConnection, clients: &[ClientId]) -> sqlx::Result<Vec<(ClientId, String)>> {
    let rows = sqlx::query!(
        r#"select id as "id: ClientId", name from clients where id = any($1)"#,
        clients as &[ClientId],
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}
