//! `/settings/webhooks`: where the organization wants to hear of events.

pub mod change;
pub mod detail;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::organizations::webhook;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Choice;
use crate::pages::parts::Field;
use crate::pages::parts::Link;
use crate::pages::parts::Moment;
use crate::pages::parts::Tag;
use crate::pages::settings::Frame;
use crate::pages::settings::WEBHOOKS;
use crate::pages::settings::secret::Shown;
use crate::pages::settings::secret::ShownOnce;
use crate::pages::settings::visitor::Manager;
use crate::pages::settings::visitor::Visitor;
use crate::pages::words;
use crate::webhooks::endpoint;
use crate::webhooks::endpoint::Endpoint;
use crate::webhooks::endpoint::Invalid;
use crate::webhooks::endpoint::MAX_COUNT;
use crate::webhooks::endpoint::Settings;
use crate::webhooks::event;

#[derive(Template)]
#[template(path = "pages/settings/webhooks/list.html")]
pub struct Webhooks {
    frame: Frame,
    endpoints: Vec<EndpointRow>,
    form: EndpointForm,
}

pub struct EndpointRow {
    id: String,
    /// The description, or without one the host.
    name: String,
    url: String,
    state: Tag,
    /// Empty: all of them.
    events: Vec<String>,
    created: Moment,
}

pub struct EndpointForm {
    problem: Option<String>,
    url: Field,
    description: Field,
    events: Vec<Choice>,
    events_problem: String,
}

/// What each type of event tells.
fn tells(event: &str) -> &'static str {
    match event {
        "api_key.created" => "A key was made.",
        "api_key.rotated" => "A key got a new secret.",
        "api_key.revoked" => "A key was revoked.",
        "api_key.leaked" => "A key was found where others can read it.",
        "client.created" => "An app was registered.",
        "client.updated" => "An app was changed.",
        "client.deleted" => "An app was deleted.",
        "grant.created" => "Somebody gave an app access.",
        "grant.revoked" => "An app lost its access.",
        "grant.replayed" => "A token was used twice, so the access that it belongs to ended.",
        "user.registered" => "Somebody registered.",
        "member.added" => "Somebody joined the organization.",
        "member.removed" => "Somebody left the organization.",
        "limit.exceeded" => "A key, app or session met its rate limit.",
        "credits.exhausted" => "The credits are used up.",
        _ => "",
    }
}

fn row(endpoint: &Endpoint, now: Timestamp) -> EndpointRow {
    let state = match (endpoint.disabled_at, endpoint.failing_since) {
        (Some(_), _) => Tag::new("danger", "disabled"),
        (None, Some(_)) => Tag::new("warn", "failing"),
        (None, None) => Tag::new("ok", "enabled"),
    };
    let host = url::Url::parse(&endpoint.url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let named = Some(endpoint.description.clone()).filter(|description| !description.is_empty());
    EndpointRow {
        id: endpoint.id.to_string(),
        name: named.or(host).unwrap_or_default(),
        url: endpoint.url.clone(),
        state,
        events: endpoint.events.clone(),
        created: words::moment(endpoint.created_at, now),
    }
}

/// The header with the hexadecimal signature, as documents write it.
fn signature_header(app: &App) -> String {
    let words = app.config.webhook_signature_header.as_str().split('-');
    let words = words.map(|word| word[..1.min(word.len())].to_uppercase() + &word[1.min(word.len())..]);
    words.collect::<Vec<_>>().join("-")
}

fn form(settings: &Settings) -> EndpointForm {
    let choice = |name: &str| Choice {
        value: name.to_owned(),
        label: name.to_owned(),
        hint: tells(name),
        is_checked: settings.events.iter().any(|event| event == name),
    };
    EndpointForm {
        problem: None,
        url: Field::new(settings.url.as_str()),
        description: Field::new(settings.description.as_str()),
        events: event::TYPES.map(choice).into(),
        events_problem: String::new(),
    }
}

/// What was posted; not yet checked.
fn read(posted: &Form) -> Result<Settings, PageError> {
    Ok(Settings {
        url: posted.one("url")?.to_owned(),
        description: posted.one("description")?.to_owned(),
        events: posted.all("event").map(str::to_owned).collect(),
    })
}

/// The form again, with what is wrong beside its field.
fn refused(typed: &Settings, invalid: &Invalid) -> EndpointForm {
    let mut form = form(typed);
    let problem = words::sentence(&invalid.message);
    match invalid.field {
        "url" => form.url.problem = Some(problem),
        "description" => form.description.problem = Some(problem),
        _ => form.events_problem = problem,
    }
    form
}

pub async fn list(State(app): State<App>, Manager(visitor): Manager) -> Result<Page<Webhooks>, PageError> {
    let blank = Settings { url: String::new(), description: String::new(), events: Vec::new() };
    page(&app, &visitor, form(&blank)).await
}

async fn page(app: &App, visitor: &Visitor, form: EndpointForm) -> Result<Page<Webhooks>, PageError> {
    let mut db = app.db.acquire().await?;
    let endpoints = endpoint::list(&mut db, visitor.organization().id, None, MAX_COUNT).await?;
    drop(db);
    let endpoints = endpoints.iter().map(|endpoint| row(endpoint, visitor.act.at)).collect();
    let frame = visitor.frame(WEBHOOKS).await?;
    Ok(visitor.page(app, Webhooks { frame, endpoints, form }))
}

pub async fn create(
    State(app): State<App>,
    Manager(visitor): Manager,
    posted: Form,
) -> Result<Response, PageError> {
    let typed = read(&posted)?;
    let settings = match typed.clone().checked(&app.outgoing) {
        Ok(settings) => settings,
        Err(invalid) => return again(&app, &visitor, refused(&typed, &invalid)).await,
    };
    let organization = visitor.organization().id;
    let mut tx = app.db.begin().await?;
    let created = webhook::create(&mut tx, organization, &settings, &app.secret, &visitor.act).await?;
    let Some((id, secret)) = created else {
        drop(tx);
        let problem = format!("An organization has at most {MAX_COUNT} webhooks. Delete one first.");
        let form = EndpointForm { problem: Some(problem), ..form(&typed) };
        return again(&app, &visitor, form).await;
    };
    tx.commit().await?;
    let back = Link::new(format!("{WEBHOOKS}/{id}"), "The webhook");
    let sentence = "Events are sent from now on. Try it with a test event.".to_owned();
    let page = shown(&app, &visitor, ("The webhook is ready", sentence), &secret, back).await?;
    Ok(page.into_response())
}

async fn again(app: &App, visitor: &Visitor, form: EndpointForm) -> Result<Response, PageError> {
    let page = page(app, visitor, form).await?;
    Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
}

async fn shown(
    app: &App,
    visitor: &Visitor,
    (title, sentence): (&str, String),
    secret: &Secret,
    back: Link,
) -> Result<Page<ShownOnce>, PageError> {
    let page = ShownOnce {
        frame: visitor.frame(WEBHOOKS).await?,
        title: title.to_owned(),
        sentence,
        values: vec![Shown {
            id: "secret",
            label: "Secret for checking signatures",
            value: secret.expose().to_owned(),
        }],
        example: None,
        back,
    };
    Ok(visitor.page(app, page))
}
