//! `/admin/keys`: the keys that sign tokens.

use askama::Template;
use axum::extract::Path;
use axum::extract::State;
use axum::response::Redirect;
use jsonwebtoken::Algorithm;

use crate::app::App;
use crate::app::signing_keys;
use crate::app::signing_keys::Revoked;
use crate::base::clock::Timestamp;
use crate::pages::admin::KEYS;
use crate::pages::admin::Superadmin;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::parts::Choice;
use crate::pages::parts::Link;
use crate::pages::parts::Moment;
use crate::pages::parts::Tag;
use crate::pages::settings::Frame;
use crate::pages::settings::confirm::Confirm;
use crate::pages::words;
use crate::signing::key;
use crate::signing::key::SigningKey;
use crate::signing::keyring;

#[derive(Template)]
#[template(path = "pages/admin/keys.html")]
pub struct Keys {
    frame: Frame,
    /// To choose from: which one to rotate.
    algorithms: Vec<Choice>,
    rows: Vec<Row>,
    announce: String,
}

struct Row {
    id: String,
    algorithm: &'static str,
    state: Tag,
    created: Moment,
    /// What is still to come: "Signs", "Retires".
    next: Option<(&'static str, Moment)>,
    may_be_revoked: bool,
}

pub async fn get(State(app): State<App>, superadmin: Superadmin) -> Result<Page<Keys>, PageError> {
    let now = app.clock.now();
    let mut db = app.db.acquire().await?;
    let keys = key::list(&mut db).await?;
    drop(db);
    let page = Keys {
        frame: superadmin.frame(KEYS).await?,
        algorithms: key::ALGORITHMS.into_iter().map(|algorithm| choice(&app, algorithm)).collect(),
        rows: keys.iter().rev().map(|key| row(key, key::signs(&keys, key, now), now)).collect(),
        announce: words::duration(key::ANNOUNCE),
    };
    Ok(superadmin.0.page(&app, page))
}

fn choice(app: &App, algorithm: Algorithm) -> Choice {
    let name = key::algorithm_name(algorithm);
    Choice {
        value: name.to_owned(),
        label: name.to_owned(),
        hint: "",
        is_checked: algorithm == app.config.signing_algorithm,
    }
}

fn row(key: &SigningKey, signs: bool, now: Timestamp) -> Row {
    let (state, next) = match (key.revoked_at, key.verifies_until) {
        (Some(_), _) => (Tag::new("danger", "revoked"), None),
        (None, until) if signs => {
            (Tag::new("ok", "signs"), until.map(|until| ("Retires", words::moment(until, now))))
        }
        (None, Some(until)) if until <= now => (Tag::new("", "retired"), None),
        (None, Some(until)) => (Tag::new("", "verifies"), Some(("Retires", words::moment(until, now)))),
        (None, None) => (Tag::new("new", "announced"), Some(("Signs", words::moment(key.signs_from, now)))),
    };
    Row {
        id: key.id.clone(),
        algorithm: key::algorithm_name(key.algorithm),
        state,
        created: words::moment(key.created_at, now),
        next,
        may_be_revoked: key.verifies(now),
    }
}

pub async fn rotate(
    State(app): State<App>,
    Superadmin(visitor): Superadmin,
    form: Form,
) -> Result<Redirect, PageError> {
    let algorithm = key::algorithm_named(form.one("algorithm")?)
        .ok_or_else(|| PageError::bad_request("The form names no algorithm that this server signs with."))?;
    let mut tx = app.db.begin().await?;
    keyring::lock(&mut tx).await?;
    let signs_from = visitor.act.at + key::ANNOUNCE;
    signing_keys::rotate(&mut tx, (algorithm, &app.secret), signs_from, &visitor.act).await?;
    tx.commit().await?;
    reload(&app).await?;
    visitor.notify("A new key is announced.").await?;
    Ok(Redirect::to(KEYS))
}

pub async fn get_revoke(
    State(app): State<App>,
    superadmin: Superadmin,
    Path(id): Path<String>,
) -> Result<Page<Confirm>, PageError> {
    let mut db = app.db.acquire().await?;
    let keys = key::list(&mut db).await?;
    drop(db);
    let is_there = keys.iter().any(|key| key.id == id && key.verifies(app.clock.now()));
    if !is_there {
        return Err(gone());
    }
    let page = Confirm {
        frame: superadmin.frame(KEYS).await?,
        title: "Revoke this signing key?".to_owned(),
        consequences: vec![
            "Do this when its private half may be in other hands. To change keys, rotate.".to_owned(),
            "Every access and session token that it signed is refused at once. Apps refresh and go on."
                .to_owned(),
            "An API that verifies tokens by itself accepts them until it fetches the keys again.".to_owned(),
            "This cannot be undone.".to_owned(),
        ],
        action: format!("{KEYS}/{id}/revoke"),
        button: "Revoke key",
        back: Link::new(KEYS, "Signing keys"),
    };
    Ok(superadmin.0.page(&app, page))
}

pub async fn revoke(
    State(app): State<App>,
    Superadmin(visitor): Superadmin,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let mut tx = app.db.begin().await?;
    keyring::lock(&mut tx).await?;
    let words = match signing_keys::revoke(&mut tx, &app.secret, &id, &visitor.act).await? {
        Revoked::No => return Err(gone()),
        Revoked::Yes { successor: None } => "The key is revoked.",
        Revoked::Yes { successor: Some(_) } => "The key is revoked, and a new one takes its place.",
    };
    tx.commit().await?;
    reload(&app).await?;
    visitor.notify(words).await?;
    Ok(Redirect::to(KEYS))
}

/// Here at once; the other nodes hear of it.
async fn reload(app: &App) -> Result<(), PageError> {
    let mut db = app.db.acquire().await?;
    app.keys.reload(&mut db).await.map_err(|error| PageError::from(error).although_done())
}

fn gone() -> PageError {
    PageError::not_found().way_on(KEYS, "Signing keys")
}
