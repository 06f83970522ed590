//! The whole flow, with a person at the keyboard who signs in and agrees.

use std::io::Write;

use reqwest::StatusCode;
use url::form_urlencoded;

use crate::base::secret::Secret;
use crate::cli::doctor::mcp::Visit;
use crate::cli::doctor::mcp::authorization;
use crate::cli::doctor::mcp::authorization::Question;
use crate::cli::doctor::mcp::callback::Callback;
use crate::cli::doctor::mcp::client::Client;
use crate::cli::doctor::mcp::habits::OWN;
use crate::cli::doctor::mcp::pkce::Pkce;
use crate::cli::doctor::mcp::report::Fault;
use crate::cli::doctor::mcp::report::Finding;
use crate::cli::doctor::mcp::report::Report;
use crate::cli::doctor::mcp::report::fault;
use crate::cli::doctor::mcp::resource;
use crate::cli::doctor::mcp::token;
use crate::cli::doctor::mcp::wire::Answer;

const ANSWER: &str = "flow: answer to the app";
const EXCHANGE: &str = "flow: tokens for the code";
const CALL: &str = "flow: resource takes the token";
const REFRESH: &str = "flow: refresh";
const WITH_SCOPE: &str = "flow: refresh with all scopes and resource";
const LOST: &str = "flow: refresh again, the answer was lost";
const REVOKE: &str = "flow: revocation";
/// In the order in which they are played.
const CHECKS: [&str; 7] = [ANSWER, EXCHANGE, CALL, REFRESH, WITH_SCOPE, LOST, REVOKE];

struct Tokens {
    access: Secret,
    refresh: Option<Secret>,
    /// What was granted, if the server said it.
    scope: Option<String>,
}

/// `token` is one that the person at the keyboard has from elsewhere.
pub(super) async fn without_person(visit: &Visit<'_>, token: Option<&Secret>, report: &mut Report) {
    const WHY: &str = "Needs a person: add --interactive.";
    skip_all(&CHECKS[..2], WHY, report);
    call(visit, token, report).await;
    skip_all(&CHECKS[3..], WHY, report);
}

fn skip_all(checks: &[&str], why: &str, report: &mut Report) {
    for check in checks {
        report.skip(check, why);
    }
}

async fn call(visit: &Visit<'_>, token: Option<&Secret>, report: &mut Report) {
    match (visit.resource, token) {
        (Some(resource), Some(token)) => {
            report.record(CALL, resource::takes(visit.wire, resource, token).await);
        }
        (None, _) => report.skip(CALL, "The URL is an issuer: give that of the MCP server."),
        (_, None) => report.skip(CALL, "Needs a token: add --interactive, or set MCP_TOKEN."),
    }
}

/// Goes as far as it gets.
pub(super) async fn with_person(
    visit: &Visit<'_>,
    clients: &[Client],
    report: &mut Report,
) -> anyhow::Result<()> {
    let Some(client) = clients.iter().find(|client| client.check == OWN) else {
        skip_all(&CHECKS, "No client was registered for it.", report);
        return Ok(());
    };
    let mut callback = Callback::open().await?;
    let pkce = Pkce::default();
    let code = ask(visit, client, (&mut callback, &pkce)).await;
    let Some(code) = found(ANSWER, code, report) else {
        skip_all(&CHECKS[1..], "There is no code.", report);
        return Ok(());
    };
    let form = token::exchange(code.expose(), &callback.redirect_uri, &pkce);
    let Some(tokens) = found(EXCHANGE, tokens(visit, client, form).await, report) else {
        skip_all(&CHECKS[2..], "There are no tokens.", report);
        return Ok(());
    };
    call(visit, Some(&tokens.access), report).await;
    refreshes(visit, client, tokens, report).await;
    Ok(())
}

/// Records what was seen, and hands on what was got.
fn found<T>(check: &str, found: Result<(String, T), Fault>, report: &mut Report) -> Option<T> {
    match found {
        Ok((text, found)) => {
            report.record(check, Ok(text));
            Some(found)
        }
        Err(fault) => {
            report.record(check, Err(fault));
            None
        }
    }
}

/// Has the person open the page, and reads what comes back (RFC 6749 §4.1.2, RFC 9207 §2.4).
async fn ask(
    visit: &Visit<'_>,
    client: &Client,
    (callback, pkce): (&mut Callback, &Pkce),
) -> Result<(String, Secret), Fault> {
    let state = Secret::generate("", 24);
    let question = Question {
        client,
        redirect_uri: &callback.redirect_uri.clone(),
        scope: visit.resource.and_then(|resource| resource.scope.as_deref()),
        resource: visit.resource.and_then(|resource| resource.identifier.as_deref()),
        state: state.expose(),
        pkce,
    };
    let url = authorization::url(visit, &question)?;
    // Standard output is for the table alone. If nobody can read this, nobody will answer either.
    let _ = writeln!(std::io::stderr(), "Open this in a browser, sign in and agree:\n\n{url}\n");
    let Some(query) = callback.wait().await else {
        return Err(fault("No answer came.", "Open the URL in a browser on this machine, and agree."));
    };
    let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let find =
        |name: &str| parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    if find("state") != Some(state.expose()) {
        return Err(fault(
            "state is not the one that was sent.",
            "Give state back unchanged (RFC 6749 §4.1.2).",
        ));
    }
    let promises = visit.server.document["authorization_response_iss_parameter_supported"] == true;
    let iss = find("iss");
    if iss.is_none() && promises {
        return Err(fault("iss is missing, though the metadata promises it.", "Send iss (RFC 9207 §2)."));
    }
    if let Some(iss) = iss.filter(|iss| *iss != visit.server.issuer) {
        let reason =
            format!("iss is {iss:?}, and the issuer is {:?}: clients reject it.", visit.server.issuer);
        return Err(fault(reason, "Send the issuer letter by letter (RFC 9207 §2)."));
    }
    match (find("code"), find("error")) {
        (Some(code), _) if !code.is_empty() => {
            let iss =
                if iss.is_some() { "state and iss are right" } else { "state is right; iss would help" };
            Ok((format!("A code; {iss}."), Secret::new(code)))
        }
        (_, error) => {
            let error = error.unwrap_or("neither code nor error");
            let description = find("error_description").unwrap_or_default();
            Err(fault(format!("The app is told {error}. {description}"), "Sign in again, and agree."))
        }
    }
}

