//! One run of the playground: what a real app would keep, and what has happened so far.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use url::form_urlencoded;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::base::secret::sha256;
use crate::clients::client::Client;
use crate::gate::session;
use crate::pages::error::PageError;
use crate::pages::playground;
use crate::pages::playground::wire::Step;
use crate::pages::settings::visitor::Visitor;
use crate::scopes::Scopes;

/// Under which name a run lies in the session.
const RUN: &str = "playground";
/// So that a session does not grow without end.
const MAX_STEPS: usize = 40;
/// A client's secret and its tokens lie here no longer than somebody looks at them.
const LIFETIME: TimeDelta = TimeDelta::hours(1);

#[derive(Serialize, Deserialize)]
pub struct Run {
    started_at: Timestamp,
    pub client_id: String,
    /// Empty for a public client, and as soon as nothing can be asked with it any more.
    pub client_secret: String,
    pub is_confidential: bool,
    pub scope: String,
    pub verifier: String,
    pub state: String,
    /// Whether the browser is still expected back.
    pub is_waiting: bool,
    pub code: Option<String>,
    pub access_token: Option<String>,
    /// All that were issued, the newest last.
    pub refresh_tokens: Vec<String>,
    pub steps: Vec<Step>,
}

impl Run {
    /// A person's request through `client`, whose secret is needed if it is confidential.
    pub fn new(client: &Client, client_secret: &str, scopes: &Scopes, now: Timestamp) -> Self {
        let is_confidential = client.registration.is_confidential();
        let client_secret = if is_confidential { client_secret } else { "" };
        Self {
            is_confidential,
            scope: scopes.to_string(),
            ..Self::of_itself(&client.id.to_string(), client_secret, now)
        }
    }

    /// A request of a confidential client for itself.
    pub fn of_itself(client_id: &str, client_secret: &str, now: Timestamp) -> Self {
        Self {
            started_at: now,
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            is_confidential: true,
            scope: String::new(),
            // RFC 7636 §4.1 asks for 43 characters at least.
            verifier: Secret::generate("", 64).expose().to_owned(),
            state: Secret::generate("", 24).expose().to_owned(),
            is_waiting: false,
            code: None,
            access_token: None,
            refresh_tokens: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Makes the authorization request, and tells what each part of it is for.
    pub fn prepare(&mut self, app: &App) {
        let mut prepare = Step::new(
            "Prepare",
            "Random values, made for this run alone. A real app keeps them in its own session.",
        );
        prepare.parameter(
            "code_verifier",
            &self.verifier,
            "The secret of PKCE (RFC 7636). It stays with the app until the code is exchanged.",
        );
        prepare.parameter(
            "code_challenge",
            &self.challenge(),
            "The SHA-256 of it in base64url. It goes along now; whoever sees it cannot find the verifier.",
        );
        prepare.parameter(
            "state",
            &self.state,
            "Comes back unchanged, so that the app knows its own request.",
        );

        let mut ask = Step::new("Ask", "The app sends the browser to this address.");
        let parameters = self.authorization_request(app);
        ask.request("GET", &app.config.links.to("/oauth/authorize"), &parameters);
        for (name, value) in &parameters {
            ask.parameter(name, value, meaning(name));
        }
        self.steps = vec![prepare, ask];
        self.is_waiting = true;
    }

    /// Until the browser is back.
    pub fn consent_url(&self, app: &App) -> Option<String> {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(self.authorization_request(app))
            .finish();
        self.is_waiting.then(|| format!("/oauth/authorize?{query}"))
    }

    fn authorization_request(&self, app: &App) -> Vec<(&'static str, String)> {
        let mut parameters = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.client_id.clone()),
            ("redirect_uri", playground::redirect_uri(app)),
        ];
        if !self.scope.is_empty() {
            parameters.push(("scope", self.scope.clone()));
        }
        parameters.extend([
            ("state", self.state.clone()),
            ("code_challenge", self.challenge()),
            ("code_challenge_method", "S256".to_owned()),
        ]);
        parameters
    }

    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(self.verifier.as_bytes()))
    }

    pub fn push(&mut self, step: Step) {
        if self.steps.len() == MAX_STEPS {
            self.steps.remove(0);
        }
        self.steps.push(step);
    }

    /// `None` if there is none, it has ended, or was not sealed for this sign-in.
    pub async fn load(app: &App, visitor: &Visitor) -> Result<Option<Self>, PageError> {
        let Some(found) = session::read::<Value>(&visitor.session, RUN).await? else { return Ok(None) };
        let run = found.as_str().and_then(|text| Self::open(app, visitor, text));
        let run = run.filter(|run| app.clock.now() - run.started_at <= LIFETIME);
        if run.is_none() {
            Self::forget(visitor).await?;
        }
        Ok(run)
    }

    fn open(app: &App, visitor: &Visitor, text: &str) -> Option<Self> {
        let json = app.secret.open(&context(visitor), &URL_SAFE_NO_PAD.decode(text).ok()?)?;
        serde_json::from_slice(&json).ok()
    }

    /// Sealed: the database must not hold what opens something.
    pub async fn save(&self, app: &App, visitor: &Visitor) -> Result<(), PageError> {
        let json = serde_json::to_vec(self).map_err(anyhow::Error::from)?;
        let sealed = app.secret.seal(&context(visitor), &json)?;
        visitor.keep(RUN, URL_SAFE_NO_PAD.encode(sealed)).await
    }

    pub async fn forget(visitor: &Visitor) -> Result<(), PageError> {
        if session::read::<Value>(&visitor.session, RUN).await?.is_some() {
            visitor.session.remove_value(RUN).await?;
        }
        Ok(())
    }
}

/// A run opens in the session only for which it was sealed.
fn context(visitor: &Visitor) -> String {
    format!("playground {}", visitor.signed_in.sign_in.session_id)
}

fn meaning(parameter: &str) -> &'static str {
    match parameter {
        "response_type" => "The answer is to be a code. Nothing else is offered.",
        "client_id" => "Which app asks.",
        "redirect_uri" => "Where the answer goes. The app has registered exactly this address.",
        "scope" => "What the app wants to be able to do. The person may allow less.",
        "state" => "From above.",
        "code_challenge" => "From above: only who has the verifier can use the code.",
        "code_challenge_method" => "How the challenge was made. plain is refused.",
        _ => "",
    }
}
