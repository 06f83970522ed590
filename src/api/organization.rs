//! `/v1/organization`: the caller's own. Nobody sees another one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::DateTime;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::json_body::JsonBody;
use crate::api::profile::Plan;
use crate::app::App;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::gate::caller::Caller;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::permission::MayAdmin;
use crate::grants::membership;
use crate::organizations::amendment;
use crate::organizations::credential::Credential;
use crate::organizations::member;
use crate::organizations::member::Amended;
use crate::organizations::organization;
use crate::organizations::organization::MAX_NAME_LENGTH;
use crate::organizations::organization::Organization;

#[derive(Serialize, ToSchema)]
#[schema(as = Organization)]
pub struct ShownOrganization {
    id: OrganizationId,
    /// `company.id` of the session API.
    number: i64,
    name: String,
    plan: Plan,
    overrides: ShownOverrides,
    credits: ShownCredits,
    member_count: i64,
    created_at: DateTime<Utc>,
}

/// Limits that the operator set for this organization; `null`: the plan's.
#[derive(Serialize, ToSchema)]
#[schema(as = Overrides)]
pub struct ShownOverrides {
    requests_per_hour: Option<i32>,
    requests_per_minute: Option<i32>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Credits)]
pub struct ShownCredits {
    balance_cents: i64,
    /// When a debit first left nothing or found too little, since the last grant.
    exhausted_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrganizationUpdate)]
pub struct Update {
    /// None of its characters is one that cannot be seen.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// The organization
#[utoipa::path(
    get, path = "/v1/organization",
    responses((status = 200, description = "The caller's organization", body = ShownOrganization)),
)]
pub async fn get(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
) -> Result<Json<ShownOrganization>, ApiError> {
    show(&app, caller.organization()).await
}

/// Rename the organization
#[utoipa::path(
    put, path = "/v1/organization",
    request_body = Update,
    responses((status = 200, description = "The organization as it is now", body = ShownOrganization)),
)]
pub async fn update(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    JsonBody(body): JsonBody<Update>,
) -> Result<Json<ShownOrganization>, ApiError> {
    let invalid = || {
        let message = format!("A name has 1 to {MAX_NAME_LENGTH} characters, and none that cannot be seen");
        ApiErrorCode::ValidationError.because(message).at("name")
    };
    let name = organization::parse_name(&body.name).ok_or_else(invalid)?;
    let id = caller.organization_id();
    let mut tx = app.db.begin().await?;
    amendment::rename(&mut tx, id, name, &caller.act).await?;
    let changed = organization::find(&mut tx, id).await?.ok_or_else(ApiError::not_found)?;
    tx.commit().await?;
    show(&app, &changed).await
}

/// Leave the organization
///
/// For a person in a session of their own. Their sessions here, and the access of apps that they let in, end at
/// once; API keys that they made stay.
#[utoipa::path(
    post, path = "/v1/organization/leave",
    responses(
        (status = 204, description = "The person does not belong to the organization any more"),
        (status = 409, description = "This is the owner"),
    ),
)]
pub async fn leave(State(app): State<App>, caller: Caller) -> Result<StatusCode, ApiError> {
    let user = person(&caller)?;
    let mut tx = app.db.begin().await?;
    match membership::end(&mut tx, caller.organization_id(), user, &caller.act).await? {
        Amended::Yes => {}
        Amended::IsOwner => return Err(is_owner()),
        Amended::NoSuchMember => return Err(ApiError::not_found()),
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// For what a person must do themselves, not an app or a key of theirs.
pub(super) fn person(caller: &Caller) -> Result<UserId, ApiError> {
    match (&caller.principal.user, caller.principal.credential) {
        (Some(user), Credential::Session(_)) => Ok(user.id),
        _ => Err(ApiErrorCode::Forbidden.because("This takes the session of the person themselves")),
    }
}

pub(super) fn is_owner() -> ApiError {
    ApiErrorCode::Conflict.because("This is the owner: the organization has to be handed over first")
}

async fn show(app: &App, organization: &Organization) -> Result<Json<ShownOrganization>, ApiError> {
    let mut db = app.db.acquire().await?;
    Ok(Json(ShownOrganization {
        id: organization.id,
        number: organization.number,
        name: organization.name.clone(),
        plan: Plan::from(&organization.plan),
        overrides: ShownOverrides {
            requests_per_hour: organization.own_limits.requests_per_hour,
            requests_per_minute: organization.own_limits.requests_per_minute,
        },
        credits: ShownCredits {
            balance_cents: organization.credits_cents,
            exhausted_at: organization.credits_exhausted_at,
        },
        member_count: member::count(&mut db, organization.id).await?,
        created_at: organization.created_at,
    }))
}
