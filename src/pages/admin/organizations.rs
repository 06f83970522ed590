//! `/admin/organizations`: all of them.

use askama::Template;
use axum::extract::Query;
use axum::extract::State;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::organizations::organization;
use crate::organizations::organization::Organization;
use crate::pages::admin::Asked;
use crate::pages::admin::LIMIT;
use crate::pages::admin::ORGANIZATIONS;
use crate::pages::admin::Superadmin;
use crate::pages::error::PageError;
use crate::pages::page::Page;
use crate::pages::paging;
use crate::pages::parts::Moment;
use crate::pages::settings::Frame;
use crate::pages::words;

#[derive(Template)]
#[template(path = "pages/admin/organizations.html")]
pub struct Organizations {
    frame: Frame,
    q: String,
    rows: Vec<Row>,
    older: Option<String>,
}

struct Row {
    id: String,
    number: i64,
    name: String,
    plan: String,
    credits: String,
    is_suspended: bool,
    is_operator: bool,
    created: Moment,
}

impl Row {
    fn new(organization: &Organization, now: Timestamp) -> Self {
        Self {
            id: organization.id.to_string(),
            number: organization.number,
            name: organization.name.clone(),
            plan: organization.plan.name.clone(),
            credits: words::money(organization.credits_cents),
            is_suspended: organization.suspended_at.is_some(),
            is_operator: organization.is_operator,
            created: words::moment(organization.created_at, now),
        }
    }
}

pub async fn get(
    State(app): State<App>,
    superadmin: Superadmin,
    Query(asked): Query<Asked>,
) -> Result<Page<Organizations>, PageError> {
    let before = asked.before.as_deref().and_then(|number| number.parse().ok());
    let mut db = app.db.acquire().await?;
    let mut found = organization::search(&mut db, asked.text(), (before, LIMIT + 1)).await?;
    drop(db);
    let older =
        paging::cut(&mut found, LIMIT).map(|last| asked.older(ORGANIZATIONS, &last.number.to_string()));
    let now = app.clock.now();
    let page = Organizations {
        frame: superadmin.frame(ORGANIZATIONS).await?,
        q: asked.text().to_owned(),
        rows: found.iter().map(|organization| Row::new(organization, now)).collect(),
        older,
    };
    Ok(superadmin.0.page(&app, page))
}
