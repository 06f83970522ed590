//! The start of a run: which app, and the way in which it gets its token.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;

use crate::app::App;
use crate::app::scope_catalog::ScopeEntry;
use crate::clients::client;
use crate::clients::client::Client;
use crate::clients::registration;
use crate::clients::registration::AuthMethod;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Choice;
use crate::pages::parts::Field;
use crate::pages::parts::ScopeChoice;
use crate::pages::playground;
use crate::pages::playground::authorization_code;
use crate::pages::playground::client_credentials;
use crate::pages::playground::device_code;
use crate::pages::playground::run::Run;
use crate::pages::settings::visitor::Visitor;
use crate::scopes::OFFLINE_ACCESS;
use crate::scopes::Scopes;

const CODE: &str = "code";
const PUSHED: &str = "pushed";
const DEVICE: &str = "device";
const CREDENTIALS: &str = "client_credentials";

#[derive(Template)]
#[template(path = "pages/playground/start.html")]
pub struct Start {
    csrf: String,
    redirect_uri: String,
    /// All apps that can be used here.
    clients: Vec<Choice>,
    /// For the chosen one; `None` if there is none to choose.
    form: Option<StartForm>,
}

struct StartForm {
    client_id: String,
    /// Never filled in again. `None` for a public client.
    client_secret: Option<Field>,
    grants: Vec<Choice>,
    scopes: Vec<ScopeChoice>,
}

/// For the app that is named, or else the first.
pub(super) async fn page(app: &App, visitor: &Visitor, client_id: &str) -> Result<Page<Start>, PageError> {
    let clients = clients(app, visitor).await?;
    let named = clients.iter().find(|client| client.id.to_string() == client_id);
    let form = named.or(clients.first()).map(|client| form(app, client));
    Ok(visitor.page(app, start(app, visitor, &clients, form)))
}

fn start(app: &App, visitor: &Visitor, clients: &[Client], form: Option<StartForm>) -> Start {
    let choice = |client: &Client| {
        let value = client.id.to_string();
        let kind = if client.registration.is_confidential() { "confidential" } else { "public" };
        Choice {
            label: format!("{} ({kind})", client.registration.name),
            hint: "",
            is_checked: form.as_ref().is_some_and(|form| form.client_id == value),
            value,
        }
    };
    Start {
        csrf: visitor.csrf().token(),
        redirect_uri: playground::redirect_uri(app),
        clients: clients.iter().map(choice).collect(),
        form,
    }
}

/// Those of the person's organizations that can get a token here; first those that need no secret.
async fn clients(app: &App, visitor: &Visitor) -> Result<Vec<Client>, PageError> {
    let mut db = app.db.acquire().await?;
    let mut clients = Vec::new();
    for organization in &visitor.signed_in.organizations {
        clients.extend(client::list(&mut db, organization.id).await?);
    }
    clients.retain(|client| client.works() && !grants(app, client).is_empty());
    clients.sort_by_key(|client| client.registration.is_confidential());
    Ok(clients)
}

/// The ways to a first token that the client is registered for; none if it signs with a key, which no form can hold.
fn grants(app: &App, client: &Client) -> Vec<Choice> {
    let registration = &client.registration;
    if registration.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt {
        return Vec::new();
    }
    let comes_back = client.has_grant_type(registration::AUTHORIZATION_CODE)
        && client.may_redirect_to(&playground::redirect_uri(app));
    let offered = [
        (
            comes_back && !registration.require_pushed_authorization_requests,
            CODE,
            "Authorization code",
            "A person allows the app to act for them, and the app exchanges a code for tokens.",
        ),
        (
            comes_back,
            PUSHED,
            "Authorization code, with a pushed request",
            "The same, but the request goes to the server first (PAR), and no browser sees it.",
        ),
        (
            client.has_grant_type(registration::DEVICE_CODE),
            DEVICE,
            "Device authorization",
            "For a device without a browser: a person allows it at another one, by a code.",
        ),
        (
            client.has_grant_type(registration::CLIENT_CREDENTIALS),
            CREDENTIALS,
            "Client credentials",
            "The app acts for itself: one request, no person.",
        ),
    ];
    let offered = offered.into_iter().filter(|(is_offered, ..)| *is_offered).enumerate();
    let choice = |(index, (_, value, label, hint)): (usize, (bool, &str, &str, &'static str))| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        hint,
        is_checked: index == 0,
    };
    offered.map(choice).collect()
}

fn form(app: &App, client: &Client) -> StartForm {
    let may_ask_for = client.registration.scopes_for_people();
    let entries = app.config.scopes.entries_for_people().iter();
    let is_checked = |entry: &ScopeEntry| !entry.is_dangerous && entry.name != OFFLINE_ACCESS;
    StartForm {
        client_id: client.id.to_string(),
        client_secret: client.registration.is_confidential().then(Field::default),
        grants: grants(app, client),
        scopes: entries
            .filter(|entry| may_ask_for.contains(&entry.name))
            .map(|entry| playground::scope_choice(entry, is_checked(entry)))
            .collect(),
    }
}

pub async fn post(State(app): State<App>, visitor: Visitor, posted: Form) -> Result<Response, PageError> {
    playground::check_open(&app)?;
    let id = posted.one("client_id")?;
    let clients = clients(&app, &visitor).await?;
    let client = clients.iter().find(|client| client.id.to_string() == id);
    let client =
        client.ok_or_else(|| PageError::bad_request("Choose one of the apps that the form offers."))?;
    let grant = posted.one("grant")?;
    if !grants(&app, client).iter().any(|offered| offered.value == grant) {
        return Err(PageError::bad_request("Choose one of the ways to a token that the form offers."));
    }
    let scopes = playground::ticked(&posted)?;
    let secret = posted.one("client_secret")?;
    if client.registration.is_confidential() && secret.is_empty() {
        let mut form = form(&app, client);
        let problem = Some(format!("{} is confidential: it needs its secret.", client.registration.name));
        form.client_secret = Some(Field { problem, ..Field::default() });
        form.grants.iter_mut().for_each(|offered| offered.is_checked = offered.value == grant);
        form.scopes.iter_mut().for_each(|offered| offered.is_checked = scopes.contains(&offered.name));
        let page = visitor.page(&app, start(&app, &visitor, &clients, Some(form)));
        return Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
    }
    let mut run = Run::new(client, secret, app.clock.now());
    begin(&app, &mut run, grant, &scopes).await;
    run.save(&app, &visitor).await?;
    Ok(Redirect::to(playground::LATEST).into_response())
}

async fn begin(app: &App, run: &mut Run, grant: &str, scopes: &Scopes) {
    match grant {
        CODE => authorization_code::ask(app, run, scopes),
        PUSHED => authorization_code::push(app, run, scopes).await,
        DEVICE => device_code::ask(app, run, scopes).await,
        // There is nobody whom it could sign in.
        _ => client_credentials::ask(app, run, &scopes.without(&Scopes::identity())).await,
    }
}
