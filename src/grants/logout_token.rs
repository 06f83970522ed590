//! Logout tokens: JWTs that tell an app that a person has signed out (OpenID Connect Back-Channel Logout §2.4).

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use crate::base::clock::Timestamp;
use crate::base::ids::TokenId;
use crate::base::secret::Secret;
use crate::clients::client::Client;
use crate::grants::access_token::Issuer;
use crate::grants::logout_delivery::Due;
use crate::signing::jwt;
use crate::signing::keyring::Keys;

const TYPE: &str = "logout+jwt";

/// It is used when it arrives (Back-Channel Logout §4 allows two minutes).
const LIFETIME: TimeDelta = TimeDelta::minutes(2);

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// With `sub` and `sid`, because some apps go by the one and some by the other.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: String,
    aud: String,
    iat: i64,
    exp: i64,
    jti: TokenId,
    events: Value,
    sid: String,
}

/// Signed as the client's ID tokens are.
pub fn mint(
    keys: &Keys,
    issuer: Issuer<'_>,
    client: &Client,
    due: &Due,
    now: Timestamp,
) -> anyhow::Result<Secret> {
    let claims = Claims {
        iss: issuer.url,
        sub: issuer.subjects.subject(client, due.user_id),
        aud: client.identifier(),
        iat: now.timestamp(),
        exp: (now + LIFETIME).timestamp(),
        jti: TokenId::new(now),
        events: json!({ EVENT: {} }),
        sid: issuer.subjects.session(client, due.session),
    };
    jwt::sign(keys, client.registration.id_token_signed_response_alg.into(), TYPE, &claims, now)
}
