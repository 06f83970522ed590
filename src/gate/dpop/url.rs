//! URLs, to be compared (RFC 3986 §6.2.2, §6.2.3).

use std::fmt::Write;

use url::Url;

/// One spelling for all that are equal, without query and fragment (RFC 9449 §4.3 no. 9); `None` if it is not the URL
/// of a request.
pub fn normalized(text: &str) -> Option<String> {
    let url =
        Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    if !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    // The host in lower case, and no port that goes without saying.
    Some(format!("{}{}", url.origin().ascii_serialization(), normalized_path(url.path())))
}

/// Unreserved characters as they are, other encoded ones with capitals.
fn normalized_path(path: &str) -> String {
    let mut normalized = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        normalized.push_str(before);
        rest = after;
        let Some(byte) = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            normalized.push('%');
            continue;
        };
        rest = &after[2..];
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            normalized.push(char::from(byte));
        } else {
            let _ = write!(normalized, "%{byte:02X}");
        }
    }
    normalized.push_str(rest);
    normalized
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_urls_have_one_spelling() {
        for same in [
            "https://api.example/a%2Fb~c",
            "HTTPS://API.example:443/a%2fb%7Ec",
            "https://api.example/a%2Fb~c?x=1#top",
            "https://api.example/x/../a%2Fb~c",
            "https://api.example/./a%2Fb%7ec?",
        ] {
            assert_eq!(normalized(same).as_deref(), Some("https://api.example/a%2Fb~c"), "{same}");
        }
        assert_eq!(normalized("https://api.example"), normalized("https://api.example/"));
        assert_eq!(normalized("http://[::1]:80/a").as_deref(), Some("http://[::1]/a"));
    }

    #[test]
    fn what_differs_stays_different() {
        let own = normalized("https://api.example/a/b");
        for other in [
            "http://api.example/a/b",
            "https://api.example:8443/a/b",
            "https://api.example/a%2Fb",
            "https://api.example/a/b/",
            "https://api.example/A/b",
            "https://api.example.evil/a/b",
            "https://api.example/a/b%",
            "https://api.example/a/b%+1",
        ] {
            assert!(normalized(other).is_some_and(|other| Some(other) != own), "{other}");
        }
        for none in ["", "/a/b", "api.example/a/b", "https://me@api.example/a/b", "urn:a", "https://"] {
            assert_eq!(normalized(none), None, "{none}");
        }
    }
}
