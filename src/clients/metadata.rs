//! What a client says of itself when it registers itself: JSON with the names of RFC 7591 §2 and of the registries that
//! extend it.
//!
//! Programs say what they would like from every server alike. Of what this one does not offer, the rest is registered
//! and the client is told so (RFC 7591 §2); what cannot be passed over without giving a client something else than it
//! relies on is refused.

use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;
use url::Url;

use crate::base::text;
use crate::clients::registration;
use crate::clients::registration::AUTHORIZATION_CODE;
use crate::clients::registration::AuthMethod;
use crate::clients::registration::DEVICE_CODE;
use crate::clients::registration::Invalid;
use crate::clients::registration::Lifetimes;
use crate::clients::registration::REFRESH_TOKEN;
use crate::clients::registration::Registration;
use crate::clients::registration::SubjectType;
use crate::clients::registration::invalid;
use crate::scopes::Scopes;
use crate::signing::algorithm::SigningAlg;

/// The only `response_types`.
pub const CODE: &str = "code";

/// What a client that registered itself may be for. Nobody answers for it, so it acts for people only.
const GRANT_TYPES: [&str; 3] = [AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE];

/// Whoever says these would get answers in another form than it reads, or less protected than it thinks.
const NOT_OFFERED: [&str; 14] = [
    "userinfo_signed_response_alg",
    "userinfo_encrypted_response_alg",
    "userinfo_encrypted_response_enc",
    "id_token_encrypted_response_alg",
    "id_token_encrypted_response_enc",
    "introspection_encrypted_response_alg",
    "introspection_encrypted_response_enc",
    "request_object_encryption_alg",
    "request_object_encryption_enc",
    "authorization_signed_response_alg",
    "authorization_encrypted_response_alg",
    "authorization_encrypted_response_enc",
    "tls_client_certificate_bound_access_tokens",
    "use_mtls_endpoint_aliases",
];

const UNNAMED: &str = "Unnamed app";

/// What the server gives a client that registers itself.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Of the API, what it may ask people for.
    pub scopes: Scopes,
    pub lifetimes: Lifetimes,
    /// How it proves itself if it does not say.
    pub auth_method: AuthMethod,
}

/// `null` is as good as absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    client_name: Option<String>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
    contacts: Option<Vec<String>>,
    redirect_uris: Option<Vec<String>>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    scope: Option<String>,
    token_endpoint_auth_method: Option<AuthMethod>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    require_pushed_authorization_requests: Option<bool>,
    require_signed_request_object: Option<bool>,
    dpop_bound_access_tokens: Option<bool>,
    subject_type: Option<SubjectType>,
    sector_identifier_uri: Option<String>,
    id_token_signed_response_alg: Option<SigningAlg>,
    introspection_signed_response_alg: Option<SigningAlg>,
    post_logout_redirect_uris: Option<Vec<String>>,
    backchannel_logout_uri: Option<String>,
    backchannel_logout_session_required: Option<bool>,
}

