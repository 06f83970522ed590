//! Every URL of the server, in one table.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use axum::routing::delete;
use axum::routing::get;
use axum::routing::patch;
use axum::routing::post;

use crate::api;
use crate::app::App;
use crate::gate::caller;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::idempotency;
use crate::gate::rate_limit;
use crate::gate::request_log;
use crate::oauth;
use crate::oauth::register::management;
use crate::pages;
use crate::pages::admin;
use crate::pages::error::PageError;
use crate::pages::playground;
use crate::pages::settings;
use crate::pages::settings::developer;
use crate::pages::settings::organization as page;
use crate::pages::settings::webhooks;
use crate::server::health;
use crate::server::layers;

pub fn router(app: App) -> Router {
    let base_path = app.config.links.base_path().to_owned();
    let faces = Router::new()
        .merge(programs(&app))
        .merge(people(&app))
        .nest("/v1", credential_api(&app))
        // Nested routes do not reach this one.
        .route(
            "/v1/",
            any(async || ApiError::not_found()).layer(from_fn_with_state(app.clone(), caller::identify)),
        )
        .route(
            "/leaked-keys",
            post(api::leaked_keys::report)
                .fallback(async || ApiErrorCode::MethodNotAllowed.because("This address takes POST"))
                .layer(from_fn_with_state(app.clone(), layers::catch_up)),
        )
        .nest("/api/auth", session_api(&app))
        .merge(documents());
    // An issuer with a path: behind a proxy that strips it, and behind one that does not.
    // Either way what pages say of addresses gets the path in front.
    let (faces, at_issuer, forward_auth_at_issuer) = if base_path.is_empty() {
        (faces, Router::new(), Router::new())
    } else {
        let faces = faces.layer(from_fn_with_state(app.clone(), layers::issuer_path));
        let forward_auth = Router::new().nest(&base_path, forward_auth());
        (faces.clone(), Router::new().nest(&base_path, faces), forward_auth)
    };
    Router::new()
        .merge(faces)
        .merge(at_issuer)
        .merge(well_known(&base_path))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .fallback_service(elsewhere(&app))
        .layer(DefaultBodyLimit::max(layers::MAX_BODY))
        .layer(from_fn(layers::read_body))
        // Behind the layers above: no body is read.
        .merge(forward_auth())
        .merge(forward_auth_at_issuer)
        .layer(from_fn_with_state(app.clone(), request_log::log))
        .with_state(app)
}

/// A page for every address that is none.
fn elsewhere(app: &App) -> Router {
    Router::new()
        .fallback(async || PageError::not_found())
        .layer(from_fn_with_state(app.clone(), pages::headers::security_headers))
        .with_state(app.clone())
}

/// RFC 8414 §3.1 puts an issuer's path behind the well-known one, OpenID Connect before it; RFC 9728 §3.1 puts any path
/// there that a resource has.
fn well_known(base_path: &str) -> Router<App> {
    let server = || get(oauth::metadata::authorization_server);
    let mut router = Router::new();
    for name in ["oauth-authorization-server", "openid-configuration"] {
        router = router.route(&format!("/.well-known/{name}"), server());
        if !base_path.is_empty() {
            router = router
                .route(&format!("/.well-known/{name}{base_path}"), server())
                .route(&format!("{base_path}/.well-known/{name}"), server());
        }
    }
    for path in ["", "/", "/{*path}"] {
        let path = format!("/.well-known/oauth-protected-resource{path}");
        router = router.route(&path, get(oauth::protected_resource::get));
    }
    router.layer(layers::cors())
}

fn programs(app: &App) -> Router<App> {
    let secure = || from_fn_with_state(app.clone(), oauth::require_secure);
    let open_to_scripts = Router::new()
        .route("/oauth/par", post(oauth::par::post).layer(secure()))
        .route("/oauth/device_authorization", post(oauth::device::post).layer(secure()))
        .route("/oauth/token", post(oauth::token::post).layer(secure()))
        // Over plain HTTP, too: a token that was sent that way by mistake should be revoked (RFC 7009 §2).
        .route(
            "/oauth/revoke",
            post(oauth::revoke::post).layer(from_fn_with_state(app.clone(), layers::catch_up)),
        )
        .route("/oauth/userinfo", get(oauth::userinfo::get).post(oauth::userinfo::post).layer(secure()))
        .route("/oauth/jwks", get(oauth::jwks::get))
        .method_not_allowed_fallback(oauth::method_not_allowed)
        .layer(layers::cors());
    Router::new()
        .route("/oauth/introspect", post(oauth::introspect::post).layer(secure()))
        .method_not_allowed_fallback(oauth::method_not_allowed)
        .merge(open_to_scripts)
        .merge(registration(app))
}

