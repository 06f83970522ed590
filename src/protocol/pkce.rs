//! Proof Key for Code Exchange (RFC 7636): what oxide-auth's comparison leaves open.

use std::borrow::Cow;

use oxide_auth::code_grant::extensions::Pkce;
use oxide_auth::primitives::grant::Extensions;
use oxide_auth::primitives::grant::Value;

use crate::protocol::Refusal;

/// `code-challenge` and `code-verifier` of RFC 7636 §4.1, §4.2: 43 to 128 unreserved characters.
pub(super) fn is_well_formed(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

/// Checks the challenge of an authorization request. `plain`, and no method at all, which means `plain`, are
/// refused (RFC 9700 §2.1.1).
pub(super) fn accept_challenge(
    method: Option<&str>,
    challenge: Option<&str>,
    is_required: bool,
) -> Result<Option<String>, Refusal> {
    let Some(challenge) = challenge else {
        return match (is_required, method) {
            (true, _) => Err(Refusal::InvalidRequest("code_challenge is missing: PKCE is required")),
            (false, Some(_)) => Err(Refusal::InvalidRequest("code_challenge_method without code_challenge")),
            (false, None) => Ok(None),
        };
    };
    if method != Some("S256") {
        return Err(Refusal::InvalidRequest("code_challenge_method must be S256"));
    }
    // A SHA-256 in base64url is 43 characters, always.
    if challenge.len() != 43 || !is_well_formed(challenge) {
        return Err(Refusal::InvalidRequest("code_challenge is not a base64url SHA-256"));
    }
    Pkce::required()
        .challenge(method.map(Cow::Borrowed), Some(Cow::Borrowed(challenge)))
        .map_err(|()| Refusal::InvalidRequest("code_challenge or its method is not acceptable"))?;
    Ok(Some(challenge.to_owned()))
}

/// Puts a stored challenge back where oxide-auth's PKCE finds it.
pub(super) fn extensions(challenge: Option<&str>) -> Extensions {
    let mut extensions = Extensions::new();
    if let Ok(Some(value)) =
        Pkce::required().challenge(Some(Cow::Borrowed("S256")), challenge.map(Cow::Borrowed))
    {
        extensions.set(&Pkce::required(), value);
    }
    extensions
}

/// RFC 7636 §4.6. A verifier without a challenge is refused, too (RFC 9700 §4.8.2).
pub(super) fn verify(stored: Option<Value>, verifier: Option<&str>) -> Result<(), Refusal> {
    if verifier.is_some_and(|verifier| !is_well_formed(verifier)) {
        return Err(Refusal::InvalidGrant("code_verifier is not 43 to 128 unreserved characters"));
    }
    match (stored, verifier) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(Refusal::InvalidGrant("code_verifier without a code_challenge")),
        (Some(_), None) => Err(Refusal::InvalidGrant("code_verifier is missing")),
        (stored, verifier) => Pkce::required()
            .verify(stored, verifier.map(Cow::Borrowed))
            .map_err(|()| Refusal::InvalidGrant("code_verifier does not match the code_challenge")),
    }
}

/// Under which name oxide-auth keeps the challenge.
pub(super) fn stored(extensions: &mut Extensions) -> Option<Value> {
    extensions.remove(&Pkce::required())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn check(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), Refusal> {
        verify(stored(&mut extensions(challenge)), verifier)
    }

    /// The example of RFC 7636 appendix B.
    #[test]
    fn pkce_follows_the_rfc_example() {
        assert_eq!(check(Some(CHALLENGE), Some(VERIFIER)), Ok(()));
        assert!(check(Some(CHALLENGE), Some(CHALLENGE)).is_err());
        assert!(check(Some(CHALLENGE), None).is_err());
        assert!(check(None, Some(VERIFIER)).is_err());
        assert_eq!(check(None, None), Ok(()));
    }

    #[test]
    fn only_s256_is_accepted() {
        assert!(accept_challenge(Some("S256"), Some(CHALLENGE), true).is_ok());
        assert!(accept_challenge(Some("plain"), Some(CHALLENGE), true).is_err());
        assert!(accept_challenge(None, Some(CHALLENGE), true).is_err());
        assert!(accept_challenge(None, None, true).is_err());
        assert_eq!(accept_challenge(None, None, false), Ok(None));
        assert!(accept_challenge(Some("plain"), Some(CHALLENGE), false).is_err());
    }
}
