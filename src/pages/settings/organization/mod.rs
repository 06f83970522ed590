//! `/settings/organization`: its name, what it uses of its plan, its credits and who belongs to it. Members who do
//! not manage it see it, and change nothing but their own membership.

pub mod credits;
pub mod departure;
pub mod invitations;
pub mod members;
pub mod new;
pub mod switch;

use askama::Template;
use axum::extract::Query;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use chrono::TimeDelta;
use serde::Deserialize;
use sqlx::PgConnection;

use crate::api_keys::key;
use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::ids::UserId;
use crate::clients::client;
use crate::organizations::access_log::reading;
use crate::organizations::amendment;
use crate::organizations::member;
use crate::organizations::member::Role;
use crate::organizations::organization;
use crate::organizations::organization::MAX_NAME_LENGTH;
use crate::organizations::organization::Organization;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Choice;
use crate::pages::parts::Field;
use crate::pages::parts::Moment;
use crate::pages::parts::Tag;
use crate::pages::settings::Frame;
use crate::pages::settings::ORGANIZATION;
use crate::pages::settings::organization::credits::EntryRow;
use crate::pages::settings::organization::invitations::InvitationRow;
use crate::pages::settings::organization::members::MemberRow;
use crate::pages::settings::visitor::Manager;
use crate::pages::settings::visitor::Visitor;
use crate::pages::words;
use crate::webhooks::endpoint;

#[derive(Template)]
#[template(path = "pages/settings/organization/overview.html")]
pub struct Overview {
    frame: Frame,
    may_manage: bool,
    is_owner: bool,
    own_name: Field,
    id: String,
    number: i64,
    created: Moment,
    plan: PlanFacts,
    usage: Usage,
    credits: String,
    credits_state: Option<Tag>,
    /// The latest of the ledger, for those who manage.
    entries: Vec<EntryRow>,
    members: Vec<MemberRow>,
    /// Address of the next page of members.
    more_members: Option<String>,
    invitations: Vec<InvitationRow>,
    invite: InviteForm,
}

struct PlanFacts {
    name: String,
    per_hour: String,
    per_minute: String,
    /// The operator set limits for this organization alone.
    has_own_limits: bool,
    has_oauth_apps: bool,
    has_ip_allowlist: bool,
}

struct Usage {
    keys: String,
    apps: String,
    members: String,
    webhooks: String,
    last_hour: String,
    last_day: String,
}

/// What was typed to invite somebody.
pub struct InviteForm {
    email: Field,
    roles: Vec<Choice>,
}

impl InviteForm {
    fn new(email: Field, role: Role) -> Self {
        let choice = |(value, label, hint): (&str, &str, &'static str)| Choice {
            value: value.to_owned(),
            label: label.to_owned(),
            hint,
            is_checked: value == role.to_string(),
        };
        let roles = [
            ("member", "Member", "Signs in and allows apps to use the organization's data."),
            ("admin", "Admin", "Also manages keys, apps, members and this page."),
        ];
        Self { email, roles: roles.map(choice).into() }
    }
}

#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    members_after: Option<UserId>,
}

pub async fn get(
    State(app): State<App>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Page<Overview>, PageError> {
    let name = Field::new(visitor.organization().name.clone());
    let invite = InviteForm::new(Field::default(), Role::Member);
    page(&app, &visitor, asked.members_after, (name, invite)).await
}

async fn page(
    app: &App,
    visitor: &Visitor,
    members_after: Option<UserId>,
    (name, invite): (Field, InviteForm),
) -> Result<Page<Overview>, PageError> {
    let now = app.clock.now();
    let organization = visitor.organization();
    let may_manage = visitor.may_manage();
    let mut db = app.db.acquire().await?;
    let (members, more_members) = members::rows(&mut db, visitor, members_after).await?;
    let (entries, invitations) = if may_manage {
        let entries = credits::latest(&mut db, organization.id, now).await?;
        (entries, invitations::rows(&mut db, organization.id, now).await?)
    } else {
        (Vec::new(), Vec::new())
    };
    let usage = usage(&mut db, organization, now).await?;
    drop(db);
    let overview = Overview {
        frame: visitor.frame(ORGANIZATION).await?,
        may_manage,
        is_owner: visitor.role() == Role::Owner,
        own_name: name,
        id: organization.id.to_string(),
        number: organization.number,
        created: words::date(organization.created_at),
        plan: plan(organization),
        usage,
        credits: words::cents(organization.credits_cents),
        credits_state: credits_state(organization),
        entries,
        members,
        more_members,
        invitations,
        invite,
    };
    Ok(visitor.page(app, overview))
}

fn plan(organization: &Organization) -> PlanFacts {
    let plan = &organization.plan;
    let own = organization.own_limits;
    PlanFacts {
        name: plan.name.clone(),
        per_hour: words::count(plan.requests_per_hour.into()),
        per_minute: words::count(plan.requests_per_minute.into()),
        has_own_limits: own.requests_per_hour.is_some() || own.requests_per_minute.is_some(),
        has_oauth_apps: plan.has_oauth_apps,
        has_ip_allowlist: plan.has_ip_allowlist,
    }
}

fn credits_state(organization: &Organization) -> Option<Tag> {
    if organization.has_used_up_its_credits() {
        return Some(Tag::new("danger", "used up"));
    }
    organization.credits_exhausted_at.map(|_| Tag::new("warn", "a debit found too little"))
}

async fn usage(
    db: &mut PgConnection,
    organization: &Organization,
    now: Timestamp,
) -> Result<Usage, PageError> {
    let id = organization.id;
    let keys = key::count_live(db, id, now).await?;
    let apps = client::list(db, id).await?.len();
    let members = member::count(db, id).await?;
    let mut requests = [0; 2];
    for (count, span) in requests.iter_mut().zip([TimeDelta::hours(1), TimeDelta::days(1)]) {
        let filter = reading::Filter::default();
        let buckets = reading::summary(db, id, &filter, (now - span, now), span).await?;
        *count =
            buckets.iter().map(|bucket| bucket.ok + bucket.refused + bucket.limited + bucket.failed).sum();
    }
    let [last_hour, last_day] = requests;
    Ok(Usage {
        keys: words::several(keys, "API key"),
        apps: words::several(i64::try_from(apps).unwrap_or(i64::MAX), "app"),
        members: words::several(members, "member"),
        webhooks: words::several(endpoint::count(db, id).await?, "webhook"),
        last_hour: words::count(last_hour),
        last_day: words::count(last_day),
    })
}

/// A new name.
pub async fn rename(
    State(app): State<App>,
    Manager(visitor): Manager,
    posted: Form,
) -> Result<Response, PageError> {
    let typed = posted.one("name")?;
    let Some(name) = organization::parse_name(typed) else {
        let problem = format!("A name has 1 to {MAX_NAME_LENGTH} characters, and none that cannot be seen.");
        let name = Field { value: typed.to_owned(), problem: Some(problem) };
        let invite = InviteForm::new(Field::default(), Role::Member);
        let page = page(&app, &visitor, None, (name, invite)).await?;
        return Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
    };
    let mut tx = app.db.begin().await?;
    amendment::rename(&mut tx, visitor.organization().id, name, &visitor.act).await?;
    tx.commit().await?;
    visitor.notify(format!("The organization is called “{name}” now.")).await?;
    Ok(Redirect::to(ORGANIZATION).into_response())
}
