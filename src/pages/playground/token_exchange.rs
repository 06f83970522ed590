//! Token exchange (RFC 8693): an app gives an agent a token of the agent's own.

use crate::app::App;
use crate::clients::registration::TOKEN_EXCHANGE;
use crate::pages::playground::call;
use crate::pages::playground::call::TOKEN;
use crate::pages::playground::run::Run;
use crate::pages::playground::wire::Step;
use crate::scopes::Scopes;

/// RFC 8693 §3.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// `label` is under what the person finds it among their connected apps.
pub async fn pass_on(app: &App, run: &mut Run, access_token: String, (scopes, label): (&Scopes, &str)) {
    let mut step = Step::new(
        "Pass a part on",
        "The app shows its own access token, and gets another with less in it. The person finds the agent under the \
         app, among their connected apps, and can take its access away alone.",
    );
    let mut form = vec![
        ("grant_type", TOKEN_EXCHANGE.to_owned()),
        ("subject_token", access_token),
        ("subject_token_type", ACCESS_TOKEN.to_owned()),
    ];
    if !scopes.is_empty() {
        form.push(("scope", scopes.to_string()));
    }
    if !label.is_empty() {
        form.push(("label", label.to_owned()));
    }
    let answer = call::post(app, run, (TOKEN, &mut step), form).await;
    if let Some(token) = answer["access_token"].as_str() {
        step.decode("The agent's access_token", token);
        run.agent_token = Some(token.to_owned());
    }
    run.push(step);
}
