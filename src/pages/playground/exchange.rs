//! One request to this server, sent and written down.

use std::time::Duration;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Client;
use reqwest::RequestBuilder;
use reqwest::redirect::Policy;
use serde_json::Value;
use url::form_urlencoded;

use crate::app::App;
use crate::pages::error::PageError;
use crate::pages::playground::run::Run;
use crate::pages::playground::wire;
use crate::pages::playground::wire::Answer;
use crate::pages::playground::wire::Header;
use crate::pages::playground::wire::Request;
use crate::pages::playground::wire::Status;
use crate::pages::playground::wire::Step;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Posts a form as the run's client, which proves itself if it can.
pub async fn post(
    app: &App,
    run: &Run,
    (path, step): (&str, &mut Step),
    mut form: Vec<(&'static str, String)>,
) -> Result<Value, PageError> {
    let url = app.config.links.to(path);
    let mut headers = vec![header("Content-Type", "application/x-www-form-urlencoded")];
    let mut builder = client()?.post(&url).header("content-type", "application/x-www-form-urlencoded");
    if run.client_secret.is_empty() {
        form.push(("client_id", run.client_id.clone()));
    } else {
        let basic = basic(&run.client_id, &run.client_secret);
        builder = builder.header("authorization", &basic);
        headers.push(header("Authorization", &basic));
    }
    step.request = Some(Request { line: format!("POST {url}"), headers, body: wire::lines(&form, "\n&") });
    let body: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
    send(builder.body(body), step).await
}

/// Gets from the API with an access token.
pub async fn get(app: &App, token: &str, (path, step): (&str, &mut Step)) -> Result<Value, PageError> {
    let url = app.config.links.to(path);
    let bearer = format!("Bearer {token}");
    let headers = vec![header("Authorization", &bearer)];
    step.request = Some(Request { line: format!("GET {url}"), headers, body: String::new() });
    send(client()?.get(&url).header("authorization", bearer), step).await
}

/// RFC 6749 §2.3.1: both parts are form-encoded first.
fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_owned(), value: value.to_owned() }
}

fn client() -> Result<Client, PageError> {
    let client = Client::builder().timeout(TIMEOUT).redirect(Policy::none()).build();
    client.map_err(|error| PageError::internal(error.into()))
}

/// The JSON of the answer, or null; a failure to get one is shown as the answer.
async fn send(builder: RequestBuilder, step: &mut Step) -> Result<Value, PageError> {
    let started = Instant::now();
    let answer = match builder.send().await {
        Ok(answer) => answer,
        Err(error) => {
            let error =
                anyhow::Error::from(error).context("the playground could not reach the configured issuer");
            return Err(PageError::internal(error));
        }
    };
    let status = answer.status();
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| header(name.as_str(), value.to_str().unwrap_or("(not text)")))
        .collect();
    let text = answer.text().await.map_err(|error| PageError::internal(error.into()))?;
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    let body = if json.is_null() { text } else { serde_json::to_string_pretty(&json).unwrap_or_default() };
    let tone = if status.is_success() { "ok" } else { "danger" };
    step.answer = Some(Answer {
        status: Status { tone: tone.to_owned(), text: status.to_string() },
        duration: format!("{} ms", started.elapsed().as_millis()),
        headers,
        body,
    });
    Ok(json)
}
