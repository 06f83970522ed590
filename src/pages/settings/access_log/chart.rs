//! Requests over time as bars, drawn on the server. What became of them is told by pattern as well as by colour, in
//! words and in a table.

use chrono::DurationRound;
use chrono::TimeDelta;
use sqlx::PgConnection;

use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::organizations::access_log::reading;
use crate::organizations::access_log::reading::Bucket;
use crate::organizations::access_log::reading::Filter;
use crate::pages::words;

const HOUR: TimeDelta = TimeDelta::hours(1);
const DAY: TimeDelta = TimeDelta::days(1);
/// What is drawn unless the filter says otherwise.
const USUAL_SPAN: TimeDelta = DAY;
/// Up to this long, a bar is an hour.
const HOURS_UP_TO: TimeDelta = TimeDelta::days(2);
/// More would be thinner than a line.
const MAX_BARS: i32 = 62;
/// In per cent: a single failure among thousands must be seen.
const LEAST_HEIGHT: f64 = 2.0;

pub struct Chart {
    /// What a person who does not see it is told.
    pub summary: String,
    pub kinds: Vec<Kind>,
    pub bars: Vec<Bar>,
    pub first: String,
    pub last: String,
    pub is_empty: bool,
}

/// What became of requests, in the whole chart.
pub struct Kind {
    pub name: &'static str,
    /// Of its pattern, in the stylesheet and the template.
    pub pattern: &'static str,
    pub count: i64,
}

pub struct Bar {
    pub when: String,
    pub words: String,
    /// Per cent of the chart.
    pub x: String,
    pub width: String,
    pub parts: Vec<Part>,
    /// In the order of `KINDS`.
    pub counts: [i64; 4],
}

pub struct Part {
    pub pattern: &'static str,
    pub y: String,
    pub height: String,
}

/// From the ground up.
const KINDS: [(&str, &str); 4] = [
    ("let through", "chart-ok"),
    ("refused", "chart-refused"),
    ("over the limit", "chart-limited"),
    ("failed", "chart-failed"),
];

/// `None` if the filter leaves no time.
pub async fn draw(
    db: &mut PgConnection,
    organization: OrganizationId,
    filter: &Filter,
    now: Timestamp,
    retention: TimeDelta,
) -> sqlx::Result<Option<Chart>> {
    let Some(Span { since, until, width }) = span(filter, now, retention) else { return Ok(None) };
    let found = reading::summary(db, organization, filter, (since, until), width).await?;
    let mut buckets = Vec::new();
    let mut start = since;
    while start < until {
        let known = found.iter().find(|bucket| bucket.start == start).cloned();
        buckets.push(known.unwrap_or_else(|| Bucket { start, ..Bucket::default() }));
        start += width;
    }
    Ok(Some(chart(&buckets, width)))
}

#[derive(Debug, PartialEq, Eq)]
struct Span {
    since: Timestamp,
    until: Timestamp,
    width: TimeDelta,
}

fn span(filter: &Filter, now: Timestamp, retention: TimeDelta) -> Option<Span> {
    let next_hour = now.duration_trunc(HOUR).ok()? + HOUR;
    let until = filter.until.map_or(next_hour, |until| until.min(next_hour));
    let kept = now.duration_trunc(DAY).ok()? - retention;
    let since =
        filter.since.unwrap_or_else(|| until.checked_sub_signed(USUAL_SPAN).unwrap_or(kept)).max(kept);
    let length = until - since;
    if length <= TimeDelta::zero() {
        return None;
    }
    if length <= HOURS_UP_TO {
        return Some(Span { since, until, width: HOUR });
    }
    let days = i32::try_from(length.num_days()).unwrap_or(i32::MAX) / MAX_BARS + 1;
    Some(Span { since, until, width: DAY * days })
}

