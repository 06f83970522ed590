//! That a client belongs to the sector that it names (OpenID Connect Core §8.1, OpenID Connect Registration §5): or it
//! would know people by the same `sub` as others do.

use serde_json::Value;

use crate::app::App;
use crate::base::document;
use crate::clients::registration::Registration;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;

/// In bytes.
const MAX_LENGTH: usize = 64 * 1024;

/// The document at `sector_identifier_uri` lists every redirect URI.
pub(super) async fn check(app: &App, registration: &Registration) -> Result<(), OAuthError> {
    let Some(uri) = &registration.sector_identifier_uri else { return Ok(()) };
    let refused =
        |why: String| ErrorCode::InvalidClientMetadata.because(format!("sector_identifier_uri: {why}"));
    let document = document::fetch(&app.outgoing, uri, MAX_LENGTH)
        .await
        .map_err(|failure| refused(failure.to_string()))?;
    let Ok(Value::Array(listed)) = serde_json::from_slice(&document.body) else {
        return Err(refused("the document is not a JSON array".to_owned()));
    };
    match unlisted(&registration.redirect_uris, &listed) {
        Some(uri) => Err(refused(format!("the document does not list {uri}"))),
        None => Ok(()),
    }
}

/// A redirect URI that the document lacks.
fn unlisted<'a>(redirect_uris: &'a [String], listed: &[Value]) -> Option<&'a String> {
    redirect_uris.iter().find(|uri| !listed.iter().any(|known| known == *uri))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_redirect_uri_has_to_be_listed_to_the_letter() {
        let uris = ["https://app.example/cb".to_owned(), "https://other.example/cb".to_owned()];
        let listed = |list: Value| unlisted(&uris, list.as_array().unwrap()).cloned();

        assert_eq!(listed(json!([uris[1], 1, uris[0]])), None);
        assert_eq!(listed(json!([uris[0]])), Some(uris[1].clone()));
        assert_eq!(listed(json!(["https://app.example/cb/", uris[1]])), Some(uris[0].clone()));
    }
}
