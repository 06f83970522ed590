//! `/playground`: runs OAuth flows against this very server, over real HTTP, and shows what goes over the wire.
//! Everything a run knows lies, sealed, in the person's own session. A file for each grant is what an app does for it.

pub mod start;

pub mod access_token;
pub mod authorization_code;
pub mod client_credentials;
pub mod device_code;
pub mod refresh_token;
pub mod token_exchange;

pub mod call;
pub mod flow;
pub mod run;
pub mod wire;

use askama::Template;
use axum::extract::Query;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use serde::Deserialize;

use crate::app::App;
use crate::app::scope_catalog::ScopeEntry;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::parts::ScopeChoice;
use crate::pages::playground::device_code::Codes;
use crate::pages::playground::flow::Action;
use crate::pages::playground::run::Run;
use crate::pages::playground::wire::Step;
use crate::pages::settings::visitor::Visitor;
use crate::scopes::IDENTITY;
use crate::scopes::Scopes;

const PLAYGROUND: &str = "/playground";
/// The latest step.
const LATEST: &str = "/playground#latest";

#[derive(Template)]
#[template(path = "pages/playground/run.html")]
pub struct Underway {
    csrf: String,
    /// What has happened so far.
    steps: Vec<Step>,
    /// The authorization request, until it is answered.
    consent_url: Option<String>,
    /// What a device shows, until its person has decided.
    device: Option<Codes>,
    actions: Vec<Action>,
    /// What can be passed on; empty if nothing.
    scopes: Vec<ScopeChoice>,
}

#[derive(Deserialize)]
pub struct Visit {
    /// The app to begin with.
    #[serde(default)]
    client_id: String,
}

pub async fn get(
    State(app): State<App>,
    visitor: Visitor,
    Query(visit): Query<Visit>,
) -> Result<Response, PageError> {
    check_open(&app)?;
    let Some(run) = Run::load(&app, &visitor).await? else {
        return Ok(start::page(&app, &visitor, &visit.client_id).await?.into_response());
    };
    let underway = Underway {
        csrf: visitor.csrf().token(),
        actions: flow::actions(&run),
        scopes: to_pass_on(&app, &run),
        steps: run.steps,
        consent_url: run.consent_url,
        device: run.device,
    };
    Ok(visitor.page(&app, underway).into_response())
}

/// The scopes of the access token, and of those only the first that opens an API ticked: an agent needs less.
fn to_pass_on(app: &App, run: &Run) -> Vec<ScopeChoice> {
    if !run.may_pass_on || run.access_token.is_none() {
        return Vec::new();
    }
    let entries = app.config.scopes.entries_for_people().iter();
    let granted: Vec<&ScopeEntry> = entries.filter(|entry| run.granted(&entry.name)).collect();
    let first = granted.iter().position(|entry| !IDENTITY.contains(&entry.name.as_str()));
    granted.iter().enumerate().map(|(index, entry)| scope_choice(entry, Some(index) == first)).collect()
}

pub async fn callback(
    State(app): State<App>,
    visitor: Visitor,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Redirect, PageError> {
    check_open(&app)?;
    let mut run = load(&app, &visitor).await?;
    authorization_code::come_back(&app, &mut run, &parameters);
    run.save(&app, &visitor).await?;
    Ok(Redirect::to(LATEST))
}

pub async fn step(State(app): State<App>, visitor: Visitor, posted: Form) -> Result<Redirect, PageError> {
    check_open(&app)?;
    let mut run = load(&app, &visitor).await?;
    flow::act(&app, &mut run, &posted).await?;
    run.save(&app, &visitor).await?;
    Ok(Redirect::to(LATEST))
}

pub async fn reset(State(app): State<App>, visitor: Visitor, _posted: Form) -> Result<Redirect, PageError> {
    check_open(&app)?;
    Run::forget(&visitor).await?;
    Ok(Redirect::to(PLAYGROUND))
}

async fn load(app: &App, visitor: &Visitor) -> Result<Run, PageError> {
    let gone =
        || PageError::bad_request("No run is under way in this browser.").way_on(PLAYGROUND, "Start one");
    Run::load(app, visitor).await?.ok_or_else(gone)
}

fn redirect_uri(app: &App) -> String {
    app.config.links.to("/playground/callback")
}

fn scope_choice(entry: &ScopeEntry, is_checked: bool) -> ScopeChoice {
    ScopeChoice { name: entry.name.clone(), sentence: entry.sentence.clone(), is_checked }
}

fn ticked(posted: &Form) -> Result<Scopes, PageError> {
    Scopes::from_names(posted.all("scope"))
        .map_err(|_| PageError::bad_request("A scope in the form cannot be the name of a scope."))
}

fn check_open(app: &App) -> Result<(), PageError> {
    if app.config.playground { Ok(()) } else { Err(PageError::not_found()) }
}
