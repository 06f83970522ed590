//! The end of a browser's session, and what hangs from it: the apps that signed the person in by it, and asked to hear
//! of its end (OpenID Connect Back-Channel Logout 1.0).

use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::accounts::browser_session;
use crate::audit::act::Act;
use crate::base::clock::Timestamp;
use crate::base::ids::BrowserSessionId;
use crate::base::ids::GrantId;
use crate::base::ids::UserId;
use crate::grants::child;

/// `false` if the person has no such session.
pub async fn end(
    tx: &mut PgTransaction<'_>,
    user: UserId,
    session: BrowserSessionId,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let is_ended = browser_session::revoke(tx, user, session).await?;
    if is_ended {
        tell_apps(tx, &[session], now).await?;
    }
    Ok(is_ended)
}

/// All sessions of a person but one.
pub async fn end_others(
    tx: &mut PgTransaction<'_>,
    user: UserId,
    keep: BrowserSessionId,
    now: Timestamp,
) -> sqlx::Result<()> {
    let ended = browser_session::revoke_others(tx, user, keep).await?;
    tell_apps(tx, &ended, now).await
}

/// Names of the apps that will hear when the session ends.
pub async fn apps_told(db: &mut PgConnection, session: BrowserSessionId) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select name as "name!" from apps_of_sessions where sid = $1 order by name"#,
        session as BrowserSessionId,
    )
    .fetch_all(db)
    .await
}

/// What such an app holds ends with the session, unless the person let it go on while they are away (Back-Channel
/// Logout §2.7), and so does what it passed on of it; a code that is still under way ends in any case, or it would sign
/// in somebody who has left. The consent stays.
async fn tell_apps(
    tx: &mut PgTransaction<'_>,
    sessions: &[BrowserSessionId],
    now: Timestamp,
) -> sqlx::Result<()> {
    let ended = sqlx::query_scalar!(
        r#"
        update grants g
           set signed_out_at = $2
          from clients c
         where g.sid = any($1)
           and c.id = g.client_id
           and c.backchannel_logout_uri is not null
           and g.redirect_uri is not null
           and g.scopes @> '{openid}'
           and (g.generation = 0 or not g.scopes @> '{offline_access}')
           and g.signed_out_at is null
        returning g.id as "id: GrantId"
        "#,
        sessions as &[BrowserSessionId],
        now,
    )
    .fetch_all(&mut **tx)
    .await?;
    child::end_under(tx, ended, &Act::of_server(now)).await?;
    // After that, so that a code that was exchanged in between is seen.
    sqlx::query!(
        r#"
        insert into logout_deliveries (sid, client_id, user_id, started_at, next_attempt_at)
        select sid, client_id, user_id, $2::timestamptz, $2::timestamptz
          from apps_of_sessions
         where sid = any($1)
        on conflict do nothing
        "#,
        sessions as &[BrowserSessionId],
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
