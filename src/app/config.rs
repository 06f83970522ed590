//! The configuration: every key, its unit and default, and what a value must be like. Read once, at start.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use anyhow::bail;
use anyhow::ensure;
use axum::http::HeaderName;
use chrono::TimeDelta;
use ipnet::IpNet;
use jsonwebtoken::Algorithm;

use crate::app::client_registration::ClientRegistration;
use crate::app::client_registration::HostRules;
use crate::app::lifetimes;
use crate::app::links::Links;
use crate::app::resources::Resources;
use crate::app::scope_catalog::ScopeCatalog;
use crate::app::settings;
use crate::base::mail::Mailer;
use crate::base::secret::Secret;
use crate::base::server_secret;
use crate::clients::metadata::Terms;
use crate::clients::registration::AuthMethod;
use crate::clients::registration::Lifetimes;
use crate::settings;
use crate::signing::jwt;

settings! {
    /// Public URL of this server, without a slash at the end. Every URL that the server says of itself begins with it.
    issuer: String = "http://localhost:8080".to_owned(),
    /// Address and port to listen on.
    listen: String = "127.0.0.1:8080".to_owned(),
    /// Where the embedded PostgreSQL and a generated secret are kept.
    data_dir: String = "data".to_owned(),
    /// PostgreSQL to use, as `postgres://user:password@host/database`. Unset: an embedded one in `data_dir`. `DATABASE_URL` is read, too.
    database_url: Option<Secret> = None,
    /// Connections to PostgreSQL that requests share, at the most; as many again for refreshes and exchanges of codes.
    database_connections: i64 = 10,
    /// Protects the keys in the database; 32 characters or more, the same on every node. Unset: generated in `data_dir`.
    secret: Option<Secret> = None,
    /// Proxies, as addresses or networks, whose X-Forwarded-For and X-Forwarded-Proto are believed.
    trusted_proxies: Vec<IpNet> = Vec::new(),
    /// Whether passwords, codes and tokens are taken over plain HTTP from others than this machine.
    insecure_http: bool = false,
    /// Certificate chain, a PEM file, to speak TLS without a proxy in front. With `tls_key`.
    tls_certificate: Option<String> = None,
    /// Private key of the certificate, a PEM file.
    tls_key: Option<String> = None,
    /// Address and port of the metrics (Prometheus). Empty: none.
    metrics_listen: String = "127.0.0.1:9464".to_owned(),
    /// Redis or Valkey, as `redis://host:6379`, in which all nodes count rate limits together. `REDIS_URL` is read, too. Unset: each node for itself.
    redis_url: Option<Secret> = None,
    /// How long a request waits for Redis, in milliseconds, before this node counts by itself.
    redis_timeout_milliseconds: i64 = 100,
    /// How many requests a minute one address may make to the session API, for device codes, and to push what apps ask for that are public or registered themselves.
    session_requests_per_minute: i64 = 60,
    /// SMTP server for mail, as `smtps://user:password@host`, `smtp://user:password@host:587?tls=required` or `smtp://host:25`. Unset: mail is written to the log, with the links in it; for development.
    smtp_url: Option<Secret> = None,
    /// Sender of mail, as in `Acme <no-reply@acme.example>`.
    mail_from: String = "Countersign <no-reply@localhost>".to_owned(),
    /// Header that carries the hexadecimal HMAC-SHA256 of a webhook's body.
    webhook_signature_header: String = "X-Countersign-Signature".to_owned(),
    /// Whether requests of this server, such as webhooks, may go to loopback and private addresses. For development.
    outgoing_to_private: bool = false,
    /// For how many days the access log is kept.
    access_log_days: i64 = 30,
    /// Resources (RFC 8707) that clients may ask tokens for, besides this server's own API.
    resources: Vec<String> = Vec::new(),
    /// Scopes of your own, each with the sentence that the consent page shows.
    scopes: BTreeMap<String, String> = BTreeMap::new(),
    /// What API keys begin with, before the underscore.
    api_key_prefix: String = "sk".to_owned(),
    /// Where DPoP proofs must repeat a nonce of this server: `off`, `token_endpoint` or `everywhere`.
    dpop_nonces: String = "off".to_owned(),
    /// How access tokens are signed: `ES256`, `EdDSA` or `RS256`.
    signing_algorithm: String = "ES256".to_owned(),
    /// How long an access token lives, unless its client says otherwise.
    access_token_seconds: i64 = 600,
    /// How long a refresh token lives without use, unless its client says otherwise.
    refresh_token_idle_seconds: i64 = 30 * 24 * 3600,
    /// How long a grant can be refreshed in all, unless its client says otherwise.
    refresh_token_max_seconds: i64 = 365 * 24 * 3600,
    /// For how long a refresh may be repeated because its answer was lost, unless its client says otherwise; 0 to 1800.
    retry_window_seconds: i64 = 60,
    /// Plan of an organization that somebody registers.
    new_organization_plan: String = "free".to_owned(),
    /// Credit of an organization that somebody registers, in cents.
    new_organization_credits_cents: i64 = 500,
    /// Whether anybody may register. If not, people are created on the command line.
    registration: bool = true,
    /// Whether apps may register themselves at `/oauth/register`: `open`, `token` (those that have `initial_access_token`) or `off`.
    client_registration: String = "open".to_owned(),
    /// What an app has to send to register itself, as a bearer token; 32 characters or more. With `client_registration = "token"`.
    initial_access_token: Option<Secret> = None,
    /// How many apps one address may register an hour. An app that comes with the URL of its document counts when it is met first.
    client_registrations_per_hour: i64 = 200,
    /// Whether an app may come with the https URL of a document that describes it (Client ID Metadata Document).
    client_metadata_documents: bool = true,
    /// Hosts whose documents are taken, as `app.example`, or `*.app.example` for those below it. None: all.
    client_metadata_hosts_allowed: Vec<String> = Vec::new(),
    /// Hosts whose documents are not taken, written alike. Counts more than the list of those that are.
    client_metadata_hosts_blocked: Vec<String> = Vec::new(),
    /// Whether /playground is there. Unset: only if the issuer is on this machine.
    playground: Option<bool> = None,
    /// Whether to create a demo organization with a person, two clients and a key. Unset: only on an embedded PostgreSQL.
    demo: Option<bool> = None,
    /// What is logged, as in `info` or `warn,countersign=debug`.
    log: String = "info".to_owned(),
    /// How it is logged: text or json.
    log_format: String = "text".to_owned(),
    /// How long requests in flight may take to end when the server is stopped.
    shutdown_seconds: i64 = 30,
}

