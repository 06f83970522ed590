//! Which apps may register themselves, as the operator wants it.

use anyhow::Context;
use anyhow::bail;
use anyhow::ensure;
use url::Host;
use url::Url;

use crate::app::config::Settings;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;

/// Guessing must be hopeless: nobody counts who tries.
const MIN_TOKEN: usize = 32;

/// Who may register a client (RFC 7591 §3).
#[derive(Debug, Clone)]
pub enum ClientRegistration {
    Open,
    /// Whoever has the initial access token.
    WithToken(SecretHash),
    Off,
}

impl ClientRegistration {
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let token = &settings.initial_access_token;
        if let Some(token) = token {
            ensure!(
                token.expose().len() >= MIN_TOKEN,
                "initial_access_token must have {MIN_TOKEN} characters or more"
            );
        }
        Ok(match settings.client_registration.as_str() {
            "open" => Self::Open,
            "token" => {
                let token =
                    token.as_ref().context("client_registration = \"token\" needs initial_access_token")?;
                Self::WithToken(token.hash())
            }
            "off" => Self::Off,
            other => bail!("client_registration must be open, token or off, not {other:?}"),
        })
    }

    /// Whether somebody who presents `token` may register a client.
    pub fn admits(&self, token: Option<&Secret>) -> bool {
        match self {
            Self::Open => true,
            Self::WithToken(hash) => token.is_some_and(|token| token.hash() == *hash),
            Self::Off => false,
        }
    }
}

/// Whose documents are taken.
#[derive(Debug, Clone)]
pub struct HostRules {
    /// Empty: all.
    allowed: Vec<Pattern>,
    blocked: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Host(String),
    /// All below it.
    Below(String),
}

impl HostRules {
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let read = |name: &str, list: &[String]| -> anyhow::Result<Vec<Pattern>> {
            list.iter()
                .map(|text| Pattern::read(text).with_context(|| format!("{name}: {text:?} is no host")))
                .collect()
        };
        Ok(Self {
            allowed: read("client_metadata_hosts_allowed", &settings.client_metadata_hosts_allowed)?,
            blocked: read("client_metadata_hosts_blocked", &settings.client_metadata_hosts_blocked)?,
        })
    }

    pub fn take(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        // The same host, as names are resolved.
        let host = host.strip_suffix('.').unwrap_or(host);
        let is_in = |list: &[Pattern]| list.iter().any(|pattern| pattern.matches(host));
        !is_in(&self.blocked) && (self.allowed.is_empty() || is_in(&self.allowed))
    }
}

impl Pattern {
    /// As URLs have it: in lower case, with names of other scripts in ASCII.
    fn read(text: &str) -> Option<Self> {
        let host = |text: &str| Host::parse(text).ok().map(|host| host.to_string());
        match text.strip_prefix("*.") {
            Some(parent) => host(parent).map(Self::Below),
            None => host(text).map(Self::Host),
        }
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Host(own) => host == own,
            Self::Below(parent) => host.strip_suffix(parent.as_str()).is_some_and(|rest| rest.ends_with('.')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(allowed: &[&str], blocked: &[&str], url: &str) -> bool {
        let list = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect();
        let settings = Settings {
            client_metadata_hosts_allowed: list(allowed),
            client_metadata_hosts_blocked: list(blocked),
            ..Settings::default()
        };
        HostRules::new(&settings).unwrap().take(&Url::parse(url).unwrap())
    }

    #[test]
    fn hosts_are_taken_as_the_lists_say() {
        for (allowed, blocked, url, expected) in [
            (&[][..], &[][..], "https://app.example/x", true),
            (&["app.example"], &[], "https://app.example:8443/x", true),
            (&["App.Example"], &[], "https://aPP.example/x", true),
            (&["app.example"], &[], "https://other.example/x", false),
            (&["app.example"], &[], "https://www.app.example/x", false),
            (&["*.app.example"], &[], "https://www.app.example/x", true),
            (&["*.app.example"], &[], "https://app.example/x", false),
            (&["*.app.example"], &[], "https://evilapp.example/x", false),
            (&[], &["app.example"], "https://app.example/x", false),
            (&[], &["app.example"], "https://app.example./x", false),
            (&[], &["bücher.example"], "https://xn--bcher-kva.example/x", false),
            (&["*.example"], &["app.example"], "https://app.example/x", false),
        ] {
            assert_eq!(takes(allowed, blocked, url), expected, "{allowed:?} {blocked:?} {url}");
        }
    }

    #[test]
    fn what_is_no_host_is_an_error() {
        for host in ["", "https://app.example", "app.example/x", "*."] {
            let settings =
                Settings { client_metadata_hosts_blocked: vec![host.to_owned()], ..Settings::default() };
            assert!(HostRules::new(&settings).is_err(), "{host:?}");
        }
    }

    #[test]
    fn a_token_that_is_needed_is_there_and_long() {
        for (mode, token, is_good) in [
            ("open", None, true),
            ("token", Some("an initial access token of 32 chars or more"), true),
            ("token", Some("short"), false),
            ("token", None, false),
            ("closed", None, false),
        ] {
            let settings = Settings {
                client_registration: mode.to_owned(),
                initial_access_token: token.map(Secret::new),
                ..Settings::default()
            };
            assert_eq!(ClientRegistration::new(&settings).is_ok(), is_good, "{mode} {token:?}");
        }
    }
}
