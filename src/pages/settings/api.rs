//! `/settings/api`: the organization's API keys.

use std::str::FromStr;

use askama::Template;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use serde::Deserialize;

use crate::api_keys::key;
use crate::api_keys::key::ApiKey;
use crate::api_keys::key::Ending;
use crate::api_keys::key::NewApiKey;
use crate::app::App;
use crate::app::scope_catalog::ScopeEntry;
use crate::base::clock::Timestamp;
use crate::base::ids::ApiKeyId;
use crate::base::secret::Secret;
use crate::organizations::ip_allowlist::IpAllowlist;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::paging;
use crate::pages::parts::Choice;
use crate::pages::parts::End;
use crate::pages::parts::Field;
use crate::pages::parts::Link;
use crate::pages::parts::Moment;
use crate::pages::parts::ScopeChoice;
use crate::pages::parts::Tag;
use crate::pages::settings::API_KEYS;
use crate::pages::settings::Frame;
use crate::pages::settings::confirm::Confirm;
use crate::pages::settings::credential;
use crate::pages::settings::overlap;
use crate::pages::settings::secret::Shown;
use crate::pages::settings::secret::ShownOnce;
use crate::pages::settings::visitor::Manager;
use crate::pages::settings::visitor::Visitor;
use crate::pages::words;
use crate::scopes::Scopes;

/// On one page.
const LIMIT: i64 = 50;

/// Where a form says nothing: long enough to be useful, short enough to be forgotten safely.
const USUAL_EXPIRY: &str = "90";

#[derive(Template)]
#[template(path = "pages/settings/api.html")]
pub struct ApiKeys {
    frame: Frame,
    keys: Vec<KeyRow>,
    /// Address of the next page.
    older: Option<String>,
    form: KeyForm,
}

struct KeyRow {
    id: String,
    label: String,
    /// Its first characters.
    public_part: String,
    scopes: Vec<String>,
    state: Tag,
    is_live: bool,
    created: Moment,
    creator: Option<String>,
    last_use: Option<LastUse>,
    end: Option<End>,
    /// From where alone it works, if it has an allowlist of its own.
    networks: Option<String>,
    /// Until when the secret before the last rotation still works.
    overlap: Option<Moment>,
}

struct LastUse {
    when: Moment,
    from: String,
}

struct KeyForm {
    problem: Option<String>,
    label: Field,
    scopes: Vec<ScopeChoice>,
    expiries: Vec<Choice>,
}

#[derive(Deserialize)]
pub struct Asked {
    before: Option<ApiKeyId>,
}

pub async fn list(
    State(app): State<App>,
    Manager(visitor): Manager,
    Query(asked): Query<Asked>,
) -> Result<Page<ApiKeys>, PageError> {
    let form = KeyForm {
        problem: None,
        label: Field::default(),
        scopes: scopes(&app, |name| name == "read"),
        expiries: credential::expiries(USUAL_EXPIRY),
    };
    page(&app, &visitor, asked.before, form).await
}

async fn page(
    app: &App,
    visitor: &Visitor,
    before: Option<ApiKeyId>,
    form: KeyForm,
) -> Result<Page<ApiKeys>, PageError> {
    let now = app.clock.now();
    let mut db = app.db.acquire().await?;
    let mut found = key::list(&mut db, visitor.organization().id, before, LIMIT + 1).await?;
    drop(db);
    let older = paging::cut(&mut found, LIMIT).map(|key| format!("{API_KEYS}?before={}", key.id));
    let keys = found.into_iter().map(|key| row(key, &app.config.api_key_prefix, now)).collect();
    let frame = visitor.frame(API_KEYS).await?;
    Ok(visitor.page(app, ApiKeys { frame, keys, older, form }))
}

