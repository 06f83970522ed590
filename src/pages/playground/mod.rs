//! `/playground`: runs OAuth flows against this very server, over real HTTP, and shows what goes over the wire.
//! Everything a run knows lies, sealed, in the person's own session.

pub mod call;
pub mod flow;
pub mod run;
pub mod wire;

use askama::Template;
use axum::extract::Query;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;

use crate::app::App;
use crate::app::scope_catalog::ScopeEntry;
use crate::clients::client;
use crate::clients::client::Client;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Choice;
use crate::pages::parts::Field;
use crate::pages::parts::ScopeChoice;
use crate::pages::playground::flow::Action;
use crate::pages::playground::run::Run;
use crate::pages::playground::wire::Step;
use crate::pages::settings::visitor::Visitor;
use crate::scopes::Scopes;

const PLAYGROUND: &str = "/playground";
/// The latest step.
const LATEST: &str = "/playground#latest";

#[derive(Template)]
#[template(path = "pages/playground.html")]
pub struct Playground {
    csrf: String,
    redirect_uri: String,
    clients: Vec<Choice>,
    /// Never filled in again.
    client_secret: Field,
    scopes: Vec<ScopeChoice>,
    /// What has happened so far; empty before the start.
    steps: Vec<Step>,
    /// The authorization request, until it is answered.
    consent_url: Option<String>,
    actions: Vec<Action>,
}

impl Playground {
    fn new(app: &App, visitor: &Visitor) -> Self {
        Self {
            csrf: visitor.csrf().token(),
            redirect_uri: redirect_uri(app),
            clients: Vec::new(),
            client_secret: Field::default(),
            scopes: Vec::new(),
            steps: Vec::new(),
            consent_url: None,
            actions: Vec::new(),
        }
    }
}

pub async fn get(State(app): State<App>, visitor: Visitor) -> Result<Page<Playground>, PageError> {
    check_open(&app)?;
    let mut page = Playground::new(&app, &visitor);
    if let Some(run) = Run::load(&app, &visitor).await? {
        page.consent_url = run.consent_url(&app);
        page.actions = flow::actions(&run);
        page.steps = run.steps;
    } else {
        let clients = clients(&app, &visitor).await?;
        page.scopes = scopes(&app, &clients, |entry| !entry.is_dangerous);
        page.clients = clients.iter().map(|client| choice(client, None)).collect();
    }
    Ok(visitor.page(&app, page))
}

/// Those of the person's organizations that can come back here; first those that need no secret.
async fn clients(app: &App, visitor: &Visitor) -> Result<Vec<Client>, PageError> {
    let mut db = app.db.acquire().await?;
    let mut clients = Vec::new();
    for organization in &visitor.signed_in.organizations {
        clients.extend(client::list(&mut db, organization.id).await?);
    }
    let uri = redirect_uri(app);
    clients.retain(|client| client.works() && client.may_redirect_to(&uri));
    clients.sort_by_key(|client| client.registration.is_confidential());
    Ok(clients)
}

fn choice(client: &Client, chosen: Option<&Client>) -> Choice {
    let kind = if client.registration.is_confidential() { "confidential" } else { "public" };
    Choice {
        value: client.id.to_string(),
        label: format!("{} ({kind})", client.registration.name),
        hint: "",
        is_checked: chosen.is_some_and(|chosen| chosen.id == client.id),
    }
}

/// What at least one of the clients may ask for.
fn scopes(app: &App, clients: &[Client], is_checked: impl Fn(&ScopeEntry) -> bool) -> Vec<ScopeChoice> {
    let entries = app.config.scopes.entries().iter();
    let offered =
        entries.filter(|entry| clients.iter().any(|client| client.registration.scopes.contains(&entry.name)));
    let choice = |entry: &ScopeEntry| ScopeChoice {
        name: entry.name.clone(),
        sentence: entry.sentence.clone(),
        is_checked: is_checked(entry),
    };
    offered.map(choice).collect()
}

pub async fn start(State(app): State<App>, visitor: Visitor, posted: Form) -> Result<Response, PageError> {
    check_open(&app)?;
    let id = posted.one("client_id")?;
    let clients = clients(&app, &visitor).await?;
    let client = clients.iter().find(|client| client.id.to_string() == id);
    let client =
        client.ok_or_else(|| PageError::bad_request("Choose one of the apps that the form offers."))?;
    let scopes = Scopes::from_names(posted.all("scope"))
        .map_err(|_| PageError::bad_request("A scope in the form cannot be the name of a scope."))?;
    let secret = posted.one("client_secret")?;
    if client.registration.is_confidential() && secret.is_empty() {
        let problem = format!("{} is confidential: it needs its secret.", client.registration.name);
        let page = Playground {
            clients: clients.iter().map(|offered| choice(offered, Some(client))).collect(),
            client_secret: Field { problem: Some(problem), ..Field::default() },
            scopes: self::scopes(&app, &clients, |entry| scopes.contains(&entry.name)),
            ..Playground::new(&app, &visitor)
        };
        return Ok(visitor.page(&app, page).status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
    }
    let mut run = Run::new(client, secret, &scopes, app.clock.now());
    run.prepare(&app);
    run.save(&app, &visitor).await?;
    Ok(Redirect::to(PLAYGROUND).into_response())
}

pub async fn callback(
    State(app): State<App>,
    visitor: Visitor,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Redirect, PageError> {
    check_open(&app)?;
    let mut run = load(&app, &visitor).await?;
    flow::come_back(&app, &mut run, &parameters);
    run.save(&app, &visitor).await?;
    Ok(Redirect::to(LATEST))
}

pub async fn step(State(app): State<App>, visitor: Visitor, posted: Form) -> Result<Redirect, PageError> {
    check_open(&app)?;
    let mut run = load(&app, &visitor).await?;
    flow::act(&app, &mut run, posted.one("step")?).await?;
    run.save(&app, &visitor).await?;
    Ok(Redirect::to(LATEST))
}

pub async fn client_credentials(
    State(app): State<App>,
    visitor: Visitor,
    posted: Form,
) -> Result<Redirect, PageError> {
    check_open(&app)?;
    let mut run = Run::of_itself(posted.one("client_id")?, posted.one("client_secret")?, app.clock.now());
    flow::client_credentials(&app, &mut run).await;
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

fn check_open(app: &App) -> Result<(), PageError> {
    if app.config.playground { Ok(()) } else { Err(PageError::not_found()) }
}
