//! `client_id` as it is written on the wire (RFC 6749 §2.2): `cli_…`, or the https URL of the document that describes
//! the client (draft-ietf-oauth-client-id-metadata-document).

use crate::base::ids::ClientId;
use crate::base::secret::sha256;

/// Longer than any URL that somebody would type, and short enough for every token.
pub const MAX_LENGTH: usize = 1000;

/// The row that an identifier means, whether or not there is one; `None` if it cannot be the identifier of a client.
///
/// The row of a URL is derived from it, so that reading a token needs no look-up.
pub fn row_id(identifier: &str) -> Option<ClientId> {
    if is_url(identifier) { Some(row_of_url(identifier)) } else { identifier.parse().ok() }
}

/// Whether the identifier is the URL of a document. What it may be beyond that is checked when it is fetched.
pub fn is_url(identifier: &str) -> bool {
    identifier.len() <= MAX_LENGTH
        && (identifier.starts_with("https://") || identifier.starts_with("http://"))
        && identifier.bytes().all(|b| b.is_ascii_graphic())
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
    fn a_url_is_one_row_to_the_letter() {
        let row = row_id("https://app.example/client.json").unwrap();

        assert_eq!(row_id("https://app.example/client.json"), Some(row));
        assert_ne!(row_id("https://app.example/client.json?"), Some(row));
        assert_eq!(row_id(&row.to_string()), Some(row));
        assert_eq!(row_id("ftp://app.example/client.json"), None);
    }
}