/// RFC 6749 §5.1.
async fn tokens<'a>(
    visit: &'a Visit<'_>,
    client: &'a Client,
    mut form: token::Form<'a>,
) -> Result<(String, Tokens), Fault> {
    form.extend(visit.resource_parameter());
    let answer = token::post(visit, "token_endpoint", client, &form).await?;
    let tokens = read(&answer)?;
    let lifetime = match answer.json["expires_in"].as_i64() {
        Some(seconds) => format!("for {seconds} s"),
        None => "without expires_in: clients have to guess when to refresh".to_owned(),
    };
    let refresh = if tokens.refresh.is_some() { "" } else { "; no refresh token" };
    Ok((format!("An access token {lifetime}{refresh}."), tokens))
}

fn read(answer: &Answer) -> Result<Tokens, Fault> {
    let advice = "Answer 200 with access_token, token_type Bearer and expires_in as JSON (RFC 6749 §5.1).";
    let access = match (answer.status, answer.text("access_token")) {
        (StatusCode::OK, Some(token)) if answer.is_json() => Secret::new(token),
        (StatusCode::OK, _) => return Err(fault("200, but no access_token as JSON.", advice)),
        _ => return Err(fault(format!("{}.", answer.told()), advice)),
    };
    if !answer.text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err(fault(format!("token_type is {}.", answer.json["token_type"]), advice));
    }
    let refresh = answer.text("refresh_token").map(Secret::new);
    Ok(Tokens { access, refresh, scope: answer.text("scope").map(str::to_owned) })
}

/// What happens over the days that follow.
async fn refreshes(visit: &Visit<'_>, client: &Client, first: Tokens, report: &mut Report) {
    let Some(refresh) = first.refresh else {
        return skip_all(&CHECKS[3..], "The server gave no refresh token.", report);
    };
    let Some(second) = found(REFRESH, refreshed(visit, client, &refresh, None).await, report) else {
        return skip_all(&CHECKS[4..], "The refresh token is of no use.", report);
    };
    let scope = first.scope.as_deref().or(visit.resource.and_then(|resource| resource.scope.as_deref()));
    let third = refreshed(visit, client, &second, Some(scope.unwrap_or_default())).await;
    let third = found(WITH_SCOPE, third, report);
    if third.is_some() {
        // The last but one: as if the answer before had never come.
        report.record(LOST, again(visit, client, &second).await);
    } else {
        report.skip(LOST, "There is no answer that could be lost.");
    }
    revoke(visit, client, &third.unwrap_or(second), report).await;
}

/// The new refresh token. With `scope` (empty if none is known) also `resource` is sent, as typescript-sdk does.
async fn refreshed(
    visit: &Visit<'_>,
    client: &Client,
    token: &Secret,
    scope: Option<&str>,
) -> Result<(String, Secret), Fault> {
    let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())];
    if let Some(scope) = scope {
        form.extend(Some(("scope", scope)).filter(|(_, scope)| !scope.is_empty()));
        form.extend(visit.resource_parameter());
    }
    let answer = token::post(visit, "token_endpoint", client, &form).await?;
    let tokens = read(&answer)?;
    match tokens.refresh {
        Some(new) if new.hash() != token.hash() => Ok(("New tokens.".to_owned(), new)),
        _ if client.secret.is_some() => {
            Ok(("A new access token, the old refresh token.".to_owned(), token.clone()))
        }
        _ => Err(fault(
            "The refresh token stays the same: whoever copied it keeps access unnoticed.",
            "Give public clients a new refresh token each time (OAuth 2.1 §4.3.1).",
        )),
    }
}

async fn again(visit: &Visit<'_>, client: &Client, token: &Secret) -> Finding {
    let form = vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())];
    let answer = token::post(visit, "token_endpoint", client, &form).await?;
    if answer.status == StatusCode::OK {
        return Ok("Answered again: a lost answer logs nobody out.".to_owned());
    }
    Err(fault(
        format!("{}: a client whose answer was lost on the way has to ask the person again.", answer.told()),
        "Answer a refresh token once more for some seconds, as long as its successor is unused.",
    ))
}

/// RFC 7009.
async fn revoke(visit: &Visit<'_>, client: &Client, token: &Secret, report: &mut Report) {
    if visit.server.text("revocation_endpoint").is_none() {
        return report.skip(REVOKE, "The metadata names no revocation_endpoint.");
    }
    report.record(REVOKE, revoked(visit, client, token).await);
}

async fn revoked(visit: &Visit<'_>, client: &Client, token: &Secret) -> Finding {
    let form = vec![("token", token.expose()), ("token_type_hint", "refresh_token")];
    let answer = token::post(visit, "revocation_endpoint", client, &form).await?;
    if answer.status != StatusCode::OK {
        return Err(fault(format!("{}.", answer.told()), "Answer 200 (RFC 7009 §2.2)."));
    }
    let form = vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())];
    let answer = token::post(visit, "token_endpoint", client, &form).await?;
    token::refused(&answer, StatusCode::BAD_REQUEST, "invalid_grant")?;
    Ok("200, and the token is dead.".to_owned())
}