impl Settings {
    /// Defaults, then `file`, then the environment.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> anyhow::Result<Self> {
        let mut settings = Self::default();
        if let Some(file) = file {
            settings::read_file(file, Self::KEYS, |name, value| settings.set_toml(name, value))?;
        }
        let environment: Vec<_> = environment.collect();
        if let Some((_, url)) =
            environment.iter().find(|(name, url)| name == "DATABASE_URL" && !url.is_empty())
        {
            settings.database_url = Some(Secret::new(url.as_str()));
        }
        if let Some((_, url)) = environment.iter().find(|(name, url)| name == "REDIS_URL" && !url.is_empty())
        {
            settings.redis_url = Some(Secret::new(url.as_str()));
        }
        settings::read_environment(environment.into_iter(), Self::KEYS, |name, text| {
            settings.set_text(name, text)
        })?;
        Ok(settings)
    }

    /// As a TOML file with every key documented and secrets redacted.
    pub fn dump(&self) -> String {
        let mut text = String::new();
        for key in Self::KEYS {
            let _ = writeln!(text, "# {}", key.doc.trim());
            let _ = match self.get(key.name) {
                Some(value) => writeln!(text, "{} = {value}\n", key.name),
                None => writeln!(text, "# {} is not set\n", key.name),
            };
        }
        text
    }
}

