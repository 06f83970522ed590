//! `GET /openapi.json`: the document that describes `/v1` and `/api/auth`, made from the handlers themselves.
//!
//! A handler says in `#[utoipa::path]` what is its own: address, parameters, bodies, and the refusals that only it
//! gives. What holds for all of them stands once, in `rules`.

mod errors;
mod rules;
mod schemas;

use std::sync::LazyLock;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa::openapi::ServerBuilder;

use crate::api::access_log;
use crate::api::api_keys;
use crate::api::audit_log;
use crate::api::auth_test;
use crate::api::clients;
use crate::api::credits;
use crate::api::grants;
use crate::api::invitations;
use crate::api::ip_allowlist;
use crate::api::members;
use crate::api::organization;
use crate::api::profile;
use crate::api::session;
use crate::api::verify;
use crate::api::webhooks;
use crate::app::App;
use crate::app::links::Links;

const DESCRIPTION: &str = include_str!("description.md");

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Countersign", description = DESCRIPTION),
    paths(
        auth_test::get,
        verify::ask,
        profile::get,
        api_keys::list,
        api_keys::create,
        api_keys::get,
        api_keys::update,
        api_keys::delete,
        api_keys::rotate,
        ip_allowlist::get,
        ip_allowlist::replace,
        organization::get,
        organization::update,
        organization::leave,
        members::list,
        members::update,
        members::delete,
        members::transfer_ownership,
        invitations::list,
        invitations::create,
        invitations::get,
        invitations::delete,
        invitations::resend,
        credits::list,
        credits::debit,
        credits::grant,
        access_log::list,
        audit_log::list,
        clients::list,
        clients::create,
        clients::get,
        clients::update,
        clients::delete,
        clients::secrets::create,
        clients::secrets::delete,
        webhooks::list,
        webhooks::create,
        webhooks::get,
        webhooks::update,
        webhooks::delete,
        webhooks::rotate,
        webhooks::deliveries::test,
        webhooks::deliveries::list,
        webhooks::deliveries::redeliver,
        grants::list,
        grants::delete,
        session::register,
        session::login,
        session::refresh,
        session::me,
        session::logout,
    ),
)]
struct Handlers;

/// Under which headings people find the calls, with the files that these are in.
const HEADINGS: &[(&str, &str, &[&str])] = &[
    ("Caller", "Who asks", &["auth_test", "profile"]),
    ("Forward-auth", "For a proxy in front of any API", &["verify"]),
    ("API keys", "Static credentials of the organization", &["api_keys"]),
    ("Clients", "OAuth apps of the organization", &["clients", "clients::secrets"]),
    ("Grants", "What people have allowed apps to do", &["grants"]),
    (
        "Organization",
        "The tenant: its members, who is invited, and its credits",
        &["organization", "members", "invitations", "credits"],
    ),
    ("IP allowlist", "From where the organization's credentials may be used", &["ip_allowlist"]),
    ("Logs", "Who asked what, and who changed what", &["access_log", "audit_log"]),
    (
        "Webhooks",
        "Addresses that hear of what happens, what was sent to them, and what was answered",
        &["webhooks", "webhooks::deliveries"],
    ),
    ("Session", "People who sign in, for a front end of your own", &["session"]),
];

/// Of every server: making it takes longer than sending it.
static HANDLERS: LazyLock<OpenApi> = LazyLock::new(|| {
    let mut document = Handlers::openapi();
    document.info.license = None;
    rules::apply(&mut document);
    document
});

/// The document of one server.
pub fn document(links: &Links) -> OpenApi {
    let mut document = HANDLERS.clone();
    document.servers = Some(vec![ServerBuilder::new().url(links.issuer()).build()]);
    document
}

pub async fn get(State(app): State<App>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(document(&app.config.links)))
}