fn chart(buckets: &[Bucket], width: TimeDelta) -> Chart {
    let totals: Vec<i64> = buckets.iter().map(|bucket| counts(bucket).iter().sum()).collect();
    let most = totals.iter().copied().max().unwrap_or_default();
    let total: i64 = totals.iter().sum();
    let mut sums = [0; 4];
    for bucket in buckets {
        for (sum, count) in sums.iter_mut().zip(counts(bucket)) {
            *sum += count;
        }
    }
    let kinds = KINDS.into_iter().zip(sums);
    let kinds: Vec<Kind> = kinds.map(|((name, pattern), count)| Kind { name, pattern, count }).collect();
    let of_each: Vec<String> = kinds.iter().map(|kind| format!("{} {}", kind.count, kind.name)).collect();
    let length = words::duration(width);
    let bar = |(place, bucket)| bar(bucket, (place, buckets.len()), most, width);
    Chart {
        summary: format!("{total} requests: {}. At most {most} in {length}.", of_each.join(", ")),
        kinds,
        bars: buckets.iter().enumerate().map(bar).collect(),
        first: buckets.first().map(|bucket| words::date(bucket.start).exact).unwrap_or_default(),
        last: buckets.last().map(|bucket| words::date(bucket.start + width).exact).unwrap_or_default(),
        is_empty: total == 0,
    }
}

const fn counts(bucket: &Bucket) -> [i64; 4] {
    [bucket.ok, bucket.refused, bucket.limited, bucket.failed]
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn bar(bucket: &Bucket, (place, bars): (usize, usize), most: i64, width: TimeDelta) -> Bar {
    let step = 100.0 / bars as f64;
    let mut top = 100.0;
    let mut parts = Vec::new();
    for (count, (_, pattern)) in counts(bucket).into_iter().zip(KINDS) {
        if count == 0 {
            continue;
        }
        // A tenth is left, for parts that are drawn taller than they are.
        let height = (90.0 * count as f64 / most as f64).max(LEAST_HEIGHT);
        top -= height;
        parts.push(Part { pattern, y: percent(top), height: percent(height) });
    }
    let told = counts(bucket).into_iter().zip(KINDS).filter(|(count, _)| *count > 0);
    let told: Vec<String> = told.map(|(count, (name, _))| format!("{count} {name}")).collect();
    let when = format!("{}, {}", words::date(bucket.start).exact, words::duration(width));
    Bar {
        words: format!("{when}: {}", told.join(", ")),
        when,
        x: percent(step * place as f64),
        width: percent(step * 0.8),
        parts,
        counts: counts(bucket),
    }
}

fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn spanned(since: Option<&str>, until: Option<&str>) -> Option<Span> {
        let filter = Filter { since: since.map(at), until: until.map(at), ..Filter::default() };
        span(&filter, at("2030-03-01T12:30:00Z"), TimeDelta::days(30))
    }

    #[test]
    fn a_day_is_drawn_by_the_hour() {
        let day = Span { since: at("2030-02-28T13:00:00Z"), until: at("2030-03-01T13:00:00Z"), width: HOUR };
        assert_eq!(spanned(None, None), Some(day));
    }

    #[test]
    fn what_is_not_kept_and_what_is_to_come_are_not_drawn() {
        let all = Span { since: at("2030-01-30T00:00:00Z"), until: at("2030-03-01T13:00:00Z"), width: DAY };
        assert_eq!(spanned(Some("1970-01-01T00:00:00Z"), Some("9999-12-31T00:00:00Z")), Some(all));
        assert_eq!(spanned(Some("2031-01-01T00:00:00Z"), None), None);
        assert_eq!(spanned(None, Some("0001-01-01T00:00:00Z")), None);
    }

    #[test]
    fn a_single_failure_among_thousands_is_seen() {
        let bucket = Bucket { start: at("2030-03-01T00:00:00Z"), ok: 9999, failed: 1, ..Bucket::default() };
        let chart = chart(&[bucket], HOUR);
        assert_eq!(chart.bars[0].parts[1].height, "2.00%");
        assert_eq!(
            chart.summary,
            "10000 requests: 9999 let through, 0 refused, 0 over the limit, 1 failed. At most 10000 in 1 hour."
        );
    }
}
