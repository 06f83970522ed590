//! The token endpoint as clients use it, and what it says to what is no good (RFC 6749 §5.2).
//!
//! Clients act on the word: `invalid_grant` makes typescript-sdk forget its tokens and ask the person again,
//! `invalid_client` makes it forget everything and register again; with any other word it is stuck.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use reqwest::header;
use url::form_urlencoded;

use crate::base::secret::Secret;
use crate::cli::doctor::mcp::Visit;
use crate::cli::doctor::mcp::client::Client;
use crate::cli::doctor::mcp::habits::OWN;
use crate::cli::doctor::mcp::pkce::Pkce;
use crate::cli::doctor::mcp::report::Fault;
use crate::cli::doctor::mcp::report::Finding;
use crate::cli::doctor::mcp::report::Report;
use crate::cli::doctor::mcp::report::fault;
use crate::cli::doctor::mcp::wire::Answer;

pub(super) const GONE: &str = "token: client that was deleted";

/// The form of a request, without the client's own parameters.
pub(super) type Form<'a> = Vec<(&'a str, &'a str)>;

pub(super) async fn check(visit: &Visit<'_>, clients: &[Client], report: &mut Report) {
    let own = clients.iter().find(|client| client.check == OWN);
    let nonsense = Secret::generate("countersign-doctor-", 32);
    let pkce = Pkce::default();
    let (code, refresh) = ("token: code that is none", "token: refresh token that is none");
    if let Some(client) = own {
        let mut form = exchange(nonsense.expose(), &client.redirect_uri, &pkce);
        report.record(code, refuses_grant(visit, client, &mut form).await);
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", nonsense.expose())];
        report.record(refresh, refuses_grant(visit, client, &mut form).await);
    } else {
        report.skip(code, "No client was registered for it.");
        report.skip(refresh, "No client was registered for it.");
    }
    let stranger = Secret::generate("countersign-doctor-", 24);
    report.record("token: client that is unknown", refuses_client(visit, stranger.expose()).await);
}

pub(super) fn exchange<'a>(code: &'a str, redirect_uri: &'a str, pkce: &'a Pkce) -> Form<'a> {
    vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri),
        ("code_verifier", pkce.verifier.expose()),
    ]
}

async fn refuses_grant<'a>(visit: &'a Visit<'_>, client: &'a Client, form: &mut Form<'a>) -> Finding {
    form.extend(visit.resource_parameter());
    let answer = post(visit, "token_endpoint", client, form).await?;
    refused(&answer, StatusCode::BAD_REQUEST, "invalid_grant")
}

/// With a refresh token, as a client does that has been away.
pub(super) async fn refuses_client(visit: &Visit<'_>, id: &str) -> Finding {
    let nonsense = Secret::generate("countersign-doctor-", 32);
    let form = vec![("grant_type", "refresh_token"), ("refresh_token", nonsense.expose())];
    let answer = post(visit, "token_endpoint", &Client::known(id), &form).await?;
    refused(&answer, StatusCode::UNAUTHORIZED, "invalid_client")
}

pub(super) fn refused(answer: &Answer, status: StatusCode, error: &str) -> Finding {
    let told = answer.told();
    let advice =
        format!("Answer {} with the JSON {{\"error\": \"{error}\"}} (RFC 6749 §5.2).", status.as_u16());
    if answer.text("error") != Some(error) {
        return Err(fault(format!("{told}: clients know what to do only at {error}."), advice));
    }
    if answer.status != status {
        return Err(fault(format!("{told}: the word is right, the status is not."), advice));
    }
    if !answer.is_json() {
        return Err(fault(format!("{told}, but the Content-Type is not application/json."), advice));
    }
    Ok(format!("{}, {error}.", status.as_u16()))
}

/// Posts to an endpoint of the metadata. The client proves itself as the server said it should.
pub(super) async fn post(
    visit: &Visit<'_>,
    endpoint: &str,
    client: &Client,
    form: &Form<'_>,
) -> Result<Answer, Fault> {
    let Some(url) = visit.server.text(endpoint) else {
        return Err(fault(format!("{endpoint} is missing."), "Complete the server's metadata."));
    };
    let request = visit.wire.post(url);
    let id = client.id.as_str();
    let request = match (&client.secret, client.method.as_deref()) {
        (Some(secret), Some("client_secret_basic")) => {
            request.header(header::AUTHORIZATION, basic(id, secret)).form(form)
        }
        (Some(secret), _) => {
            let own = [("client_id", id), ("client_secret", secret.expose())];
            request.form(&form.iter().copied().chain(own).collect::<Form<'_>>())
        }
        (None, _) => request.form(&form.iter().copied().chain([("client_id", id)]).collect::<Form<'_>>()),
    };
    visit.wire.send(request).await
}

/// RFC 6749 §2.3.1: both parts are form-encoded first.
fn basic(id: &str, secret: &Secret) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret.expose()))))
}
