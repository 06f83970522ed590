//! Clients that registered themselves and that nobody uses.

use chrono::TimeDelta;
use serde_json::json;
use sqlx::Connection;
use sqlx::PgConnection;

use crate::audit::act::Act;
use crate::audit::log;
use crate::audit::log::Change;
use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;

/// How long an app may be left lying before it has to register anew.
const KEPT: TimeDelta = TimeDelta::days(30);

/// Removes those that were not used for a month and have nothing that could still be used. One that is disabled stays:
/// it would come back.
pub async fn delete_all(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    let deleted = sqlx::query!(
        r#"
        delete from clients c
         where c.organization_id is null
           and c.disabled_at is null
           and greatest(c.created_at, c.accepted_at, c.last_used_at) < $1
           and not exists (
                   select from grants g
                    where g.client_id = c.id
                      and g.revoked_at is null
                      and g.expires_at > $2
                      and greatest(g.rotated_at, g.last_used_at)
                          > least($1, $2 - make_interval(secs => c.refresh_token_idle_seconds)))
        returning c.id as "id: ClientId", c.name, c.accepted_at is null as "is_in_quarantine!"
        "#,
        now - KEPT,
        now,
    )
    .fetch_all(&mut *tx)
    .await?;
    for client in deleted.iter().filter(|client| !client.is_in_quarantine) {
        let change = Change {
            organization: None,
            action: "client.deleted",
            target: ("client", client.id.to_string()),
            before: Some(json!({ "name": client.name })),
            after: None,
        };
        log::record(&mut tx, &Act::of_server(now), &change).await?;
    }
    tx.commit().await
}
