//! `/oauth/logout` (OpenID Connect RP-Initiated Logout 1.0): an app sends a person here to sign out.
//!
//! With an ID token of the very session the app has the person's word, and they are signed out at once. Without one
//! anybody could have sent them, and they are asked. Where they go afterwards is what the app registered, or nowhere.

use axum::extract::FromRequest;
use axum::extract::Request;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use tower_sessions::Session;

use crate::app::App;
use crate::clients::client;
use crate::clients::client::Client;
use crate::clients::client::ClientWithSecrets;
use crate::clients::identifier;
use crate::clients::redirect_uri;
use crate::gate::csrf::Csrf;
use crate::gate::request_log::RequestId;
use crate::gate::session;
use crate::gate::session::SignedIn;
use crate::grants::id_token;
use crate::grants::id_token::Hint;
use crate::oauth::authorize::response::with_parameters;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use crate::pages::authorize_error::AuthorizeError;
use crate::pages::authorize_error::Mismatch;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::logout;
use crate::pages::logout::Asked;
use crate::pages::page::Page;
use crate::pages::parts::Link;

/// A request that would make a longer URL than browsers and proxies carry.
const MAX_QUERY: usize = 8 * 1024;

/// What an app asks for, as far as it has shown that it may.
struct LogoutRequest {
    client: Option<Client>,
    hint: Option<Hint>,
    /// Where the person goes afterwards: as the app registered it, with `state`.
    back: Option<String>,
}

/// Why nothing is done. What is wrong with a request is shown, and nobody is sent anywhere (RP-Initiated Logout §4).
enum Stop {
    Malformed(OAuthError),
    UnknownClient,
    OtherClient,
    NoClient,
    UriMismatch { client: Box<Client>, asked: String },
    Failed(PageError),
}

/// Signs the person out, or asks them.
pub async fn get(
    State(app): State<App>,
    signed_in: Option<SignedIn>,
    (session, csrf): (Session, Csrf),
    parts: Parts,
) -> Response {
    let asked = ask(&app, signed_in, (&session, &csrf), query(&parts)).await;
    asked.unwrap_or_else(|stop| shown(&parts, stop))
}

/// A form of another site comes without the session's cookie: it starts over as a visit.
pub async fn post(State(app): State<App>, parts: Parts, request: Request) -> Response {
    match Params::read(request, &app).await.map(|form| form.to_query(&[])) {
        Ok(query) if query.len() <= MAX_QUERY => {
            Redirect::to(&format!("/oauth/logout?{query}")).into_response()
        }
        Ok(_) => shown(&parts, ErrorCode::TooLarge.because("the request is too large").into()),
        Err(error) => shown(&parts, error.into()),
    }
}

/// The person's own click on the page that [`get`] shows.
pub async fn confirm(
    State(app): State<App>,
    signed_in: Option<SignedIn>,
    session: Session,
    parts: Parts,
    request: Request,
) -> Response {
    let confirmed = async {
        let asked = LogoutRequest::read(&app, query(&parts)).await?;
        // Somebody whose session has ended meanwhile is signed out, whatever the form holds.
        if signed_in.is_none() {
            return Ok(asked.done());
        }
        Form::from_request(request, &app).await?;
        session::end(&app, &session).await?;
        Ok(match &asked.back {
            Some(back) => Redirect::to(back).into_response(),
            None => asked.done(),
        })
    };
    confirmed.await.unwrap_or_else(|stop| shown(&parts, stop))
}

fn query(parts: &Parts) -> &str {
    parts.uri.query().unwrap_or_default()
}

async fn ask(
    app: &App,
    signed_in: Option<SignedIn>,
    (session, csrf): (&Session, &Csrf),
    query: &str,
) -> Result<Response, Stop> {
    let request = LogoutRequest::read(app, query).await?;
    let Some(signed_in) = signed_in else { return Ok(request.done()) };
    if request.is_from_session(app, &signed_in) {
        session::end(app, session).await?;
        return Ok(request.done());
    }
    let asked = Asked {
        app: request.app(),
        action: format!("/oauth/logout/confirm?{query}"),
        back: request.back.clone(),
    };
    Ok(logout::page(app, csrf, &signed_in, asked).await?.into_response())
}

impl LogoutRequest {
    async fn read(app: &App, query: &str) -> Result<Self, Stop> {
        let params = Params::parse(query.as_bytes())?;
        let hint = match params.optional("id_token_hint")? {
            None => None,
            // One that is not ours says nothing, and is as good as none.
            Some(hint) => {
                let keys = app.keys_that(|keys| keys.know(hint)).await?;
                id_token::read_hint(&keys, app.config.links.issuer(), hint)
            }
        };
        let named = params.optional("client_id")?;
        if let (Some(named), Some(hint)) = (named, &hint)
            && named != hint.aud
        {
            return Err(Stop::OtherClient);
        }
        let client = match named.or(hint.as_ref().map(|hint| hint.aud.as_str())) {
            None => None,
            Some(id) => find_client(app, id).await?,
        };
        if named.is_some() && client.is_none() {
            return Err(Stop::UnknownClient);
        }
        // Whom the app means is seen by the hint.
        params.optional("logout_hint")?;
        let back = back(&params, client.as_ref())?;
        Ok(Self { client, hint, back })
    }

