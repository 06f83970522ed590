//! `/v1/grants`: consents. With `admin` those of the organization; a person's own session sees its own.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::DateTime;
use chrono::Utc;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::named::NamedClient;
use crate::api::named::NamedUser;
use crate::api::page::Page;
use crate::api::page::PageRequest;
use crate::api::path::Path;
use crate::app::App;
use crate::base::ids::GrantId;
use crate::base::ids::OrganizationId;
use crate::gate::caller::Caller;
use crate::gate::error::ApiError;
use crate::gate::permission;
use crate::gate::principal::Principal;
use crate::grants::grant;
use crate::grants::grant::GrantSummary;
use crate::grants::grant::Whose;
use crate::organizations::credential::Credential;
use crate::scopes::ADMIN;
use crate::scopes::Scopes;

#[derive(Serialize, ToSchema)]
#[schema(as = Grant)]
pub struct Shown {
    id: GrantId,
    client: NamedClient,
    user: NamedUser,
    organization: OrganizationId,
    scopes: Scopes,
    /// The APIs that tokens may be for (RFC 8707); none: this server's own.
    resources: Vec<String>,
    /// The grant of which this is a part, passed on to another actor (RFC 8693).
    parent: Option<GrantId>,
    /// What that actor is for, in the words of the client that has it.
    label: Option<String>,
    created_at: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
}

/// Grants: what people have allowed apps to do
///
/// With the scope `admin` those of the organization; a person's own session sees its own.
#[utoipa::path(
    get, path = "/v1/grants",
    params(PageRequest),
    responses((status = 200, description = "A page of grants", body = Page<Shown>)),
)]
pub async fn list(
    State(app): State<App>,
    Caller { principal, .. }: Caller,
    request: PageRequest,
) -> Result<Json<Page<Shown>>, ApiError> {
    let whose = whose(&app, &principal)?;
    let mut db = app.db.acquire().await?;
    let page = (request.after()?, request.limit + 1);
    let rows = grant::list(&mut db, whose, page, app.clock.now()).await?;
    Ok(Json(Page::of(rows, &request, |grant| grant.id.to_string(), shown)))
}

/// Revoke a grant
///
/// Every code, access token and refresh token under it is dead at once, and every part that was passed on. A part can be
/// revoked alone.
#[utoipa::path(
    delete, path = "/v1/grants/{id}",
    params(("id" = GrantId, Path)),
    responses((status = 204, description = "The grant is revoked")),
)]
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

fn shown(grant: GrantSummary) -> Shown {
    Shown {
        id: grant.id,
        client: NamedClient { id: grant.client_id, name: grant.client_name },
        user: NamedUser { id: grant.user_id, email: grant.user_email },
        organization: grant.organization_id,
        scopes: grant.scopes,
        resources: grant.resources,
        parent: grant.parent_id,
        label: grant.label,
        created_at: grant.created_at,
        last_used_at: grant.last_used_at,
    }
}
