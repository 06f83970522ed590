//! Why an authorization request leads no further, and whom that is told (RFC 6749 §4.1.2.1).

use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::response::Response;
use chrono::TimeDelta;

use crate::app::App;
use crate::clients::client::Client;
use crate::gate::request_log::RequestId;
use crate::oauth::authorize::response::ReturnAddress;
use crate::oauth::authorize::response::denied;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::pages::authorize_error::AuthorizeError;
use crate::pages::authorize_error::Mismatch;
use crate::pages::error::PageError;
use crate::pages::page::Page;

const MISMATCH: &str = "redirect_uri is not one that the client registered";
const MISSING: &str = "redirect_uri is missing, and the client registered several";

/// Why the person is not asked, or not yet.
pub(in crate::oauth) enum Stop {
    // To be shown, never redirected: where the answer would go is not proven (RFC 6749 §4.1.2.1).
    Malformed(Box<OAuthError>),
    UnknownClient,
    /// The document of the client cannot be used.
    ClientDocument {
        url: String,
        why: String,
    },
    /// Too many new clients; how many seconds to wait.
    TooMany(i64),
    RedirectUriMismatch {
        client: Box<Client>,
        asked: String,
    },
    RedirectUriMissing {
        client: Box<Client>,
    },
    Failed(anyhow::Error),
    /// For the client.
    Answer {
        error: Box<OAuthError>,
        back: ReturnAddress,
    },
    /// To the sign-in, or a page of ours.
    Elsewhere(Box<Response>),
}

impl Stop {
    pub(super) fn from_sqlx(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }

    /// To the app where it may be told, to the person where not.
    pub(super) fn into_answer(self, app: &App, parts: &Parts) -> Response {
        match self {
            Self::Malformed(error) => {
                let sentence = match error.code {
                    ErrorCode::InvalidRequestUri => {
                        "What the app asked for has expired, or was answered before. Go back to the app and start again"
                    }
                    ErrorCode::InvalidRequestObject => {
                        "The app sent a signed request that cannot be accepted"
                    }
                    _ => "The app sent a request that cannot be read",
                };
                let page = AuthorizeError {
                    code: error.code.name(),
                    ..shown(parts, sentence, error.description.into_owned())
                };
                Page::new(page).status(error.code.status()).into_response()
            }
            Self::UnknownClient => {
                let description = "client_id is unknown, or the client is disabled. A client that registers itself \
                                   has to register again.";
                let sentence = "This app is not registered here, or not any more. If it was connected before, remove \
                                the connection in the app and add it again";
                let page = shown(parts, sentence, description.to_owned());
                Page::new(page).status(StatusCode::BAD_REQUEST).into_response()
            }
            Self::ClientDocument { url, why } => {
                let description = format!("{why}. The URL is {url}");
                let page = shown(parts, "What this app says of itself cannot be used", description);
                Page::new(page).status(StatusCode::BAD_REQUEST).into_response()
            }
            Self::TooMany(seconds) => {
                PageError::too_many_attempts(TimeDelta::seconds(seconds)).into_response()
            }
            Self::RedirectUriMismatch { client, asked } => {
                let registration = client.registration;
                let page = AuthorizeError {
                    app: Some(registration.name),
                    mismatch: Some(Mismatch::new(&asked, &registration.redirect_uris)),
                    ..shown(
                        parts,
                        "The app wants to send you where it never said it would",
                        MISMATCH.to_owned(),
                    )
                };
                Page::new(page).status(StatusCode::BAD_REQUEST).into_response()
            }
            Self::RedirectUriMissing { client } => {
                let page = AuthorizeError {
                    app: Some(client.registration.name),
                    ..shown(parts, "The app did not say where to send you", MISSING.to_owned())
                };
                Page::new(page).status(StatusCode::BAD_REQUEST).into_response()
            }
            Self::Failed(error) => PageError::from(error).into_response(),
            Self::Answer { error, back } => denied(&app.config.links, &back, *error),
            Self::Elsewhere(response) => *response,
        }
    }
}

impl From<OAuthError> for Stop {
    fn from(error: OAuthError) -> Self {
        Self::Malformed(Box::new(error))
    }
}

/// For a client that listens itself, and may be told everything.
impl From<Stop> for OAuthError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Malformed(error) | Stop::Answer { error, .. } => *error,
            Stop::RedirectUriMismatch { .. } => ErrorCode::InvalidRequest.because(MISMATCH),
            Stop::RedirectUriMissing { .. } => ErrorCode::InvalidRequest.because(MISSING),
            Stop::Failed(error) => error.into(),
            Stop::UnknownClient | Stop::ClientDocument { .. } | Stop::TooMany(_) | Stop::Elsewhere(_) => {
                ErrorCode::ServerError.because("something went wrong on the server's side")
            }
        }
    }
}

/// What a person sees of a request that must not be answered to the app.
fn shown(parts: &Parts, sentence: &str, description: String) -> AuthorizeError {
    let request_id = parts.extensions.get::<RequestId>().map(|RequestId(id)| id.clone());
    AuthorizeError {
        title: "This app cannot be connected",
        sentence: format!("{sentence}."),
        description,
        app: None,
        mismatch: None,
        code: "invalid_request",
        request_id: request_id.unwrap_or_default(),
        way_on: None,
    }
}
