//! A response, read whole, so a test needs no `await` to look at it.

use std::collections::HashMap;

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::support::document;

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// `null` if it is no JSON.
    pub json: Value,
}

impl Answer {
    /// Must be as the OpenAPI document says, where it says anything.
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let (client, request) = request.build_split();
        let request = request.unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = Self::read(client.execute(request).await.unwrap()).await;
        document::check(method.as_str(), &path, &answer);
        answer
    }

    async fn read(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or_default();
        Self { status, headers, text, json }
    }

    /// Of requests that are all under way at once.
    pub async fn of_all(requests: impl IntoIterator<Item = reqwest::RequestBuilder>) -> Vec<Self> {
        let sent: Vec<_> = requests.into_iter().map(|request| tokio::spawn(Self::of(request))).collect();
        let mut answers = Vec::new();
        for answer in sent {
            answers.push(answer.await.unwrap());
        }
        answers
    }

    /// The value that a cookie is set to, if it is.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let line = self.set_cookie(name)?;
        Some(line.split(';').next()?.split_once('=')?.1.to_owned())
    }

    /// The line that sets a cookie, with its attributes.
    pub fn set_cookie(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        lines.find(|line| line.split_once('=').is_some_and(|(found, _)| found == name))
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
