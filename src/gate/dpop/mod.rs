//! Demonstrating proof of possession (RFC 9449): a token that is bound to a key is of use only to who signs, with that
//! key, a proof for each request.
//!
//! **A proof counts once.** At the token endpoint over all nodes: a row is written, as for every other JWT that counts
//! once. At APIs a row for each request would be a database write for each request: there each node remembers the
//! proofs that it has seen, and all nodes together if they have a Redis. Without one, whoever copies a proof *and* its
//! token on their way can repeat that very request at another node, for as long as the proof is fresh.
//!
//! **Nonces** are not wanted unless the configuration says so (`dpop_nonces`). Every library can make a proof, but
//! several never send one again with the nonce that they are told, least of all at an API. There is no way in between:
//! once a nonce was given, a proof without one must not be taken (RFC 9449 §11.3). Where one is wanted, its time counts
//! and not `iat` (§4.3 no. 11): then a device whose clock is wrong can prove, too.

pub mod proof;
pub mod url;

use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::header;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::gate::dpop::proof::Expected;
use crate::gate::dpop::proof::Proof;
use crate::gate::dpop::proof::Refusal;
use crate::grants::access_token::Claims;

pub const HEADER: HeaderName = HeaderName::from_static("dpop");
pub const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// A request at an API, as far as a proof has to be for it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub headers: &'a HeaderMap,
    pub method: &'a Method,
    /// `None` if it is not known; then no proof is good.
    pub url: Option<&'a str>,
}

/// The one proof among the headers; `None` if there is none.
pub fn presented(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut proofs = headers.get_all(HEADER).iter();
    let proof = proofs.next();
    if proofs.next().is_some() {
        return Err(Refusal::Several);
    }
    Ok(proof.map(|proof| proof.to_str().unwrap_or_default()))
}

/// Whether the token may come in this way: one that is bound with a good proof by its key, which is the answer; any
/// other without. Says nothing of whether the proof was used before: see [`use_once`].
pub fn check(
    app: &App,
    (claims, token): (&Claims, &str),
    call: Option<Call<'_>>,
    now: Timestamp,
) -> Result<Option<Proof>, Refusal> {
    match (&claims.cnf, call) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Refusal::Unbound),
        (Some(_), None) => Err(Refusal::Bearer),
        (Some(bound), Some(call)) => {
            let proof = presented(call.headers)?.ok_or(Refusal::Missing)?;
            let expected = Expected { method: call.method, url: call.url, token: Some(token) };
            let nonces = app.config.dpop_nonces.at_apis().then_some(&app.nonces);
            let proof = Proof::read(proof, &expected, nonces, now)?;
            if proof.key == bound.jkt { Ok(Some(proof)) } else { Err(Refusal::OtherKey) }
        }
    }
}

/// At an API.
pub async fn use_once(app: &App, proof: &Proof, now: Timestamp) -> Result<(), Refusal> {
    if app.recent_proofs.use_once(proof.id(), now).await { Ok(()) } else { Err(Refusal::Used) }
}

/// Whether the caller authenticates with a token that it says is bound.
pub fn is_scheme_of(headers: &HeaderMap) -> bool {
    let scheme = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().split_at_checked(5));
    scheme.is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case(b"dpop "))
}

/// Tells the nonce for the next proof (RFC 9449 §8.2). What tells it must not be kept by a cache.
pub fn give_nonce(app: &App, now: Timestamp, headers: &mut HeaderMap) {
    if let Ok(nonce) = HeaderValue::try_from(app.nonces.current(now)) {
        headers.insert(NONCE, nonce);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