/// The registration that follows from `metadata`, checked. What a member says that is not known here is passed over.
pub fn read(metadata: &Map<String, Value>, terms: &Terms) -> Result<Registration, Invalid> {
    if let Some(name) = NOT_OFFERED.iter().find(|name| is_wanted(metadata.get(**name))) {
        return Err(invalid("metadata", format!("{name} is not offered")));
    }
    if metadata.values().any(text::has_nul) {
        return Err(invalid("metadata", "a text has a NUL character"));
    }
    let said = said(metadata)?;
    let grant_types = grant_types(said.grant_types)?;
    check_response_types(&said.response_types.unwrap_or_default(), &grant_types)?;
    let scopes = Scopes::identity().with(&terms.scopes);
    let registration = Registration {
        name: some(said.client_name).map_or_else(|| UNNAMED.to_owned(), |name| name.trim().to_owned()),
        homepage_url: page(said.client_uri),
        logo_url: page(said.logo_uri),
        policy_uri: page(said.policy_uri),
        tos_uri: page(said.tos_uri),
        contacts: said.contacts.unwrap_or_default(),
        token_endpoint_auth_method: said.token_endpoint_auth_method.unwrap_or(terms.auth_method),
        jwks: said.jwks,
        jwks_uri: some(said.jwks_uri),
        redirect_uris: said.redirect_uris.unwrap_or_default(),
        default_scopes: default_scopes(said.scope.as_deref(), &scopes),
        scopes,
        grant_types,
        require_pushed_authorization_requests: is_true(said.require_pushed_authorization_requests),
        require_signed_request_object: is_true(said.require_signed_request_object),
        dpop_bound_access_tokens: is_true(said.dpop_bound_access_tokens),
        subject_type: said.subject_type.unwrap_or(SubjectType::Public),
        sector_identifier_uri: some(said.sector_identifier_uri),
        id_token_signed_response_alg: said.id_token_signed_response_alg.unwrap_or(SigningAlg::Rs256),
        introspection_signed_response_alg: said
            .introspection_signed_response_alg
            .unwrap_or(SigningAlg::Rs256),
        post_logout_redirect_uris: said.post_logout_redirect_uris.unwrap_or_default(),
        backchannel_logout_uri: some(said.backchannel_logout_uri),
        backchannel_logout_session_required: is_true(said.backchannel_logout_session_required),
        ..Registration::blank(terms.lifetimes)
    };
    registration.check(&terms.scopes)?;
    check_sector(&registration)?;
    Ok(registration)
}

/// `false` says that it need not be.
fn is_wanted(value: Option<&Value>) -> bool {
    !matches!(value, None | Some(Value::Null | Value::Bool(false)))
}

fn said(metadata: &Map<String, Value>) -> Result<Said, Invalid> {
    serde_path_to_error::deserialize(Value::Object(metadata.clone())).map_err(|error| {
        let name = error.path().iter().next().map(ToString::to_string).unwrap_or_default();
        let message = match name.as_str() {
            "token_endpoint_auth_method" => {
                "token_endpoint_auth_method is none, client_secret_basic, client_secret_post or private_key_jwt"
                    .to_owned()
            }
            "subject_type" => "subject_type is public or pairwise".to_owned(),
            "id_token_signed_response_alg" | "introspection_signed_response_alg" => {
                format!("{name} is RS256, ES256 or EdDSA")
            }
            _ => format!("{name} has the wrong type"),
        };
        // The standard has a code of its own for these.
        let field = if name == "redirect_uris" { "redirect_uris" } else { "metadata" };
        invalid(field, message)
    })
}

/// Those that are offered. Who names none wants to go on without the person, too: many expect it, and few say it.
fn grant_types(named: Option<Vec<String>>) -> Result<Vec<String>, Invalid> {
    let named = named.unwrap_or_default();
    if named.is_empty() {
        return Ok(vec![AUTHORIZATION_CODE.to_owned(), REFRESH_TOKEN.to_owned()]);
    }
    let is_named = |offered: &&str| named.iter().any(|name| name == offered);
    let kept: Vec<String> =
        GRANT_TYPES.iter().filter(|name| is_named(name)).map(|name| (*name).into()).collect();
    if kept.iter().all(|name| name == REFRESH_TOKEN) {
        let message = format!(
            "an app that registers itself acts for people: grant_types needs {AUTHORIZATION_CODE} or {DEVICE_CODE}"
        );
        return Err(invalid("grant_types", message));
    }
    Ok(kept)
}

/// RFC 7591 §2.1. Of several, `code` is enough; of those that a client without redirection names nothing is left, because
/// some programs name `code` whatever their grant type.
fn check_response_types(named: &[String], grant_types: &[String]) -> Result<(), Invalid> {
    let is_redirected = grant_types.iter().any(|name| name == AUTHORIZATION_CODE);
    if is_redirected && !named.is_empty() && named.iter().all(|name| name != CODE) {
        return Err(invalid("response_types", "authorization_code goes with the response type code"));
    }
    Ok(())
}

/// The registered `scope`: what of it there is, or else what every client gets.
fn default_scopes(scope: Option<&str>, scopes: &Scopes) -> Scopes {
    let names = scope.unwrap_or_default().split(' ').filter(|name| scopes.contains(name));
    let kept = Scopes::from_names(names).unwrap_or_default();
    if kept.is_empty() { Registration::usual_default(scopes) } else { kept }
}

