//! The device authorization grant (RFC 8628).

use serde::Deserialize;
use serde::Serialize;

use crate::app::App;
use crate::clients::registration::DEVICE_CODE;
use crate::pages::playground::call;
use crate::pages::playground::call::TOKEN;
use crate::pages::playground::run::Run;
use crate::pages::playground::wire::Step;
use crate::scopes::Scopes;

/// What a device keeps of the answer (RFC 8628 §3.2).
#[derive(Clone, Serialize, Deserialize)]
pub struct Codes {
    device_code: String,
    pub user_code: String,
    pub verification_uri: String,
    pub verification_uri_complete: String,
}

pub async fn ask(app: &App, run: &mut Run, scopes: &Scopes) {
    let mut step =
        Step::new("Ask for codes", "The device gets one code for itself, and one to show to its person.");
    let mut form = Vec::new();
    if !scopes.is_empty() {
        form.push(("scope", scopes.to_string()));
    }
    let answer = call::post(app, run, ("/oauth/device_authorization", &mut step), form).await;
    run.device = serde_json::from_value(answer).ok();
    run.push(step);
}

/// A real device does it by itself, every `interval` seconds, until there is another answer than "not yet".
pub async fn poll(app: &App, run: &mut Run, codes: Codes) {
    let mut step = Step::new("Ask for the token", "");
    let form = vec![("grant_type", DEVICE_CODE.to_owned()), ("device_code", codes.device_code)];
    let answer = call::post(app, run, (TOKEN, &mut step), form).await;
    let (explanation, is_over) = match answer["error"].as_str() {
        Some("authorization_pending") => {
            ("The person has not decided yet: the device asks again later.", false)
        }
        Some("slow_down") => ("That was too soon: from now on the device waits 5 seconds longer.", false),
        Some("access_denied") => ("The person has refused.", true),
        Some("expired_token") => ("The person took too long: the device needs new codes.", true),
        Some("invalid_grant") => ("The person has taken it back at once.", true),
        _ if answer["access_token"].is_string() => ("The person has allowed it: here are the tokens.", true),
        _ => ("That is no answer: the device tries again later.", false),
    };
    explanation.clone_into(&mut step.explanation);
    if is_over {
        run.device = None;
    }
    run.keep_tokens(step, &answer);
}
