//! `/v1/grants`: consents. With `admin` those of the organization; a person's own session sees its own.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;
use serde_json::json;

use crate::api::page::Page;
use crate::api::page::PageRequest;
use crate::api::path::Path;
use crate::app::App;
use crate::base::ids::GrantId;
use crate::gate::caller::Caller;
use crate::gate::error::ApiError;
use crate::gate::permission;
use crate::gate::principal::Principal;
use crate::grants::grant;
use crate::grants::grant::GrantSummary;
use crate::grants::grant::Whose;
use crate::organizations::credential::Credential;
use crate::scopes::ADMIN;

pub async fn list(
    State(app): State<App>,
    Caller { principal, .. }: Caller,
    request: PageRequest,
) -> Result<Json<Page<Value>>, ApiError> {
    let whose = whose(&app, &principal)?;
    let mut db = app.db.acquire().await?;
    let page = (request.after()?, request.limit + 1);
    let rows = grant::list(&mut db, whose, page, app.clock.now()).await?;
    Ok(Json(Page::of(rows, &request, |grant| grant.id.to_string(), |grant| shown(&grant))))
}

pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<GrantId>,
) -> Result<StatusCode, ApiError> {
    let whose = whose(&app, &caller.principal)?;
    let mut tx = app.db.begin().await?;
    let was_there = grant::revoke(&mut tx, whose, id, "api", &caller.act).await?;
    tx.commit().await?;
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}

fn whose(app: &App, principal: &Principal) -> Result<Whose, ApiError> {
    if principal.scopes.satisfies(ADMIN) {
        return Ok(Whose::Organization(principal.organization.id));
    }
    match (&principal.user, principal.credential) {
        (Some(user), Credential::Session(_)) => Ok(Whose::PersonIn(user.id, principal.organization.id)),
        _ => Err(permission::check_scope(app, principal, ADMIN).err().unwrap_or_else(ApiError::not_found)),
    }
}

fn shown(grant: &GrantSummary) -> Value {
    json!({
        "id": grant.id,
        "client": { "id": grant.client_id, "name": grant.client_name },
        "user": { "id": grant.user_id, "email": grant.user_email },
        "organization": grant.organization_id,
        "scopes": grant.scopes,
        "resources": grant.resources,
        "created_at": grant.created_at,
        "last_used_at": grant.last_used_at,
    })
}