/// Some send an empty text for nothing.
fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// One that could not be linked is as good as none.
fn page(url: Option<String>) -> Option<String> {
    url.filter(|url| registration::is_web_url(url))
}

fn is_true(said: Option<bool>) -> bool {
    said.unwrap_or(false)
}

/// OpenID Connect Core §8.1.
fn check_sector(registration: &Registration) -> Result<(), Invalid> {
    let is_pairwise = registration.subject_type == SubjectType::Pairwise;
    if !is_pairwise || registration.sector_identifier_uri.is_some() {
        return Ok(());
    }
    let host = |uri: &String| Url::parse(uri).ok().and_then(|url| url.host_str().map(str::to_owned));
    let mut hosts = registration.redirect_uris.iter().map(host);
    let first = hosts.next();
    if hosts.all(|host| Some(host) == first) {
        return Ok(());
    }
    let message = "pairwise subjects for redirect URIs of several hosts need a sector_identifier_uri";
    Err(invalid("sector_identifier_uri", message))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;

    use super::*;

    fn read_json(metadata: &Value) -> Result<Registration, String> {
        let second = TimeDelta::seconds(1);
        let lifetimes = Lifetimes {
            access_token: second,
            refresh_token_idle: second,
            refresh_token_max: second,
            retry_window: second,
        };
        let terms = Terms {
            scopes: Scopes::parse("read write").unwrap(),
            lifetimes,
            auth_method: AuthMethod::ClientSecretBasic,
        };
        let mut all = json!({ "redirect_uris": ["https://app.example/cb"] });
        all.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        read(all.as_object().unwrap(), &terms).map_err(|invalid| invalid.message)
    }

    #[test]
    fn what_is_not_offered_is_left_out_where_something_remains() {
        let registration = read_json(&json!({
            "grant_types": ["implicit", "authorization_code", "client_credentials", "refresh_token"],
            "response_types": ["code", "id_token token", "none"],
            "scope": "email admin read contacts:read",
            "client_uri": "http://app.example/",
            "logo_uri": "",
            "policy_uri": "javascript:alert(1)",
            "application_type": "web",
            "contacts": null,
        }))
        .unwrap();

        assert_eq!(registration.grant_types, [AUTHORIZATION_CODE, REFRESH_TOKEN]);
        assert_eq!(registration.default_scopes.to_string(), "email read");
        assert_eq!(registration.scopes.to_string(), "openid profile email offline_access read write");
        let pages = [registration.homepage_url, registration.logo_url, registration.policy_uri];
        assert_eq!(pages, [None, None, None]);
    }

    #[test]
    fn what_cannot_be_left_out_is_refused() {
        for (metadata, says) in [
            (
                json!({ "token_endpoint_auth_method": "client_secret_jwt" }),
                "token_endpoint_auth_method is none",
            ),
            (json!({ "grant_types": ["client_credentials"] }), "acts for people"),
            (json!({ "grant_types": ["refresh_token"] }), "acts for people"),
            (json!({ "response_types": ["token"] }), "the response type code"),
            (json!({ "userinfo_signed_response_alg": "RS256" }), "is not offered"),
            (json!({ "client_name": 1 }), "client_name has the wrong type"),
            (json!({ "redirect_uris": "https://app.example/cb" }), "redirect_uris has the wrong type"),
            (json!({ "client_name": "a\u{0}" }), "NUL"),
            (json!({ "jwks": { "keys": [{ "kid": "\u{0}" }] } }), "NUL"),
        ] {
            let message = read_json(&metadata).unwrap_err();
            assert!(message.contains(says), "{metadata}: {message}");
        }
    }

    #[test]
    fn pairwise_subjects_are_of_one_host() {
        let with = |uris: Value, sector: Value| {
            let metadata = json!({
                "subject_type": "pairwise", "redirect_uris": uris, "sector_identifier_uri": sector,
            });
            read_json(&metadata).is_ok()
        };
        let several = json!(["https://app.example/cb", "https://other.example/cb"]);

        assert!(with(json!(["https://app.example/cb", "https://app.example/2"]), Value::Null));
        assert!(with(several.clone(), json!("https://app.example/sector.json")));
        assert!(!with(several, Value::Null));
    }
}
