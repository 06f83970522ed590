//! What OpenID Connect adds to an authorization request: who has to be signed in, how, and what the app wants to be
//! told (OpenID Connect Core §3.1.2.1, §5.5).

use serde_json::Map;
use serde_json::Value;

use crate::app::App;
use crate::grants::grant::ACR;
use crate::grants::id_token;
use crate::grants::identity;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use crate::scopes::OPENID;
use crate::scopes::Scopes;

/// Stands in a request that somebody has been sent to the sign-in for: if it is still not who was meant, another
/// sign-in will not help.
pub(super) const AFTER_SIGN_IN: &str = "after_sign_in";

/// In bytes. All that there is to ask for is much shorter.
const MAX_CLAIMS: usize = 4096;

#[derive(Debug, Default)]
pub(in crate::oauth) struct OpenId {
    /// `sub` of whoever has to be signed in: for each place where the request says so, those that would do.
    subjects: Vec<Vec<String>>,
    pub is_after_sign_in: bool,
    /// That stand for the claims which are asked for by name: nobody is told what the consent page does not show.
    pub scopes: Scopes,
}

impl OpenId {
    /// `asked` are the scopes of the request.
    pub(super) async fn read(app: &App, params: &Params, asked: &Scopes) -> Result<Self, OAuthError> {
        let mut openid = Self::default();
        let acr_values = params.optional("acr_values")?;
        let claims = params.optional("claims")?;
        if asked.contains(OPENID) {
            // `acr_values` is a wish there, and many send what other servers know (OpenID Connect Core §15.1).
            openid.read_claims(claims.unwrap_or("{}"))?;
        } else if acr_values.is_some_and(|values| !values.split(' ').any(|value| value == ACR)) {
            // An API has sent the client here for just that, and would send it here again (RFC 9470 §5).
            return Err(unmet());
        }
        if let Some(hint) = params.optional("id_token_hint")? {
            openid.subjects.push(vec![hinted(app, hint).await?]);
        }
        openid.is_after_sign_in = openid.means_somebody() && params.optional(AFTER_SIGN_IN)?.is_some();
        Ok(openid)
    }

    /// Whether the request may be answered for the person whom the client knows by this `sub`.
    pub(super) fn means(&self, subject: &str) -> bool {
        self.subjects.iter().all(|meant| meant.iter().any(|meant| meant == subject))
    }

    pub(super) fn means_somebody(&self) -> bool {
        !self.subjects.is_empty()
    }

    fn read_claims(&mut self, text: &str) -> Result<(), OAuthError> {
        if text.len() > MAX_CLAIMS {
            return Err(ErrorCode::InvalidRequest.because("claims is longer than 4096 bytes"));
        }
        let claims: Map<String, Value> = serde_json::from_str(text)
            .map_err(|_| ErrorCode::InvalidRequest.because("claims is not a JSON object"))?;
        for place in ["userinfo", "id_token"] {
            for (name, wish) in requests(&claims, place)? {
                self.take(place, name, &Wish::read(wish)?)?;
            }
        }
        Ok(())
    }

    /// What is not understood is ignored, and nothing has to be there (OpenID Connect Core §5.5, §5.5.1).
    fn take(&mut self, place: &str, name: &str, wish: &Wish<'_>) -> Result<(), OAuthError> {
        match (place, name, wish.values()) {
            (_, "sub", Some(values)) => self.subjects.push(values.into_iter().map(str::to_owned).collect()),
            // OpenID Connect Core §5.5.1.1
            ("id_token", "acr", Some(values)) if wish.is_essential() && !values.contains(&ACR) => {
                return Err(unmet());
            }
            _ => {}
        }
        if let Some(scope) = identity::scope_of(name) {
            self.scopes = self.scopes.with(&Scopes::from_names([scope]).unwrap_or_default());
        }
        Ok(())
    }
}

/// The claims that are asked for in one place.
fn requests<'a>(
    claims: &'a Map<String, Value>,
    place: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, OAuthError> {
    let requests = match claims.get(place) {
        None | Some(Value::Null) => None,
        Some(Value::Object(requests)) => Some(requests),
        Some(_) => {
            return Err(ErrorCode::InvalidRequest.because(format!("claims has a {place} that is no object")));
        }
    };
    Ok(requests.into_iter().flatten())
}

/// How one claim is asked for.
struct Wish<'a>(Option<&'a Map<String, Value>>);

impl<'a> Wish<'a> {
    fn read(value: &'a Value) -> Result<Self, OAuthError> {
        match value {
            Value::Null => Ok(Self(None)),
            Value::Object(members) => Ok(Self(Some(members))),
            _ => {
                Err(ErrorCode::InvalidRequest
                    .because("claims has a request that is neither null nor an object"))
            }
        }
    }

    fn member(&self, name: &str) -> Option<&'a Value> {
        self.0?.get(name)
    }

    fn is_essential(&self) -> bool {
        self.member("essential") == Some(&Value::Bool(true))
    }

    /// Those of which one would do; `None`: any.
    fn values(&self) -> Option<Vec<&'a str>> {
        let (one, several) = (self.member("value"), self.member("values"));
        if one.is_none() && several.is_none() {
            return None;
        }
        let several = several.and_then(Value::as_array).into_iter().flatten();
        Some(one.into_iter().chain(several).filter_map(Value::as_str).collect())
    }
}

/// `sub` of a hint, which counts also when it has expired.
async fn hinted(app: &App, hint: &str) -> Result<String, OAuthError> {
    let keys = app.keys_that(|keys| keys.know(hint)).await?;
    let hint = id_token::read_hint(&keys, app.config.links.issuer(), hint).ok_or_else(|| {
        ErrorCode::InvalidRequest.because("id_token_hint is not an ID token of this server")
    })?;
    Ok(hint.sub)
}

fn unmet() -> OAuthError {
    ErrorCode::UnmetAuthenticationRequirements.because(format!("the only acr here is {ACR}"))
}
