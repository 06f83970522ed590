//! `NumericDate` (RFC 7519 §2): seconds since 1970, which may have a fraction.

use chrono::DateTime;
use serde::Deserialize;

use crate::base::clock::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct NumericDate(f64);

impl NumericDate {
    /// To the second, downwards. What is too far away for any calendar is as far as one goes.
    pub fn moment(self) -> Timestamp {
        #[expect(clippy::cast_possible_truncation, reason = "the nearest that there is, is what is wanted")]
        let seconds = self.0.floor() as i64;
        let furthest = if seconds < 0 { Timestamp::MIN_UTC } else { Timestamp::MAX_UTC };
        DateTime::from_timestamp(seconds, 0).unwrap_or(furthest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_read() {
        let moment = |text: &str| serde_json::from_str::<NumericDate>(text).unwrap().moment();
        assert_eq!(moment("1300819380"), "2011-03-22T18:43:00Z".parse::<Timestamp>().unwrap());
        assert_eq!(moment("1300819380.75"), "2011-03-22T18:43:00Z".parse::<Timestamp>().unwrap());
        assert_eq!((moment("1e300"), moment("-1e300")), (Timestamp::MAX_UTC, Timestamp::MIN_UTC));
        for bad in ["\"1300819380\"", "null", "1e999", "NaN", "[1]", "true"] {
            assert!(serde_json::from_str::<NumericDate>(bad).is_err(), "{bad}");
        }
    }
}
