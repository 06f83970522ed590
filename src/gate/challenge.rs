//! `WWW-Authenticate`: how to authenticate, and why it did not do (RFC 6750 §3, RFC 9449 §7.1, RFC 9728 §5.1).
//!
//! Both schemes stand in one line, because proxies pass only one on, and `Bearer` always comes first, because MCP
//! clients read no further. Each parameter stands in the challenge of the scheme that it is about.

use crate::app::App;
use crate::app::resources::Resource;
use crate::signing::foreign::algorithm;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// API keys, too, which have no scheme of their own.
    Bearer,
    Dpop,
}

/// For a caller of one API.
#[derive(Debug, Clone)]
pub struct Challenge<'a> {
    /// Whose metadata tells more.
    resource: &'a Resource,
    /// By which the caller came.
    scheme: Scheme,
    /// Of that scheme.
    parameters: Vec<(&'static str, String)>,
}

impl<'a> Challenge<'a> {
    pub fn new(resource: &'a Resource, scheme: Scheme) -> Self {
        Self { resource, scheme, parameters: Vec::new() }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.parameters.push((name, value.into()));
        self
    }

    /// Nobody who sent no credential is told of an error (RFC 6750 §3.1).
    #[must_use]
    pub fn error(self, code: &'static str, description: &str) -> Self {
        self.with("error", code).with("error_description", description)
    }

    pub fn write(self, app: &App) -> String {
        let algorithms = ("algs", algorithm::names().join(" "));
        let metadata = self.resource.metadata_url().or_else(|| app.config.resources.own().metadata_url());
        let metadata = ("resource_metadata", metadata.unwrap_or_default());
        let (mut bearer, mut dpop) = match self.scheme {
            Scheme::Bearer => (self.parameters, Vec::new()),
            Scheme::Dpop => (Vec::new(), self.parameters),
        };
        // After the error, if there is one.
        let at = bearer.iter().take_while(|(name, _)| name.starts_with("error")).count();
        bearer.insert(at, metadata);
        dpop.push(algorithms);
        format!("Bearer {}, DPoP {}", listed(&bearer), listed(&dpop))
    }
}

fn listed(parameters: &[(&str, String)]) -> String {
    let written: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{name}=\"{}\"", quotable(value))).collect();
    written.join(", ")
}

/// What may stand between quotes without being escaped, which some who read it would not undo.
fn quotable(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') && c != '"' && c != '\\' { c } else { '\'' }).collect()
}