fn registration(app: &App) -> Router<App> {
    let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
    Router::new()
        .route("/oauth/register", post(oauth::register::post))
        .route(
            "/oauth/register/{client_id}",
            get(management::get).put(management::put).delete(management::delete),
        )
        .method_not_allowed_fallback(oauth::method_not_allowed)
        .layer(from_fn_with_state(app.clone(), layers::catch_up))
        .layer(layers::cors().allow_methods(methods))
}

fn credential_api(app: &App) -> Router<App> {
    Router::new()
        .route("/auth/test", get(api::auth_test::get))
        .route("/profile", get(api::profile::get))
        .route("/api-keys", get(api::api_keys::list).post(api::api_keys::create))
        .route(
            "/api-keys/{id}",
            get(api::api_keys::get).patch(api::api_keys::update).delete(api::api_keys::delete),
        )
        .route("/api-keys/{id}/rotate", post(api::api_keys::rotate))
        .route("/clients", get(api::clients::list).post(api::clients::create))
        .route(
            "/clients/{id}",
            get(api::clients::get).patch(api::clients::update).delete(api::clients::delete),
        )
        .route("/clients/{id}/secrets", post(api::clients::secrets::create))
        .route("/clients/{id}/secrets/{secret_id}", delete(api::clients::secrets::delete))
        .route("/organization/ip-allowlist", get(api::ip_allowlist::get).put(api::ip_allowlist::replace))
        .route("/access-log", get(api::access_log::list))
        .route("/audit-log", get(api::audit_log::list))
        .route("/grants", get(api::grants::list))
        .route("/grants/{id}", delete(api::grants::delete))
        .merge(organization())
        .merge(webhooks_api())
        .fallback(async || ApiError::not_found())
        .method_not_allowed_fallback(async || {
            ApiErrorCode::MethodNotAllowed.because("This address takes another method")
        })
        .layer(from_fn_with_state(app.clone(), layers::catch_up))
        .layer(from_fn_with_state(app.clone(), idempotency::repeat))
        .layer(from_fn_with_state(app.clone(), caller::identify))
}

/// Any method, and a body that is not waited for: a proxy may announce one that it does not send.
fn forward_auth() -> Router<App> {
    let by_path = || any(api::verify::ask_by_path);
    Router::new()
        .route(api::verify::PATH, any(api::verify::ask))
        .route(&format!("{}/", api::verify::PATH), by_path())
        .route(&format!("{}/{{*path}}", api::verify::PATH), by_path())
}

fn webhooks_api() -> Router<App> {
    Router::new()
        .route("/webhooks", get(api::webhooks::list).post(api::webhooks::create))
        .route(
            "/webhooks/{id}",
            get(api::webhooks::get).patch(api::webhooks::update).delete(api::webhooks::delete),
        )
        .route("/webhooks/{id}/rotate", post(api::webhooks::rotate))
        .route("/webhooks/{id}/test", post(api::webhooks::deliveries::test))
        .route("/webhooks/{id}/deliveries", get(api::webhooks::deliveries::list))
        .route(
            "/webhooks/{id}/deliveries/{delivery_id}/redeliver",
            post(api::webhooks::deliveries::redeliver),
        )
}

fn session_api(app: &App) -> Router<App> {
    Router::new()
        .route("/register", post(api::session::register))
        .route("/login", post(api::session::login))
        .route("/refresh", post(api::session::refresh))
        .route("/me", get(api::session::me))
        .route("/logout", post(api::session::logout))
        .fallback(async || ApiError::not_found().upper_case())
        .method_not_allowed_fallback(async || {
            ApiErrorCode::MethodNotAllowed.because("This address takes another method").upper_case()
        })
        .layer(from_fn_with_state(app.clone(), layers::catch_up))
        .layer(from_fn_with_state(app.clone(), rate_limit::count_address))
        .layer(from_fn_with_state(app.clone(), caller::require_secure))
}

