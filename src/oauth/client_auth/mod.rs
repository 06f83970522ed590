//! How a client says and proves who it is (RFC 6749 §2.3).

use axum::http::HeaderMap;
use axum::http::header;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded;

use crate::app::App;
use crate::base::secret::Secret;
use crate::clients::client;
use crate::clients::client::Client;
use crate::clients::identifier;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;

/// `token_endpoint_auth_methods_supported` (RFC 8414 §2).
pub(super) const METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];

/// Who a request says it is from.
struct Claimed {
    id: String,
    /// `None` for a public client.
    secret: Option<Secret>,
}

/// One refusal for every cause, so that a stranger cannot learn which clients exist.
fn refused() -> OAuthError {
    ErrorCode::InvalidClient.because("client authentication failed")
}

/// The client, once it has proved who it is. Consumes nothing: a code presented with it is still good.
pub(super) async fn authenticate(
    app: &App,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Client, OAuthError> {
    let claimed = claimed(headers, params)?;
    let id = identifier::row_id(&claimed.id).ok_or_else(refused)?;
    let now = app.clock.now();
    let mut db = app.db.acquire().await?;
    let found = client::find(&mut db, id, now).await?.ok_or_else(refused)?;
    let is_proved = match &claimed.secret {
        Some(secret) => {
            found.client.registration.token_endpoint_auth_method.has_secret() && found.is_proved_by(secret)
        }
        None => !found.client.registration.is_confidential(),
    };
    if !is_proved || !found.client.works() {
        return Err(refused());
    }
    if let Some(secret) = &claimed.secret {
        app.access_log.push_secret_use(id, secret.hash(), now);
    }
    Ok(found.client)
}

fn claimed(headers: &HeaderMap, params: &Params) -> Result<Claimed, OAuthError> {
    let body_id = params.optional("client_id")?;
    let body_secret = params.optional_secret("client_secret")?;
    let Some(basic) = basic(headers)? else {
        let id = body_id.ok_or_else(|| {
            ErrorCode::InvalidClient.because("the request does not say which client it is from")
        })?;
        return Ok(Claimed { id: id.to_owned(), secret: body_secret });
    };
    if body_secret.is_some() {
        return Err(ErrorCode::InvalidRequest.because("the client authenticates in two ways at once"));
    }
    if body_id.is_some_and(|id| id != basic.id) {
        return Err(ErrorCode::InvalidRequest.because("client_id differs from the Authorization header"));
    }
    Ok(basic)
}

/// `client_secret_basic`; `None` if there is no such header. Both halves are form-encoded before base64
/// (RFC 6749 §2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<Claimed>, OAuthError> {
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

        let claimed = basic(&headers).unwrap().unwrap();

        assert_eq!(claimed.id, "cli_1");
        assert_eq!(claimed.secret.unwrap().expose(), "a:b c=d&&e");
    }
}