fn row(key: ApiKey, prefix: &str, now: Timestamp) -> KeyRow {
    let (state, end) = match key.revoked_at {
        Some(at) => (Tag::new("", "revoked"), Some(End { verb: "Revoked", when: words::moment(at, now) })),
        None => words::life(key.expires_at, now),
    };
    let is_live = key.revoked_at.is_none() && key.expires_at.is_none_or(|at| at > now);
    let overlap = key.previous_until.filter(|until| is_live && *until > now);
    KeyRow {
        id: key.id.to_string(),
        public_part: public_part(prefix, &key.public_id),
        label: key.label,
        scopes: key.scopes.iter().map(str::to_owned).collect(),
        state,
        is_live,
        created: words::moment(key.created_at, now),
        creator: key.created_by_email,
        last_use: key
            .last_used_at
            .map(|at| LastUse { when: words::moment(at, now), from: key.last_used_from.unwrap_or_default() }),
        end,
        networks: networks(&key.ip_allowlist),
        overlap: overlap.map(|until| words::moment(until, now)),
    }
}

/// A few by name, more by number.
fn networks(list: &IpAllowlist) -> Option<String> {
    let networks = list.to_texts();
    match networks.len() {
        0 => None,
        1..=3 => Some(networks.join(", ")),
        count => Some(format!("{count} networks")),
    }
}

fn public_part(prefix: &str, public_id: &str) -> String {
    format!("{prefix}_{public_id}")
}

fn scopes(app: &App, is_checked: impl Fn(&str) -> bool) -> Vec<ScopeChoice> {
    let entries = app.config.scopes.entries().iter();
    let choice = |entry: &ScopeEntry| ScopeChoice {
        name: entry.name.clone(),
        sentence: entry.sentence.clone(),
        is_checked: is_checked(&entry.name),
    };
    entries.map(choice).collect()
}

pub async fn create(
    State(app): State<App>,
    Manager(visitor): Manager,
    posted: Form,
) -> Result<Response, PageError> {
    let now = app.clock.now();
    let expires_in = posted.one("expires_in")?;
    let expires_at = credential::expiry(expires_in, now)?;
    let (asked, problem) = match asked_scopes(&app, &posted) {
        Ok(scopes) => (scopes, None),
        Err((known, problem)) => (known, Some(problem)),
    };
    let typed = posted.one("label")?;
    let label = match credential::label(typed) {
        Ok(label) if problem.is_none() => label,
        judged => {
            let form = KeyForm {
                problem,
                label: Field { value: typed.to_owned(), problem: judged.err() },
                scopes: scopes(&app, |name| asked.contains(name)),
                expiries: credential::expiries(expires_in),
            };
            let page = page(&app, &visitor, None, form).await?;
            return Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
        }
    };
    let new = NewApiKey {
        organization: visitor.organization().id,
        label,
        scopes: &asked,
        created_by: Some(visitor.user().id),
        expires_at,
        ip_allowlist: &IpAllowlist::default(),
    };
    let mut tx = app.db.begin().await?;
    let (_, secret) = key::create(&mut tx, &new, &app.config.api_key_prefix, &visitor.act).await?;
    tx.commit().await?;
    Ok(shown(&app, &visitor, format!("The key “{label}” is ready"), String::new(), &secret)
        .await?
        .into_response())
}

/// What was ticked; or what of it can be kept, and what is wrong with the rest.
fn asked_scopes(app: &App, posted: &Form) -> Result<Scopes, (Scopes, String)> {
    let Ok(asked) = Scopes::from_names(posted.all("scope")) else {
        return Err((Scopes::default(), "One of the scopes cannot be the name of a scope.".to_owned()));
    };
    let known = app.config.scopes.all();
    match asked.without(known).iter().next() {
        Some(unknown) => Err((asked.only_in(known), format!("There is no scope “{unknown}” here."))),
        None if asked.is_empty() => Err((asked, "Tick at least one scope.".to_owned())),
        None => Ok(asked),
    }
}

