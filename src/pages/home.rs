//! `GET /`: what this server is, and where to go.

use askama::Template;
use axum::extract::State;

use crate::app::App;
use crate::gate::session::SignedIn;
use crate::pages::page::Page;

#[derive(Template)]
#[template(path = "pages/home.html")]
pub struct Home {
    host: String,
    issuer: String,
    /// Of the person who is signed in.
    email: Option<String>,
    may_register: bool,
    entries: Vec<Entry>,
}

struct Entry {
    name: &'static str,
    url: &'static str,
    purpose: &'static str,
}

const METADATA: Entry = Entry {
    name: "Metadata",
    url: "/.well-known/oauth-authorization-server",
    purpose: "The endpoints and what they support, for OAuth libraries (RFC 8414).",
};
const PLAYGROUND: Entry = Entry {
    name: "Playground",
    url: "/playground",
    purpose: "Run a flow and see every request and every answer.",
};
const DOCS: Entry = Entry {
    name: "API",
    url: "/docs",
    purpose: "Every call of the JSON interfaces, to read and to try; for programs as OpenAPI.",
};
const ERRORS: Entry =
    Entry { name: "Error codes", url: "/errors", purpose: "What each error means and what to change." };

pub async fn get(State(app): State<App>, signed_in: Option<SignedIn>) -> Page<Home> {
    let config = &app.config;
    let playground = config.playground.then_some(PLAYGROUND);
    Page::new(Home {
        host: config.links.host().to_owned(),
        issuer: config.links.issuer().to_owned(),
        email: signed_in.map(|signed_in| signed_in.user.email),
        may_register: config.registration,
        entries: [METADATA].into_iter().chain(playground).chain([DOCS, ERRORS]).collect(),
    })
}
