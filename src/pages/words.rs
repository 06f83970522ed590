//! Moments, lengths of time and names in words.

use chrono::Datelike;
use chrono::SecondsFormat;
use chrono::TimeDelta;

use crate::base::clock::Timestamp;
use crate::pages::parts::End;
use crate::pages::parts::Moment;
use crate::pages::parts::Tag;

/// An end that is nearer than this deserves a mark.
const SOON: TimeDelta = TimeDelta::days(7);

/// As one would say it at `now`: "2 hours ago", "in 3 days", and from a month on the date.
pub fn moment(at: Timestamp, now: Timestamp) -> Moment {
    let away = now - at;
    let text = match away.num_seconds() {
        0..60 => "just now".to_owned(),
        seconds @ 60..86_400 => format!("{} ago", duration(TimeDelta::seconds(seconds))),
        86_400..172_800 => "yesterday".to_owned(),
        // Up, so that an hour from now is an hour, not 59 minutes.
        seconds @ -2_592_000..0 => format!("in {}", duration(TimeDelta::seconds(59 - seconds))),
        _ => day(at),
    };
    Moment { text, ..date(at) }
}

/// The day, whenever it is read.
pub fn date(at: Timestamp) -> Moment {
    Moment {
        text: day(at),
        exact: format!("{}, {} UTC", day(at), at.format("%H:%M")),
        datetime: at.to_rfc3339_opts(SecondsFormat::Secs, true),
    }
}

/// To the second: in a log, what came first matters.
pub fn instant(at: Timestamp) -> Moment {
    let text = format!("{}, {} UTC", day(at), at.format("%H:%M:%S"));
    Moment { text, ..date(at) }
}

fn day(at: Timestamp) -> String {
    format!("{} {}", at.day(), at.format("%B %Y"))
}

/// In its largest unit: "10 minutes", "30 days", "1 year".
pub fn duration(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    let units = [(31_536_000, "year"), (86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let (size, unit) = units.into_iter().find(|(size, _)| seconds >= *size).unwrap_or((1, "second"));
    match seconds / size {
        1 => format!("1 {unit}"),
        count => format!("{count} {unit}s"),
    }
}

/// Whole seconds, rounded up: who waits as long as told must not come too early.
pub fn seconds_up(length: TimeDelta) -> i64 {
    (length + TimeDelta::milliseconds(999)).num_seconds().max(1)
}

pub fn seconds(count: i64) -> String {
    if count == 1 { "1 second".to_owned() } else { format!("{count} seconds") }
}

/// With its thousands apart: "10,000".
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("−{text}") } else { text }
}

/// "1 app", "2 apps".
pub fn several(number: i64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number))
}

/// Cents as people write amounts: "5.00".
pub fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}

/// The cents of an amount as people write it, "5", "2.50" or "-1"; `None` if it is none.
pub fn read_amount(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 2 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<2}").parse().ok()?;
    Some(sign * whole.checked_mul(100)?.checked_add(fraction)?)
}

/// Credits, which are kept in cents.
pub fn cents(number: i64) -> String {
    several(number, "cent")
}

/// A message of a subject as a sentence: "a name is too long" → "A name is too long."
pub fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let stop = if message.ends_with('.') { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}

/// The first letters of the first two words of a name.
pub fn initials(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(2).filter_map(|word| word.chars().next()).flat_map(char::to_uppercase).collect()
}

/// What state a credential is in, and when it ends or ended.
pub fn life(expires_at: Option<Timestamp>, now: Timestamp) -> (Tag, Option<End>) {
    let end = |verb, at| Some(End { verb, when: moment(at, now) });
    match expires_at {
        None => (Tag::new("ok", "active"), None),
        Some(at) if at <= now => (Tag::new("", "expired"), end("Expired", at)),
        Some(at) if at - now <= SOON => (Tag::new("warn", "expires soon"), end("Expires", at)),
        Some(at) => (Tag::new("ok", "active"), end("Expires", at)),
    }
}

