//! A DPoP proof (RFC 9449 §4): the checks of §4.3, but for whether it was used before.

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde::Deserialize;

use crate::base::clock::Timestamp;
use crate::base::secret::sha256;
use crate::gate::dpop::url;
use crate::signing::foreign::jws;
use crate::signing::foreign::jws::Jws;
use crate::signing::foreign::nonce;
use crate::signing::foreign::nonce::Nonces;
use crate::signing::foreign::numeric_date::NumericDate;
use crate::signing::foreign::used_id::UsedId;

/// RFC 9449 §4.2.
const TYPE: &str = "dpop+jwt";
/// By how much the clock of whoever made it may be late, or the proof old; and by how much that clock may be ahead.
const SKEW: TimeDelta = TimeDelta::seconds(60);
// Or a proof would be forgotten while it counts (`app.recent_proofs`).
const _: () = assert!(2 * SKEW.num_seconds() < nonce::LONGEST.num_seconds());

/// Longer than what any library makes.
const MAX_ID_LENGTH: usize = 256;

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: NumericDate,
    ath: Option<String>,
    nonce: Option<String>,
}

/// What a proof must be for.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    pub method: &'a Method,
    /// `None` if it is not known; then no proof is good.
    pub url: Option<&'a str>,
    /// The access token that comes with it.
    pub token: Option<&'a str>,
}

/// Good, unless it was used before.
#[derive(Debug)]
pub struct Proof {
    /// Thumbprint of the key (RFC 7638).
    pub key: String,
    /// When it would not be taken any more by any node.
    pub counts_until: Timestamp,
    jti: String,
}

/// Why a proof, or a token without one, is not taken. Continues a sentence that begins with the proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("is missing")]
    Missing,
    #[error("must be one and not several")]
    Several,
    #[error("{0}")]
    Jwt(#[from] jws::Refusal),
    #[error("has a typ other than {TYPE}")]
    Type,
    #[error("has a jti that is empty, or longer than {MAX_ID_LENGTH} characters")]
    Id,
    #[error("is for another method")]
    Method,
    #[error("is for another URL")]
    Url,
    #[error("is for a URL of which the proxy says nothing")]
    UnknownUrl,
    #[error("is for another access token, or for none")]
    Token,
    #[error("was made too long ago, or is yet to be made")]
    Age,
    #[error("must repeat the nonce in DPoP-Nonce")]
    Nonce,
    #[error("was used before")]
    Used,
    #[error("is not by the key that the access token is bound to")]
    OtherKey,
    #[error("is missing: the access token is bound to a key, and no bearer token")]
    Bearer,
    #[error("proves nothing: the access token is not bound to a key")]
    Unbound,
}

impl Refusal {
    /// `error` of a challenge (RFC 9449 §7.1, §9).
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Nonce => "use_dpop_nonce",
            // With these it is the token that is of no use.
            Self::OtherKey | Self::Bearer | Self::Unbound => "invalid_token",
            _ => "invalid_dpop_proof",
        }
    }
}

impl Proof {
    /// `nonces` if it must repeat one.
    pub fn read(
        text: &str,
        expected: &Expected<'_>,
        nonces: Option<&Nonces>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let jws = Jws::parse(text)?;
        if jws.header.typ().as_deref() != Some(TYPE) {
            return Err(Refusal::Type);
        }
        let (claims, key) = jws.verify_with_own_key::<Claims>()?;
        if claims.jti.is_empty() || claims.jti.len() > MAX_ID_LENGTH {
            return Err(Refusal::Id);
        }
        check_request(&claims, expected)?;
        let counts_until = match nonces {
            None => check_age(claims.iat.moment(), now)?,
            Some(nonces) => {
                let good_until = claims.nonce.and_then(|nonce| nonces.good_until(&nonce, now));
                good_until.ok_or(Refusal::Nonce)?
            }
        };
        Ok(Self { key, counts_until, jti: claims.jti })
    }

    pub fn id(&self) -> UsedId<'_> {
        UsedId { purpose: "dpop", issuer: &self.key, id: &self.jti }
    }
}

fn check_request(claims: &Claims, expected: &Expected<'_>) -> Result<(), Refusal> {
    if claims.htm != expected.method.as_str() {
        return Err(Refusal::Method);
    }
    let asked = expected.url.ok_or(Refusal::UnknownUrl)?;
    let asked = url::normalized(asked).ok_or(Refusal::UnknownUrl)?;
    if url::normalized(&claims.htu) != Some(asked) {
        return Err(Refusal::Url);
    }
    let hash = expected.token.map(|token| URL_SAFE_NO_PAD.encode(sha256(token.as_bytes())));
    if hash.is_some() && claims.ath != hash {
        return Err(Refusal::Token);
    }
    Ok(())
}

/// Until when it counts: for a node whose clock is late as well.
fn check_age(made_at: Timestamp, now: Timestamp) -> Result<Timestamp, Refusal> {
    if now - made_at > SKEW || made_at - now > SKEW {
        return Err(Refusal::Age);
    }
    Ok(made_at + SKEW + SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9449 §4.1 and §7.1.
    const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

    fn read(method: &Method, url: &str, seconds: i64) -> Result<Proof, Refusal> {
        let expected = Expected { method, url: Some(url), token: None };
        let now = chrono::DateTime::from_timestamp(1_562_262_616 + seconds, 0).unwrap();
        Proof::read(PROOF, &expected, None, now)
    }

    #[test]
    fn the_example_of_the_standard_proves() {
        let proof = read(&Method::POST, "https://server.example.com/token", 0).unwrap();

        assert_eq!(proof.key, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
        let refusal = |method, url, seconds| read(&method, url, seconds).unwrap_err();
        let url = "https://server.example.com/token";
        assert_eq!(refusal(Method::GET, url, 0), Refusal::Method);
        assert_eq!(refusal(Method::POST, "https://server.example.com/tokens", 0), Refusal::Url);
        assert_eq!(refusal(Method::POST, url, 61), Refusal::Age);
        assert_eq!(refusal(Method::POST, url, -61), Refusal::Age);
    }
}
