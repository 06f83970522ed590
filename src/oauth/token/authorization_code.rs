//! The authorization code grant (RFC 6749 §4.1.3, RFC 7636 §4.6).

use crate::app::App;
use crate::audit::act::Act;
use crate::clients::client::Client;
use crate::grants::generation;
use crate::grants::generation::Ending;
use crate::oauth::dpop;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use crate::oauth::resource;
use crate::oauth::token::Given;
use crate::oauth::token::TokenResponse;
use crate::oauth::token::answer_for;
use crate::protocol::exchange;
use crate::protocol::exchange::ExchangeRequest;
use crate::signing::derived::Kind;
use crate::signing::derived::Verdict;

pub(super) async fn exchange(
    app: &App,
    client: &Client,
    params: &Params,
    act: &Act,
    key: Option<&str>,
) -> Result<TokenResponse, OAuthError> {
    let code = params.required("code")?;
    let request = ExchangeRequest {
        client_id: client.id,
        code,
        redirect_uri: params.optional("redirect_uri")?,
        code_verifier: params.optional("code_verifier")?,
    };
    let now = act.at;
    let keys = app.keys_that(|keys| keys.know(code)).await?;
    let lifetimes = &client.registration.lifetimes;

    let mut lane = app.lanes.take().await?;
    let found = generation::find(&mut lane, &keys, Kind::Code, code).await;
    let found = lane.end(found)?;
    // Client, redirect URI, PKCE and the key come before the replay check, so that a stranger with a stolen code
    // cannot log its owner out.
    exchange::decide(request, found.as_ref().map(|(grant, _)| grant))?;
    let Some((grant, presented)) = found else {
        return Err(ErrorCode::InvalidGrant.because("the code is unknown"));
    };
    dpop::check_binding(client, &grant, presented, key)?;
    if grant.revoked_at.is_some() {
        return Err(ErrorCode::InvalidGrant.because("the grant was revoked"));
    }
    // It may have been taken out of the registration since: whoever listens there is trusted no more.
    if grant.redirect_uri.as_ref().is_some_and(|uri| !client.may_redirect_to(uri)) {
        return Err(ErrorCode::InvalidGrant.because("the client no longer has the redirect_uri of the code"));
    }
    let resources = resource::narrowed(params, &app.config, &grant.resources)?;
    let moved = match grant.judge(presented, lifetimes, now) {
        Verdict::Current if now >= grant.presentable_until(lifetimes) => {
            return Err(ErrorCode::InvalidGrant.because("the code has expired"));
        }
        Verdict::Current => {
            let bound_to = key.filter(|_| !client.registration.is_confidential());
            let mut lane = app.lanes.take().await?;
            let moved =
                generation::move_on(&mut lane, &grant, (keys.newest_token_key(), bound_to), now).await;
            lane.end(moved)?
        }
        Verdict::Retry | Verdict::Replay => None,
    };
    let Some(grant) = moved else {
        // Used before, or by another request a moment ago: two holders of one code.
        // Committed before the refusal: returning the error would take it back.
        let mut tx = app.db.begin().await?;
        generation::revoke(&mut tx, &grant, Ending::Replay, act).await?;
        tx.commit().await?;
        app.cache.catch_up().await;
        tracing::warn!(grant.id = %grant.id, client.id = %client.id, "a code was replayed: grant revoked");
        return Err(ErrorCode::InvalidGrant.because("the code was used before; its tokens are revoked"));
    };

    let nonce = grant.nonce.as_deref();
    let given = Given { grant: &grant, scopes: &grant.scopes, resources: &resources, key, nonce };
    answer_for(app, client, given, now).await
}
