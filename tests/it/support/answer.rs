//! A response, read whole, so a test needs no `await` to look at it.

use std::collections::HashMap;

use reqwest::header::HeaderMap;
use serde_json::Value;

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// `null` if it is no JSON.
    pub json: Value,
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or_default();
        Self { status, headers, text, json }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Where a redirect leads.
    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("no redirect but {}: {}", self.status, self.text))
    }

    /// The parameters that a redirect carries.
    pub fn location_params(&self) -> HashMap<String, String> {
        let query = self.location().split_once('?').map_or("", |(_, query)| query);
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// The value of `field` of a token response.
    pub fn field(&self, field: &str) -> String {
        let value = self.json[field].as_str();
        value.unwrap_or_else(|| panic!("no {field} but {}: {}", self.status, self.text)).to_owned()
    }

    /// `code` of the JSON interfaces' error, or `error` of the protocol's.
    pub fn error(&self) -> &str {
        self.json["error"]["code"].as_str().or_else(|| self.json["error"].as_str()).unwrap_or_default()
    }
}