    /// Whether the app has shown that it has signed this person in by this very session.
    fn is_from_session(&self, app: &App, signed_in: &SignedIn) -> bool {
        let (Some(hint), Some(client)) = (&self.hint, &self.client) else { return false };
        hint.sub == app.subjects.subject(client, signed_in.user.id)
            && hint.sid == Some(app.subjects.session(client, signed_in.sign_in.session_id))
    }

    /// As the person is told of the app: an app that nobody vouches for by its host, since it could give itself any name.
    fn app(&self) -> Option<String> {
        let client = self.client.as_ref()?;
        if client.is_vouched_for() {
            return Some(client.registration.name.clone());
        }
        let home = client.metadata_url.as_deref().or(self.back.as_deref())?;
        redirect_uri::is_on_the_web(home).then(|| redirect_uri::host_for_people(home))
    }

    /// Nobody is signed in any more. Without a hint that is told on a page, on which the way back is the person's to
    /// choose (RP-Initiated Logout §3).
    fn done(&self) -> Response {
        match &self.back {
            Some(back) if self.hint.is_some() => Redirect::to(back).into_response(),
            back => logout::signed_out(self.app(), back.clone()).into_response(),
        }
    }
}

async fn find_client(app: &App, id: &str) -> Result<Option<Client>, Stop> {
    let Some(id) = identifier::row_id(id) else { return Ok(None) };
    let mut db = app.db.acquire().await?;
    let found = client::find(&mut db, id).await?;
    Ok(found.map(ClientWithSecrets::into_client).filter(Client::works))
}

fn back(params: &Params, client: Option<&Client>) -> Result<Option<String>, Stop> {
    let (uri, state) = (params.optional("post_logout_redirect_uri")?, params.optional("state")?);
    let Some(uri) = uri else { return Ok(None) };
    let client = client.ok_or(Stop::NoClient)?;
    if !client.may_return_to(uri) {
        return Err(Stop::UriMismatch { client: Box::new(client.clone()), asked: uri.to_owned() });
    }
    let state: Vec<_> = state.map(|state| ("state", state.to_owned())).into_iter().collect();
    Ok(Some(with_parameters(uri, &state)))
}

fn shown(parts: &Parts, stop: Stop) -> Response {
    let mut status = StatusCode::BAD_REQUEST;
    let (mut app, mut mismatch) = (None, None);
    let (sentence, description) = match stop {
        Stop::Failed(error) => return error.into_response(),
        Stop::Malformed(mut error) if error.code.status().is_server_error() => {
            let mut response = PageError::from(error.code.status()).into_response();
            if let Some(detail) = error.take_detail() {
                response.extensions_mut().insert(detail);
            }
            return response;
        }
        Stop::Malformed(error) => {
            status = error.code.status();
            ("The app sent a request that cannot be read.", error.description.into_owned())
        }
        Stop::UnknownClient => {
            ("This app is not registered here.", "client_id is unknown, or the client is disabled".to_owned())
        }
        Stop::OtherClient => (
            "The app showed what was given to another app.",
            "id_token_hint was issued to another client than client_id names".to_owned(),
        ),
        Stop::NoClient => (
            "The app did not show which one it is.",
            "post_logout_redirect_uri needs an id_token_hint of this server, or a client_id".to_owned(),
        ),
        Stop::UriMismatch { client, asked } => {
            mismatch = Some(Mismatch::new(&asked, &client.registration.post_logout_redirect_uris));
            app = Some(client.registration.name);
            (
                "The app wants to send you where it never said it would.",
                "post_logout_redirect_uri is not one that the client registered".to_owned(),
            )
        }
    };
    let request_id = parts.extensions.get::<RequestId>().map(|RequestId(id)| id.clone());
    let page = AuthorizeError {
        title: "This app could not sign you out",
        sentence: sentence.to_owned(),
        description,
        app,
        mismatch,
        code: "invalid_request",
        request_id: request_id.unwrap_or_default(),
        way_on: Some(Link::new("/logout", "Sign out here")),
    };
    Page::new(page).status(status).into_response()
}

impl From<OAuthError> for Stop {
    fn from(error: OAuthError) -> Self {
        Self::Malformed(error)
    }
}

impl From<PageError> for Stop {
    fn from(error: PageError) -> Self {
        Self::Failed(error)
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// A database failure inside keeps its meaning.
impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error.into())
    }
}
