//! The authorization code grant (RFC 6749 §4.1) with PKCE (RFC 7636), its request in the browser's address or pushed
//! (RFC 9126).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::form_urlencoded;

use crate::app::App;
use crate::base::secret::sha256;
use crate::clients::registration::AUTHORIZATION_CODE;
use crate::pages::playground;
use crate::pages::playground::call;
use crate::pages::playground::call::TOKEN;
use crate::pages::playground::run::Run;
use crate::pages::playground::wire::Step;
use crate::scopes::OPENID;
use crate::scopes::Scopes;

const AUTHORIZE: &str = "/oauth/authorize";

type Parameters = Vec<(&'static str, String)>;

/// Makes the authorization request, and tells what each part of it is for.
pub fn ask(app: &App, run: &mut Run, scopes: &Scopes) {
    prepare(run);
    let request = request(app, run, scopes);
    send_browser(app, run, &request);
}

/// The request goes to the server first, and the browser gets only a reference to it.
pub async fn push(app: &App, run: &mut Run, scopes: &Scopes) {
    prepare(run);
    let mut step = Step::new(
        "Push",
        "The app hands its request over itself, and gets a reference to it. That holds for a minute and a half.",
    );
    let request = request(app, run, scopes);
    explain(&mut step, &request);
    let answer = call::post(app, run, ("/oauth/par", &mut step), request).await;
    run.push(step);
    if let Some(request_uri) = answer["request_uri"].as_str() {
        let request = [("client_id", run.client_id.clone()), ("request_uri", request_uri.to_owned())];
        send_browser(app, run, &request);
    }
}

fn prepare(run: &mut Run) {
    let mut step = Step::new(
        "Prepare",
        "Random values, made for this run alone. A real app keeps them in its own session.",
    );
    step.parameter(
        "code_verifier",
        &run.verifier,
        "The secret of PKCE (RFC 7636). It stays with the app until the code is exchanged.",
    );
    step.parameter(
        "code_challenge",
        &challenge(run),
        "The SHA-256 of it in base64url. It goes along now; whoever sees it cannot find the verifier.",
    );
    step.parameter("state", &run.state, "Comes back unchanged, so that the app knows its own request.");
    run.push(step);
}

fn request(app: &App, run: &Run, scopes: &Scopes) -> Parameters {
    let mut parameters = vec![
        ("response_type", "code".to_owned()),
        ("client_id", run.client_id.clone()),
        ("redirect_uri", playground::redirect_uri(app)),
        ("state", run.state.clone()),
        ("code_challenge", challenge(run)),
        ("code_challenge_method", "S256".to_owned()),
    ];
    if !scopes.is_empty() {
        parameters.push(("scope", scopes.to_string()));
    }
    if scopes.contains(OPENID) {
        parameters.push(("nonce", run.nonce.clone()));
    }
    parameters
}

fn challenge(run: &Run) -> String {
    URL_SAFE_NO_PAD.encode(sha256(run.verifier.as_bytes()))
}

fn send_browser(app: &App, run: &mut Run, request: &[(&'static str, String)]) {
    let mut step = Step::new("Ask", "The app sends the browser to this address.");
    step.request("GET", &app.config.links.to(AUTHORIZE), request);
    explain(&mut step, request);
    run.push(step);
    let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(request).finish();
    run.consent_url = Some(format!("{AUTHORIZE}?{query}"));
}

fn explain(step: &mut Step, request: &[(&'static str, String)]) {
    for (name, value) in request {
        step.parameter(name, value, meaning(name));
    }
}

fn meaning(parameter: &str) -> &'static str {
    match parameter {
        "response_type" => "The answer is to be a code. Nothing else is offered.",
        "client_id" => "Which app asks.",
        "redirect_uri" => "Where the answer goes. The app has registered exactly this address.",
        "scope" => "What the app wants to be able to do. The person may allow less.",
        "state" => "From above.",
        "nonce" => {
            "Random, too. Comes back in the ID token, so that nobody can slip in one of another sign-in."
        }
        "code_challenge" => "From above: only who has the verifier can use the code.",
        "code_challenge_method" => "How the challenge was made. plain is refused.",
        "request_uri" => "The reference to all the rest.",
        _ => "",
    }
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
        run.consent_url = None;
    }
    run.push(step);
}

pub async fn exchange(app: &App, run: &mut Run, code: String) {
    let mut step =
        Step::new("Exchange the code", "The app shows the code and the verifier, and gets tokens.");
    let form = vec![
        ("grant_type", AUTHORIZATION_CODE.to_owned()),
        ("code", code),
        ("redirect_uri", playground::redirect_uri(app)),
        ("code_verifier", run.verifier.clone()),
    ];
    let answer = call::post(app, run, (TOKEN, &mut step), form).await;
    run.keep_tokens(step, &answer);
}
