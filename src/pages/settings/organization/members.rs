//! `/settings/organization/members/…`: roles, removing somebody, handing the organization over.

use axum::extract::Path;
use axum::extract::State;
use axum::response::Redirect;
use sqlx::PgConnection;

use crate::app::App;
use crate::base::ids::UserId;
use crate::grants::membership;
use crate::organizations::member;
use crate::organizations::member::Amended;
use crate::organizations::member::Member;
use crate::organizations::member::Role;
use crate::organizations::member::Transferred;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::paging;
use crate::pages::parts::Link;
use crate::pages::parts::Moment;
use crate::pages::parts::Tag;
use crate::pages::settings::ORGANIZATION;
use crate::pages::settings::confirm::Confirm;
use crate::pages::settings::visitor::Manager;
use crate::pages::settings::visitor::Visitor;
use crate::pages::words;

/// On one page.
const LIMIT: i64 = 50;

pub struct MemberRow {
    pub id: String,
    pub email: String,
    pub role: Tag,
    pub since: Moment,
    pub is_this: bool,
    /// What the visitor may do to them.
    pub actions: Option<Actions>,
}

pub struct Actions {
    /// The role that a button gives them.
    pub other_role: &'static str,
    pub other_role_button: &'static str,
    pub may_become_owner: bool,
}

/// One page of them, and the address of the next.
pub(super) async fn rows(
    db: &mut PgConnection,
    visitor: &Visitor,
    after: Option<UserId>,
) -> sqlx::Result<(Vec<MemberRow>, Option<String>)> {
    let mut found = member::list(db, visitor.organization().id, after, LIMIT + 1).await?;
    let last = paging::cut(&mut found, LIMIT);
    let more = last.map(|last| format!("{ORGANIZATION}?members_after={}#members", last.user_id));
    Ok((found.into_iter().map(|member| row(member, visitor)).collect(), more))
}

fn row(member: Member, visitor: &Visitor) -> MemberRow {
    let is_this = member.user_id == visitor.user().id;
    let (other_role, other_role_button) = match member.role {
        Role::Member => ("admin", "Make admin"),
        Role::Admin | Role::Owner => ("member", "Make member"),
    };
    // Oneself one leaves, at the end of the page.
    let may_act = visitor.may_manage() && member.role != Role::Owner && !is_this;
    MemberRow {
        id: member.user_id.to_string(),
        email: member.email,
        role: Tag::new(if member.role == Role::Owner { "ok" } else { "" }, member.role.to_string()),
        since: words::date(member.since),
        is_this,
        actions: may_act.then(|| Actions {
            other_role,
            other_role_button,
            may_become_owner: visitor.role() == Role::Owner,
        }),
    }
}

pub async fn change_role(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    posted: Form,
) -> Result<Redirect, PageError> {
    let role = super::invitations::role(&posted)?;
    let member = find(&app, &visitor, &id).await?;
    let organization = visitor.organization().id;
    let mut tx = app.db.begin().await?;
    check(member::change_role(&mut tx, organization, member.user_id, role, &visitor.act).await?)?;
    tx.commit().await?;
    let article = if role == Role::Admin { "an admin" } else { "a member" };
    visitor.notify(format!("{} is {article} now.", member.email)).await?;
    Ok(Redirect::to(ORGANIZATION))
}

pub async fn get_remove(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
) -> Result<Page<Confirm>, PageError> {
    let member = find(&app, &visitor, &id).await?;
    let page = Confirm {
        frame: visitor.frame(ORGANIZATION).await?,
        title: format!("Remove {} from {}?", member.email, visitor.organization().name),
        consequences: vec![
            "They are signed out of this organization at once, in every program.".to_owned(),
            "Apps that they allowed to use its data lose that access.".to_owned(),
            "API keys that they made stay: those belong to the organization.".to_owned(),
            "To come back, they have to be invited again.".to_owned(),
        ],
        action: format!("{ORGANIZATION}/members/{id}/remove"),
        button: "Remove member",
        back: Link::new(ORGANIZATION, "Organization"),
    };
    Ok(visitor.page(&app, page))
}

pub async fn remove(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let member = find(&app, &visitor, &id).await?;
    let mut tx = app.db.begin().await?;
    check(membership::end(&mut tx, visitor.organization().id, member.user_id, &visitor.act).await?)?;
    tx.commit().await?;
    visitor.notify(format!("{} was removed.", member.email)).await?;
    Ok(Redirect::to(ORGANIZATION))
}

pub async fn get_transfer(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Page<Confirm>, PageError> {
    check_owner(&visitor)?;
    let member = find(&app, &visitor, &id).await?;
    let page = Confirm {
        frame: visitor.frame(ORGANIZATION).await?,
        title: format!("Make {} the owner of {}?", member.email, visitor.organization().name),
        consequences: vec![
            "There is one owner. You become an admin, and they can remove you.".to_owned(),
            "Only they can hand the organization back to you.".to_owned(),
        ],
        action: format!("{ORGANIZATION}/members/{id}/transfer"),
        button: "Hand the organization over",
        back: Link::new(ORGANIZATION, "Organization"),
    };
    Ok(visitor.page(&app, page))
}

pub async fn transfer(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    check_owner(&visitor)?;
    let member = find(&app, &visitor, &id).await?;
    let (organization, from) = (visitor.organization().id, visitor.user().id);
    let mut tx = app.db.begin().await?;
    let pair = (from, member.user_id);
    match member::transfer_ownership(&mut tx, organization, pair, &visitor.act).await? {
        Transferred::Yes => {}
        Transferred::NotTheOwner => return Err(not_owner()),
        Transferred::NoSuchMember => return Err(gone()),
    }
    tx.commit().await?;
    visitor.notify(format!("{} is the owner now.", member.email)).await?;
    Ok(Redirect::to(ORGANIZATION))
}

/// A member of this organization who is not its owner.
async fn find(app: &App, visitor: &Visitor, id: &str) -> Result<Member, PageError> {
    let id: UserId = id.parse().map_err(|_| gone())?;
    let mut db = app.db.acquire().await?;
    let member = member::find(&mut db, visitor.organization().id, id).await?.ok_or_else(gone)?;
    if member.role == Role::Owner { Err(is_owner()) } else { Ok(member) }
}

pub(super) fn check(amended: Amended) -> Result<(), PageError> {
    match amended {
        Amended::Yes => Ok(()),
        Amended::IsOwner => Err(is_owner()),
        Amended::NoSuchMember => Err(gone()),
    }
}

fn check_owner(visitor: &Visitor) -> Result<(), PageError> {
    if visitor.role() == Role::Owner { Ok(()) } else { Err(not_owner()) }
}

fn not_owner() -> PageError {
    PageError::forbidden("Only the owner can hand the organization over.")
        .way_on(ORGANIZATION, "Organization")
}

fn is_owner() -> PageError {
    PageError::forbidden("The owner has to hand the organization over first.")
        .way_on(ORGANIZATION, "Organization")
}

fn gone() -> PageError {
    PageError::not_found().way_on(ORGANIZATION, "Organization")
}
