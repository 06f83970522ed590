//! `/admin/people`: everybody who can sign in.

use std::str::FromStr;

use askama::Template;
use axum::extract::Path;
use axum::extract::Query;
use axum::extract::State;
use axum::response::Redirect;

use crate::accounts::user;
use crate::accounts::user::User;
use crate::app::App;
use crate::base::ids::UserId;
use crate::pages::admin::Asked;
use crate::pages::admin::LIMIT;
use crate::pages::admin::PEOPLE;
use crate::pages::admin::Superadmin;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::page::Page;
use crate::pages::paging;
use crate::pages::parts::Link;
use crate::pages::parts::Moment;
use crate::pages::settings::Frame;
use crate::pages::settings::confirm::Confirm;
use crate::pages::words;

#[derive(Template)]
#[template(path = "pages/admin/people.html")]
pub struct People {
    frame: Frame,
    q: String,
    rows: Vec<Row>,
    older: Option<String>,
}

struct Row {
    id: String,
    email: String,
    is_superadmin: bool,
    /// Nobody can take this from themselves, or the last one might.
    is_oneself: bool,
    created: Moment,
}

pub async fn get(
    State(app): State<App>,
    superadmin: Superadmin,
    Query(asked): Query<Asked>,
) -> Result<Page<People>, PageError> {
    let before = asked.before.as_deref().and_then(|id| id.parse().ok());
    let mut db = app.db.acquire().await?;
    let mut found = user::search(&mut db, asked.text(), (before, LIMIT + 1)).await?;
    drop(db);
    let older = paging::cut(&mut found, LIMIT).map(|last| asked.older(PEOPLE, &last.id.to_string()));
    let (now, oneself) = (app.clock.now(), superadmin.0.user().id);
    let row = |user: User| Row {
        id: user.id.to_string(),
        is_superadmin: user.is_superadmin,
        is_oneself: user.id == oneself,
        created: words::moment(user.created_at, now),
        email: user.email,
    };
    let page = People {
        frame: superadmin.frame(PEOPLE).await?,
        q: asked.text().to_owned(),
        rows: found.into_iter().map(row).collect(),
        older,
    };
    Ok(superadmin.0.page(&app, page))
}

pub async fn get_superadmin(
    State(app): State<App>,
    superadmin: Superadmin,
    Path(id): Path<String>,
) -> Result<Page<Confirm>, PageError> {
    let user = find(&app, &superadmin, &id).await?;
    let (title, consequences, button) = if user.is_superadmin {
        let title = format!("Take the administration of this server from {}?", user.email);
        (title, vec!["From the next page on there is no /admin for them.".to_owned()], "Take it away")
    } else {
        let title = format!("Let {} administer this server?", user.email);
        let consequences = vec![
            "They can change the plan, the limits and the credits of every organization, and suspend it."
                .to_owned(),
            "They can review and disable every app, and rotate and revoke signing keys.".to_owned(),
            "They can take this from you.".to_owned(),
        ];
        (title, consequences, "Let them")
    };
    let page = Confirm {
        frame: superadmin.frame(PEOPLE).await?,
        title,
        consequences,
        action: format!("{PEOPLE}/{id}/superadmin"),
        button,
        back: Link::new(PEOPLE, "People"),
    };
    Ok(superadmin.0.page(&app, page))
}

pub async fn superadmin(
    State(app): State<App>,
    superadmin: Superadmin,
    Path(id): Path<String>,
    _posted: Form,
) -> Result<Redirect, PageError> {
    let user = find(&app, &superadmin, &id).await?;
    let visitor = superadmin.0;
    let mut tx = app.db.begin().await?;
    user::set_superadmin(&mut tx, &user, !user.is_superadmin, &visitor.act).await?;
    tx.commit().await?;
    visitor.notify("Saved.").await?;
    Ok(Redirect::to(PEOPLE))
}

/// Somebody else.
async fn find(app: &App, superadmin: &Superadmin, id: &str) -> Result<User, PageError> {
    let gone = || PageError::not_found().way_on(PEOPLE, "People");
    let id = UserId::from_str(id).map_err(|_| gone())?;
    if id == superadmin.0.user().id {
        return Err(PageError::bad_request("Ask another superadmin to change this for you."));
    }
    let mut db = app.db.acquire().await?;
    user::find(&mut db, id).await?.ok_or_else(gone)
}