/// Settings that make sense.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Config {
    pub links: Links,
    pub listen: String,
    pub data_dir: PathBuf,
    pub database_url: Option<Secret>,
    pub database_connections: u32,
    pub secret: Option<Secret>,
    pub trusted_proxies: Vec<IpNet>,
    pub insecure_http: bool,
    /// Certificate chain and private key.
    pub tls: Option<(PathBuf, PathBuf)>,
    pub metrics_listen: Option<String>,
    pub redis_url: Option<Secret>,
    pub redis_timeout: Duration,
    pub session_requests_per_minute: u32,
    pub smtp_url: Option<Secret>,
    pub mail_from: String,
    pub webhook_signature_header: HeaderName,
    pub outgoing_to_private: bool,
    pub access_log_retention: TimeDelta,
    pub resources: Resources,
    pub dpop_nonces: DpopNonces,
    pub scopes: ScopeCatalog,
    pub api_key_prefix: String,
    pub signing_algorithm: Algorithm,
    pub lifetimes: Lifetimes,
    pub new_organization_plan: String,
    pub new_organization_credits_cents: i64,
    pub registration: bool,
    pub client_registration: ClientRegistration,
    pub client_registrations_per_hour: u32,
    /// `None`: no app may come with a document.
    pub client_metadata_hosts: Option<HostRules>,
    pub playground: bool,
    pub demo: bool,
    pub log: String,
    pub log_as_json: bool,
    pub shutdown: TimeDelta,
}

/// Where proofs of possession must repeat a nonce (RFC 9449 §8, §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DpopNonces {
    Off,
    TokenEndpoint,
    Everywhere,
}

impl DpopNonces {
    fn named(name: &str) -> anyhow::Result<Self> {
        match name {
            "off" => Ok(Self::Off),
            "token_endpoint" => Ok(Self::TokenEndpoint),
            "everywhere" => Ok(Self::Everywhere),
            _ => bail!("dpop_nonces must be off, token_endpoint or everywhere, not {name:?}"),
        }
    }

    pub fn at_token_endpoint(self) -> bool {
        self != Self::Off
    }

    pub fn at_apis(self) -> bool {
        self == Self::Everywhere
    }
}

impl TryFrom<Settings> for Config {
    type Error = anyhow::Error;

    fn try_from(settings: Settings) -> anyhow::Result<Self> {
        let links = Links::new(&settings.issuer).context("issuer")?;
        check(&settings)?;
        let on_this_machine = links.is_loopback();
        // RFC 8414 §2.
        ensure!(
            links.is_https() || on_this_machine || settings.insecure_http,
            "issuer must begin with https:// unless it is this machine, or insecure_http is true"
        );
        let has_own_database = settings.database_url.is_none();
        Ok(Self {
            lifetimes: lifetimes::of(&settings)?,
            client_registration: ClientRegistration::new(&settings)?,
            client_metadata_hosts: settings
                .client_metadata_documents
                .then(|| HostRules::new(&settings))
                .transpose()?,
            listen: settings.listen,
            data_dir: PathBuf::from(settings.data_dir),
            database_url: settings.database_url,
            database_connections: u32::try_from(settings.database_connections)?,
            secret: settings.secret,
            trusted_proxies: settings.trusted_proxies,
            insecure_http: settings.insecure_http,
            tls: settings.tls_certificate.map(PathBuf::from).zip(settings.tls_key.map(PathBuf::from)),
            metrics_listen: Some(settings.metrics_listen).filter(|listen| !listen.is_empty()),
            redis_url: settings.redis_url,
            redis_timeout: Duration::from_millis(u64::try_from(settings.redis_timeout_milliseconds)?),
            session_requests_per_minute: u32::try_from(settings.session_requests_per_minute)?,
            smtp_url: settings.smtp_url,
            mail_from: settings.mail_from,
            webhook_signature_header: settings
                .webhook_signature_header
                .parse()
                .context("webhook_signature_header is no name of a header")?,
            outgoing_to_private: settings.outgoing_to_private,
            access_log_retention: TimeDelta::days(settings.access_log_days),
            resources: Resources::new(&links, settings.resources)?,
            dpop_nonces: DpopNonces::named(&settings.dpop_nonces)?,
            scopes: ScopeCatalog::new(&settings.scopes)?,
            api_key_prefix: settings.api_key_prefix,
            signing_algorithm: settings.signing_algorithm.parse()?,
            new_organization_plan: settings.new_organization_plan,
            new_organization_credits_cents: settings.new_organization_credits_cents,
            registration: settings.registration,
            client_registrations_per_hour: u32::try_from(settings.client_registrations_per_hour)?,
            playground: settings.playground.unwrap_or(on_this_machine),
            demo: settings.demo.unwrap_or(has_own_database),
            log: settings.log,
            log_as_json: settings.log_format == "json",
            shutdown: TimeDelta::seconds(settings.shutdown_seconds.clamp(0, 3600)),
            links,
        })
    }
}