/// What tells programs of the JSON interfaces, those of any origin.
fn documents() -> Router<App> {
    Router::new().route("/openapi.json", get(api::openapi::get)).layer(layers::cors())
}

fn organization() -> Router<App> {
    Router::new()
        .route("/organization", get(api::organization::get).put(api::organization::update))
        .route("/organization/leave", post(api::organization::leave))
        .route("/organization/members", get(api::members::list))
        .route("/organization/members/{user_id}", patch(api::members::update).delete(api::members::delete))
        .route("/organization/members/{user_id}/transfer-ownership", post(api::members::transfer_ownership))
        .route("/organization/invitations", get(api::invitations::list).post(api::invitations::create))
        .route("/organization/invitations/{id}", get(api::invitations::get).delete(api::invitations::delete))
        .route("/organization/invitations/{id}/resend", post(api::invitations::resend))
        .route("/organization/credits", get(api::credits::list))
        .route("/organization/credits/debit", post(api::credits::debit))
        .route("/organization/credits/grant", post(api::credits::grant))
}

fn people(app: &App) -> Router<App> {
    Router::new()
        .route("/oauth/authorize", get(oauth::authorize::get).post(oauth::authorize::post))
        .route("/oauth/logout", get(oauth::logout::get).post(oauth::logout::post))
        .route("/oauth/logout/confirm", post(oauth::logout::confirm))
        .route("/", get(pages::home::get))
        .route("/login", get(pages::login::get).post(pages::login::post))
        .route("/register", get(pages::register::get).post(pages::register::post))
        .route("/logout", get(pages::logout::get).post(pages::logout::post))
        .route("/device", get(pages::device::get).post(pages::device::post))
        .route("/docs", get(pages::docs::get))
        .route("/errors", get(pages::errors::list))
        .route("/errors/{code}", get(pages::errors::get))
        .route("/invitations/{token}", get(pages::invitation::get).post(pages::invitation::accept))
        .route("/invitations/{token}/register", post(pages::invitation::register))
        .merge(settings())
        .merge(own_organization())
        .merge(admin())
        .merge(playground(app.config.playground))
        .method_not_allowed_fallback(async || PageError::from(StatusCode::METHOD_NOT_ALLOWED))
        .layer(from_fn_with_state(app.clone(), layers::catch_up))
        .layer(layers::sessions(app))
        .layer(from_fn_with_state(app.clone(), pages::headers::require_secure))
        .layer(from_fn_with_state(app.clone(), pages::headers::security_headers))
        .route("/assets/style.css", get(pages::assets::style))
        .route("/assets/logo.svg", get(pages::assets::logo))
        .route("/docs/{name}", get(pages::docs::asset))
}

