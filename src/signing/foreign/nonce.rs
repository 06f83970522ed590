//! Nonces (RFC 9449 §8): a JWT that repeats one was not made long before. Derived from the time, not stored, so that
//! every node knows them; all callers get the same.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use chrono::TimeDelta;

use crate::base::clock::Timestamp;
use crate::base::server_secret::ServerSecret;

/// In seconds. A nonce is good in its own period and in the next one, so that nobody is given one that ends at once.
const PERIOD: i64 = 120;
/// By how much the clock of the node that gave a nonce may be ahead.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(5);

/// How long a nonce is good at the most, and with it whatever repeats it.
pub const LONGEST: TimeDelta = TimeDelta::seconds(2 * PERIOD + 5);

/// Cheap to clone.
#[derive(Clone)]
pub struct Nonces(Arc<hmac::Key>);

impl Nonces {
    pub fn new(secret: &ServerSecret) -> Self {
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &secret.derive("nonces"))))
    }

    /// The one that is given out now.
    pub fn current(&self, now: Timestamp) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, &period(now).to_be_bytes()))
    }

    /// Until when the nonce is good; `None` if it was not given out lately.
    pub fn good_until(&self, nonce: &str, now: Timestamp) -> Option<Timestamp> {
        let nonce = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let own = period(now);
        let periods = [own, own - 1, period(now + CLOCKS_DIFFER)];
        let given =
            periods.into_iter().find(|at| hmac::verify(&self.0, &at.to_be_bytes(), &nonce).is_ok())?;
        DateTime::from_timestamp((given + 2) * PERIOD, 0)
    }
}

fn period(now: Timestamp) -> i64 {
    now.timestamp().div_euclid(PERIOD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;

    fn nonces(secret: &str) -> Nonces {
        Nonces::new(&ServerSecret::new(&Secret::new(secret)))
    }

    fn at(seconds: i64) -> Timestamp {
        DateTime::from_timestamp(1_000 * PERIOD + seconds, 0).unwrap()
    }

    #[test]
    fn a_nonce_is_good_in_its_own_period_and_the_next() {
        let nonces = nonces("a");
        let given = nonces.current(at(30));

        for seconds in [-5, 0, 30, PERIOD, 2 * PERIOD - 1] {
            assert_eq!(nonces.good_until(&given, at(seconds)), Some(at(2 * PERIOD)), "{seconds}");
        }
        for seconds in [-PERIOD, -6, 2 * PERIOD, 3 * PERIOD] {
            assert_eq!(nonces.good_until(&given, at(seconds)), None, "{seconds}");
        }
        assert_ne!(nonces.current(at(PERIOD)), given);
        assert_eq!(nonces.current(at(PERIOD - 1)), given);
    }

    #[test]
    fn only_who_has_the_secret_can_make_one() {
        let given = nonces("b").current(at(0));

        for bad in ["", "AAAA", "!", &given, &nonces("a").current(at(0))[1..]] {
            assert_eq!(nonces("a").good_until(bad, at(0)), None, "{bad}");
        }
    }
}
