//! Resource indicators (RFC 8707): for which API a token is asked.

use url::Url;

use crate::app::config::Config;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;

/// The resources that a request names, each once; empty if it names none. Only configured ones, and this
/// server itself, are known.
pub(super) fn asked(params: &Params, config: &Config) -> Result<Vec<String>, OAuthError> {
    known(params.all("resource"), config)
}

/// Those of an exchange, which may also name them as `audience` (RFC 8693 §2.1).
pub(super) fn asked_of_exchange(params: &Params, config: &Config) -> Result<Vec<String>, OAuthError> {
    known(params.all("resource").chain(params.all("audience")), config)
}

fn known<'a>(named: impl Iterator<Item = &'a str>, config: &Config) -> Result<Vec<String>, OAuthError> {
    let mut resources: Vec<String> = Vec::new();
    for resource in named {
        let is_uri = Url::parse(resource).is_ok_and(|url| url.fragment().is_none());
        if !is_uri {
            return Err(ErrorCode::InvalidTarget.because("resource must be an absolute URI without fragment"));
        }
        let Some(resource) = config.resources.meant(resource) else {
            return Err(ErrorCode::InvalidTarget.because("the server knows no such resource"));
        };
        if !resources.contains(&resource.identifier) {
            resources.push(resource.identifier.clone());
        }
    }
    Ok(resources)
}

/// For a code or refresh token: those asked for now, among those that were granted (RFC 8707 §2.2).
pub(super) fn narrowed(
    params: &Params,
    config: &Config,
    granted: &[String],
) -> Result<Vec<String>, OAuthError> {
    let asked = asked(params, config)?;
    if asked.is_empty() {
        return Ok(granted.to_vec());
    }
    check_granted(&asked, config, granted)?;
    Ok(asked)
}

pub(super) fn check_granted(asked: &[String], config: &Config, granted: &[String]) -> Result<(), OAuthError> {
    // A grant that names none is one for this server's own API.
    let is_granted = |resource: &String| match granted {
        [] => resource == config.links.issuer(),
        granted => granted.contains(resource),
    };
    if !asked.iter().all(is_granted) {
        return Err(ErrorCode::InvalidTarget.because("the resource was not granted"));
    }
    Ok(())
}