async fn shown(
    app: &App,
    visitor: &Visitor,
    title: String,
    sentence: String,
    secret: &Secret,
) -> Result<Page<ShownOnce>, PageError> {
    let secret = secret.expose();
    let url = app.config.links.to("/v1/auth/test");
    let page = ShownOnce {
        frame: visitor.frame(API_KEYS).await?,
        title,
        sentence,
        values: vec![Shown { id: "key", label: "API key", value: secret.to_owned() }],
        example: Some(format!("curl {url} \\\n  -H 'Authorization: Bearer {secret}'")),
        back: Link::new(API_KEYS, "API keys"),
    };
    Ok(visitor.page(app, page))
}

#[derive(Template)]
#[template(path = "pages/settings/api_rotate.html")]
pub struct RotateKey {
    frame: Frame,
    id: String,
    label: String,
    overlaps: Vec<Choice>,
}

pub async fn get_rotate(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
) -> Result<Page<RotateKey>, PageError> {
    let key = find_live(&app, &visitor, &id).await?;
    let overlaps =
        overlap::choices("Every program that has the old secret is refused from its next request on.");
    let frame = visitor.frame(API_KEYS).await?;
    Ok(visitor.page(&app, RotateKey { frame, id, label: key.label, overlaps }))
}

pub async fn rotate(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    posted: Form,
) -> Result<Page<ShownOnce>, PageError> {
    let overlap = overlap::read(&posted)?;
    let key = find_live(&app, &visitor, &id).await?;
    let mut tx = app.db.begin().await?;
    let whose = (visitor.organization().id, key.id);
    let prefix = &app.config.api_key_prefix;
    let secret = key::rotate(&mut tx, whose, overlap.length, prefix, &visitor.act).await?;
    tx.commit().await?;
    let secret = secret.ok_or_else(PageError::not_found)?;
    let sentence = match overlap.end {
        None => "The old secret has ended.".to_owned(),
        Some(end) => format!("The old secret ends {end}. Until then both work."),
    };
    shown(&app, &visitor, format!("The key “{}” has a new secret", key.label), sentence, &secret).await
}

pub async fn get_revoke(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
) -> Result<Page<Confirm>, PageError> {
    let key = find_live(&app, &visitor, &id).await?;
    let row = row(key, &app.config.api_key_prefix, app.clock.now());
    let last_use = match row.last_use {
        Some(last) => format!("It was last used {} from {}.", last.when.text, last.from),
        None => "It was never used.".to_owned(),
    };
    let page = Confirm {
        frame: visitor.frame(API_KEYS).await?,
        title: format!("Revoke the key “{}”?", row.label),
        consequences: vec![
            format!("The next request with {}… is refused, everywhere.", row.public_part),
            last_use,
            "This cannot be undone.".to_owned(),
        ],
        action: format!("{API_KEYS}/{id}/revoke"),
        button: "Revoke key",
        back: Link::new(API_KEYS, "API keys"),
    };
    Ok(visitor.page(&app, page))
}

pub async fn revoke(
    State(app): State<App>,
    Manager(visitor): Manager,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let key = find_live(&app, &visitor, &id).await?;
    let mut tx = app.db.begin().await?;
    key::revoke(&mut tx, visitor.organization().id, key.id, Ending::Revoked, &visitor.act).await?;
    tx.commit().await?;
    visitor.notify(format!("The key “{}” was revoked.", key.label)).await?;
    Ok(Redirect::to(API_KEYS))
}

/// A key of the organization that is neither revoked nor expired.
async fn find_live(app: &App, visitor: &Visitor, id: &str) -> Result<ApiKey, PageError> {
    let gone = || PageError::not_found().way_on(API_KEYS, "API keys");
    let id = ApiKeyId::from_str(id).map_err(|_| gone())?;
    let mut db = app.db.acquire().await?;
    let key = key::find(&mut db, visitor.organization().id, id).await?;
    let now = app.clock.now();
    key.filter(|key| key.revoked_at.is_none() && key.expires_at.is_none_or(|at| at > now)).ok_or_else(gone)
}
