//! Who is signed in, in a browser.

use axum::extract::FromRequestParts;
use axum::extract::OptionalFromRequestParts;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use tower_sessions::Session;
use tower_sessions::session::Error;

use crate::accounts::browser_session::SIGN_IN;
use crate::accounts::browser_session::SignIn;
use crate::accounts::user;
use crate::accounts::user::User;
use crate::app::App;
use crate::base::ids::BrowserSessionId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::gate::error::ApiError;
use crate::gate::provenance::Provenance;
use crate::grants::sign_out;
use crate::organizations::member;
use crate::organizations::member::Role;
use crate::organizations::organization;
use crate::organizations::organization::Organization;

/// Longer ones are cut: they are shown to their owner, nothing more.
const MAX_USER_AGENT: usize = 300;

/// A person in a browser.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub user: User,
    pub sign_in: SignIn,
    /// Those that the person belongs to, first the one that pages are about. Empty for somebody who has left the
    /// last one.
    pub organizations: Vec<Organization>,
}

impl SignedIn {
    /// The organization that pages are about.
    pub fn organization(&self) -> Option<&Organization> {
        self.organizations.first()
    }

    /// In each of the organizations. Whoever was removed between two queries is seen through when something is written.
    pub async fn roles(&self, db: &mut PgConnection) -> sqlx::Result<Vec<Role>> {
        let mut roles = Vec::new();
        for organization in &self.organizations {
            let role = member::find_role(db, organization.id, self.user.id).await?;
            roles.push(role.unwrap_or(Role::Member));
        }
        Ok(roles)
    }
}

/// Under which name the organization that pages are about stands in a session, once it was chosen.
const CHOSEN: &str = "organization";

/// Nobody is signed in, or we could not find out.
pub enum NotSignedIn {
    SignInFirst(String),
    Failed(anyhow::Error),
}

impl IntoResponse for NotSignedIn {
    fn into_response(self) -> Response {
        match self {
            Self::SignInFirst(url) => Redirect::to(&url).into_response(),
            Self::Failed(error) => ApiError::from(error).into_response(),
        }
    }
}

/// Sends a stranger to the sign-in page and, after it, back here.
impl FromRequestParts<App> for SignedIn {
    type Rejection = NotSignedIn;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, NotSignedIn> {
        let found = find(parts, app).await.map_err(NotSignedIn::Failed)?;
        found.ok_or_else(|| {
            // Only a page can be come back to: a form would be sent again, empty.
            let next = match &parts.method {
                &axum::http::Method::GET => parts.uri.path_and_query().map_or("/", |path| path.as_str()),
                _ => parts.uri.path(),
            };
            NotSignedIn::SignInFirst(sign_in_url(next))
        })
    }
}

impl OptionalFromRequestParts<App> for SignedIn {
    type Rejection = NotSignedIn;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, NotSignedIn> {
        find(parts, app).await.map_err(NotSignedIn::Failed)
    }
}

/// `next` is a path of ours.
pub fn sign_in_url(next: &str) -> String {
    let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    format!("/login?next={next}")
}

/// For somebody who belongs to no organization; `next` is a path of ours.
pub fn new_organization_url(next: &str) -> String {
    let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    format!("/settings/organization/new?next={next}")
}

/// Where a person may be sent after signing in: a path of ours, or else `/`. Browsers read `//host` and `/\host`
/// as other hosts.
pub fn safe_next(next: Option<&str>) -> &str {
    let is_ours = |next: &&str| {
        next.starts_with('/')
            && !next.starts_with("//")
            && !next.contains('\\')
            // Longer than any authorization request that is accepted.
            && next.len() <= 16 * 1024
            && next.bytes().all(|b| b.is_ascii_graphic())
    };
    next.filter(is_ours).unwrap_or("/")
}

async fn find(parts: &mut Parts, app: &App) -> anyhow::Result<Option<SignedIn>> {
    let session = parts.extensions.get::<Session>().ok_or_else(|| anyhow::anyhow!("no session layer"))?;
    let Some(sign_in) = sign_in(session).await? else { return Ok(None) };
    let mut db = app.db.acquire().await?;
    let Some(user) = user::find(&mut db, sign_in.user_id).await? else { return Ok(None) };
    let mut organizations = organization::list_of(&mut db, user.id).await?;
    // One that the person has left since is not in the list, and so not chosen any more.
    let chosen: Option<OrganizationId> = read(session, CHOSEN).await.map_err(unavailable)?;
    organizations.sort_by_key(|organization| Some(organization.id) != chosen);
    Ok(Some(SignedIn { user, sign_in, organizations }))
}

/// Who signed in, in this session.
pub async fn sign_in(session: &Session) -> anyhow::Result<Option<SignIn>> {
    read(session, SIGN_IN).await.map_err(unavailable)
}

/// What lies in a session under a name. What another release wrote there, and this one cannot read, is not there.
pub async fn read<T: DeserializeOwned>(session: &Session, name: &str) -> Result<Option<T>, Error> {
    match session.get(name).await {
        Err(Error::SerdeJson(_)) => Ok(None),
        found => found,
    }
}

/// Makes pages be about this organization, until another one is chosen or the session ends.
pub async fn choose(session: &Session, organization: OrganizationId) -> anyhow::Result<()> {
    session.insert(CHOSEN, organization).await.map_err(unavailable)?;
    session.save().await.map_err(unavailable)
}

/// tower-sessions turns a store's error into text; what can go wrong there is the database being away.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unavailable(error: Error) -> anyhow::Error {
    sqlx::Error::Io(std::io::Error::other(error.to_string())).into()
}

/// Begins a session for a person who has just proved who they are, or goes on with theirs, which apps know by its id.
/// The cookie changes, so that one planted before is worth nothing.
pub async fn begin(
    app: &App,
    session: &Session,
    user: UserId,
    provenance: &Provenance,
) -> anyhow::Result<SignIn> {
    let before = sign_in(session).await?;
    let session_id = match before {
        Some(before) if before.user_id == user => before.session_id,
        Some(before) => {
            end_of(app, &before).await?;
            BrowserSessionId::new(provenance.at)
        }
        None => BrowserSessionId::new(provenance.at),
    };
    let sign_in = SignIn {
        session_id,
        user_id: user,
        at: provenance.at,
        address: provenance.address.to_string(),
        user_agent: provenance.user_agent.clone().unwrap_or_default(),
    };
    // What was kept for somebody else, in the same browser, is not this person's.
    session.clear().await;
    session.cycle_id().await.map_err(unavailable)?;
    session.insert(SIGN_IN, &sign_in).await.map_err(unavailable)?;
    // Here, where a failure can still be told; the layer around us has no words for it.
    session.save().await.map_err(unavailable)?;
    Ok(sign_in)
}

/// What is kept of a `User-Agent`.
pub fn shown_user_agent(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect()
}

/// Ends the session, in the database and here; the apps that are to hear of it are written down with it.
pub async fn end(app: &App, session: &Session) -> anyhow::Result<()> {
    if let Some(sign_in) = sign_in(session).await? {
        end_of(app, &sign_in).await?;
    }
    session.flush().await.map_err(unavailable)
}

async fn end_of(app: &App, sign_in: &SignIn) -> sqlx::Result<()> {
    let mut tx = app.db.begin().await?;
    sign_out::end(&mut tx, sign_in.user_id, sign_in.session_id, app.clock.now()).await?;
    tx.commit().await?;
    // Whoever reads that they are signed out must be, though a link had asked for it.
    app.cache.catch_up().await;
    Ok(())
}
