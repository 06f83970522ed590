//! How a client gets an identifier (MCP §Client Registration): metadata documents, RFC 7591, or by hand.

use reqwest::Method;
use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

use crate::cli::doctor::mcp::Visit;
use crate::cli::doctor::mcp::client::Client;
use crate::cli::doctor::mcp::client::flaw;
use crate::cli::doctor::mcp::discovery::Server;
use crate::cli::doctor::mcp::habits;
use crate::cli::doctor::mcp::habits::Habit;
use crate::cli::doctor::mcp::report::Fault;
use crate::cli::doctor::mcp::report::Finding;
use crate::cli::doctor::mcp::report::Report;
use crate::cli::doctor::mcp::report::fault;
use crate::cli::doctor::mcp::token;
use crate::cli::doctor::mcp::wire::Answer;

const AGAIN: &str = "registration: again after invalid_client";
const DELETED: &str = "registration: test clients deleted";

/// The clients that are there now. `known` is one that the person at the keyboard named.
pub(super) async fn check(visit: &Visit<'_>, known: Option<&str>, report: &mut Report) -> Vec<Client> {
    let server = visit.server;
    let endpoint = server.text("registration_endpoint");
    report.record("registration: public clients", takes_public(server));
    report.record("registration: offered", is_offered(server, known));
    documents(server, known, report);
    // The known one comes first, so that it is the one that is found and used.
    let mut clients: Vec<Client> = known.map(Client::known).into_iter().collect();
    for habit in habits::all(server, visit.port) {
        let Some(endpoint) = endpoint else {
            report.skip(habit.check, "The metadata names no registration_endpoint.");
            continue;
        };
        clients.extend(register(visit, endpoint, &habit, report).await);
    }
    clients
}

/// A client without a secret is what most of them are.
fn takes_public(server: &Server) -> Finding {
    let advice = "Let clients without a secret use the token endpoint, and list \"none\".";
    match server.lists("token_endpoint_auth_methods_supported", "none") {
        Some(true) => Ok("token_endpoint_auth_methods_supported has none.".to_owned()),
        Some(false) => Err(fault("token_endpoint_auth_methods_supported lacks none.", advice)),
        None => {
            Ok("No methods are listed: clients without a secret try all the same; list \"none\".".to_owned())
        }
    }
}

fn is_offered(server: &Server, known: Option<&str>) -> Finding {
    let has_documents = server.document["client_id_metadata_document_supported"] == true;
    let has_endpoint = server.text("registration_endpoint").is_some();
    match (has_documents, has_endpoint, known) {
        (true, true, _) => Ok("By metadata document, and by request.".to_owned()),
        (true, false, _) => Ok("By metadata document; clients that know only requests stay out.".to_owned()),
        (false, true, _) => Ok("By request; metadata documents are what MCP recommends today.".to_owned()),
        (false, false, Some(_)) => Ok("By hand alone.".to_owned()),
        (false, false, None) => Err(fault(
            "Neither metadata documents nor registration by request: people must type in a client_id, where they can.",
            "Offer client_id_metadata_document_supported or a registration_endpoint; or name a client registered by \
             hand with --client-id, to see the rest.",
        )),
    }
}

/// That a document is fetched and believed shows only with one at a public https URL, and here is none.
fn documents(server: &Server, known: Option<&str>, report: &mut Report) {
    const FLAG: &str = "registration: metadata documents";
    let flag = &server.document["client_id_metadata_document_supported"];
    let methods = server.lists("token_endpoint_auth_methods_supported", "none");
    match (flag, methods) {
        (Value::Bool(true), Some(true)) if known.is_some_and(|id| Url::parse(id).is_ok()) => {
            report.record(FLAG, Ok("Advertised as clients want it; the one of --client-id is used below.".to_owned()));
        }
        (Value::Bool(true), Some(true)) => report.skip(
            FLAG,
            "Advertised as clients want it. To see it used, name a document at a public https URL with --client-id; \
             it needs the redirect URI http://127.0.0.1/callback.",
        ),
        (Value::Bool(true), _) => report.record(
            FLAG,
            Err(fault(
                "Advertised, but \"none\" is not among token_endpoint_auth_methods_supported: Claude is reported not \
                 to use it then.",
                "List \"none\", for clients whose document says so.",
            )),
        ),
        (Value::Null | Value::Bool(false), _) => report.skip(FLAG, "Not advertised."),
        (other, _) => report.record(
            FLAG,
            Err(fault(
                format!("client_id_metadata_document_supported is {other}; clients look for true."),
                "Write it as a boolean.",
            )),
        ),
    }
}

