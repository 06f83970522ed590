//! `/settings/api/security`: from where the organization's credentials may be used.

use std::net::IpAddr;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;

use crate::app::App;
use crate::organizations::ip_allowlist;
use crate::organizations::ip_allowlist::IpAllowlist;
use crate::organizations::plan;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Choice;
use crate::pages::parts::Field;
use crate::pages::settings::API_KEYS;
use crate::pages::settings::Frame;
use crate::pages::settings::SECURITY;
use crate::pages::settings::visitor::Manager;
use crate::pages::settings::visitor::Visitor;
use crate::pages::words;

#[derive(Template)]
#[template(path = "pages/settings/security.html")]
pub struct Security {
    frame: Frame,
    /// Why the organization cannot turn a list on: its plan.
    obstacle: Option<String>,
    own_address: String,
    form: ListForm,
}

struct ListForm {
    problem: Option<String>,
    switch: Choice,
    cidrs: Field,
    /// Offered when the list would keep out the person who saves it.
    force: Option<Choice>,
}

impl ListForm {
    fn new(is_enabled: bool, cidrs: Field) -> Self {
        let switch = Choice {
            value: "on".to_owned(),
            label: "Only from the addresses below".to_owned(),
            hint: "While this is off, the list is kept and holds nobody back.",
            is_checked: is_enabled,
        };
        Self { problem: None, switch, cidrs, force: None }
    }
}

pub async fn get(State(app): State<App>, Manager(visitor): Manager) -> Result<Page<Security>, PageError> {
    let organization = visitor.organization();
    let lines = organization.ip_allowlist.to_texts().join("\n");
    let form = ListForm::new(organization.ip_allowlist_enabled, Field::new(lines));
    page(&app, &visitor, form).await
}

async fn page(app: &App, visitor: &Visitor, form: ListForm) -> Result<Page<Security>, PageError> {
    let page = Security {
        frame: visitor.frame(API_KEYS).await?,
        obstacle: obstacle(app, visitor).await?,
        own_address: own_address(visitor).map(|address| address.to_string()).unwrap_or_default(),
        form,
    };
    Ok(visitor.page(app, page))
}

async fn obstacle(app: &App, visitor: &Visitor) -> Result<Option<String>, PageError> {
    let organization = visitor.organization();
    if organization.plan.has_ip_allowlist {
        return Ok(None);
    }
    let mut db = app.db.acquire().await?;
    let plan = plan::cheapest_with_ip_allowlist(&mut db).await?;
    let way = plan.map(|plan| format!(" It is part of the plan {plan}.")).unwrap_or_default();
    let (name, plan) = (&organization.name, &organization.plan.name);
    Ok(Some(format!("{name} is on the plan {plan}, which has no IP allowlist.{way}")))
}

fn own_address(visitor: &Visitor) -> Option<IpAddr> {
    visitor.act.address
}

pub async fn post(
    State(app): State<App>,
    Manager(visitor): Manager,
    posted: Form,
) -> Result<Response, PageError> {
    let typed = posted.one("cidrs")?;
    let is_enabled = posted.one("enabled")? == "on";
    if posted.one("do")? == "add" {
        let form = ListForm::new(is_enabled, Field::new(with_own_address(typed, &visitor)));
        return Ok(page(&app, &visitor, form).await?.into_response());
    }
    let mut form = ListForm::new(is_enabled, Field::new(typed));
    let list = match IpAllowlist::parse(&lines(typed)) {
        Ok(list) => list,
        Err(error) => {
            form.cidrs.problem = Some(words::sentence(&error.to_string()));
            return refused(&app, &visitor, form, StatusCode::UNPROCESSABLE_ENTITY).await;
        }
    };
    if is_enabled && let Some(obstacle) = obstacle(&app, &visitor).await? {
        form.problem = Some(obstacle);
        return refused(&app, &visitor, form, StatusCode::PAYMENT_REQUIRED).await;
    }
    if is_enabled
        && let Some(problem) = lock_out(&list, &visitor)
        && posted.one("force")? != "on"
    {
        form.cidrs.problem = Some(problem);
        form.force = Some(Choice {
            value: "on".to_owned(),
            label: "Save it all the same".to_owned(),
            hint: "These pages stay open to you from anywhere.",
            is_checked: false,
        });
        return refused(&app, &visitor, form, StatusCode::CONFLICT).await;
    }
    save(&app, &visitor, is_enabled, &list).await.map(IntoResponse::into_response)
}

async fn refused(
    app: &App,
    visitor: &Visitor,
    form: ListForm,
    status: StatusCode,
) -> Result<Response, PageError> {
    Ok(page(app, visitor, form).await?.status(status).into_response())
}

/// People paste lists with commas, too.
fn lines(typed: &str) -> Vec<&str> {
    typed.split(['\n', ',', ';']).map(str::trim).filter(|line| !line.is_empty()).collect()
}

fn with_own_address(typed: &str, visitor: &Visitor) -> String {
    let mut lines: Vec<String> = lines(typed).into_iter().map(str::to_owned).collect();
    if let Some(address) = own_address(visitor).map(|address| address.to_string())
        && !lines.contains(&address)
    {
        lines.push(address);
    }
    lines.join("\n")
}

/// Why the person could not call the API from where they are.
fn lock_out(list: &IpAllowlist, visitor: &Visitor) -> Option<String> {
    let address = own_address(visitor)?;
    let problem =
        format!("Your own address, {address}, is in none of these. A program there could not call the API.");
    (!list.allows(address)).then_some(problem)
}

async fn save(
    app: &App,
    visitor: &Visitor,
    is_enabled: bool,
    list: &IpAllowlist,
) -> Result<Redirect, PageError> {
    let mut tx = app.db.begin().await?;
    ip_allowlist::replace(&mut tx, visitor.organization().id, (is_enabled, list), &visitor.act).await?;
    tx.commit().await?;
    let notice = match (is_enabled, list.networks().len()) {
        (false, _) => "The allowlist is off. Credentials work from anywhere.".to_owned(),
        (true, 0) => "The allowlist is on and empty. Credentials work from anywhere.".to_owned(),
        (true, 1) => "The allowlist is on. Credentials work from 1 network.".to_owned(),
        (true, count) => format!("The allowlist is on. Credentials work from {count} networks."),
    };
    visitor.notify(notice).await?;
    Ok(Redirect::to(SECURITY))
}
