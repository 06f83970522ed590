//! What a proxy asks: by headers and query, or, as Envoy does, by the path.

use axum::http::HeaderMap;
use axum::http::Method;
use axum::http::Uri;
use chrono::TimeDelta;

use crate::api::verify::PATH;
use crate::api::verify::step_up::StepUp;
use crate::app::App;
use crate::app::resources::Resource;
use crate::gate::client_address::ClientAddress;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::original_request;
use crate::gate::original_request::OriginalRequest;
use crate::scopes;
use crate::scopes::ADMIN;
use crate::scopes::Scopes;

/// What a proxy wants to know.
pub(super) struct Question {
    pub(super) original: OriginalRequest,
    /// All of them are needed.
    pub(super) scopes: Scopes,
    /// For which a token must be; `None`: for this server's own API.
    resource: Option<String>,
    /// How fresh and strong the person's sign-in must be.
    pub(super) step_up: StepUp,
}

impl Question {
    /// As Envoy asks it: everything in the request but the prefix of the path is the caller's, and asks for nothing.
    pub(super) fn of_path(method: Method, uri: &Uri, headers: &HeaderMap, address: ClientAddress) -> Self {
        let path = uri.path().strip_prefix(PATH).map(str::to_owned);
        let scopes = Scopes::from_names([scope_of(&method)]).unwrap_or_default();
        let origin = original_request::origin(headers, address);
        let original = OriginalRequest { method, path, query: None, origin };
        Self { original, scopes, resource: None, step_up: StepUp::default() }
    }

    /// A parameter that is misspelt is refused: passed over, it would let more through than its writer meant.
    pub(super) fn parse(app: &App, query: &str, original: OriginalRequest) -> Result<Self, ApiError> {
        let mut parsed = Parsed::default();
        for (name, value) in parameters(query) {
            parsed.take(app, &name, value)?;
        }
        let Parsed { mut scopes, resource, acr_values, max_age } = parsed;
        // Caddy does so unless told otherwise, and its caller would choose the scope.
        let is_the_callers = original.query.as_deref() == Some(query);
        let asks = resource.is_some() || !scopes.is_empty() || acr_values.is_some() || max_age.is_some();
        if is_the_callers && asks {
            return Err(ApiErrorCode::BadRequest.because("The proxy passes the query of its caller on"));
        }
        if scopes.is_empty() {
            scopes.push(scope_of(&original.method).to_owned());
        }
        let Ok(scopes) = Scopes::from_names(scopes) else {
            return Err(invalid("These are too many", "scope"));
        };
        let step_up = StepUp { acr_values: acr_values.unwrap_or_default(), max_age };
        Ok(Self { original, scopes, resource, step_up })
    }

    /// The `aud` that a token must have.
    pub(super) fn resource<'a>(&'a self, app: &'a App) -> &'a str {
        self.resource.as_deref().unwrap_or(app.config.links.issuer())
    }

    /// The one whose metadata a caller is pointed to.
    pub(super) fn described<'a>(&self, app: &'a App) -> &'a Resource {
        let resources = &app.config.resources;
        self.resource.as_deref().and_then(|resource| resources.find(resource)).unwrap_or(resources.own())
    }

    /// What the caller asked for: at the resource if the proxy names one, whatever host it forwards. `None` if it is
    /// not known.
    pub(super) fn url(&self, app: &App) -> Option<String> {
        // Nobody asked about another request: this one is meant.
        let Some(path) = &self.original.path else { return Some(app.config.links.to(PATH)) };
        let resources = &app.config.resources;
        let named = self.resource.as_deref().filter(|resource| *resource != resources.own().identifier);
        let origin = named.and_then(|resource| resources.find(resource)?.origin());
        Some(format!("{}{path}", origin.or_else(|| self.original.origin.clone())?))
    }
}

#[derive(Default)]
struct Parsed {
    scopes: Vec<String>,
    resource: Option<String>,
    acr_values: Option<Vec<String>>,
    max_age: Option<TimeDelta>,
}

impl Parsed {
    fn take(&mut self, app: &App, name: &str, value: String) -> Result<(), ApiError> {
        match name {
            "scope" if scopes::is_well_formed(&value) && app.config.scopes.all().contains(&value) => {
                self.scopes.push(value);
            }
            "scope" => return Err(invalid("There is no such scope", "scope")),
            "resource" if self.resource.is_none() && !value.is_empty() => self.resource = Some(value),
            "resource" => return Err(invalid("Name one resource", "resource")),
            "acr_values" if self.acr_values.is_none() && is_acr_values(&value) => {
                self.acr_values = Some(value.split(' ').map(str::to_owned).collect());
            }
            "acr_values" => {
                return Err(invalid("Name acr values, once, with a space between two", "acr_values"));
            }
            "max_age" if self.max_age.is_none() => self.max_age = Some(max_age(&value)?),
            "max_age" => return Err(invalid("Name one max_age", "max_age")),
            "status" if value == "403" => {}
            "status" => return Err(invalid("The status can only be 403", "status")),
            _ => {
                let known = "There are only scope, resource, acr_values, max_age and status";
                return Err(ApiErrorCode::BadRequest.because(known));
            }
        }
        Ok(())
    }
}

fn invalid(message: &'static str, field: &'static str) -> ApiError {
    ApiErrorCode::BadRequest.because(message).at(field)
}

/// As they can stand in a challenge.
fn is_acr_values(text: &str) -> bool {
    let is_value = |value: &str| {
        !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
    };
    text.split(' ').all(is_value)
}

fn max_age(text: &str) -> Result<TimeDelta, ApiError> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    let seconds: Option<u32> = text.parse().ok().filter(|_| is_number);
    seconds
        .map(|seconds| TimeDelta::seconds(seconds.into()))
        .ok_or_else(|| invalid("max_age must be a number of seconds", "max_age"))
}

pub(super) fn parameters(query: &str) -> impl Iterator<Item = (String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned()
}

/// What a method that nobody has heard of does, nobody knows.
fn scope_of(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD | Method::OPTIONS => "read",
        Method::POST | Method::PUT | Method::PATCH => "write",
        Method::DELETE => "delete",
        _ => ADMIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_needs_its_scope() {
        for (method, scope) in [
            ("GET", "read"),
            ("HEAD", "read"),
            ("OPTIONS", "read"),
            ("POST", "write"),
            ("PUT", "write"),
            ("PATCH", "write"),
            ("DELETE", "delete"),
            ("TRACE", "admin"),
            ("CONNECT", "admin"),
            ("PURGE", "admin"),
            ("get", "admin"),
        ] {
            assert_eq!(scope_of(&method.parse().unwrap()), scope, "{method}");
        }
    }
}
