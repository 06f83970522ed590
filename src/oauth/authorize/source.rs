//! Where the parameters of an authorization request are: in the URL itself, in what the client pushed before (RFC 9126),
//! or in an object that it signed (RFC 9101). Once they are found they are judged alike.
//!
//! Of a URL that refers to other parameters nothing else counts but `client_id` (RFC 9101 §6.3): not even a redirect
//! URI, so what is wrong with the reference is shown to the person.

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::clients::client::Client;
use crate::grants::pending_request;
use crate::grants::pending_request::NewRequest;
use crate::grants::pending_request::ObjectId;
use crate::grants::pending_request::PendingRequest;
use crate::oauth::authorize::request_object;
use crate::oauth::authorize::request_object::RequestObject;
use crate::oauth::authorize::stop::Stop;
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
    pub is_signed: bool,
    /// `None` if it stands in the URL, or is only being pushed.
    pub pending: Option<PendingRequest>,
    /// Of a request object that is being pushed.
    pub object_id: Option<ObjectId>,
    /// What is wrong with it as a whole, for the client.
    pub fault: Option<OAuthError>,
}

impl Source {
    const fn plain(params: Params) -> Self {
        Self { params, is_pushed: false, is_signed: false, pending: None, object_id: None, fault: None }
    }

    fn signed(object: RequestObject) -> Self {
        let RequestObject { params, id, fault } = object;
        Self { is_signed: true, object_id: id, fault, ..Self::plain(params) }
    }

    fn pending(pending: PendingRequest) -> Result<Self, OAuthError> {
        let params = Params::parse(pending.parameters.as_bytes())?;
        Ok(Self { is_signed: pending.is_signed, pending: Some(pending), ..Self::plain(params) })
    }

    /// Of a URL that a browser comes with.
    pub(super) async fn of_url(
        app: &App,
        client: &Client,
        url: &Params,
        now: Timestamp,
    ) -> Result<Self, Stop> {
        match (url.optional("request_uri")?, url.optional("request")?) {
            (None, None) => Ok(Self::plain(url.clone())),
            (Some(request_uri), None) => Self::of_request_uri(app, client, request_uri, now).await,
            (None, Some(object)) => Self::of_object(app, client, object, now).await,
            (Some(_), Some(_)) => {
                Err(ErrorCode::InvalidRequest.because("request and request_uri exclude each other").into())
            }
        }
    }

    async fn of_request_uri(
        app: &App,
        client: &Client,
        request_uri: &str,
        now: Timestamp,
    ) -> Result<Self, Stop> {
        if !pending_request::is_ours(request_uri) {
            return Err(ErrorCode::RequestUriNotSupported
                .because("the server fetches no request; it takes a request_uri that it gave itself")
                .into());
        }
        let mut db = app.db.acquire().await.map_err(Stop::from_sqlx)?;
        let pending = pending_request::begin(&mut db, client.id, &Secret::new(request_uri), now)
            .await
            .map_err(Stop::from_sqlx)?
            .ok_or_else(|| Stop::from(gone()))?;
        Ok(Self { is_pushed: true, ..Self::pending(pending)? })
    }

    /// What was in order when a browser came with it first stays so until it is answered.
    async fn of_object(app: &App, client: &Client, object: &str, now: Timestamp) -> Result<Self, Stop> {
        let key = Secret::new(object);
        let mut db = app.db.acquire().await.map_err(Stop::from_sqlx)?;
        let begun = pending_request::begin(&mut db, client.id, &key, now).await.map_err(Stop::from_sqlx)?;
        if let Some(pending) = begun {
            return Ok(Self::pending(pending)?);
        }
        // The client's keys may have to be fetched first; nobody should have to wait for a connection meanwhile.
        drop(db);
        let mut source = Self::signed(request_object::read(app, client, object, now).await?);
        if source.fault.is_none() {
            let parameters = source.params.to_query(&[]);
            let new = NewRequest { client: client.id, parameters: &parameters, is_signed: true };
            let mut db = app.db.acquire().await.map_err(Stop::from_sqlx)?;
            let kept = pending_request::keep(&mut db, &key, new, source.object_id.as_ref(), now).await;
            source.pending = Some(kept.map_err(Stop::from_sqlx)?);
        }
        Ok(source)
    }

    /// Of a form that the client pushes.
    pub(in crate::oauth) async fn of_push(
        app: &App,
        client: &Client,
        form: &Params,
        now: Timestamp,
    ) -> Result<Self, OAuthError> {
        if form.optional("request_uri")?.is_some() {
            // RFC 9126 §2.1
            return Err(ErrorCode::InvalidRequest.because("a pushed request cannot refer to another one"));
        }
        let source = match form.optional("request")? {
            None => Self::plain(form.without(&PROOFS)),
            Some(object) => Self::signed(request_object::read(app, client, object, now).await?),
        };
        Ok(Self { is_pushed: true, ..source })
    }

    /// What is said to whoever comes second.
    pub(super) fn used_up(&self) -> OAuthError {
        if self.is_pushed { gone() } else { request_object::used_up() }
    }
}

/// For every cause, so that nobody learns what others have pushed.
fn gone() -> OAuthError {
    ErrorCode::InvalidRequestUri
        .because("request_uri is unknown or another client's, has expired, or was used before")
}
