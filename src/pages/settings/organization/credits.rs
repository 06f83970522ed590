//! `/settings/organization/credits`: the whole ledger.

use askama::Template;
use axum::extract::Query;
use axum::extract::State;
use serde::Deserialize;
use sqlx::PgConnection;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::ids::CreditEntryId;
use crate::base::ids::OrganizationId;
use crate::organizations::credits;
use crate::organizations::credits::CreditEntry;
use crate::pages::error::PageError;
use crate::pages::page::Page;
use crate::pages::paging;
use crate::pages::parts::Moment;
use crate::pages::settings::Frame;
use crate::pages::settings::ORGANIZATION;
use crate::pages::settings::visitor::Manager;
use crate::pages::words;

/// On one page.
const LIMIT: i64 = 50;
/// On the page of the organization.
const LATEST: i64 = 5;

#[derive(Template)]
#[template(path = "pages/settings/organization/credits.html")]
pub struct Ledger {
    frame: Frame,
    balance: String,
    entries: Vec<EntryRow>,
    /// Address of the next page.
    older: Option<String>,
}

pub struct EntryRow {
    pub amount: String,
    pub balance: String,
    pub reason: String,
    pub by: String,
    pub when: Moment,
}

#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    before: Option<CreditEntryId>,
}

pub async fn get(
    State(app): State<App>,
    Manager(visitor): Manager,
    Query(asked): Query<Asked>,
) -> Result<Page<Ledger>, PageError> {
    let now = app.clock.now();
    let mut db = app.db.acquire().await?;
    let mut found = credits::list(&mut db, visitor.organization().id, asked.before, LIMIT + 1).await?;
    drop(db);
    let ledger = Ledger {
        frame: visitor.frame(ORGANIZATION).await?,
        balance: words::cents(visitor.organization().credits_cents),
        older: paging::cut(&mut found, LIMIT)
            .map(|entry| format!("{ORGANIZATION}/credits?before={}", entry.id)),
        entries: found.into_iter().map(|entry| row(entry, now)).collect(),
    };
    Ok(visitor.page(&app, ledger))
}

pub(super) async fn latest(
    db: &mut PgConnection,
    organization: OrganizationId,
    now: Timestamp,
) -> sqlx::Result<Vec<EntryRow>> {
    let found = credits::list(db, organization, None, LATEST).await?;
    Ok(found.into_iter().map(|entry| row(entry, now)).collect())
}

fn row(entry: CreditEntry, now: Timestamp) -> EntryRow {
    let sign = if entry.amount_cents < 0 { "−" } else { "+" };
    EntryRow {
        amount: format!("{sign}{}", words::cents(entry.amount_cents.saturating_abs())),
        balance: words::cents(entry.balance_cents),
        reason: entry.reason,
        by: entry.created_by,
        when: words::moment(entry.created_at, now),
    }
}
