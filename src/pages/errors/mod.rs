//! `GET /errors` and `GET /errors/{code}`: what an error means, its usual causes, and what to change.
//!
//! Every `error_uri` of the protocol endpoints points here (RFC 6749 §5.2).

pub mod api;
pub mod authorize;
pub mod register;
pub mod session;
pub mod token;

use askama::Template;
use axum::extract::Path;

use crate::pages::error::PageError;
use crate::pages::page::Page;

/// One error code, explained to the developer who has just met it.
pub struct Entry {
    pub code: &'static str,
    pub meaning: &'static str,
    pub place: &'static str,
    pub status: &'static str,
    /// Whether the same request can succeed later, in a sentence.
    pub retry: &'static str,
    pub causes: &'static [&'static str],
    pub steps: &'static [&'static str],
    pub example: &'static str,
    /// Empty where no standard defines the code.
    pub standard: &'static str,
}

struct Family {
    id: &'static str,
    title: &'static str,
    /// What the answers have in common.
    shape: &'static str,
    errors: &'static [Entry],
}

const FAMILIES: &[Family] = &[
    Family {
        id: "authorize",
        title: "Authorization endpoint",
        shape: "Sent back to the app's redirect URI as the parameters error, error_description, error_uri, state and iss.",
        errors: authorize::ERRORS,
    },
    Family {
        id: "token",
        title: "Token, revocation and introspection",
        shape: "JSON with error, error_description and error_uri. Some of these also come from the authorization endpoint.",
        errors: token::ERRORS,
    },
    Family {
        id: "register",
        title: "Registration of apps by themselves",
        shape: "JSON with error, error_description and error_uri.",
        errors: register::ERRORS,
    },
    Family {
        id: "api",
        title: "API",
        shape: "JSON with an error object: code, message and, where one field is to blame, field.",
        errors: api::ERRORS,
    },
    Family {
        id: "session",
        title: "Session API",
        shape: "JSON with an error object: code in upper case, and message.",
        errors: session::ERRORS,
    },
];

#[derive(Template)]
#[template(path = "pages/errors.html")]
pub struct Errors {
    families: &'static [Family],
}

pub async fn list() -> Page<Errors> {
    Page::new(Errors { families: FAMILIES })
}

#[derive(Template)]
#[template(path = "pages/error_code.html")]
pub struct ErrorCode {
    entry: &'static Entry,
}

/// In whatever case: the session API says its codes in capitals.
pub async fn get(Path(code): Path<String>) -> Result<Page<ErrorCode>, PageError> {
    let entry =
        FAMILIES.iter().flat_map(|family| family.errors).find(|entry| entry.code.eq_ignore_ascii_case(&code));
    let not_found = || PageError::not_found().way_on("/errors", "All error codes");
    Ok(Page::new(ErrorCode { entry: entry.ok_or_else(not_found)? }))
}
