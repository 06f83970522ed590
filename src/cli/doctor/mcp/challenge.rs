//! `WWW-Authenticate` as MCP clients read it (RFC 6750 §3, RFC 9728 §5.1).
//!
//! Not as RFC 9110 would have it: the clients join the lines, look at the first scheme only, and find parameters with
//! a regular expression that wants them in double quotes. What they do not find might as well not be there.

use reqwest::header;
use reqwest::header::HeaderMap;

pub(super) struct Challenge(String);

impl Challenge {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lines: Vec<&str> =
            headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|line| line.to_str().ok()).collect();
        Self(lines.join(", "))
    }

    pub(super) fn is_missing(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_bearer(&self) -> bool {
        self.0.split([' ', ',']).next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"))
    }

    /// `None` if it is missing, empty, or not in double quotes.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let beginning = format!("{name}=\"");
        let (start, _) = self.0.match_indices(&beginning).find(|(at, _)| {
            let before = self.0[..*at].chars().next_back();
            before.is_none_or(|before| matches!(before, ' ' | ',' | '\t'))
        })?;
        let value = self.0[start + beginning.len()..].split('"').next()?;
        (!value.is_empty()).then_some(value)
    }

    /// Whether it is there at all, however it is written.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(text: &str) -> Challenge {
        Challenge(text.to_owned())
    }

    #[test]
    fn parameters_are_found_as_clients_find_them() {
        let good =
            challenge(r#"Bearer realm="x", resource_metadata="https://a/b",scope="read write", error="""#);

        assert!(good.is_bearer());
        assert_eq!(good.parameter("resource_metadata"), Some("https://a/b"));
        assert_eq!(good.parameter("scope"), Some("read write"));
        assert_eq!(good.parameter("metadata"), None);
        assert_eq!(good.parameter("error"), None);

        let unquoted = challenge("bearer scope=read, resource_metadata=https://a/b");
        assert!(unquoted.is_bearer() && unquoted.mentions("resource_metadata"));
        assert_eq!(unquoted.parameter("resource_metadata"), None);

        assert!(!challenge(r#"DPoP algs="ES256", Bearer scope="read""#).is_bearer());
        assert!(challenge("").is_missing() && !challenge("").is_bearer());
    }
}
