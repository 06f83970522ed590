//! What a run can do next, and doing it.

use crate::app::App;
use crate::pages::error::PageError;
use crate::pages::form::Form;
use crate::pages::playground;
use crate::pages::playground::access_token;
use crate::pages::playground::authorization_code;
use crate::pages::playground::device_code;
use crate::pages::playground::refresh_token;
use crate::pages::playground::run::Run;
use crate::pages::playground::token_exchange;
use crate::scopes::OPENID;

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
const POLL: Action = action("poll", "Ask for the token", "With the device's own code, as often as it takes.");
const API: Action = action("api", "Call GET /v1/auth/test", "With the access token.");
const USERINFO: Action = action("userinfo", "Call GET /oauth/userinfo", "Who the person is.");
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
const API_AS_AGENT: Action = action("api_as_agent", "Call the API as the agent", "With the agent's token.");
const REVOKE_AGENT: Action =
    action("revoke_agent", "Revoke the agent's token", "It alone: the app's own goes on.");
const INTROSPECT: Action = action("introspect", "Introspect", "What the server knows of the access token.");
const REVOKE: Action = action("revoke", "Revoke", "Ends the grant, with every token under it.");
const REVOKE_TOKEN: Action = action("revoke", "Revoke", "The access token, which is all there is.");

/// In the order in which one would want them; the first is the obvious one.
pub fn actions(run: &Run) -> Vec<Action> {
    let has_token = run.access_token.is_some();
    let has_agent = run.agent_token.is_some();
    let is_refreshed = !run.refresh_tokens.is_empty();
    let offered = [
        (run.device.is_some(), POLL),
        (run.code.is_some() && !has_token, EXCHANGE),
        (has_agent, API_AS_AGENT),
        (has_token, API),
        (has_token && run.granted(OPENID), USERINFO),
        (is_refreshed, REFRESH),
        (run.refresh_tokens.len() > 1, RETRY),
        (has_token && run.is_confidential, INTROSPECT),
        (has_agent, REVOKE_AGENT),
        (is_refreshed, REVOKE),
        (has_token && !is_refreshed, REVOKE_TOKEN),
        (run.refresh_tokens.len() > 2, REPLAY),
        (run.code.is_some() && has_token, EXCHANGE_AGAIN),
    ];
    offered.into_iter().filter(|(is_offered, _)| *is_offered).map(|(_, action)| action).collect()
}

/// Does what a button stands for.
pub async fn act(app: &App, run: &mut Run, posted: &Form) -> Result<(), PageError> {
    let nothing = || PageError::bad_request("That step is not possible now.");
    let token = run.access_token.clone().ok_or_else(nothing);
    let agent_token = run.agent_token.clone().ok_or_else(nothing);
    let mut refresh_tokens = run.refresh_tokens.clone().into_iter();
    match posted.one("step")? {
        "exchange" => authorization_code::exchange(app, run, run.code.clone().ok_or_else(nothing)?).await,
        "poll" => device_code::poll(app, run, run.device.clone().ok_or_else(nothing)?).await,
        "refresh" => refresh_token::refresh(app, run, refresh_tokens.next_back().ok_or_else(nothing)?).await,
        "retry" => refresh_token::retry(app, run, refresh_tokens.nth_back(1).ok_or_else(nothing)?).await,
        "replay" => refresh_token::replay(app, run, refresh_tokens.next().ok_or_else(nothing)?).await,
        "pass_on" if run.may_pass_on => {
            let part = (&playground::ticked(posted)?, posted.one("label")?.trim());
            token_exchange::pass_on(app, run, token?, part).await;
        }
        "api" => access_token::call_api(app, run, &token?).await,
        "api_as_agent" => access_token::call_api(app, run, &agent_token?).await,
        "userinfo" => access_token::ask_who(app, run, &token?).await,
        "introspect" => access_token::introspect(app, run, token?).await,
        "revoke" => {
            let token = refresh_tokens.next_back().map_or(token, Ok)?;
            let explanation = "What was issued is dead at once. Call the API again to see it.";
            access_token::revoke(app, run, token, explanation).await;
        }
        "revoke_agent" => {
            let explanation =
                "The agent's token is dead, and the app's own is not. Call the API with each to see it.";
            access_token::revoke(app, run, agent_token?, explanation).await;
        }
        _ => return Err(nothing()),
    }
    Ok(())
}
