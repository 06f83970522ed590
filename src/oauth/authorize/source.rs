//! Where the parameters of an authorization request are: in the URL itself, or in what the client pushed before
//! (RFC 9126). Once they are found they are judged alike.
//!
//! Of a URL that refers to other parameters nothing else counts but `client_id` (RFC 9101 §6.3): not even a redirect
//! URI, so what is wrong with the reference is shown to the person.

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::clients::client::Client;
use crate::grants::pending_request;
use crate::grants::pending_request::PendingRequest;
use crate::oauth::authorize::request::Stop;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;

/// The form in which a client pushes proves who it is; that is not part of the request.
const PROOFS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// What a request asks for, and how it came.
#[derive(Debug)]
pub(in crate::oauth) struct Source {
    pub params: Params,
    pub is_pushed: bool,
    /// `None` if it stands in the URL.
    pub pending: Option<PendingRequest>,
}

impl Source {
    /// Of a URL that a browser comes with.
    pub(super) async fn of_url(
        app: &App,
        client: &Client,
        url: &Params,
        now: Timestamp,
    ) -> Result<Self, Stop> {
        // Passing over it would pass over what the client wanted signed (RFC 9101 §5).
        if url.optional("request")?.is_some() {
            return Err(ErrorCode::InvalidRequest.because("request objects are not supported").into());
        }
        match url.optional("request_uri")? {
            Some(request_uri) => Self::pushed(app, client, request_uri, now).await,
            None => Ok(Self { params: url.clone(), is_pushed: false, pending: None }),
        }
    }

    async fn pushed(app: &App, client: &Client, request_uri: &str, now: Timestamp) -> Result<Self, Stop> {
        if !pending_request::is_ours(request_uri) {
            return Err(ErrorCode::RequestUriNotSupported
                .because("the server fetches no request; it takes a request_uri that it gave itself")
                .into());
        }
        let mut db = app.db.acquire().await.map_err(Stop::from_sqlx)?;
        let pending = pending_request::begin(&mut db, client.id, &Secret::new(request_uri), now)
            .await
            .map_err(Stop::from_sqlx)?
            .ok_or_else(|| Stop::from(used_up()))?;
        Ok(Self {
            params: Params::parse(pending.parameters.as_bytes())?,
            is_pushed: true,
            pending: Some(pending),
        })
    }

    /// Of a form that the client pushes.
    pub(in crate::oauth) fn of_push(form: &Params) -> Result<Self, OAuthError> {
        if form.optional("request_uri")?.is_some() {
            return Err(ErrorCode::InvalidRequest.because("a pushed request cannot refer to another one"));
        }
        if form.optional("request")?.is_some() {
            return Err(ErrorCode::InvalidRequest.because("request objects are not supported"));
        }
        Ok(Self { params: form.without(&PROOFS), is_pushed: true, pending: None })
    }
}

/// For every cause, so that nobody learns what others have pushed.
pub(super) fn used_up() -> OAuthError {
    ErrorCode::InvalidRequestUri
        .because("request_uri is unknown or another client's, has expired, or was used before")
}
