//! What an app does with an access token: shows it to an API, asks about it, gives it up.

use crate::app::App;
use crate::pages::playground::call;
use crate::pages::playground::run::Run;
use crate::pages::playground::wire::Step;

pub async fn call_api(app: &App, run: &mut Run, token: &str) {
    let mut step = Step::new("Call the API", "The access token opens it, as far as its scopes go.");
    call::get(app, token, ("/v1/auth/test", &mut step)).await;
    run.push(step);
}

pub async fn ask_who(app: &App, run: &mut Run, token: &str) {
    let explanation = "Who has signed in, as far as the scopes go (OpenID Connect Core §5.3).";
    let mut step = Step::new("Ask who the person is", explanation);
    call::get(app, token, ("/oauth/userinfo", &mut step)).await;
    run.push(step);
}

pub async fn introspect(app: &App, run: &mut Run, token: String) {
    let mut step = Step::new("Introspect", "What the server knows of the access token (RFC 7662).");
    call::post(app, run, ("/oauth/introspect", &mut step), vec![("token", token)]).await;
    run.push(step);
}

/// Revoking a refresh token ends all of its grant; an access token goes alone (RFC 7009 §2.1).
pub async fn revoke(app: &App, run: &mut Run, token: String, explanation: &str) {
    let mut step = Step::new("Revoke", explanation);
    call::post(app, run, ("/oauth/revoke", &mut step), vec![("token", token)]).await;
    run.push(step);
}
