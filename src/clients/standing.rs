//! What others than the client itself decide on it: that it works, that somebody vouches for it, that a person has let it
//! in.

use serde_json::json;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::base::ids::ClientId;
use crate::base::ids::OrganizationId;
use crate::clients::client::Client;
use crate::clients::client::record;

/// A disabled client gets no tokens, and those it has count no more.
pub async fn set_disabled(
    tx: &mut PgTransaction<'_>,
    client: &Client,
    is_disabled: bool,
    act: &Act,
) -> sqlx::Result<()> {
    if client.disabled_at.is_some() == is_disabled {
        return Ok(());
    }
    sqlx::query!(
        "update clients set disabled_at = $2 where id = $1",
        client.id as ClientId,
        is_disabled.then_some(act.at),
    )
    .execute(&mut **tx)
    .await?;
    let (before, after) = (json!({ "disabled": !is_disabled }), json!({ "disabled": is_disabled }));
    let whose = client.organization_id;
    record(tx, act, whose, ("client.updated", client.id), (Some(before), Some(after))).await
}

/// The operator vouches for the client, or no longer does. `false` if there is none.
pub async fn set_reviewed(
    tx: &mut PgTransaction<'_>,
    id: ClientId,
    is_reviewed: bool,
    act: &Act,
) -> sqlx::Result<bool> {
    let organization = sqlx::query_scalar!(
        r#"update clients set is_reviewed = $2 where id = $1 returning organization_id as "id: OrganizationId""#,
        id as ClientId,
        is_reviewed,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(organization) = organization else { return Ok(false) };
    let after = json!({ "reviewed": is_reviewed });
    record(tx, act, organization, ("client.reviewed", id), (None, Some(after))).await?;
    Ok(true)
}

/// A person has let the client in: if it registered itself, and is the first, it leaves its quarantine. From now on
/// nobody else's registration can become the same client, unless it was shared before.
pub async fn accept(tx: &mut PgTransaction<'_>, id: ClientId, act: &Act) -> sqlx::Result<()> {
    let accepted = sqlx::query!(
        r#"
        update clients
           set accepted_at = $2, fingerprint = case when registration_token_hash is null then fingerprint end
         where id = $1
           and organization_id is null
           and accepted_at is null
        returning name, metadata_url, redirect_uris
        "#,
        id as ClientId,
        act.at,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(accepted) = accepted else { return Ok(()) };
    let after = json!({
        "name": accepted.name,
        "metadata_url": accepted.metadata_url,
        "redirect_uris": accepted.redirect_uris,
    });
    record(tx, act, None, ("client.created", id), (None, Some(after))).await
}
