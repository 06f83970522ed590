//! `/v1/organization/members`. Admins manage members and each other; the owner is touched by nobody but
//! themselves, and hands the organization over before anything else.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::DateTime;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::json_body::JsonBody;
use crate::api::organization::is_owner;
use crate::api::organization::person;
use crate::api::page::Page;
use crate::api::page::PageRequest;
use crate::api::path::Path;
use crate::app::App;
use crate::base::ids::UserId;
use crate::gate::caller::Caller;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::permission::MayAdmin;
use crate::grants::membership;
use crate::organizations::member;
use crate::organizations::member::Amended;
use crate::organizations::member::Member;
use crate::organizations::member::Role;
use crate::organizations::member::Transferred;

#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
pub struct ShownMember {
    user: ShownPerson,
    role: ShownRole,
    since: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Person)]
pub struct ShownPerson {
    id: UserId,
    email: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Role)]
pub(super) enum ShownRole {
    Owner,
    Admin,
    Member,
}

impl From<Role> for ShownRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Admin => Self::Admin,
            Role::Member => Self::Member,
        }
    }
}

impl From<Member> for ShownMember {
    fn from(member: Member) -> Self {
        Self {
            user: ShownPerson { id: member.user_id, email: member.email },
            role: member.role.into(),
            since: member.since,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MemberUpdate)]
pub struct Update {
    /// `admin` or `member`.
    #[schema(pattern = "^(admin|member)$")]
    role: String,
}

/// The members of the organization
///
/// In the order in which they registered.
#[utoipa::path(
    get, path = "/v1/organization/members",
    params(PageRequest),
    responses((status = 200, description = "A page of members", body = Page<ShownMember>)),
)]
pub async fn list(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    request: PageRequest,
) -> Result<Json<Page<ShownMember>>, ApiError> {
    let mut db = app.db.acquire().await?;
    let rows = member::list(&mut db, caller.organization_id(), request.after()?, request.limit + 1).await?;
    Ok(Json(Page::of(rows, &request, |member| member.user_id.to_string(), ShownMember::from)))
}

/// Make a member an admin, or an admin a member
#[utoipa::path(
    patch, path = "/v1/organization/members/{user_id}",
    params(("user_id" = UserId, Path)),
    request_body = Update,
    responses(
        (status = 200, description = "The member as they are now", body = ShownMember),
        (status = 409, description = "This is the owner"),
    ),
)]
pub async fn update(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(user): Path<UserId>,
    JsonBody(body): JsonBody<Update>,
) -> Result<Json<ShownMember>, ApiError> {
    let role = checked_role(&body.role)?;
    let organization = caller.organization_id();
    let mut tx = app.db.begin().await?;
    let amended = member::change_role(&mut tx, organization, user, role, &caller.act).await?;
    check(amended)?;
    let changed = member::find(&mut tx, organization, user).await?.ok_or_else(ApiError::not_found)?;
    tx.commit().await?;
    Ok(Json(changed.into()))
}

/// Remove a member
///
/// What they hold here ends with it: sessions, and the access of apps that they let in. API keys stay.
#[utoipa::path(
    delete, path = "/v1/organization/members/{user_id}",
    params(("user_id" = UserId, Path)),
    responses(
        (status = 204, description = "They do not belong to the organization any more"),
        (status = 409, description = "This is the owner"),
    ),
)]
pub async fn delete(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(user): Path<UserId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = app.db.begin().await?;
    check(membership::end(&mut tx, caller.organization_id(), user, &caller.act).await?)?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Hand the organization over
///
/// For the owner in a session of their own, who is an admin from then on.
#[utoipa::path(
    post, path = "/v1/organization/members/{user_id}/transfer-ownership",
    params(("user_id" = UserId, Path)),
    responses(
        (status = 200, description = "The new owner", body = ShownMember),
        (status = 409, description = "This is the owner already"),
    ),
)]
pub async fn transfer_ownership(
    State(app): State<App>,
    caller: Caller,
    Path(user): Path<UserId>,
) -> Result<Json<ShownMember>, ApiError> {
    let owner = person(&caller)?;
    let organization = caller.organization_id();
    let mut tx = app.db.begin().await?;
    match member::transfer_ownership(&mut tx, organization, (owner, user), &caller.act).await? {
        Transferred::Yes => {}
        Transferred::NotTheOwner => {
            return Err(ApiErrorCode::Forbidden.because("Only the owner may hand the organization over"));
        }
        Transferred::NoSuchMember if owner == user => {
            return Err(ApiErrorCode::Conflict.because("This is the owner already"));
        }
        Transferred::NoSuchMember => return Err(ApiError::not_found()),
    }
    let changed = member::find(&mut tx, organization, user).await?.ok_or_else(ApiError::not_found)?;
    tx.commit().await?;
    Ok(Json(changed.into()))
}

fn check(amended: Amended) -> Result<(), ApiError> {
    match amended {
        Amended::Yes => Ok(()),
        Amended::IsOwner => Err(is_owner()),
        Amended::NoSuchMember => Err(ApiError::not_found()),
    }
}

pub(super) fn checked_role(text: &str) -> Result<Role, ApiError> {
    match text {
        "admin" => Ok(Role::Admin),
        "member" => Ok(Role::Member),
        _ => Err(ApiErrorCode::ValidationError.because("role must be admin or member").at("role")),
    }
}