/// "Firefox on Linux". A guess to help somebody recognise their own device, and nothing more.
pub fn device(user_agent: &str) -> String {
    let find = |known: &[(&str, &'static str)]| {
        known.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    // The order counts: every browser claims to be its predecessors.
    let browser = find(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = find(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) => one.to_owned(),
        (None, Some(system)) => format!("A browser on {system}"),
        (None, None) => "A browser".to_owned(),
    }
}

/// A program by the name that it gives itself, a browser as [`device`] tells it.
pub fn agent(user_agent: &str) -> String {
    if user_agent.starts_with("Mozilla/") {
        return device(user_agent);
    }
    // Whoever writes more wants more than to be known.
    user_agent.chars().take(60).collect()
}

pub fn milliseconds(length: TimeDelta) -> String {
    let milliseconds = length.as_seconds_f64() * 1e3;
    if milliseconds < 10.0 { format!("{milliseconds:.1} ms") } else { format!("{milliseconds:.0} ms") }
}

/// The name of a field in words: `requests_per_hour` → "requests per hour".
pub fn words_of(name: &str) -> String {
    name.replace(['_', '.'], " ")
}

/// The name of an action in words: `api_key.created` → "API key created".
pub fn action(name: &str) -> String {
    let words = words_of(name);
    match words.strip_prefix("api ") {
        Some(rest) => format!("API {rest}"),
        None if words.starts_with("ip ") => words.replacen("ip ", "IP ", 1),
        None => words.chars().take(1).flat_map(char::to_uppercase).chain(words.chars().skip(1)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_moment_is_told_as_one_would_say_it() {
        let now = at("2026-05-03T10:00:00Z");
        for (then, says) in [
            ("2026-05-03T09:59:30Z", "just now"),
            ("2026-05-03T09:56:00Z", "4 minutes ago"),
            ("2026-05-03T08:59:00Z", "1 hour ago"),
            ("2026-05-02T09:59:00Z", "yesterday"),
            ("2026-04-09T10:00:00Z", "9 April 2026"),
            ("2026-05-06T10:00:00Z", "in 3 days"),
            ("2026-05-03T10:59:58Z", "in 1 hour"),
            ("2027-05-03T10:00:00Z", "3 May 2027"),
        ] {
            assert_eq!(moment(at(then), now).text, says, "{then}");
        }
    }

    #[test]
    fn a_length_of_time_is_told_in_its_largest_unit() {
        for (seconds, says) in
            [(1, "1 second"), (600, "10 minutes"), (2_592_000, "30 days"), (31_536_000, "1 year")]
        {
            assert_eq!(duration(TimeDelta::seconds(seconds)), says);
        }
    }

    #[test]
    fn numbers_are_easy_to_read() {
        for (number, says) in [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "−1,234,567")] {
            assert_eq!(count(number), says);
        }
        assert_eq!((several(1, "app"), several(0, "app")), ("1 app".to_owned(), "0 apps".to_owned()));
    }

    #[test]
    fn browsers_are_told_apart() {
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0";
        assert_eq!(device(edge), "Edge on Windows");
        assert_eq!(device("curl/8.5.0"), "curl");
        assert_eq!(device(""), "A browser");
    }

    #[test]
    fn an_action_is_told_in_words() {
        assert_eq!(action("api_key.created"), "API key created");
        assert_eq!(action("ip_allowlist.updated"), "IP allowlist updated");
        assert_eq!(action("member.role_changed"), "Member role changed");
        assert_eq!(agent("curl/8.5.0"), "curl/8.5.0");
        assert_eq!(milliseconds(TimeDelta::microseconds(1234)), "1.2 ms");
    }

    #[test]
    fn initials_come_from_the_first_two_words() {
        assert_eq!(initials("Harbour CRM for teams"), "HC");
        assert_eq!(initials("écho"), "É");
        assert_eq!(initials("—"), "");
    }

    #[test]
    fn an_amount_is_read_as_people_write_it() {
        for (text, is) in [("5", Some(500)), ("2.5", Some(250)), ("-0.05", Some(-5)), (" 1.00 ", Some(100))] {
            assert_eq!(read_amount(text), is, "{text}");
        }
        for text in ["", "-", ".5", "1.234", "1,5", "1e3", "+1", "99999999999999999999", "--1"] {
            assert_eq!(read_amount(text), None, "{text}");
        }
        assert_eq!((money(-5), money(12345)), ("-0.05".to_owned(), "123.45".to_owned()));
    }
}
