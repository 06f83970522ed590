//! `/settings/organization/invitations/…`: inviting somebody, again, or not after all.

use axum::extract::Path;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use sqlx::PgConnection;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::ids::InvitationId;
use crate::base::ids::OrganizationId;
use crate::gate::invitation as gate;
use crate::organizations::invitation;
use crate::organizations::invitation::Invitation;
use crate::organizations::invitation::MAX_OPEN;
use crate::organizations::member::Role;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::parts::Field;
use crate::pages::parts::Moment;
use crate::pages::parts::Tag;
use crate::pages::settings::ORGANIZATION;
use crate::pages::settings::organization::InviteForm;
use crate::pages::settings::organization::page;
use crate::pages::settings::visitor::Manager;
use crate::pages::settings::visitor::Visitor;
use crate::pages::words;

/// All that are open, and as many that have run out.
const LIMIT: i64 = 2 * MAX_OPEN;

pub struct InvitationRow {
    pub id: String,
    pub email: String,
    pub role: String,
    pub state: Tag,
    pub sent: Moment,
    pub by: Option<String>,
    pub end_verb: &'static str,
    pub end: Moment,
}

pub(super) async fn rows(
    db: &mut PgConnection,
    organization: OrganizationId,
    now: Timestamp,
) -> sqlx::Result<Vec<InvitationRow>> {
    let found = invitation::list(db, organization, None, LIMIT).await?;
    Ok(found.into_iter().map(|invitation| row(invitation, now)).collect())
}

fn row(invitation: Invitation, now: Timestamp) -> InvitationRow {
    let is_open = invitation.expires_at > now;
    InvitationRow {
        id: invitation.id.to_string(),
        email: invitation.email,
        role: invitation.role.to_string(),
        state: if is_open { Tag::new("ok", "open") } else { Tag::new("warn", "expired") },
        sent: words::moment(invitation.created_at, now),
        by: invitation.invited_by,
        end_verb: if is_open { "Expires" } else { "Expired" },
        end: words::moment(invitation.expires_at, now),
    }
}

pub async fn create(
    State(app): State<App>,
    Manager(visitor): Manager,
    posted: Form,
) -> Result<Response, PageError> {
    let role = role(&posted)?;
    let typed = posted.one("email")?;
    let problem = match gate::parse_address(typed) {
        None => "This is not an email address.".to_owned(),
        Some(email) => match gate::invite(&app, visitor.organization(), (email, role), &visitor.act).await? {
            Ok(_) => {
                visitor.notify(format!("An invitation is on its way to {email}.")).await?;
                return Ok(Redirect::to(ORGANIZATION).into_response());
            }
            Err(refused) => words::sentence(&refused.to_string()),
        },
    };
    let name = Field::new(visitor.organization().name.clone());
    let email = Field { value: typed.to_owned(), problem: Some(problem) };
    let page = page(&app, &visitor, None, (name, InviteForm::new(email, role))).await?;
    Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
}

pub async fn resend(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let found = find(&app, &visitor, &id).await?;
    let to = (found.email.as_str(), found.role);
    let words = match gate::invite(&app, visitor.organization(), to, &visitor.act).await? {
        Ok(_) => format!("A new link is on its way to {}. The older one is dead.", found.email),
        Err(refused) => words::sentence(&refused.to_string()),
    };
    visitor.notify(words).await?;
    Ok(Redirect::to(ORGANIZATION))
}

pub async fn withdraw(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let found = find(&app, &visitor, &id).await?;
    let mut tx = app.db.begin().await?;
    if !invitation::withdraw(&mut tx, visitor.organization().id, found.id, &visitor.act).await? {
        return Err(gone());
    }
    tx.commit().await?;
    visitor.notify(format!("The invitation of {} was withdrawn.", found.email)).await?;
    Ok(Redirect::to(ORGANIZATION))
}

async fn find(app: &App, visitor: &Visitor, id: &str) -> Result<Invitation, PageError> {
    let id: InvitationId = id.parse().map_err(|_| gone())?;
    let mut db = app.db.acquire().await?;
    invitation::find(&mut db, visitor.organization().id, id).await?.ok_or_else(gone)
}

fn gone() -> PageError {
    PageError::not_found().way_on(ORGANIZATION, "Organization")
}

/// One that can be given.
pub(super) fn role(posted: &Form) -> Result<Role, PageError> {
    match posted.one("role")? {
        "admin" => Ok(Role::Admin),
        "member" => Ok(Role::Member),
        _ => Err(PageError::bad_request("Choose one of the roles that the form offers.")),
    }
}