async fn register(visit: &Visit<'_>, endpoint: &str, habit: &Habit, report: &mut Report) -> Option<Client> {
    let answer = match visit.wire.send(visit.wire.post(endpoint).json(&habit.metadata)).await {
        Ok(answer) => answer,
        Err(fault) => {
            report.record(habit.check, Err(fault));
            return None;
        }
    };
    if answer.status == StatusCode::TOO_MANY_REQUESTS {
        report.skip(habit.check, "429: the server has had enough registrations from here; try again later.");
        return None;
    }
    report.record(habit.check, was_registered(&habit.metadata, &answer));
    Client::read(habit.check, &habit.metadata, &answer)
}

fn was_registered(sent: &Value, answer: &Answer) -> Finding {
    let told = answer.told();
    match answer.status {
        StatusCode::CREATED => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(fault(
                format!("{told}: registration is closed, and no MCP client has an initial access token."),
                "Let anybody register, or do not name a registration_endpoint.",
            ));
        }
        status if status.is_success() => {
            return Err(fault(format!("{status} instead of 201."), "Answer 201 (RFC 7591 §3.2.1)."));
        }
        status if status.is_client_error() => {
            return Err(fault(
                format!("{told}."),
                "Register what is possible of what was asked, and say so in the answer (RFC 7591 §2, §3.2.1).",
            ));
        }
        _ => {
            let advice = "Answer 201 at this very address; the server's log may say what hinders it.";
            return Err(fault(format!("{told}."), advice));
        }
    }
    match flaw(sent, &answer.json) {
        Some(flaw) => Err(fault(
            format!("201, but {flaw}."),
            "Answer with everything that was registered (RFC 7591 §3.2.1).",
        )),
        None => Ok("201, complete.".to_owned()),
    }
}

/// Takes away what was registered (RFC 7592 §2.3), and does in between what a client does that finds itself gone.
pub(super) async fn clean_up(visit: &Visit<'_>, clients: Vec<Client>, report: &mut Report) {
    let clients: Vec<Client> = clients.into_iter().filter(|client| client.was_registered).collect();
    let deleted = delete(visit, &clients).await;
    match clients.iter().find(|client| client.management.is_some()) {
        Some(client) if deleted.is_ok() => {
            report.record(token::GONE, token::refuses_client(visit, &client.id).await);
        }
        _ => report.skip(token::GONE, "No client was deleted."),
    }
    let again = again(visit, report).await;
    let deleted = deleted.and(delete(visit, &again).await);
    let all = || clients.iter().chain(&again);
    let left: Vec<&str> =
        all().filter(|client| client.management.is_none()).map(|client| client.id.as_str()).collect();
    match deleted {
        Err(fault) => report.record(DELETED, Err(fault)),
        Ok(()) if all().next().is_none() => report.skip(DELETED, "None was registered."),
        Ok(()) if left.is_empty() => report.record(DELETED, Ok(format!("{} deleted.", all().count()))),
        Ok(()) => {
            let text =
                format!("The server offers no way to (RFC 7592) for these, which stay: {}.", left.join(", "));
            report.skip(DELETED, &text);
        }
    }
}

/// A client that was told `invalid_client` forgets everything, and registers the same once more.
async fn again(visit: &Visit<'_>, report: &mut Report) -> Vec<Client> {
    let Some(endpoint) = visit.server.text("registration_endpoint") else {
        report.skip(AGAIN, "The metadata names no registration_endpoint.");
        return Vec::new();
    };
    let habit = Habit { check: AGAIN, ..habits::own(visit.port) };
    register(visit, endpoint, &habit, report).await.into_iter().collect()
}

/// All that can be; the first failure is told.
async fn delete(visit: &Visit<'_>, clients: &[Client]) -> Result<(), Fault> {
    let mut result = Ok(());
    for client in clients {
        result = result.and(delete_one(visit, client).await);
    }
    result
}

async fn delete_one(visit: &Visit<'_>, client: &Client) -> Result<(), Fault> {
    let Some((url, token)) = &client.management else { return Ok(()) };
    let request = visit.wire.request(Method::DELETE, url).bearer_auth(token.expose());
    let answer = visit.wire.send(request).await?;
    if answer.status == StatusCode::NO_CONTENT {
        return Ok(());
    }
    Err(fault(
        format!("{} to the deletion of {}.", answer.told(), client.id),
        "Answer DELETE at registration_client_uri with 204 (RFC 7592 §2.3); delete what is left by hand.",
    ))
}
