//! `/admin/organizations/{id}`: one organization's plan, limits, credits, and whether it may be used at all.

use std::str::FromStr;

use askama::Template;
use axum::extract::Path;
use axum::extract::State;
use axum::response::Redirect;
use sqlx::PgTransaction;

use crate::app::App;
use crate::base::ids::OrganizationId;
use crate::organizations::amendment;
use crate::organizations::credits;
use crate::organizations::credits::Moved;
use crate::organizations::member;
use crate::organizations::organization;
use crate::organizations::organization::Organization;
use crate::organizations::organization::OwnLimits;
use crate::organizations::plan;
use crate::pages::admin::ORGANIZATIONS;
use crate::pages::admin::Superadmin;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Choice;
use crate::pages::parts::Field;
use crate::pages::parts::Link;
use crate::pages::parts::Moment;
use crate::pages::settings::Frame;
use crate::pages::settings::confirm::Confirm;
use crate::pages::settings::visitor::Visitor;
use crate::pages::words;

#[derive(Template)]
#[template(path = "pages/admin/organization.html")]
pub struct OrganizationPage {
    frame: Frame,
    id: String,
    number: i64,
    name: String,
    created: Moment,
    members: i64,
    credits: String,
    suspended: Option<Moment>,
    is_operator: bool,
    plans: Vec<Choice>,
    requests_per_hour: Field,
    requests_per_minute: Field,
}

pub async fn get(
    State(app): State<App>,
    superadmin: Superadmin,
    Path(id): Path<String>,
) -> Result<Page<OrganizationPage>, PageError> {
    let organization = find(&app, &id).await?;
    let now = app.clock.now();
    let mut db = app.db.acquire().await?;
    let members = member::count(&mut db, organization.id).await?;
    let plans = plan::list(&mut db).await?;
    drop(db);
    let limit = |limit: Option<i32>| Field::new(limit.map(|limit| limit.to_string()).unwrap_or_default());
    let page = OrganizationPage {
        frame: superadmin.frame(ORGANIZATIONS).await?,
        id,
        number: organization.number,
        name: organization.name,
        created: words::moment(organization.created_at, now),
        members,
        credits: words::money(organization.credits_cents),
        suspended: organization.suspended_at.map(|at| words::moment(at, now)),
        is_operator: organization.is_operator,
        plans: plans
            .into_iter()
            .map(|plan| Choice {
                label: format!(
                    "{}: {}/h, {}/min",
                    plan.name, plan.requests_per_hour, plan.requests_per_minute
                ),
                hint: "",
                is_checked: plan.name == organization.plan.name,
                value: plan.name,
            })
            .collect(),
        requests_per_hour: limit(organization.own_limits.requests_per_hour),
        requests_per_minute: limit(organization.own_limits.requests_per_minute),
    };
    Ok(superadmin.0.page(&app, page))
}

pub async fn change_plan(
    State(app): State<App>,
    Superadmin(visitor): Superadmin,
    Path(id): Path<String>,
    posted: Form,
) -> Result<Redirect, PageError> {
    let organization = find(&app, &id).await?;
    let plan = posted.one("plan")?;
    let limits = OwnLimits {
        requests_per_hour: limit(posted.one("requests_per_hour")?)?,
        requests_per_minute: limit(posted.one("requests_per_minute")?)?,
    };
    let mut tx = app.db.begin().await?;
    if !plan::exists(&mut tx, plan).await? {
        return Err(PageError::bad_request("Choose one of the plans that the form offers."));
    }
    amendment::change_plan(&mut tx, organization.id, plan, &visitor.act).await?;
    amendment::set_own_limits(&mut tx, organization.id, limits, &visitor.act).await?;
    done(tx, &visitor, &id, "The plan and the limits are saved.").await
}

/// Empty: the plan's.
fn limit(text: &str) -> Result<Option<i32>, PageError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let limit = text.parse().ok().filter(|limit| *limit > 0);
    limit.map(Some).ok_or_else(|| PageError::bad_request("A limit is a positive whole number, or empty."))
}

