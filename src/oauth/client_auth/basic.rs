//! `client_secret_basic` (RFC 6749 §2.3.1, RFC 7617).

use axum::http::HeaderMap;
use axum::http::header;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded;

use crate::base::secret::Secret;
use crate::oauth::client_auth::Claimed;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;

/// `None` if there is no such header. Both halves are form-encoded before base64.
pub(super) fn claimed(headers: &HeaderMap) -> Result<Option<Claimed>, OAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ErrorCode::InvalidRequest.because("the Authorization header is repeated"));
    }
    let malformed = || ErrorCode::InvalidClient.because("the Authorization header is not valid Basic");
    let text = value.to_str().map_err(|_| malformed())?;
    let (scheme, encoded) = text.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(ErrorCode::InvalidClient.because("clients authenticate with Basic or in the body"));
    }
    let decoded = STANDARD.decode(encoded.trim()).map_err(|_| malformed())?;
    let decoded = String::from_utf8(decoded).map_err(|_| malformed())?;
    let (id, password) = decoded.split_once(':').ok_or_else(malformed)?;
    let password = form_decode(password);
    // An empty password is how many libraries write a public client.
    let secret = (!password.is_empty()).then(|| Secret::new(password));
    Ok(Some(Claimed { id: form_decode(id), secret }))
}

fn form_decode(text: &str) -> String {
    // `=` and `&` would be read as separators; they stand for themselves here.
    let escaped = text.replace('=', "%3D").replace('&', "%26");
    form_urlencoded::parse(escaped.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_form_decoded() {
        let mut headers = HeaderMap::new();
        let encoded = STANDARD.encode("cli_1:a%3Ab+c=d%26&e");
        headers.insert(header::AUTHORIZATION, format!("basic {encoded}").parse().unwrap());

        let claimed = claimed(&headers).unwrap().unwrap();

        assert_eq!(claimed.id, "cli_1");
        assert_eq!(claimed.secret.unwrap().expose(), "a:b c=d&&e");
    }
}
