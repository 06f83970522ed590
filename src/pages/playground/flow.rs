//! What a run can do next, and doing it.

use serde_json::Value;

use crate::app::App;
use crate::pages::error::PageError;
use crate::pages::playground;
use crate::pages::playground::call;
use crate::pages::playground::run::Run;
use crate::pages::playground::wire::Step;

const TOKEN: &str = "/oauth/token";

/// A button.
pub struct Action {
    pub value: &'static str,
    pub label: &'static str,
    pub hint: &'static str,
}

const fn action(value: &'static str, label: &'static str, hint: &'static str) -> Action {
    Action { value, label, hint }
}

const EXCHANGE: Action = action("exchange", "Exchange the code", "The code and the verifier, for tokens.");
const API: Action = action("api", "Call GET /v1/auth/test", "With the access token.");
const REFRESH: Action = action("refresh", "Refresh", "The refresh token, for a new pair.");
const RETRY: Action = action(
    "retry",
    "Use the previous refresh token",
    "As if the last answer was lost. Later, it counts as theft.",
);
const REPLAY: Action =
    action("replay", "Use the first refresh token", "Long replaced: everything that came of it is revoked.");
const EXCHANGE_AGAIN: Action =
    action("exchange", "Use the code again", "A code works once: everything that came of it is revoked.");
const INTROSPECT: Action = action("introspect", "Introspect", "What the server knows of the access token.");
const REVOKE: Action = action("revoke", "Revoke", "Ends the grant, with every token under it.");

/// In the order in which one would want them; the first is the obvious one.
pub fn actions(run: &Run) -> Vec<Action> {
    let has_token = run.access_token.is_some();
    let has_refreshed = run.refresh_tokens.len() > 1;
    let offered = [
        (run.code.is_some() && !has_token, EXCHANGE),
        (has_token, API),
        (!run.refresh_tokens.is_empty(), REFRESH),
        (has_refreshed, RETRY),
        (has_token && run.is_confidential, INTROSPECT),
        (has_token, REVOKE),
        (run.refresh_tokens.len() > 2, REPLAY),
        (run.code.is_some() && has_token, EXCHANGE_AGAIN),
    ];
    offered.into_iter().filter(|(is_offered, _)| *is_offered).map(|(_, action)| action).collect()
}

/// The browser is back, with a code or an error.
pub fn come_back(app: &App, run: &mut Run, parameters: &[(String, String)]) {
    let find =
        |name: &str| parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    let is_ours = find("state") == Some(run.state.as_str()) && find("iss") == Some(app.config.links.issuer());
    let explanation = match (is_ours, find("code")) {
        (false, _) => "state or iss is not what it should be: a real app would throw this answer away.",
        (true, Some(_)) => {
            "The browser came back with a code. state is the one from above, and iss is this server (RFC 9207)."
        }
        (true, None) => "The browser came back with an error instead of a code.",
    };
    let mut step = Step::new("Come back", explanation);
    let shown: Vec<(&str, String)> =
        parameters.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    step.request("GET", &playground::redirect_uri(app), &shown);
    if is_ours {
        run.code = find("code").map(str::to_owned);
        run.is_waiting = false;
    }
    run.push(step);
    forget_secret_if_over(run);
}

fn forget_secret_if_over(run: &mut Run) {
    if !run.is_waiting && actions(run).is_empty() {
        run.client_secret.clear();
    }
}

/// Does what a button stands for.
pub async fn act(app: &App, run: &mut Run, action: &str) -> Result<(), PageError> {
    let nothing = || PageError::bad_request("That step is not possible now.");
    let newest = run.refresh_tokens.last().cloned();
    match action {
        "exchange" => exchange_code(app, run, run.code.clone().ok_or_else(nothing)?).await,
        "refresh" => {
            let step = Step::new("Refresh", "The refresh token is used up, and answered with a new one.");
            refresh(app, run, step, newest.ok_or_else(nothing)?).await;
        }
        "retry" => {
            let previous = run.refresh_tokens.iter().rev().nth(1).cloned();
            let explanation = "Shortly after, and while its successor is unused, the same successor comes back: an \
                               answer was lost. Otherwise somebody has copied it, and the grant is revoked.";
            let step = Step::new("Use the previous refresh token", explanation);
            refresh(app, run, step, previous.ok_or_else(nothing)?).await;
        }
        "replay" => {
            let first = run.refresh_tokens.first().cloned();
            let explanation = "Its successor was used since, so two parties have it: the grant is revoked.";
            let step = Step::new("Use the first refresh token", explanation);
            refresh(app, run, step, first.ok_or_else(nothing)?).await;
        }
        "api" => call(app, run).await,
        "introspect" => about_token(app, run, "/oauth/introspect").await,
        "revoke" => about_token(app, run, "/oauth/revoke").await,
        _ => return Err(nothing()),
    }
    Ok(())
}

async fn exchange_code(app: &App, run: &mut Run, code: String) {
    let mut step =
        Step::new("Exchange the code", "The app shows the code and the verifier, and gets tokens.");
    let form = vec![
        ("grant_type", "authorization_code".to_owned()),
        ("code", code),
        ("redirect_uri", playground::redirect_uri(app)),
        ("code_verifier", run.verifier.clone()),
    ];
    let answer = call::post(app, run, (TOKEN, &mut step), form).await;
    keep_tokens(run, step, &answer);
}

async fn refresh(app: &App, run: &mut Run, mut step: Step, token: String) {
    let form = vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", token)];
    let answer = call::post(app, run, (TOKEN, &mut step), form).await;
    keep_tokens(run, step, &answer);
}

pub async fn client_credentials(app: &App, run: &mut Run) {
    let mut step = Step::new("Ask for a token", "The app proves who it is, and gets a token for itself.");
    let form = vec![("grant_type", "client_credentials".to_owned())];
    let answer = call::post(app, run, (TOKEN, &mut step), form).await;
    keep_tokens(run, step, &answer);
    forget_secret_if_over(run);
}

async fn call(app: &App, run: &mut Run) {
    let mut step = Step::new("Call the API", "The access token opens it, as far as its scopes go.");
    let token = run.access_token.clone().unwrap_or_default();
    call::get(app, &token, ("/v1/auth/test", &mut step)).await;
    run.push(step);
}

/// Introspection looks at the access token; revoking the refresh token ends all of the grant (RFC 7009 §2.1).
async fn about_token(app: &App, run: &mut Run, path: &'static str) {
    let access_token = run.access_token.clone().unwrap_or_default();
    let (title, explanation, token) = if path == "/oauth/revoke" {
        let token = run.refresh_tokens.last().cloned().unwrap_or(access_token);
        ("Revoke", "The grant ends, with every token under it. Call the API again to see it.", token)
    } else {
        ("Introspect", "What the server knows of the access token (RFC 7662).", access_token)
    };
    let mut step = Step::new(title, explanation);
    call::post(app, run, (path, &mut step), vec![("token", token)]).await;
    run.push(step);
}

fn keep_tokens(run: &mut Run, mut step: Step, answer: &Value) {
    if let Some(token) = answer["access_token"].as_str() {
        step.decode("access_token", token);
        run.access_token = Some(token.to_owned());
    }
    if let Some(token) = answer["refresh_token"].as_str()
        && run.refresh_tokens.last().is_none_or(|newest| newest != token)
    {
        run.refresh_tokens.push(token.to_owned());
    }
    run.push(step);
}
