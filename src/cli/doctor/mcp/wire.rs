//! Requests as MCP clients send them, bounded in time, size and redirects.
//!
//! Nothing keeps them from private addresses, unlike `base::outgoing`: whoever runs this has typed the URL, sends
//! from their own machine what they could send with curl, and mostly wants a server looked at that stands beside it.
//! Where its metadata leads is followed as a client would; nothing but what that server gave out itself is sent there.

use std::cell::RefCell;
use std::error::Error;
use std::time::Duration;
use std::time::Instant;

use reqwest::Client;
use reqwest::Method;
use reqwest::Request;
use reqwest::RequestBuilder;
use reqwest::StatusCode;
use reqwest::header;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use serde_json::Value;
use url::Url;

use crate::cli::doctor::mcp::report::Fault;
use crate::cli::doctor::mcp::report::Finding;
use crate::cli::doctor::mcp::report::fault;

/// Claude is reported to wait no longer for discovery, registration and tokens.
const TIMEOUT: Duration = Duration::from_secs(10);
/// In bytes; metadata has a few thousand.
const MAX_BODY: usize = 256 * 1024;
/// Of a metadata document.
const MAX_REDIRECTS: usize = 3;

/// The newest version that begins with `initialize`, which clients of every age send or fall back to.
pub(super) const PROTOCOL_VERSION: &str = "2025-11-25";
/// MCP Inspector, which runs in a browser.
pub(super) const BROWSER_ORIGIN: &str = "http://localhost:6274";

pub(super) struct Wire {
    direct: Client,
    following: Client,
    /// The request that took longest.
    slowest: RefCell<(Duration, String)>,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Where it came from in the end.
    pub(super) url: Url,
    /// Null if it is no JSON, or was not read.
    pub(super) json: Value,
}

impl Wire {
    pub(super) fn new() -> reqwest::Result<Self> {
        let client = |policy| {
            Client::builder()
                .user_agent(concat!("Countersign-doctor/", env!("CARGO_PKG_VERSION")))
                .timeout(TIMEOUT)
                .redirect(policy)
                .build()
        };
        Ok(Self {
            direct: client(Policy::none())?,
            following: client(Policy::limited(MAX_REDIRECTS))?,
            slowest: RefCell::default(),
        })
    }

    pub(super) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.direct.request(method, url)
    }

    pub(super) fn post(&self, url: &str) -> RequestBuilder {
        self.direct.post(url).header(header::ACCEPT, "application/json")
    }

    /// For a page, as a browser does.
    pub(super) fn page(&self, url: &str) -> RequestBuilder {
        self.direct.get(url).header(header::ACCEPT, "text/html,application/xhtml+xml")
    }

    /// For a metadata document, as a client in a browser asks for it.
    pub(super) fn document(&self, url: &str) -> RequestBuilder {
        self.following
            .get(url)
            .header(header::ACCEPT, "application/json")
            .header(header::ORIGIN, BROWSER_ORIGIN)
            .header("mcp-protocol-version", PROTOCOL_VERSION)
    }

    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Answer, Fault> {
        self.timed(request, true).await
    }

    /// Of the answer only status and headers: an MCP server may stream events without end.
    pub(super) async fn send_for_status(&self, request: RequestBuilder) -> Result<Answer, Fault> {
        self.timed(request, false).await
    }

    async fn timed(&self, request: RequestBuilder, reads_body: bool) -> Result<Answer, Fault> {
        let (client, request) = request.build_split();
        let request = request.map_err(|error| no_answer("A request", &error))?;
        let what = what(&request);
        let started = Instant::now();
        let answer = read(&client, request, reads_body).await;
        let took = started.elapsed();
        let mut slowest = self.slowest.borrow_mut();
        if took > slowest.0 {
            *slowest = (took, what.clone());
        }
        match answer {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(fault(
                format!("{what}: the answer is longer than {} KiB.", MAX_BODY / 1024),
                "Answer with what the standard asks for, and no more.",
            )),
            Err(error) => Err(no_answer(&what, &error)),
        }
    }

    pub(super) fn in_time(&self) -> Finding {
        let (took, what) = &*self.slowest.borrow();
        let text = format!("The slowest answer took {} ms: {what}.", took.as_millis());
        if *took < TIMEOUT {
            return Ok(text);
        }
        let seconds = TIMEOUT.as_secs();
        Err(fault(text, format!("Answer within {seconds} s: Claude is reported to wait no longer.")))
    }
}

async fn read(client: &Client, request: Request, reads_body: bool) -> reqwest::Result<Option<Answer>> {
    let mut response = client.execute(request).await?;
    let mut body = Vec::new();
    while reads_body && let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return Ok(None);
        }
    }
    Ok(Some(Answer {
        status: response.status(),
        headers: response.headers().clone(),
        url: response.url().clone(),
        json: serde_json::from_slice(&body).unwrap_or_default(),
    }))
}

/// Without the query, which is long and says nothing to a reader.
fn what(request: &Request) -> String {
    let mut url = request.url().clone();
    url.set_query(None);
    format!("{} {url}", request.method())
}

fn no_answer(what: &str, error: &reqwest::Error) -> Fault {
    if error.is_timeout() {
        let reason = format!("{what}: no answer within {} s.", TIMEOUT.as_secs());
        return fault(reason, "Answer sooner: clients give up.");
    }
    let mut cause: &(dyn Error + 'static) = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    fault(
        format!("{what}: no answer: {cause}."),
        "See that the server runs, and that its name, its certificate and the way to it are good from here.",
    )
}

impl Answer {
    pub(super) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(super) fn is_json(&self) -> bool {
        let kind = self.header(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json")
    }

    /// Where a redirect leads.
    pub(super) fn location(&self) -> Option<Url> {
        if !self.status.is_redirection() {
            return None;
        }
        self.url.join(self.header(header::LOCATION)).ok()
    }

    /// `None` if it is missing, no text, or empty.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.json[field].as_str().filter(|text| !text.is_empty())
    }

    /// The status, and what stands beside it: an OAuth error, or where a redirect leads.
    pub(super) fn told(&self) -> String {
        let status = self.status;
        match (self.text("error"), self.text("error_description"), self.location()) {
            (Some(error), Some(description), _) => format!("{status}, {error}: {description}"),
            (Some(error), None, _) => format!("{status}, {error}"),
            (None, _, Some(location)) => format!("{status} to {location}"),
            (None, _, None) => status.to_string(),
        }
    }
}
