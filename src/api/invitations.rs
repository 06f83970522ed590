//! `/v1/organization/invitations`. The token is only in the mail: no answer holds it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use chrono::DateTime;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::json_body::JsonBody;
use crate::api::members;
use crate::api::members::ShownRole;
use crate::api::page::Page;
use crate::api::page::PageRequest;
use crate::api::path::Path;
use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::ids::InvitationId;
use crate::gate::caller::Caller;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::invitation as gate;
use crate::gate::permission::MayAdmin;
use crate::organizations::invitation;
use crate::organizations::invitation::Invitation;
use crate::organizations::invitation::NotInvited;
use crate::organizations::member::Role;

/// Too many mails were sent: the first of them may be a day old within the hour, or not.
const RETRY_AFTER: i64 = 3600;

#[derive(Serialize, ToSchema)]
#[schema(as = Invitation)]
pub struct ShownInvitation {
    id: InvitationId,
    email: String,
    role: ShownRole,
    status: Status,
    /// E-mail address of the person, if it was one.
    invited_by: Option<String>,
    /// When the last mail was sent.
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = InvitationStatus)]
enum Status {
    Open,
    Expired,
}

impl ShownInvitation {
    fn of(invitation: Invitation, now: Timestamp) -> Self {
        Self {
            id: invitation.id,
            email: invitation.email,
            role: invitation.role.into(),
            status: if invitation.expires_at > now { Status::Open } else { Status::Expired },
            invited_by: invitation.invited_by,
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InvitationCreate)]
pub struct Create {
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// `admin` or `member`, which it is unless said.
    #[serde(default)]
    #[schema(pattern = "^(admin|member)$")]
    role: Option<String>,
}

/// The organization's invitations, newest first
///
/// One that has expired stays in the list for thirty days.
#[utoipa::path(
    get, path = "/v1/organization/invitations",
    params(PageRequest),
    responses((status = 200, description = "A page of invitations", body = Page<ShownInvitation>)),
)]
pub async fn list(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    request: PageRequest,
) -> Result<Json<Page<ShownInvitation>>, ApiError> {
    let mut db = app.db.acquire().await?;
    let rows =
        invitation::list(&mut db, caller.organization_id(), request.after()?, request.limit + 1).await?;
    let shown = |row| ShownInvitation::of(row, caller.act.at);
    Ok(Json(Page::of(rows, &request, |invitation| invitation.id.to_string(), shown)))
}

/// Invite somebody
///
/// A mail with a link goes to the address; the link is nowhere else. It works once, for seven days, and only for
/// somebody who is signed in under that address. Inviting the same address again replaces the invitation.
#[utoipa::path(
    post, path = "/v1/organization/invitations",
    request_body = Create,
    responses(
        (status = 201, description = "The invitation", body = ShownInvitation, headers(("Location" = String))),
        (status = 409, description = "They belong to the organization already, or 100 invitations are open"),
    ),
)]
pub async fn create(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    JsonBody(body): JsonBody<Create>,
) -> Result<impl IntoResponse, ApiError> {
    let invalid = || ApiErrorCode::ValidationError.because("This is not an e-mail address").at("email");
    let email = gate::parse_address(&body.email).ok_or_else(invalid)?;
    let role = body.role.as_deref().map_or(Ok(Role::Member), members::checked_role)?;
    let shown = invite(&app, &caller, email, role).await?;
    let location = format!("/v1/organization/invitations/{}", shown.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(shown)))
}

/// One invitation
#[utoipa::path(
    get, path = "/v1/organization/invitations/{id}",
    params(("id" = InvitationId, Path)),
    responses((status = 200, description = "The invitation", body = ShownInvitation)),
)]
pub async fn get(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<InvitationId>,
) -> Result<Json<ShownInvitation>, ApiError> {
    Ok(Json(ShownInvitation::of(find(&app, &caller, id).await?, caller.act.at)))
}

/// Send an invitation again
///
/// With a new link, good for seven more days; the one in the older mail is dead.
#[utoipa::path(
    post, path = "/v1/organization/invitations/{id}/resend",
    params(("id" = InvitationId, Path)),
    responses(
        (status = 200, description = "The invitation as it is now", body = ShownInvitation),
        (status = 409, description = "They belong to the organization already, or 100 invitations are open"),
    ),
)]
pub async fn resend(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<InvitationId>,
) -> Result<Json<ShownInvitation>, ApiError> {
    let found = find(&app, &caller, id).await?;
    invite(&app, &caller, &found.email, found.role).await.map(Json)
}

/// Withdraw an invitation
#[utoipa::path(
    delete, path = "/v1/organization/invitations/{id}",
    params(("id" = InvitationId, Path)),
    responses((status = 204, description = "Its link is dead")),
)]
pub async fn delete(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<InvitationId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = app.db.begin().await?;
    if !invitation::withdraw(&mut tx, caller.organization_id(), id, &caller.act).await? {
        return Err(ApiError::not_found());
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(app: &App, caller: &Caller, id: InvitationId) -> Result<Invitation, ApiError> {
    let mut db = app.db.acquire().await?;
    invitation::find(&mut db, caller.organization_id(), id).await?.ok_or_else(ApiError::not_found)
}

async fn invite(app: &App, caller: &Caller, email: &str, role: Role) -> Result<ShownInvitation, ApiError> {
    let invited = gate::invite(app, caller.organization(), (email, role), &caller.act).await?;
    let id = invited.map_err(|refused| {
        let code = match refused {
            NotInvited::IsMember | NotInvited::TooManyOpen => ApiErrorCode::Conflict,
            NotInvited::TooManyMails => ApiErrorCode::RateLimitExceeded,
        };
        let error = code.because(refused.to_string());
        match refused {
            NotInvited::IsMember => error.at("email"),
            NotInvited::TooManyOpen => error,
            NotInvited::TooManyMails => error.retry_after(RETRY_AFTER),
        }
    })?;
    Ok(ShownInvitation::of(find(app, caller, id).await?, caller.act.at))
}
