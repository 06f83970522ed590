//! `POST /oauth/revoke` (RFC 7009).

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::json;
use sqlx::Connection;

use crate::app::App;
use crate::grants::access_token;
use crate::grants::generation;
use crate::grants::generation::Ending;
use crate::oauth::client_form::ClientForm;
use crate::oauth::error::Answer;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::signing::derived::Kind;

pub async fn post(State(app): State<App>, form: ClientForm) -> Response {
    match revoke(&app, &form).await {
        Ok(()) => ([(header::CACHE_CONTROL, "no-store")], Json(json!({}))).into_response(),
        Err(error) => Answer(error, &app.config.links).into_response(),
    }
}

/// An unknown token is as good as revoked (RFC 7009 §2.2). `token_type_hint` is not needed: what a token is,
/// it says itself.
async fn revoke(app: &App, form: &ClientForm) -> Result<(), OAuthError> {
    let ClientForm { client, params, act } = form;
    let token = params.required("token")?;
    params.optional("token_type_hint")?;
    let now = act.at;
    let keys = app.keys_that(|keys| keys.know(token)).await?;
    let mut db = app.db.acquire().await?;
    let foreign = || ErrorCode::UnauthorizedClient.because("the token was issued to another client");

    if let Some((grant, _)) = generation::find(&mut db, &keys, Kind::Refresh, token).await? {
        if grant.client_id != client.id {
            return Err(foreign());
        }
        // With its access tokens, as RFC 7009 §2.1 wants it.
        let mut tx = db.begin().await?;
        generation::revoke(&mut tx, &grant, Ending::Client, act).await?;
        tx.commit().await?;
    } else if let Some(claims) = access_token::read(&keys, app.config.links.issuer(), token, now) {
        if claims.client_id != client.identifier() {
            return Err(foreign());
        }
        access_token::revoke(&mut db, &claims).await?;
    }
    Ok(())
}
