//! JSON documents that others publish at a URL for this server to read, such as key sets, and for how long one may be
//! used before it is read again (RFC 9111 §4.2, §5.2.2).

use std::time::Duration;

use chrono::TimeDelta;
use reqwest::Method;
use reqwest::StatusCode;
use reqwest::header;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;

use crate::base::outgoing;
use crate::base::outgoing::Outgoing;
use crate::base::outgoing::Request;

/// Somebody's request waits for the document.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Document {
    pub body: Vec<u8>,
    /// In lower case and without parameters; empty if the answer names none.
    pub content_type: String,
    /// `None` if the answer does not say.
    pub fresh_for: Option<TimeDelta>,
}

/// Why there is no document. Made to be read by whoever publishes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Request(#[from] outgoing::Failure),
    #[error("No answer came within {} seconds", PATIENCE.as_secs())]
    TimedOut,
    #[error("The answer had the status {0}, not 200")]
    Status(u16),
    #[error("The answer was longer than {0} bytes, or broke off")]
    Cut(usize),
}

/// What is longer than `most`, in bytes, is not read. Redirects are not followed.
pub async fn fetch(outgoing: &Outgoing, url: &str, most: usize) -> Result<Document, Failure> {
    let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("application/json"))]);
    let request = Request { method: Method::GET, url, headers, body: Vec::new(), most };
    let answer =
        tokio::time::timeout(PATIENCE, outgoing.send(request)).await.map_err(|_| Failure::TimedOut)??;
    if answer.status != StatusCode::OK {
        return Err(Failure::Status(answer.status.as_u16()));
    }
    if answer.is_cut {
        return Err(Failure::Cut(most));
    }
    let content_type = text(&answer.headers, &header::CONTENT_TYPE);
    Ok(Document {
        body: answer.body,
        content_type: content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(),
        fresh_for: freshness(&answer.headers),
    })
}

fn freshness(headers: &HeaderMap) -> Option<TimeDelta> {
    let control = text(headers, &header::CACHE_CONTROL).to_ascii_lowercase();
    let directives = || control.split(',').map(str::trim);
    if directives().any(|one| one == "no-store" || one == "no-cache" || one.starts_with("no-cache=")) {
        return Some(TimeDelta::zero());
    }
    // RFC 9111 §5.2: with or without quotes. What is no number is no time at all (§4.2.1).
    let seconds = |text: &str| text.trim_matches('"').parse::<u32>().map_or(0, i64::from);
    let max_age = seconds(directives().find_map(|one| one.strip_prefix("max-age="))?);
    // How long it lay in caches on its way.
    let age = Some(text(headers, &header::AGE)).filter(|age| !age.is_empty());
    let age = age.map_or(0, |age| age.parse::<u32>().map_or(max_age, i64::from));
    Some(TimeDelta::seconds((max_age - age).max(0)))
}

/// All lines of a header as one (RFC 9110 §5.3); what is no text is left out.
fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh_for(lines: &[(&'static str, &'static str)]) -> Option<i64> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        freshness(&headers).map(|fresh| fresh.num_seconds())
    }

    #[test]
    fn a_document_is_fresh_for_as_long_as_its_headers_say() {
        for (control, seconds) in [
            ("max-age=600", Some(600)),
            ("public, Max-Age=600, must-revalidate", Some(600)),
            ("max-age=\"600\"", Some(600)),
            ("max-age=600, max-age=60", Some(600)),
            ("max-age=0", Some(0)),
            ("max-age=600, no-store", Some(0)),
            ("no-cache, max-age=600", Some(0)),
            ("no-cache=\"set-cookie\", max-age=600", Some(0)),
            ("max-age=-1", Some(0)),
            ("max-age=", Some(0)),
            ("max-age=99999999999999999999", Some(0)),
            ("s-maxage=600", None),
            ("public", None),
            ("", None),
        ] {
            assert_eq!(fresh_for(&[("cache-control", control)]), seconds, "{control}");
        }
        assert_eq!(fresh_for(&[]), None);
        assert_eq!(fresh_for(&[("cache-control", "public"), ("cache-control", "max-age=60")]), Some(60));
    }

    #[test]
    fn what_it_lay_in_caches_counts() {
        for (age, seconds) in [("0", 60), ("20", 40), ("60", 0), ("3600", 0), ("-1", 0), ("soon", 0)] {
            let fresh = fresh_for(&[("cache-control", "max-age=60"), ("age", age)]);
            assert_eq!(fresh, Some(seconds), "{age}");
        }
    }
}