fn settings() -> Router<App> {
    Router::new()
        .route("/settings", get(settings::get))
        .route("/settings/api", get(settings::api::list).post(settings::api::create))
        .route("/settings/api/security", get(settings::security::get).post(settings::security::post))
        .route("/settings/api/{id}/rotate", get(settings::api::get_rotate).post(settings::api::rotate))
        .route("/settings/api/{id}/revoke", get(settings::api::get_revoke).post(settings::api::revoke))
        .route("/settings/apps", get(settings::apps::list))
        .route("/settings/apps/{id}/remove", get(settings::apps::get_remove).post(settings::apps::remove))
        .route(
            "/settings/apps/parts/{id}/remove",
            get(settings::passed_on::get_remove).post(settings::passed_on::remove),
        )
        .route("/settings/developer", get(developer::list))
        .route("/settings/developer/new", get(developer::new::get).post(developer::new::post))
        .route("/settings/developer/{id}", get(developer::own_app::get).post(developer::own_app::post))
        .route(
            "/settings/developer/{id}/delete",
            get(developer::own_app::get_delete).post(developer::own_app::delete),
        )
        .route("/settings/developer/{id}/secrets", post(developer::secrets::create))
        .route(
            "/settings/developer/{id}/secrets/{secret_id}/delete",
            get(developer::secrets::get_delete).post(developer::secrets::delete),
        )
        .route("/settings/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/settings/webhooks/{id}", get(webhooks::detail::get).post(webhooks::detail::update))
        .route("/settings/webhooks/{id}/enable", post(webhooks::detail::enable))
        .route("/settings/webhooks/{id}/disable", post(webhooks::detail::disable))
        .route("/settings/webhooks/{id}/test", post(webhooks::detail::test))
        .route(
            "/settings/webhooks/{id}/deliveries/{delivery_id}/redeliver",
            post(webhooks::detail::redeliver),
        )
        .route(
            "/settings/webhooks/{id}/rotate",
            get(webhooks::change::get_rotate).post(webhooks::change::rotate),
        )
        .route(
            "/settings/webhooks/{id}/delete",
            get(webhooks::change::get_delete).post(webhooks::change::delete),
        )
        .route("/settings/access-log", get(settings::access_log::list))
        .route("/settings/audit-log", get(settings::audit_log::list))
        .route("/settings/account", get(settings::account::get))
        .route("/settings/account/name", post(settings::account::change_name))
        .route("/settings/account/password", post(settings::account::change_password))
        .route("/settings/account/sessions/{id}/end", post(settings::account::end_session))
        .route("/settings/account/sessions/end-others", post(settings::account::end_other_sessions))
}

fn own_organization() -> Router<App> {
    Router::new()
        .route("/settings/switch", post(page::switch::post))
        .route("/settings/organization", get(page::get).post(page::rename))
        .route("/settings/organization/new", get(page::new::get).post(page::new::post))
        .route("/settings/organization/credits", get(page::credits::get))
        .route("/settings/organization/leave", get(page::departure::get).post(page::departure::post))
        .route("/settings/organization/members/{id}/role", post(page::members::change_role))
        .route(
            "/settings/organization/members/{id}/remove",
            get(page::members::get_remove).post(page::members::remove),
        )
        .route(
            "/settings/organization/members/{id}/transfer",
            get(page::members::get_transfer).post(page::members::transfer),
        )
        .route("/settings/organization/invitations", post(page::invitations::create))
        .route("/settings/organization/invitations/{id}/resend", post(page::invitations::resend))
        .route("/settings/organization/invitations/{id}/withdraw", post(page::invitations::withdraw))
}

fn admin() -> Router<App> {
    Router::new()
        .route("/admin", get(admin::get))
        .route("/admin/organizations", get(admin::organizations::get))
        .route("/admin/organizations/{id}", get(admin::organization::get))
        .route("/admin/organizations/{id}/plan", post(admin::organization::change_plan))
        .route("/admin/organizations/{id}/credits", post(admin::organization::move_credits))
        .route("/admin/organizations/{id}/operator", post(admin::organization::set_operator))
        .route(
            "/admin/organizations/{id}/suspend",
            get(admin::organization::get_suspend).post(admin::organization::suspend),
        )
        .route("/admin/organizations/{id}/resume", post(admin::organization::resume))
        .route("/admin/audit-log", get(admin::audit_log::get))
        .route("/admin/people", get(admin::people::get))
        .route(
            "/admin/people/{id}/superadmin",
            get(admin::people::get_superadmin).post(admin::people::superadmin),
        )
        .route("/admin/apps", get(admin::apps::get))
        .route("/admin/apps/{id}", post(admin::apps::change))
        .route("/admin/apps/{id}/delete", get(admin::apps::get_delete).post(admin::apps::delete))
        .route("/admin/keys", get(admin::keys::get))
        .route("/admin/keys/rotate", post(admin::keys::rotate))
        .route("/admin/keys/{id}/revoke", get(admin::keys::get_revoke).post(admin::keys::revoke))
}

fn playground(is_on: bool) -> Router<App> {
    if !is_on {
        return Router::new();
    }
    Router::new()
        .route("/playground", get(playground::get))
        .route("/playground/start", post(playground::start::post))
        .route("/playground/callback", get(playground::callback))
        .route("/playground/step", post(playground::step))
        .route("/playground/reset", post(playground::reset))
}
