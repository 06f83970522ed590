//! `/settings/access-log`: what was asked with the organization's credentials.

pub mod chart;
pub mod form;
pub mod names;

use askama::Template;
use axum::extract::Query;
use axum::extract::State;
use axum::http::StatusCode;

use crate::app::App;
use crate::gate::access_log::HUNG_UP;
use crate::organizations::access_log::Via;
use crate::organizations::access_log::reading;
use crate::organizations::access_log::reading::ReadEntry;
use crate::pages::error::PageError;
use crate::pages::page::Page;
use crate::pages::paging;
use crate::pages::parts::Moment;
use crate::pages::parts::Tag;
use crate::pages::settings::ACCESS_LOG;
use crate::pages::settings::Frame;
use crate::pages::settings::access_log::chart::Chart;
use crate::pages::settings::access_log::form::Asked;
use crate::pages::settings::access_log::form::FilterForm;
use crate::pages::settings::access_log::names::Names;
use crate::pages::settings::visitor::Manager;
use crate::pages::words;

/// On one page.
const LIMIT: i64 = 50;

#[derive(Template)]
#[template(path = "pages/settings/access_log.html")]
pub struct AccessLog {
    frame: Frame,
    retention: String,
    form: FilterForm,
    /// `None` where the filter leaves no time to be drawn.
    chart: Option<Chart>,
    entries: Vec<Row>,
    /// Address of the next page.
    older: Option<String>,
}

struct Row {
    when: Moment,
    status: Tag,
    method: String,
    path: String,
    reason: Option<Reason>,
    who: String,
    /// To what the same credential did.
    only_who: Option<String>,
    /// Through forward-auth.
    is_forwarded: bool,
    address: String,
    agent: Option<String>,
    duration: String,
}

/// Why it was refused.
struct Reason {
    name: String,
    /// Where that is explained.
    url: Option<String>,
}

pub async fn list(
    State(app): State<App>,
    Manager(visitor): Manager,
    Query(asked): Query<Asked>,
) -> Result<Page<AccessLog>, PageError> {
    let now = app.clock.now();
    let organization = visitor.organization().id;
    let (filter, form) = form::read(&asked);
    let mut page = AccessLog {
        frame: visitor.frame(ACCESS_LOG).await?,
        retention: words::duration(app.config.access_log_retention),
        form,
        chart: None,
        entries: Vec::new(),
        older: None,
    };
    let Some(filter) = filter else {
        return Ok(visitor.page(&app, page).status(StatusCode::BAD_REQUEST));
    };
    let mut db = app.db.acquire().await?;
    let mut found = reading::list(&mut db, organization, &filter, (asked.before, LIMIT + 1)).await?;
    page.older = paging::cut(&mut found, LIMIT).map(|entry| asked.older(entry.id));
    // The chart is of everything that the filter lets through: an older page shows no other.
    if asked.before.is_none() {
        page.chart =
            chart::draw(&mut db, organization, &filter, now, app.config.access_log_retention).await?;
    }
    let names = Names::find(&mut db, organization, &found).await?;
    page.entries = found.into_iter().map(|entry| row(entry, &names, &asked)).collect();
    Ok(visitor.page(&app, page))
}

fn row(entry: ReadEntry, names: &Names, asked: &Asked) -> Row {
    let tone = match entry.status {
        ..400 => "ok",
        400..500 => "warn",
        _ => "danger",
    };
    Row {
        when: words::instant(entry.at),
        status: Tag::new(tone, entry.status.to_string()),
        who: names.of(&entry),
        only_who: asked.only(entry.credential),
        method: entry.method,
        path: if entry.path.is_empty() { "(not told)".to_owned() } else { entry.path },
        reason: entry.reason.map(reason),
        is_forwarded: entry.via == Via::ForwardAuth,
        address: entry.address.to_string(),
        agent: entry.user_agent.map(|agent| words::agent(&agent)),
        duration: words::milliseconds(entry.duration),
    }
}

fn reason(code: String) -> Reason {
    // No answer of ours: nobody is there to read an explanation.
    if code == HUNG_UP.1 {
        return Reason { name: "hung up before the answer".to_owned(), url: None };
    }
    Reason { url: Some(format!("/errors/{code}")), name: code }
}
