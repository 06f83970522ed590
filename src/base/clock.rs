//! What time it is. Production reads the system; tests set the time by hand.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

use chrono::DateTime;
use chrono::NaiveDate;
use chrono::NaiveTime;
use chrono::SubsecRound;
use chrono::TimeDelta;
use chrono::Utc;

/// A moment in UTC, to the microsecond: what PostgreSQL keeps, so a value read back equals the value written.
pub type Timestamp = DateTime<Utc>;

/// Cheap to clone. Clones of a manual clock move together.
#[derive(Debug, Clone)]
pub enum Clock {
    System,
    /// Seconds since 1970-01-01T00:00:00Z.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(start.timestamp())))
    }

    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
            Self::System => Utc::now().trunc_subsecs(6),
            Self::Manual(seconds) => {
                DateTime::from_timestamp(seconds.load(Ordering::Relaxed), 0).unwrap_or_default()
            }
        }
    }

    /// Moves a manual clock; does nothing to the system's.
    pub fn advance(&self, by: TimeDelta) {
        if let Self::Manual(seconds) = self {
            seconds.fetch_add(by.num_seconds(), Ordering::Relaxed);
        }
    }
}

/// A moment as somebody asks for it: RFC 3339, or a day (in UTC), which means its beginning.
pub fn parse(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.with_timezone(&Utc));
    }
    // chrono would read years of other lengths, too.
    let is_day = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
    let day = is_day.then(|| text.parse::<NaiveDate>().ok()).flatten()?;
    Some(day.and_time(NaiveTime::MIN).and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_beginning() {
        assert_eq!(parse("2030-01-01"), parse("2030-01-01T00:00:00Z"));
        assert_eq!(parse("2030-01-01T02:00:00+02:00"), parse("2030-01-01T00:00:00Z"));
        for nonsense in ["", "now", "2030", "2030-13-01", "-300-01-01", "2030-01-01T00:00:00", "+30000-01-1"]
        {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }
}