impl Config {
    /// What a client gets that registers itself.
    pub fn self_registration(&self) -> Terms {
        Terms {
            scopes: self.scopes.all().without_admin(),
            lifetimes: self.lifetimes,
            // RFC 7591 §2
            auth_method: AuthMethod::ClientSecretBasic,
        }
    }
}

/// That each value is one that its key may have; values that are read into another type are checked there.
fn check(settings: &Settings) -> anyhow::Result<()> {
    if let Some(secret) = &settings.secret {
        ensure!(
            secret.expose().len() >= server_secret::MIN_LENGTH,
            "secret must have {} characters or more",
            server_secret::MIN_LENGTH
        );
    }
    let prefix = &settings.api_key_prefix;
    ensure!(
        (1..=16).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
        "api_key_prefix must be 1 to 16 letters, digits and underscores"
    );
    ensure!(
        jwt::ALGORITHMS.contains(&settings.signing_algorithm.as_str()),
        "signing_algorithm must be one of {}",
        jwt::ALGORITHMS.join(", ")
    );
    ensure!(
        ["text", "json"].contains(&settings.log_format.as_str()),
        "log_format must be text or json, not {:?}",
        settings.log_format
    );
    ensure!(
        settings.tls_certificate.is_some() == settings.tls_key.is_some(),
        "tls_certificate and tls_key go together"
    );
    ensure!((1..=1000).contains(&settings.database_connections), "database_connections must be 1 to 1000");
    ensure!(
        (1..=10_000).contains(&settings.redis_timeout_milliseconds),
        "redis_timeout_milliseconds must be 1 to 10000"
    );
    ensure!(
        (1..=1_000_000).contains(&settings.session_requests_per_minute),
        "session_requests_per_minute must be 1 to 1000000"
    );
    ensure!((1..=3650).contains(&settings.access_log_days), "access_log_days must be 1 to 3650");
    ensure!(
        (1..=1_000_000).contains(&settings.client_registrations_per_hour),
        "client_registrations_per_hour must be 1 to 1000000"
    );
    // Made once more for use: here only to see that it can be.
    Mailer::new(settings.smtp_url.as_ref(), &settings.mail_from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> anyhow::Result<Config> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::load(None, variables)?.try_into()
    }

    #[test]
    fn nothing_set_is_a_configuration() {
        let config = load(&[]).unwrap();
        assert!(config.demo && config.playground);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_the_nearest() {
        let error = load(&[("COUNTERSIGN_ISUER", "https://auth.example.com")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown variable COUNTERSIGN_ISUER (did you mean COUNTERSIGN_ISSUER?)"
        );
    }

    #[test]
    fn a_bad_value_names_its_variable() {
        for (name, value, says) in [
            ("COUNTERSIGN_INSECURE_HTTP", "perhaps", "COUNTERSIGN_INSECURE_HTTP must be true or false"),
            ("COUNTERSIGN_RETRY_WINDOW_SECONDS", "9999", "retry_window_seconds must be 0 to 1800"),
            (
                "COUNTERSIGN_DPOP_NONCES",
                "on",
                "dpop_nonces must be off, token_endpoint or everywhere, not \"on\"",
            ),
            ("COUNTERSIGN_SECRET", "short", "secret must have 32 characters or more"),
        ] {
            assert_eq!(load(&[(name, value)]).unwrap_err().to_string(), says);
        }
    }

    #[test]
    fn a_dump_has_every_key_and_no_secret() {
        let variables = [("DATABASE_URL", "postgres://me:hunter2@db/x"), ("COUNTERSIGN_SECRET", "hunter3")];
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let dump = Settings::load(None, variables).unwrap().dump();

        assert!(Settings::KEYS.iter().all(|key| dump.contains(key.name)));
        assert!(!dump.contains("hunter"));
    }
}
