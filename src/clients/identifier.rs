//! `client_id` as it is written on the wire (RFC 6749 §2.2): `cli_…`, or the https URL of the document that describes
//! the client (draft-ietf-oauth-client-id-metadata-document).

use url::Url;

use crate::base::ids::ClientId;
use crate::base::network;
use crate::base::secret::sha256;

/// Longer than any URL that somebody would type, and short enough for every token.
pub const MAX_LENGTH: usize = 1000;

/// The row that an identifier means, whether or not there is one; `None` if it cannot be the identifier of a client.
///
/// The row of a URL is derived from it, so that reading a token needs no look-up.
pub fn row_id(identifier: &str) -> Option<ClientId> {
    if is_url(identifier) { Some(row_of_url(identifier)) } else { identifier.parse().ok() }
}

/// Whether the identifier is the URL of a document, be it one that may be fetched or not: [`check_url`].
pub fn is_url(identifier: &str) -> bool {
    identifier.len() <= MAX_LENGTH
        && (identifier.starts_with("https://") || identifier.starts_with("http://"))
        && identifier.bytes().all(|b| b.is_ascii_graphic())
}

/// Why a URL is no client's identifier. Continues a sentence that begins with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("is not a complete address")]
    Unreadable,
    #[error("must begin with https://")]
    NotHttps,
    #[error("must not hold a user name or password")]
    Credentials,
    #[error("must not have a fragment")]
    Fragment,
    #[error("needs a path, if only a slash")]
    NoPath,
    #[error("must not have . or .. in its path")]
    Dots,
}

/// The URL to fetch the document from. Judged as it is written: a parser would smooth over what is forbidden.
/// `allow_http`: on this machine, for development.
pub fn check_url(text: &str, allow_http: bool) -> Result<Url, Refusal> {
    let (scheme, rest) = text.split_once("://").ok_or(Refusal::Unreadable)?;
    let url = Url::parse(text).map_err(|_| Refusal::Unreadable)?;
    if scheme != "https" && !(allow_http && scheme == "http" && network::is_loopback(&url)) {
        return Err(Refusal::NotHttps);
    }
    if rest.contains('#') {
        return Err(Refusal::Fragment);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // A parser takes the one for a slash, and passes over the other.
    if rest.contains('\\') || authority.is_empty() {
        return Err(Refusal::Unreadable);
    }
    if authority.contains('@') {
        return Err(Refusal::Credentials);
    }
    let path = path.split('?').next().unwrap_or_default();
    if path.is_empty() {
        return Err(Refusal::NoPath);
    }
    let is_dots = |segment: &str| matches!(segment.to_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.split('/').any(is_dots) {
        return Err(Refusal::Dots);
    }
    Ok(url)
}

fn row_of_url(url: &str) -> ClientId {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&sha256(url.as_bytes())[..16]);
    // Version 8, "custom" (RFC 9562 §5.8): never that of another client, which is version 7.
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    ClientId::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_refused_for_what_is_wrong_with_it() {
        for (url, refusal) in [
            ("http://app.example/client.json", Refusal::NotHttps),
            ("https://app.example", Refusal::NoPath),
            ("https://app.example?a=b", Refusal::NoPath),
            ("https://", Refusal::Unreadable),
            ("https:///client.json", Refusal::Unreadable),
            ("https://app.example:99999/client.json", Refusal::Unreadable),
            ("https://app.example\\client.json", Refusal::Unreadable),
            ("https://app.example/client.json#x", Refusal::Fragment),
            ("https://app.example/client.json#", Refusal::Fragment),
            ("https://me@app.example/client.json", Refusal::Credentials),
            ("https://me:pass@app.example/client.json", Refusal::Credentials),
            ("https://@app.example/client.json", Refusal::Credentials),
            ("https://app.example/./client.json", Refusal::Dots),
            ("https://app.example/a/../client.json", Refusal::Dots),
            ("https://app.example/a/%2e%2E/client.json", Refusal::Dots),
            ("https://app.example/.%2e", Refusal::Dots),
        ] {
            assert_eq!(check_url(url, false), Err(refusal), "{url}");
        }
        for url in [
            "https://app.example/",
            "https://App.example:8443/client.json?a=/../b",
            "https://app.example/a..b/...",
        ] {
            assert!(check_url(url, false).is_ok(), "{url}");
        }
        assert!(check_url("http://127.0.0.1:3000/client.json", true).is_ok());
        assert_eq!(check_url("http://app.example/client.json", true), Err(Refusal::NotHttps));
    }

    #[test]
    fn a_url_is_one_row_to_the_letter() {
        let row = row_id("https://app.example/client.json").unwrap();

        assert_eq!(row_id("https://app.example/client.json"), Some(row));
        assert_ne!(row_id("https://app.example/client.json?"), Some(row));
        assert_eq!(row_id(&row.to_string()), Some(row));
        assert_eq!(row_id("ftp://app.example/client.json"), None);
    }
}
