//! An authorization request, read and checked (RFC 6749 §4.1.1).

use chrono::TimeDelta;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::clients::client::Client;
use crate::clients::registration::AUTHORIZATION_CODE;
use crate::gate::client_address::ClientAddress;
use crate::oauth::authorize::openid;
use crate::oauth::authorize::openid::OpenId;
use crate::oauth::authorize::response::ResponseMode;
use crate::oauth::authorize::response::ReturnAddress;
use crate::oauth::authorize::source::Source;
use crate::oauth::authorize::stop::Stop;
use crate::oauth::dpop;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::known_client;
use crate::oauth::known_client::Missing;
use crate::oauth::params::Params;
use crate::oauth::resource;
use crate::protocol::authorize;
use crate::protocol::authorize::AuthorizationRequest;
use crate::scopes::Scopes;

/// A request that may be put to a person.
#[derive(Debug)]
pub(in crate::oauth) struct AuthorizeRequest {
    pub client: Client,
    pub source: Source,
    pub back: ReturnAddress,
    pub redirect_uri_asked: bool,
    pub scopes: Scopes,
    pub resources: Vec<String>,
    pub code_challenge: Option<String>,
    /// Thumbprint of the key that the code is bound to.
    pub dpop_jkt: Option<String>,
    pub nonce: Option<String>,
    pub openid: OpenId,
    pub prompts: Vec<Prompt>,
    pub max_age: Option<TimeDelta>,
}

/// OpenID Connect Core §3.1.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::oauth) enum Prompt {
    None,
    Login,
    Consent,
    SelectAccount,
}

impl Prompt {
    /// Whether a request, be it right or wrong, asks that no page be shown.
    pub(super) fn is_silent(params: &Params) -> bool {
        params.all("prompt").any(|text| text.split(' ').any(|name| name == "none"))
    }
}

impl AuthorizeRequest {
    /// Client and redirect URI come first: only when both are proven may anything be sent back. Then how, or the client
    /// would not understand what is said of the rest (OpenID Connect Core §3.1.2.6).
    pub(in crate::oauth) async fn read(app: &App, client: Client, source: Source) -> Result<Self, Stop> {
        let params = &source.params;
        let (redirect_uri, redirect_uri_asked) = redirect_uri(params, &client)?;
        let mode = ResponseMode::asked(params.optional("response_mode")?, &redirect_uri)?;
        // A repeated state cannot be sent back: which one?
        let state = params.optional("state").map(|state| state.map(str::to_owned));
        let back = ReturnAddress { redirect_uri, mode, state: state.as_ref().ok().cloned().flatten() };
        let checked = async {
            state?;
            let mut request = check(app, client, source, &back)?;
            request.redirect_uri_asked = redirect_uri_asked;
            request.openid = OpenId::read(app, &request.source.params, &request.scopes).await?;
            request.scopes = request.scopes.with(&request.openid.scopes);
            Ok(request)
        };
        let checked: Result<Self, OAuthError> = checked.await;
        checked.map_err(|error| Stop::Answer { error: Box::new(error), back })
    }

    /// An error for the client.
    pub(super) fn answer(&self, error: OAuthError) -> Stop {
        Stop::Answer { error: Box::new(error), back: self.back.clone() }
    }

    /// Whether somebody who signed in at `at` need not do it again. To sign in while the request is pending fulfils
    /// `prompt=login` and any `max_age`; where it stands in the URL, those are then left out of it.
    pub(super) fn is_content_with_sign_in(&self, at: Timestamp, now: Timestamp) -> bool {
        let is_young = self.max_age.is_none_or(|age| now - at <= age);
        self.is_meanwhile(at) || (is_young && !self.prompts.contains(&Prompt::Login))
    }

    /// Whether somebody who signed in at `at` did so while the request was pending.
    pub(super) fn is_meanwhile(&self, at: Timestamp) -> bool {
        self.source.pending.as_ref().is_some_and(|pending| pending.begun_at < at)
    }

    /// Whether the person is asked whatever they allowed before. The consent page is also where another account can be
    /// chosen; whoever has just signed in has chosen.
    pub(super) fn must_ask(&self, signed_in_at: Timestamp) -> bool {
        let is_to_choose = self.prompts.contains(&Prompt::SelectAccount) && !self.is_meanwhile(signed_in_at);
        is_to_choose || self.prompts.contains(&Prompt::Consent)
    }

    /// The URL's query as it is to be continued after a sign-in.
    pub(super) fn query_after_sign_in(&self, url: &Params) -> String {
        if self.source.pending.is_some() {
            return url.to_query(&[]);
        }
        let query = url.to_query(&["prompt", "max_age", openid::AFTER_SIGN_IN]);
        let prompt = if self.prompts.contains(&Prompt::Consent) { "&prompt=consent" } else { "" };
        let mark = if self.openid.means_somebody() { "&after_sign_in=1" } else { "" };
        format!("{query}{prompt}{mark}")
    }
}

