//! What went over the wire, ready to show. It lies in the session between two pages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use url::form_urlencoded;

/// One thing that happened, and why.
#[derive(Serialize, Deserialize)]
pub struct Step {
    pub title: String,
    pub explanation: String,
    pub request: Option<Request>,
    pub answer: Option<Answer>,
    pub parameters: Vec<Parameter>,
    pub tokens: Vec<Token>,
}

#[derive(Serialize, Deserialize)]
pub struct Request {
    /// Method and URL, each query parameter on a line of its own.
    pub line: String,
    pub headers: Vec<Header>,
    pub body: String,
}

#[derive(Serialize, Deserialize)]
pub struct Answer {
    pub status: Status,
    pub duration: String,
    pub headers: Vec<Header>,
    pub body: String,
}

#[derive(Serialize, Deserialize)]
pub struct Status {
    /// A class of the stylesheet.
    pub tone: String,
    pub text: String,
}

#[derive(Serialize, Deserialize)]
pub struct Header {
    pub name: String,
    pub value: String,
}

#[derive(Serialize, Deserialize)]
pub struct Parameter {
    pub name: String,
    pub value: String,
    pub meaning: String,
}

/// A JWT taken apart. Whether its signature is good is not said.
#[derive(Serialize, Deserialize)]
pub struct Token {
    pub name: String,
    pub header: String,
    pub claims: String,
}

impl Step {
    pub fn new(title: &str, explanation: &str) -> Self {
        Self {
            title: title.to_owned(),
            explanation: explanation.to_owned(),
            request: None,
            answer: None,
            parameters: Vec::new(),
            tokens: Vec::new(),
        }
    }

    pub fn parameter(&mut self, name: &str, value: &str, meaning: &str) {
        let (name, value, meaning) = (name.to_owned(), value.to_owned(), meaning.to_owned());
        self.parameters.push(Parameter { name, value, meaning });
    }

    /// A request without headers worth showing.
    pub fn request(&mut self, method: &str, url: &str, parameters: &[(&str, String)]) {
        let query = lines(parameters, "\n&");
        let line =
            if query.is_empty() { format!("{method} {url}") } else { format!("{method} {url}\n?{query}") };
        self.request = Some(Request { line, headers: Vec::new(), body: String::new() });
    }

    /// Shows what is inside `token`, if it is a JWT.
    pub fn decode(&mut self, name: &str, token: &str) {
        let mut parts = token.split('.').map(|part| {
            let json: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
            serde_json::to_string_pretty(&json).ok()
        });
        if let (Some(Some(header)), Some(Some(claims))) = (parts.next(), parts.next()) {
            self.tokens.push(Token { name: name.to_owned(), header, claims });
        }
    }
}

/// A form or query with a line for each parameter.
pub fn lines(parameters: &[(&str, String)], separator: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pairs = parameters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join(separator)
}
