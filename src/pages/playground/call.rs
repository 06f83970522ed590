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
use crate::pages::playground::run::Run;
use crate::pages::playground::wire;
use crate::pages::playground::wire::Answer;
use crate::pages::playground::wire::Header;
use crate::pages::playground::wire::Request;
use crate::pages::playground::wire::Status;
use crate::pages::playground::wire::Step;

/// Where all grants end (RFC 6749 §3.2).
pub const TOKEN: &str = "/oauth/token";

const TIMEOUT: Duration = Duration::from_secs(10);

/// Posts a form as the run's client, which proves itself if it can. The JSON of the answer, or null.
pub async fn post(
    app: &App,
    run: &Run,
    (path, step): (&str, &mut Step),
    mut form: Vec<(&'static str, String)>,
) -> Value {
    let url = app.config.links.to(path);
    let mut headers = vec![header("Content-Type", "application/x-www-form-urlencoded")];
    let mut authorization = None;
    if run.client_secret.is_empty() {
        // A pushed request names its client already.
        form.retain(|(name, _)| *name != "client_id");
        form.push(("client_id", run.client_id.clone()));
    } else {
        authorization = Some(basic(&run.client_id, &run.client_secret));
        // A page that hides a password does not show it either.
        headers.push(header("Authorization", &format!("Basic (base64 of {}:client_secret)", run.client_id)));
    }
    step.request = Some(Request { line: format!("POST {url}"), headers, body: wire::lines(&form, "\n&") });
    let body: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
    let builder = client().map(|client| {
        let builder =
            client.post(&url).header("content-type", "application/x-www-form-urlencoded").body(body);
        authorization.into_iter().fold(builder, |builder, value| builder.header("authorization", value))
    });
    send(builder, step).await
}

/// Gets from the API with an access token. The JSON of the answer, or null.
pub async fn get(app: &App, token: &str, (path, step): (&str, &mut Step)) -> Value {
    let url = app.config.links.to(path);
    let bearer = format!("Bearer {token}");
    let headers = vec![header("Authorization", &bearer)];
    step.request = Some(Request { line: format!("GET {url}"), headers, body: String::new() });
    send(client().map(|client| client.get(&url).header("authorization", bearer)), step).await
}

/// RFC 6749 §2.3.1: both parts are form-encoded first.
fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_owned(), value: value.to_owned() }
}

fn client() -> reqwest::Result<Client> {
    Client::builder().timeout(TIMEOUT).redirect(Policy::none()).build()
}

/// A failure to get an answer is shown as the answer.
async fn send(builder: reqwest::Result<RequestBuilder>, step: &mut Step) -> Value {
    let started = Instant::now();
    let (mut answer, json) = receive(builder).await.unwrap_or_else(|error| (failure(error), Value::Null));
    answer.duration = format!("{} ms", started.elapsed().as_millis());
    step.answer = Some(answer);
    json
}

async fn receive(builder: reqwest::Result<RequestBuilder>) -> reqwest::Result<(Answer, Value)> {
    let answer = builder?.send().await?;
    let status = answer.status();
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| header(name.as_str(), value.to_str().unwrap_or("(not text)")))
        .collect();
    let text = answer.text().await?;
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    let body = if json.is_null() { text } else { serde_json::to_string_pretty(&json).unwrap_or_default() };
    let tone = if status.is_success() { "ok" } else { "danger" };
    let status = Status { tone: tone.to_owned(), text: status.to_string() };
    Ok((Answer { status, duration: String::new(), headers, body }, json))
}

/// The address is the configured issuer: a proxy may be in between, or this machine may not find it.
fn failure(error: reqwest::Error) -> Answer {
    let error = anyhow::Error::from(error);
    Answer {
        status: Status { tone: "danger".to_owned(), text: "no answer".to_owned() },
        duration: String::new(),
        headers: Vec::new(),
        body: format!("This server does not reach itself under its own address.\n{error:#}"),
    }
}