pub(super) async fn find_client(
    app: &App,
    params: &Params,
    address: ClientAddress,
    now: Timestamp,
) -> Result<Client, Stop> {
    let id = params.required("client_id").map_err(Stop::from)?;
    let found = known_client::find(app, id, address, now).await?;
    Ok(Client::clone(&found.client))
}

impl From<Missing> for Stop {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Unknown => Self::UnknownClient,
            Missing::Document { url, why } => Self::ClientDocument { url, why },
            Missing::TooMany(seconds) => Self::TooMany(seconds),
            Missing::Failed(error) => Self::Failed(error),
        }
    }
}

/// The URI, and whether the request named it.
fn redirect_uri(params: &Params, client: &Client) -> Result<(String, bool), Stop> {
    match params.optional("redirect_uri").map_err(Stop::from)? {
        Some(asked) if client.may_redirect_to(asked) => Ok((asked.to_owned(), true)),
        Some(asked) => {
            Err(Stop::RedirectUriMismatch { client: Box::new(client.clone()), asked: asked.to_owned() })
        }
        // RFC 6749 §3.1.2.3: it may be left out where there is no doubt which is meant.
        None => match client.registration.redirect_uris.as_slice() {
            [only] => Ok((only.clone(), false)),
            _ => Err(Stop::RedirectUriMissing { client: Box::new(client.clone()) }),
        },
    }
}

fn check(
    app: &App,
    client: Client,
    mut source: Source,
    back: &ReturnAddress,
) -> Result<AuthorizeRequest, OAuthError> {
    if let Some(fault) = source.fault.take() {
        return Err(fault);
    }
    let params = &source.params;
    if !client.has_grant_type(AUTHORIZATION_CODE) {
        return Err(ErrorCode::UnauthorizedClient
            .because("the client is not registered for the grant type authorization_code"));
    }
    if client.registration.require_pushed_authorization_requests && !source.is_pushed {
        // RFC 9126 §4
        return Err(ErrorCode::InvalidRequest.because("the client has to push its requests to /oauth/par"));
    }
    if client.registration.require_signed_request_object && !source.is_signed {
        // RFC 9101 §10.5
        return Err(ErrorCode::InvalidRequest.because("the client has to sign its requests (RFC 9101)"));
    }
    let accepted = authorize::decide(
        AuthorizationRequest {
            redirect_uri: &back.redirect_uri,
            response_type: params.optional("response_type")?,
            scope: params.optional("scope")?,
            code_challenge: params.optional("code_challenge")?,
            code_challenge_method: params.optional("code_challenge_method")?,
        },
        &client,
        app.config.scopes.for_people(),
    )?;
    params.optional("login_hint")?;
    Ok(AuthorizeRequest {
        back: back.clone(),
        redirect_uri_asked: true,
        scopes: accepted.scopes,
        resources: resource::asked(params, &app.config)?,
        code_challenge: accepted.code_challenge,
        dpop_jkt: dpop::asked_key(params)?,
        nonce: params.optional("nonce")?.map(str::to_owned),
        openid: OpenId::default(),
        prompts: prompts(params.optional("prompt")?)?,
        max_age: max_age(params.optional("max_age")?)?,
        client,
        source,
    })
}

fn prompts(text: Option<&str>) -> Result<Vec<Prompt>, OAuthError> {
    let names = text.unwrap_or_default().split(' ').filter(|name| !name.is_empty());
    let prompts: Vec<Prompt> = names
        .map(|name| match name {
            "none" => Ok(Prompt::None),
            "login" => Ok(Prompt::Login),
            "consent" => Ok(Prompt::Consent),
            "select_account" => Ok(Prompt::SelectAccount),
            _ => Err(ErrorCode::InvalidRequest
                .because("prompt is not one or several of none, login, consent and select_account")),
        })
        .collect::<Result<_, _>>()?;
    if prompts.contains(&Prompt::None) && prompts.iter().any(|prompt| *prompt != Prompt::None) {
        return Err(ErrorCode::InvalidRequest.because("prompt=none excludes every other prompt"));
    }
    Ok(prompts)
}

fn max_age(text: Option<&str>) -> Result<Option<TimeDelta>, OAuthError> {
    let Some(text) = text else { return Ok(None) };
    let seconds: u32 =
        text.parse().map_err(|_| ErrorCode::InvalidRequest.because("max_age must be a number of seconds"))?;
    Ok(Some(TimeDelta::seconds(seconds.into())))
}
