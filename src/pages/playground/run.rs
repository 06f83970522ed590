//! One run of the playground: what a real app would keep, and what has happened so far.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::clients::client::Client;
use crate::clients::registration::TOKEN_EXCHANGE;
use crate::gate::session;
use crate::pages::error::PageError;
use crate::pages::playground::device_code::Codes;
use crate::pages::playground::wire::Step;
use crate::pages::settings::visitor::Visitor;

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
    /// Whether the client may exchange a token for another.
    pub may_pass_on: bool,
    pub verifier: String,
    pub state: String,
    pub nonce: String,
    /// Where to ask the person, until the browser is back.
    pub consent_url: Option<String>,
    pub code: Option<String>,
    /// Until the person has decided.
    pub device: Option<Codes>,
    pub access_token: Option<String>,
    /// `scope` of the access token.
    scope: String,
    /// All that were issued, the newest last.
    pub refresh_tokens: Vec<String>,
    /// The access token that was last passed on.
    pub agent_token: Option<String>,
    pub steps: Vec<Step>,
}

impl Run {
    /// Nothing is asked yet. `client_secret` is needed if `client` is confidential.
    pub fn new(client: &Client, client_secret: &str, now: Timestamp) -> Self {
        let is_confidential = client.registration.is_confidential();
        Self {
            started_at: now,
            client_id: client.id.to_string(),
            client_secret: if is_confidential { client_secret.to_owned() } else { String::new() },
            is_confidential,
            may_pass_on: client.has_grant_type(TOKEN_EXCHANGE),
            // RFC 7636 §4.1 asks for 43 characters at least.
            verifier: Secret::generate("", 64).expose().to_owned(),
            state: Secret::generate("", 24).expose().to_owned(),
            nonce: Secret::generate("", 24).expose().to_owned(),
            consent_url: None,
            code: None,
            device: None,
            access_token: None,
            scope: String::new(),
            refresh_tokens: Vec::new(),
            agent_token: None,
            steps: Vec::new(),
        }
    }

    /// Whether the access token has the scope.
    pub fn granted(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|granted| granted == scope)
    }

    /// Keeps what an answer of the token endpoint holds, and shows what is inside.
    pub fn keep_tokens(&mut self, mut step: Step, answer: &Value) {
        if let Some(token) = answer["access_token"].as_str() {
            step.decode("access_token", token);
            self.access_token = Some(token.to_owned());
            answer["scope"].as_str().unwrap_or_default().clone_into(&mut self.scope);
        }
        if let Some(token) = answer["id_token"].as_str() {
            step.decode("id_token", token);
        }
        if let Some(token) = answer["refresh_token"].as_str()
            && self.refresh_tokens.last().is_none_or(|newest| newest != token)
        {
            self.refresh_tokens.push(token.to_owned());
        }
        self.push(step);
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
    pub async fn save(&mut self, app: &App, visitor: &Visitor) -> Result<(), PageError> {
        if self.is_over() {
            self.client_secret.clear();
        }
        let json = serde_json::to_vec(self).map_err(anyhow::Error::from)?;
        let sealed = app.secret.seal(&context(visitor), &json)?;
        visitor.keep(RUN, URL_SAFE_NO_PAD.encode(sealed)).await
    }

    /// Whether there is nothing that could still be asked.
    fn is_over(&self) -> bool {
        let awaited = [&self.consent_url, &self.code, &self.access_token];
        self.device.is_none() && awaited.into_iter().all(Option::is_none)
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
