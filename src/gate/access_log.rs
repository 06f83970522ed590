//! What a request leaves for the access log. Entries are pushed when the answer is known, or when nobody waits
//! for it any more.

use std::time::Instant;

use axum::http::HeaderMap;
use axum::http::header;
use axum::response::Response;
use chrono::TimeDelta;

use crate::api_keys::format;
use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::ids::AccessEntryId;
use crate::gate::client_address::ClientAddress;
use crate::gate::error::Reason;
use crate::gate::principal::Whose;
use crate::organizations::access_log;
use crate::organizations::access_log::AccessEntry;
use crate::organizations::access_log::Via;
use crate::organizations::access_queue::AccessQueue;
use crate::organizations::rate_limit::Decision;
use crate::organizations::rate_limit::WindowState;

/// What stands for an answer that could not be given (as nginx calls it).
pub const HUNG_UP: (u16, &str) = (499, "client_closed_request");
/// What tokens and secrets of ours begin with, besides API keys: authorization codes, refresh tokens, client
/// secrets, sessions, JWTs.
const SECRET_BEGINNINGS: [&str; 5] = ["ac_", "rt_", "cs_", "v1.", "eyJ"];
/// Shorter, it is a word.
const SECRET_LENGTH: usize = 30;

/// What is asked: of forward-auth, the original request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub via: Via,
    pub method: &'a str,
    /// A query is left off.
    pub path: &'a str,
}

/// A request that is being looked at.
pub struct Incoming {
    started: Instant,
    at: Timestamp,
    via: Via,
    method: String,
    path: String,
    address: ClientAddress,
    user_agent: Option<String>,
}

impl Incoming {
    pub fn new(
        app: &App,
        asked: Asked<'_>,
        headers: &HeaderMap,
        address: ClientAddress,
        now: Timestamp,
    ) -> Self {
        let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let path = asked.path.split(['?', '#']).next().unwrap_or_default();
        Self {
            started: Instant::now(),
            at: now,
            via: asked.via,
            method: access_log::shown_method(asked.method),
            path: access_log::shown(&without_secrets(path, &app.config.api_key_prefix)),
            address,
            user_agent: user_agent.map(access_log::shown),
        }
    }

    /// Now it is known whose credential it has. `rate` is `None` if the request was refused before it was counted.
    pub fn of(self, app: &App, whose: Whose, rate: Option<&Decision>) -> Pending {
        let (status, reason) = HUNG_UP;
        let entry = AccessEntry {
            id: AccessEntryId::new(self.at),
            at: self.at,
            organization: whose.organization,
            credential: whose.credential,
            client: whose.client,
            user: whose.user,
            via: self.via,
            method: self.method,
            path: self.path,
            status,
            reason: Some(reason),
            address: self.address.ip,
            user_agent: self.user_agent,
            duration: TimeDelta::zero(),
            is_use: rate.is_some(),
            exceeded: rate.and_then(exceeded),
        };
        Pending { started: self.started, entry: Some(entry), queue: app.access_log.clone() }
    }
}

/// The limit that a request was the first to run into in its window.
fn exceeded(rate: &Decision) -> Option<WindowState> {
    let refusing = [rate.hour, rate.minute].into_iter().find(|window| window.remaining == 0);
    refusing.filter(|_| !rate.is_allowed && rate.is_first_refusal)
}

/// An entry that waits for its answer. Whoever hangs up before gets it written all the same: what was asked may
/// have been done.
pub struct Pending {
    started: Instant,
    /// `None` once it is pushed.
    entry: Option<AccessEntry>,
    queue: AccessQueue,
}

impl Pending {
    /// The answer is told whose request it answers.
    pub fn end(mut self, response: &mut Response) {
        if let Some(entry) = &mut self.entry {
            entry.status = response.status().as_u16();
            entry.reason = response.extensions().get::<Reason>().map(|Reason(code)| code.name());
            response.extensions_mut().insert(Whose {
                organization: entry.organization,
                credential: entry.credential,
                client: entry.client,
                user: entry.user,
            });
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            entry.duration = TimeDelta::from_std(self.started.elapsed()).unwrap_or(TimeDelta::MAX);
            self.queue.push(entry);
        }
    }
}

/// Somebody pastes a key where an id belongs, and it must not be there to be read for a month.
fn without_secrets(path: &str, key_prefix: &str) -> String {
    if path.len() < SECRET_LENGTH {
        return path.to_owned();
    }
    let is_secret = |word: &str| {
        word.len() >= SECRET_LENGTH
            && (format::looks_like_key(word, key_prefix)
                || SECRET_BEGINNINGS.iter().any(|beginning| word.starts_with(beginning)))
    };
    let parts_words = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let mut shown = String::with_capacity(path.len());
    for piece in path.split_inclusive(parts_words) {
        let word = piece.strip_suffix(parts_words).unwrap_or(piece);
        shown.push_str(if is_secret(word) { "…" } else { word });
        shown.push_str(&piece[word.len()..]);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_path_is_left_out() {
        let key = format::generate("sk", "AbCd1234");
        let key = key.expose();
        for (path, says) in [
            (format!("/v1/api-keys/{key}"), "/v1/api-keys/…"),
            (format!("/v1/x;key={key}/y"), "/v1/x;key=…/y"),
            (format!("/v1/{key}/{key}x"), "/v1/…/…"),
            ("/v1/eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln".to_owned(), "/v1/…"),
            ("/v1/api-keys/key_0191e1a2b3c4".to_owned(), "/v1/api-keys/key_0191e1a2b3c4"),
            ("/v1.0/contacts".to_owned(), "/v1.0/contacts"),
        ] {
            assert_eq!(without_secrets(&path, "sk"), says);
        }
    }
}
