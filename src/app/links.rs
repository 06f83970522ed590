//! Every URL that the server says of itself. All begin with the configured issuer; none is taken from a
//! request.

use anyhow::Context;
use anyhow::ensure;
use url::Host;
use url::Url;

#[derive(Debug, Clone)]
pub struct Links {
    issuer: String,
    url: Url,
}

impl Links {
    /// RFC 8414 §2: no query and no fragment; clients compare issuers as text, so no slash at the end.
    pub fn new(issuer: &str) -> anyhow::Result<Self> {
        let url = Url::parse(issuer).with_context(|| format!("{issuer:?} is not an absolute URL"))?;
        ensure!(matches!(url.scheme(), "http" | "https"), "{issuer:?} must begin with http:// or https://");
        ensure!(url.query().is_none() && url.fragment().is_none(), "{issuer:?} has a query or a fragment");
        ensure!(url.username().is_empty() && url.password().is_none(), "{issuer:?} has a user name");
        ensure!(!issuer.ends_with('/'), "{issuer:?} must not end with a slash");
        Ok(Self { issuer: issuer.to_owned(), url })
    }

    /// `iss`.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// `path` begins with a slash.
    pub fn to(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// The path of the issuer, empty if it has none.
    pub fn base_path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// `scheme://host[:port]`, as a browser writes it in `Origin`.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// As people know the server.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
    }

    /// The page that explains an error code.
    pub fn error(&self, code: &str) -> String {
        self.to(&format!("/errors/{code}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_has_nothing_behind_it() {
        for issuer in ["https://auth.example", "https://auth.example/path", "http://localhost:8080"] {
            assert_eq!(Links::new(issuer).unwrap().issuer(), issuer);
        }
        for issuer in [
            "https://auth.example/",
            "https://auth.example/path/",
            "https://auth.example?a=b",
            "https://auth.example#top",
            "https://me@auth.example",
            "ftp://auth.example",
            "auth.example",
        ] {
            assert!(Links::new(issuer).is_err(), "{issuer}");
        }
    }
}
