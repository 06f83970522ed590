//! The page for a request of an app that must not be answered by a redirect (RFC 6749 §4.1.2.1, RP-Initiated Logout §4).

use askama::Template;
use url::Url;

use crate::pages::parts::Link;

#[derive(Template)]
#[template(path = "pages/authorize_error.html")]
pub struct AuthorizeError {
    pub title: &'static str,
    /// To the person: what happened.
    pub sentence: String,
    /// To the app's developers: what is wrong.
    pub description: String,
    /// Name of the app, if it is known.
    pub app: Option<String>,
    pub mismatch: Option<Mismatch>,
    /// As in `/errors/{code}`.
    pub code: &'static str,
    pub request_id: String,
    pub way_on: Option<Link>,
}

/// A redirect URI that is not registered.
pub struct Mismatch {
    pub asked: String,
    pub registered: Vec<String>,
    pub difference: &'static str,
}

impl Mismatch {
    pub fn new(asked: &str, registered: &[String]) -> Self {
        let differences = registered.iter().map(|uri| difference(asked, uri));
        let nearest = differences.min_by_key(|(rank, _)| *rank);
        let (_, difference) = nearest.unwrap_or((0, "The app has registered none."));
        Self { asked: asked.to_owned(), registered: registered.to_vec(), difference }
    }
}

/// What keeps two URIs apart: the smaller the number, the likelier a slip.
fn difference(asked: &str, registered: &str) -> (u8, &'static str) {
    if asked.trim_end_matches('/') == registered.trim_end_matches('/') {
        return (0, "The slash at the end.");
    }
    if asked.eq_ignore_ascii_case(registered) {
        return (1, "Upper and lower case.");
    }
    let (Ok(a), Ok(b)) = (Url::parse(asked), Url::parse(registered)) else {
        return (9, "What was asked for is not an absolute address.");
    };
    let same_host = a.host() == b.host();
    let same_port = a.port_or_known_default() == b.port_or_known_default();
    if a.fragment().is_some() {
        (2, "A redirect URI has no fragment, the part after #.")
    } else if same_host && a.path() == b.path() && a.scheme() != b.scheme() {
        (2, "The scheme: http or https.")
    } else if same_host && same_port && a.path() == b.path() && a.query() != b.query() {
        (3, "The query, the part after the question mark.")
    } else if same_host && a.path() == b.path() && !same_port {
        (4, "The port.")
    } else if same_host && same_port {
        (5, "The path.")
    } else if a.path() == b.path() {
        (6, "The host.")
    } else {
        (8, "It is another address.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_of_the_nearest() {
        let registered = ["https://app.example/callback".to_owned(), "http://127.0.0.1/cb".to_owned()];
        for (asked, says) in [
            ("https://app.example/callback/", "The slash at the end."),
            ("https://app.example/Callback", "Upper and lower case."),
            ("http://app.example/callback", "The scheme: http or https."),
            ("https://app.example/callback?a=1", "The query, the part after the question mark."),
            ("https://app.example:8443/callback", "The port."),
            ("https://app.example/other", "The path."),
            ("https://evil.example/callback", "The host."),
            ("https://evil.example/", "It is another address."),
            ("callback", "What was asked for is not an absolute address."),
        ] {
            assert_eq!(Mismatch::new(asked, &registered).difference, says, "{asked}");
        }
        assert_eq!(Mismatch::new("https://x/", &[]).difference, "The app has registered none.");
    }
}