/// Positive: a grant; negative: a debit.
pub async fn move_credits(
    State(app): State<App>,
    Superadmin(visitor): Superadmin,
    Path(id): Path<String>,
    posted: Form,
) -> Result<Redirect, PageError> {
    let organization = find(&app, &id).await?;
    let cents = words::read_amount(posted.one("amount")?)
        .filter(|cents| *cents != 0 && cents.abs() <= credits::MAX_CENTS)
        .ok_or_else(|| PageError::bad_request("An amount is a number such as 5, 2.50 or -1."))?;
    let reason = credits::parse_reason(posted.one("reason")?)
        .ok_or_else(|| PageError::bad_request("A reason has 1 to 200 characters."))?;
    let mut tx = app.db.begin().await?;
    let moved = if cents > 0 {
        credits::grant(&mut tx, organization.id, cents, reason, &visitor.act).await?
    } else {
        credits::debit(&mut tx, organization.id, -cents, reason, &visitor.act).await?
    };
    let words = match moved {
        Moved::Yes(entry) => format!("The balance is {}.", words::money(entry.balance_cents)),
        Moved::No { balance_cents } => {
            format!("Nothing was moved: the balance is {}.", words::money(balance_cents))
        }
        Moved::NoSuchOrganization => return Err(gone()),
    };
    done(tx, &visitor, &id, words).await
}

pub async fn set_operator(
    State(app): State<App>,
    Superadmin(visitor): Superadmin,
    Path(id): Path<String>,
    posted: Form,
) -> Result<Redirect, PageError> {
    let organization = find(&app, &id).await?;
    let is_operator = posted.one("is_operator")? == "true";
    let mut tx = app.db.begin().await?;
    amendment::set_operator(&mut tx, organization.id, is_operator, &visitor.act).await?;
    done(tx, &visitor, &id, "Saved.").await
}

pub async fn get_suspend(
    State(app): State<App>,
    superadmin: Superadmin,
    Path(id): Path<String>,
) -> Result<Page<Confirm>, PageError> {
    let organization = find(&app, &id).await?;
    let page = Confirm {
        frame: superadmin.frame(ORGANIZATIONS).await?,
        title: format!("Suspend {}?", organization.name),
        consequences: vec![
            "The next request with any of its keys and tokens is refused, everywhere.".to_owned(),
            "Its apps get no more tokens.".to_owned(),
            "Its people can still sign in. Nothing is deleted, and you can resume it at any time.".to_owned(),
        ],
        action: format!("{ORGANIZATIONS}/{id}/suspend"),
        button: "Suspend",
        back: Link::new(format!("{ORGANIZATIONS}/{id}"), organization.name),
    };
    Ok(superadmin.0.page(&app, page))
}

pub async fn suspend(
    State(app): State<App>,
    Superadmin(visitor): Superadmin,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let organization = find(&app, &id).await?;
    let mut tx = app.db.begin().await?;
    amendment::suspend(&mut tx, organization.id, &visitor.act).await?;
    done(tx, &visitor, &id, format!("{} is suspended.", organization.name)).await
}

pub async fn resume(
    State(app): State<App>,
    Superadmin(visitor): Superadmin,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let organization = find(&app, &id).await?;
    let mut tx = app.db.begin().await?;
    amendment::resume(&mut tx, organization.id, &visitor.act).await?;
    done(tx, &visitor, &id, format!("{} can be used again.", organization.name)).await
}

/// Back to the organization's page, which says in `words` what has come of it.
async fn done(
    tx: PgTransaction<'_>,
    visitor: &Visitor,
    id: &str,
    words: impl Into<String>,
) -> Result<Redirect, PageError> {
    tx.commit().await?;
    visitor.notify(words).await?;
    Ok(Redirect::to(&format!("{ORGANIZATIONS}/{id}")))
}

fn gone() -> PageError {
    PageError::not_found().way_on(ORGANIZATIONS, "Organizations")
}

async fn find(app: &App, id: &str) -> Result<Organization, PageError> {
    let id = OrganizationId::from_str(id).map_err(|_| gone())?;
    let mut db = app.db.acquire().await?;
    organization::find(&mut db, id).await?.ok_or_else(gone)
}
