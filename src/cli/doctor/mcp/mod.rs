//! `countersign doctor mcp URL`: does to a live server, any server, what the MCP clients do, and says how it fared.
//!
//! After the MCP authorization specification of 2026-07-28 and what is known of Claude, ChatGPT, VS Code, Cursor and
//! the typescript-sdk under most of them. What fails is what one of these would stumble over, or what a standard
//! forbids; what merely could be better stands beside a pass. Knows this server's database and configuration as
//! little as a client does.

mod authorization;
mod callback;
mod challenge;
mod client;
mod cors;
mod discovery;
mod flow;
mod habits;
mod pkce;
mod places;
mod registration;
mod report;
mod resource;
mod token;
mod wire;

use std::ops::RangeInclusive;
use std::process::ExitCode;

use clap::Args;
use reqwest::StatusCode;
use reqwest::header;
use url::Url;

use crate::base::secret::Secret;
use crate::cli;
use crate::cli::doctor::mcp::discovery::Server;
use crate::cli::doctor::mcp::report::Fault;
use crate::cli::doctor::mcp::report::Report;
use crate::cli::doctor::mcp::resource::Resource;
use crate::cli::doctor::mcp::wire::Answer;
use crate::cli::doctor::mcp::wire::Wire;

/// An access token from elsewhere, to call the MCP server with. No argument, since others could see it there.
const TOKEN_VARIABLE: &str = "MCP_TOKEN";
/// Those that systems hand out by themselves: what a client happens to listen on.
const PORTS: RangeInclusive<u16> = 49152..=65535;

#[derive(Args)]
pub(super) struct Mcp {
    /// Of an MCP server, or the issuer of an authorization server
    #[arg(value_parser = address)]
    url: Address,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
    /// Have a person sign in, and go through the whole flow
    #[arg(long)]
    interactive: bool,
    /// Use this client instead of one that registers itself: one without a secret that was registered by hand, or the
    /// URL of a metadata document. It comes back to /callback on any port of 127.0.0.1
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
}

#[derive(Clone)]
struct Address {
    /// Issuers are compared as they were typed.
    typed: String,
    url: Url,
}

/// What the checks of an authorization server have in common.
struct Visit<'a> {
    wire: &'a Wire,
    server: &'a Server,
    resource: Option<&'a Resource>,
    /// On which the clients that register themselves say that they listen.
    port: u16,
}

impl Visit<'_> {
    /// Of a token request (RFC 8707 §2.2).
    fn resource_parameter(&self) -> Option<(&str, &str)> {
        Some(("resource", self.resource?.identifier.as_deref()?))
    }
}

impl Mcp {
    /// Exit code 1 if anything failed.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let wire = Wire::new()?;
        let mut report = Report::default();
        self.examine(&wire, &mut report).await?;
        report.record("answers in time", wire.in_time());
        cli::print(&if self.json { report.to_json()? } else { report.to_text() })?;
        Ok(if report.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    async fn examine(&self, wire: &Wire, report: &mut Report) -> anyhow::Result<()> {
        let url = &self.url.url;
        report.heading = format!("{}:", self.url.typed);
        let resource = match ask_as_resource(wire, url).await {
            Ok(Some(answer)) => Some(resource::check(wire, url, &answer, report).await),
            Ok(None) => {
                report.skip(
                    "resource",
                    "The URL is an issuer: give that of the MCP server to have both looked at.",
                );
                None
            }
            Err(fault) => {
                report.record("answers", Err(fault));
                return Ok(());
            }
        };
        let issuer = resource.as_ref().map_or(&self.url.typed, |resource| &resource.issuer);
        report.heading = match &resource {
            Some(_) => {
                format!("{}, as an MCP server, whose authorization server is {issuer}:", self.url.typed)
            }
            None => format!("{issuer}, as an authorization server:"),
        };
        let Some(server) = discovery::check(wire, issuer, report).await else {
            report.skip("everything else", "Without the server's metadata there is nothing to go on with.");
            return Ok(());
        };
        let port = rand::random_range(PORTS);
        self.visit(&Visit { wire, server: &server, resource: resource.as_ref(), port }, report).await
    }

    async fn visit(&self, visit: &Visit<'_>, report: &mut Report) -> anyhow::Result<()> {
        cors::check(visit, report).await;
        let clients = registration::check(visit, self.client_id.as_deref(), report).await;
        authorization::check(visit, &clients, report).await;
        token::check(visit, &clients, report).await;
        let flow = if self.interactive {
            flow::with_person(visit, &clients, report).await
        } else {
            let token = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()).map(Secret::new);
            flow::without_person(visit, token.as_ref(), report).await;
            Ok(())
        };
        // Whatever happened in between.
        registration::clean_up(visit, clients, report).await;
        flow
    }
}

fn address(typed: &str) -> Result<Address, &'static str> {
    let url = Url::parse(typed).map_err(|_| "it is not a whole URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it must begin with https:// or http://");
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("it must have no user name, password or fragment");
    }
    Ok(Address { typed: typed.to_owned(), url })
}

/// What a resource says to a request without a token; `None` if the URL is an issuer. A resource asks for a token,
/// speaks MCP, or has metadata that says so; an issuer has that of a server.
async fn ask_as_resource(wire: &Wire, url: &Url) -> Result<Option<Answer>, Fault> {
    let answer = wire.send_for_status(resource::first_request(wire, url, None)).await?;
    let streams = answer.header(header::CONTENT_TYPE).starts_with("text/event-stream");
    if answer.status == StatusCode::UNAUTHORIZED
        || (answer.status.is_success() && (streams || answer.is_json()))
    {
        return Ok(Some(answer));
    }
    let mut is_server = false;
    for place in places::of_server(url) {
        let Ok(Some(found)) = places::document(wire, &place.url).await else { continue };
        let issuer = found.json["issuer"].as_str();
        if issuer.is_some_and(|issuer| Url::parse(issuer).is_ok_and(|issuer| issuer == *url)) {
            return Ok(None);
        }
        is_server |= issuer.is_some();
    }
    for place in places::of_resource(url) {
        let Ok(Some(found)) = places::document(wire, &place.url).await else { continue };
        if resource::names_resource(url, &found.json).is_ok() {
            return Ok(Some(answer));
        }
    }
    Ok((!is_server).then_some(answer))
}
