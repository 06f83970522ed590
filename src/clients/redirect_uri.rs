//! Redirect URIs: which may be registered, and which registered one a request means.
//!
//! Comparison is of strings (RFC 9700 §4.1.3): a parser that normalises, on our side or the browser's, is
//! what attacks on looser comparisons live on.

use url::Host;
use url::Url;

use crate::base::network;

const MAX_LENGTH: usize = 2000;

/// Why a URI cannot be registered; to be read after the URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("is not an absolute URI")]
    NotAbsolute,
    #[error("is longer than 2000 characters")]
    TooLong,
    #[error("has a fragment")]
    Fragment,
    #[error("has a user name or password")]
    UserInfo,
    #[error("has a wildcard")]
    Wildcard,
    #[error("has a host but must use https, unless the host is loopback")]
    NotHttps,
    #[error("has a scheme that is not an app's own")]
    Scheme,
}

/// Schemes that are no app's own: what browsers run or show themselves, and what systems do something else with.
const NO_APPS: [&str; 22] = [
    "about",
    "blob",
    "chrome",
    "cid",
    "content",
    "data",
    "facetime",
    "file",
    "filesystem",
    "ftp",
    "intent",
    "jar",
    "javascript",
    "mailto",
    "res",
    "resource",
    "sms",
    "tel",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

/// Checks a URI that somebody wants to register.
pub fn check(text: &str) -> Result<(), Refusal> {
    if text.len() > MAX_LENGTH {
        return Err(Refusal::TooLong);
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Refusal::NotAbsolute);
    }
    if text.contains('#') {
        return Err(Refusal::Fragment);
    }
    if text.contains('*') {
        return Err(Refusal::Wildcard);
    }
    let url = Url::parse(text).map_err(|_| Refusal::NotAbsolute)?;
    // The parser is as lenient as browsers are; what is kept is the text.
    let is_literal = match url.scheme() {
        scheme @ ("http" | "https") => text.starts_with(&format!("{scheme}://")) && !text.contains('\\'),
        scheme => text.starts_with(&format!("{scheme}:")),
    };
    if !is_literal {
        return Err(Refusal::NotAbsolute);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::UserInfo);
    }
    match url.scheme() {
        "https" if url.has_host() => Ok(()),
        "http" if network::is_loopback(&url) => Ok(()),
        "http" => Err(Refusal::NotHttps),
        scheme if NO_APPS.contains(&scheme) => Err(Refusal::Scheme),
        // RFC 8252 §7.1 would like a period, so that the owner of a domain owns the scheme. Apps in use have none.
        _ => Ok(()),
    }
}

/// Whether a request for `asked` means the registered URI: the same string, save that the port of a
/// loopback host is free, because a native app takes whichever it gets (RFC 8252 §7.3).
pub fn matches(registered: &str, asked: &str) -> bool {
    registered == asked
        || match (without_port(registered), without_port(asked)) {
            (Some(registered), Some(asked)) => registered == asked,
            _ => false,
        }
}

/// A loopback URI in two parts around its port, or `None` if it is no loopback URI.
fn without_port(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("http://")?;
    let host = ["127.0.0.1", "[::1]", "localhost"].into_iter().find(|host| rest.starts_with(host))?;
    let (host, after) = rest.split_at(host.len());
    let after = match after.strip_prefix(':') {
        Some(with_port) => {
            let digits = with_port.bytes().take_while(u8::is_ascii_digit).count();
            with_port[..digits].parse::<u16>().ok()?;
            &with_port[digits..]
        }
        None => after,
    };
    // Whatever follows must not be more of the host: `http://localhost.evil.example`, `http://127.0.0.1@evil`.
    (after.is_empty() || after.starts_with('/') || after.starts_with('?')).then_some((host, after))
}

/// Whether only one app or site can be sent people there: neither whatever listens on the person's own machine nor
/// whatever claimed a scheme there (RFC 8252 §8.6).
pub fn is_on_the_web(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| url.scheme() == "https" && !network::is_loopback(&url))
}

/// Where a person will be sent, as they would say it: `app.example.com`, or an app's own scheme.
pub fn host_for_people(uri: &str) -> String {
    match Url::parse(uri) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url.host_str().unwrap_or(uri).to_owned(),
        Ok(url) => format!("{}:", url.scheme()),
        Err(_) => uri.to_owned(),
    }
}

/// The source expression of Content-Security-Policy's `form-action` that lets a form's answer lead there.
pub fn csp_source(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    match (url.scheme(), url.host()) {
        // CSP has no notation for IPv6 addresses.
        ("http" | "https", Some(Host::Ipv6(_))) => Some(format!("{}:", url.scheme())),
        ("http" | "https", Some(_)) => Some(url.origin().ascii_serialization()),
        ("http" | "https", None) => None,
        (scheme, _) => Some(format!("{scheme}:")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_registered() {
        for good in [
            "https://app.example.com/callback",
            "https://app.example.com/callback?tenant=1",
            "http://127.0.0.1/callback",
            "http://localhost:8000",
            "http://[::1]/",
            "com.example.app:/callback",
            "cursor://anysphere.cursor-mcp/oauth/callback",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("/callback", Refusal::NotAbsolute),
            ("https:app.example.com/cb", Refusal::NotAbsolute),
            ("https:/\\app.example.com/cb", Refusal::NotAbsolute),
            ("HTTPS://app.example.com/cb", Refusal::NotAbsolute),
            ("https://app.example.com/\u{0}", Refusal::NotAbsolute),
            ("https://app.example.com/cb#top", Refusal::Fragment),
            ("https://*.example.com/cb", Refusal::Wildcard),
            ("https://user@app.example.com/cb", Refusal::UserInfo),
            ("http://app.example.com/cb", Refusal::NotHttps),
            ("javascript:alert(1)", Refusal::Scheme),
            ("data:text/html,hi", Refusal::Scheme),
            ("view-source:https://app.example/", Refusal::Scheme),
            ("intent://x#Intent;end", Refusal::Fragment),
        ] {
            assert_eq!(check(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn the_port_of_a_loopback_host_is_free_and_nothing_else_is() {
        assert!(matches("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"));
        assert!(matches("http://localhost:3000", "http://localhost:4000"));
        assert!(matches("http://[::1]:1/cb?x=1", "http://[::1]:2/cb?x=1"));

        assert!(!matches("http://127.0.0.1/cb", "http://127.0.0.1:51004/other"));
        assert!(!matches("http://127.0.0.1/cb", "http://localhost/cb"));
        assert!(!matches("http://localhost/cb", "http://localhost.evil.example/cb"));
        assert!(!matches("http://localhost/cb", "http://localhost:80@evil.example/cb"));
        assert!(!matches("http://localhost/cb", "http://localhost:99999/cb"));
        assert!(!matches("https://app.example/cb", "https://app.example:8443/cb"));
        assert!(!matches("https://app.example/cb", "https://APP.example/cb"));
    }

    #[test]
    fn csp_is_told_where_the_answer_leads() {
        assert_eq!(csp_source("https://app.example/cb").as_deref(), Some("https://app.example"));
        assert_eq!(csp_source("http://localhost:3000/cb").as_deref(), Some("http://localhost:3000"));
        assert_eq!(csp_source("http://[::1]:3000/cb").as_deref(), Some("http:"));
        assert_eq!(csp_source("com.example.app:/cb").as_deref(), Some("com.example.app:"));
    }
}
