//! Everything is tested over HTTP against a running server with its own database.
//! One binary: each extra file in `tests/` would be linked separately.
// The metadata of the server is one long `json!`.
#![recursion_limit = "256"]
#![expect(unreachable_pub, reason = "a test binary has no outside")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod api;
mod cli;
mod client_keys;
mod house_rules;
mod oauth;
mod outage;
mod pages;
mod readme;
mod server;
mod support;
