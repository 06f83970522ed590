//! The parameters of a protocol request (RFC 6749 §3.1, §3.2).

use std::fmt;

use axum::body::Bytes;
use axum::extract::FromRequest;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::Map;
use serde_json::Value;
use url::form_urlencoded;

use crate::app::App;
use crate::base::secret::Secret;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;

/// Each parameter that an endpoint reads may stand there once, and one without a value counts as absent, both
/// as RFC 6749 §3.2 demands. Those that nobody reads are ignored.
#[derive(Clone)]
pub struct Params(Vec<(String, String)>);

/// Values may be secrets.
impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Params {
    /// Reads a query or a form; lenient in what it takes as encoded (raw spaces, `:` and `/` are read), strict
    /// in what that must be: UTF-8 without NUL.
    pub fn parse(text: &[u8]) -> Result<Self, OAuthError> {
        Self::checked(form_urlencoded::parse(text).into_owned().collect())
    }

    /// Reads the claims of a request object (RFC 9101 §4): text as it is, a list of texts as a parameter that is
    /// repeated, and whatever else there is as JSON, such as the number of `max_age` and the object of `claims`.
    pub fn of_claims(claims: Map<String, Value>) -> Result<Self, OAuthError> {
        let mut pairs = Vec::new();
        for (name, value) in claims {
            match value {
                Value::Null => {}
                Value::String(text) => pairs.push((name, text)),
                Value::Array(items) if items.iter().all(Value::is_string) => {
                    let texts = items.iter().filter_map(Value::as_str);
                    pairs.extend(texts.map(|text| (name.clone(), text.to_owned())));
                }
                other => pairs.push((name, other.to_string())),
            }
        }
        Self::checked(pairs)
    }

    fn checked(pairs: Vec<(String, String)>) -> Result<Self, OAuthError> {
        // The decoder puts U+FFFD where the bytes were no UTF-8; no parameter has a use for it itself.
        let is_text = |text: &str| !text.contains(['\u{fffd}', '\0']);
        if !pairs.iter().all(|(name, value)| is_text(name) && is_text(value)) {
            return Err(ErrorCode::InvalidRequest.because("a parameter is not UTF-8, or has a NUL character"));
        }
        Ok(Self(pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect()))
    }

    pub fn optional(&self, name: &str) -> Result<Option<&str>, OAuthError> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() {
            return Err(ErrorCode::InvalidRequest.because(format!("{name} is repeated")));
        }
        Ok(value)
    }

    pub fn required(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.optional(name)?.ok_or_else(|| ErrorCode::InvalidRequest.because(format!("{name} is missing")))
    }

    pub fn required_secret(&self, name: &'static str) -> Result<Secret, OAuthError> {
        self.required(name).map(Secret::new)
    }

    pub fn optional_secret(&self, name: &str) -> Result<Option<Secret>, OAuthError> {
        Ok(self.optional(name)?.map(Secret::new))
    }

    /// For the parameters that may be repeated (RFC 8707 §2).
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// As a query again, without the parameters that `leave_out` names.
    pub fn to_query(&self, leave_out: &[&str]) -> String {
        let kept = self.0.iter().filter(|(name, _)| !leave_out.contains(&name.as_str()));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish()
    }

    /// The same without the parameters that `leave_out` names.
    pub fn without(&self, leave_out: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !leave_out.contains(&name.as_str()));
        Self(kept.cloned().collect())
    }

    /// The same with one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: String) -> Self {
        self.0.push((name.to_owned(), value));
        self
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Params {
    /// Of a posted form.
    pub async fn read(request: Request, app: &App) -> Result<Self, OAuthError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(ErrorCode::InvalidRequest
                .because("the body must be sent as application/x-www-form-urlencoded"));
        }
        let body = Bytes::from_request(request, app).await.map_err(|rejection| {
            match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::TooLarge.because("the body is too large"),
                _ => ErrorCode::InvalidRequest.because("the body could not be read"),
            }
        })?;
        Self::parse(&body)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn loosely_encoded_forms_are_read() {
        let params = Params::parse(b"redirect_uri=https://app.example/cb&scope=read write&x=").unwrap();
        assert_eq!(params.optional("redirect_uri").unwrap(), Some("https://app.example/cb"));
        assert_eq!(params.optional("scope").unwrap(), Some("read write"));
        assert_eq!(params.optional("x").unwrap(), None);
    }

    #[test]
    fn claims_are_read_as_parameters() {
        let claims = json!({
            "state": "a b&c", "max_age": 60, "resource": ["https://a", "https://b"], "claims": { "userinfo": {} },
            "details": [{ "a": 1 }], "nonce": null, "prompt": "",
        });
        let params = Params::of_claims(claims.as_object().unwrap().clone()).unwrap();
        for (name, value) in [
            ("state", Some("a b&c")),
            ("max_age", Some("60")),
            ("claims", Some(r#"{"userinfo":{}}"#)),
            ("details", Some(r#"[{"a":1}]"#)),
            ("nonce", None),
            ("prompt", None),
        ] {
            assert_eq!(params.optional(name).unwrap(), value, "{name}");
        }
        assert_eq!(params.all("resource").collect::<Vec<_>>(), ["https://a", "https://b"]);
        for bad in [json!({ "state": "\0" }), json!({ "\0": "x" }), json!({ "resource": ["\u{fffd}"] })] {
            assert!(Params::of_claims(bad.as_object().unwrap().clone()).is_err());
        }
    }

    #[test]
    fn what_is_read_may_stand_there_once() {
        let params = Params::parse(b"scope=read&scope=write&other=1&other=2").unwrap();
        assert_eq!(params.optional("scope").unwrap_err().description, "scope is repeated");
        assert!(params.optional("code").is_ok());
    }

    #[test]
    fn only_text_is_read() {
        for bad in [b"code=%00".as_slice(), b"code=%ff", b"c%ffde=1"] {
            assert!(Params::parse(bad).is_err());
        }
    }
}
