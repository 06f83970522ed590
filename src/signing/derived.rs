//! Tokens that are derived, not stored: authorization codes and refresh tokens.
//!
//! A row (a grant, a session) counts generations; a token names the row and a generation and carries an HMAC
//! over both. So it cannot be forged from a stolen database, and when an answer is lost on its way the same
//! token can be made again for a retry, because it was never a random value that only the client had.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;

use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::signing::keyring::Keys;

/// What a token is for. One kind never passes for another: the kind is under the HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// RFC 6749 §4.1.2.
    Code,
    /// RFC 6749 §1.5.
    Refresh,
    /// The refresh token of the session API.
    Session,
}

impl Kind {
    /// What a token begins with, so that people and secret scanners recognise it.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Code => "ac_",
            Self::Refresh => "rt_",
            Self::Session => "v1.",
        }
    }
}

/// A token whose HMAC was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Derived {
    /// Of the row.
    pub id: [u8; 16],
    pub generation: i32,
}

const KEY: usize = 2;
const ID: usize = 16;
const GENERATION: usize = 4;
const MAC: usize = 32;

/// Key number, row and generation in 22 bytes, their HMAC in 32; base64url.
pub fn derive(key_id: i16, key: &hmac::Key, kind: Kind, token: Derived) -> Secret {
    let mut bytes = Vec::with_capacity(KEY + ID + GENERATION + MAC);
    bytes.extend(key_id.to_be_bytes());
    bytes.extend(token.id);
    bytes.extend(token.generation.to_be_bytes());
    let mac = authenticate(key, kind, &bytes);
    bytes.extend_from_slice(mac.as_ref());
    Secret::new(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bytes)))
}

/// The number of the key that a token says it was derived with, if it has the shape of one.
pub fn key_id(text: &str) -> Option<i16> {
    let bytes = [Kind::Code, Kind::Refresh, Kind::Session].into_iter().find_map(|kind| decode(kind, text))?;
    Some(i16::from_be_bytes(bytes[..KEY].try_into().ok()?))
}

fn decode(kind: Kind, text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(kind.prefix())?).ok()?;
    (bytes.len() == KEY + ID + GENERATION + MAC).then_some(bytes)
}

/// `None` for anything that this server did not derive with a key that is still in the ring.
pub fn read(keys: &Keys, kind: Kind, text: &str) -> Option<Derived> {
    let bytes = decode(kind, text)?;
    let (signed, mac) = bytes.split_at(KEY + ID + GENERATION);
    let key = keys.token_key(i16::from_be_bytes(signed[..KEY].try_into().ok()?))?;
    let mut message = kind.prefix().as_bytes().to_vec();
    message.extend_from_slice(signed);
    hmac::verify(key, &message, mac).ok()?;
    Some(Derived {
        id: signed[KEY..KEY + ID].try_into().ok()?,
        generation: i32::from_be_bytes(signed[KEY + ID..].try_into().ok()?),
    })
}

fn authenticate(key: &hmac::Key, kind: Kind, bytes: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(kind.prefix().as_bytes());
    context.update(bytes);
    context.sign()
}

/// What presenting a token of one generation means, given the row that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The newest one: the row moves on.
    Current,
    /// The one before, whose answer may have been lost: it gets the same successor again.
    Retry,
    /// Somebody holds a copy.
    Replay,
}

/// `rotated_at` is when the row came to `current`. A retry counts only until the successor was used: then
/// `current` has moved on and the presented generation is older than the one before.
pub fn judge(
    presented: i32,
    current: i32,
    rotated_at: Timestamp,
    retry_window: TimeDelta,
    now: Timestamp,
) -> Verdict {
    if presented == current {
        Verdict::Current
    } else if presented == current - 1 && now < rotated_at + retry_window {
        Verdict::Retry
    } else {
        Verdict::Replay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_generation_before_may_be_retried_and_only_within_the_window() {
        let rotated = Timestamp::default();
        let window = TimeDelta::seconds(60);
        let verdict =
            |presented, seconds| judge(presented, 5, rotated, window, rotated + TimeDelta::seconds(seconds));

        assert_eq!(verdict(5, 600), Verdict::Current);
        assert_eq!(verdict(4, 59), Verdict::Retry);
        assert_eq!(verdict(4, 60), Verdict::Replay);
        assert_eq!(verdict(3, 1), Verdict::Replay);
        assert_eq!(verdict(6, 1), Verdict::Replay);
    }
}
