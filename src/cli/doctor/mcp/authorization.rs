//! Authorization requests as clients make them, up to the page that a person would see.

use url::Url;

use crate::base::secret::Secret;
use crate::cli::doctor::mcp::Visit;
use crate::cli::doctor::mcp::client::Client;
use crate::cli::doctor::mcp::habits::CLAUDE_CODE;
use crate::cli::doctor::mcp::habits::OWN;
use crate::cli::doctor::mcp::pkce::Pkce;
use crate::cli::doctor::mcp::report::Fault;
use crate::cli::doctor::mcp::report::Finding;
use crate::cli::doctor::mcp::report::Report;
use crate::cli::doctor::mcp::report::fault;

/// On the way to the page where a person signs in.
const MAX_REDIRECTS: usize = 5;
/// Nobody's: names under `.invalid` are never given out (RFC 2606 §2).
const WRONG_REDIRECT: &str = "https://countersign-doctor.invalid/callback";

pub(super) struct Question<'a> {
    pub(super) client: &'a Client,
    pub(super) redirect_uri: &'a str,
    pub(super) scope: Option<&'a str>,
    pub(super) resource: Option<&'a str>,
    pub(super) state: &'a str,
    pub(super) pkce: &'a Pkce,
}

/// Where a browser ends that knows nobody yet.
enum End {
    Page(String),
    ErrorPage(String),
    /// The redirect URI, with what the app is told.
    App(Url),
}

struct Case<'a> {
    check: &'static str,
    client: Option<&'a Client>,
    redirect_uri: String,
    scope: Option<&'a str>,
    resource: Option<&'a str>,
    /// Why it is not played.
    why_not: Option<&'static str>,
    advice: &'static str,
}

pub(super) async fn check(visit: &Visit<'_>, clients: &[Client], report: &mut Report) {
    let resource = visit.resource.and_then(|resource| resource.identifier.as_deref());
    let slashed = resource.and_then(with_slash);
    for case in cases(visit, clients, slashed.as_deref()) {
        match (case.client, case.why_not) {
            (None, _) => report.skip(case.check, "No client was registered for it."),
            (Some(_), Some(why)) => report.skip(case.check, why),
            (Some(client), None) => report.record(case.check, is_asked(visit, client, &case).await),
        }
    }
    wrong_redirect(visit, find(clients, OWN), report).await;
}

fn find<'a>(clients: &'a [Client], check: &str) -> Option<&'a Client> {
    clients.iter().find(|client| client.check == check)
}

fn cases<'a>(visit: &'a Visit<'_>, clients: &'a [Client], slashed: Option<&'a str>) -> Vec<Case<'a>> {
    let own = find(clients, OWN);
    let scope = visit.resource.and_then(|resource| resource.scope.as_deref());
    let registered = || Case {
        check: "authorize: as registered",
        client: own,
        redirect_uri: own.map(|client| client.redirect_uri.clone()).unwrap_or_default(),
        scope: None,
        resource: visit.resource.and_then(|resource| resource.identifier.as_deref()),
        why_not: None,
        advice: "Show a page to sign in: scope may be absent, and resource is what the metadata says.",
    };
    let port = other_port(visit.port);
    let free = "Let the port of a loopback redirect URI be free: clients listen where there is room (RFC 8252 §7.3).";
    vec![
        registered(),
        Case {
            check: "authorize: another port on 127.0.0.1",
            redirect_uri: format!("http://127.0.0.1:{port}/callback"),
            advice: free,
            ..registered()
        },
        Case {
            check: "authorize: another port on localhost",
            client: find(clients, CLAUDE_CODE),
            redirect_uri: format!("http://localhost:{port}/callback"),
            advice: free,
            ..registered()
        },
        Case {
            check: "authorize: scopes of the resource",
            scope,
            why_not: scope.is_none().then_some("No resource names scopes."),
            advice: "Name only scopes that apps which register themselves may ask for.",
            ..registered()
        },
        Case {
            check: "authorize: resource with a slash at its end",
            resource: slashed,
            why_not: slashed.is_none().then_some("The resource is none to which older clients add a slash."),
            advice: "Take a resource that differs only in the slash of an empty path: older typescript-sdks send it.",
            ..registered()
        },
    ]
}

/// Whether a person is asked to sign in, and neither they nor the app is told of an error.
async fn is_asked(visit: &Visit<'_>, client: &Client, case: &Case<'_>) -> Finding {
    let (state, pkce) = (Secret::generate("", 24), Pkce::default());
    let question = Question {
        client,
        redirect_uri: &case.redirect_uri,
        scope: case.scope,
        resource: case.resource,
        state: state.expose(),
        pkce: &pkce,
    };
    match walk(visit, &question).await? {
        End::Page(text) => Ok(text),
        End::ErrorPage(text) => Err(fault(format!("{text}: the person sees an error."), case.advice)),
        End::App(url) => {
            let find =
                |name: &str| url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value);
            let text = match (find("error"), find("error_description")) {
                (Some(error), Some(description)) => format!("The app is told {error}: {description}."),
                (Some(error), None) => format!("The app is told {error}."),
                (None, _) => "The app is sent an answer, though nobody was asked.".to_owned(),
            };
            Err(fault(text, case.advice))
        }
    }
}

/// RFC 6749 §4.1.2.1, RFC 9700 §4.11.
async fn wrong_redirect(visit: &Visit<'_>, client: Option<&Client>, report: &mut Report) {
    const CHECK: &str = "authorize: wrong redirect URI";
    let Some(client) = client else { return report.skip(CHECK, "No client was registered for it.") };
    let question = Question {
        client,
        redirect_uri: WRONG_REDIRECT,
        scope: None,
        resource: None,
        state: "x",
        pkce: &Pkce::default(),
    };
    let finding = walk(visit, &question).await.and_then(|end| match end {
        End::ErrorPage(text) => Ok(format!("{text}, and no redirect there.")),
        End::Page(text) => Ok(format!("{text} No redirect there.")),
        End::App(_) => Err(fault(
            "The browser is sent to an address that the client never registered: codes could be stolen.",
            "Compare redirect URIs letter by letter, and show a page where they differ.",
        )),
    });
    report.record(CHECK, finding);
}

pub(super) fn url(visit: &Visit<'_>, question: &Question<'_>) -> Result<Url, Fault> {
    let endpoint = visit.server.text("authorization_endpoint").unwrap_or_default();
    let mut url = Url::parse(endpoint).map_err(|_| {
        fault("authorization_endpoint is missing, or no whole URL.", "Complete the server's metadata.")
    })?;
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &question.client.id)
        .append_pair("redirect_uri", question.redirect_uri)
        .append_pair("state", question.state)
        .append_pair("code_challenge", &question.pkce.challenge)
        .append_pair("code_challenge_method", "S256");
    for (name, value) in [("scope", question.scope), ("resource", question.resource)] {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    Ok(url)
}

/// Follows redirects as a browser without cookies does: within the server, and to nobody else.
async fn walk(visit: &Visit<'_>, question: &Question<'_>) -> Result<End, Fault> {
    let mut at = url(visit, question)?;
    let origin = at.origin();
    for steps in 0..=MAX_REDIRECTS {
        let answer = visit.wire.send(visit.wire.page(at.as_str())).await?;
        let Some(next) = answer.location() else {
            let status = answer.status;
            return Ok(match (status.is_success(), steps) {
                (false, _) => End::ErrorPage(answer.told()),
                (true, 0) => End::Page(format!("{status}: a page.")),
                (true, _) => End::Page(format!("{status}: a page, after a redirect to {}.", at.path())),
            });
        };
        if next.as_str().split('?').next() == Some(question.redirect_uri) {
            return Ok(End::App(next));
        }
        if next.origin() != origin {
            return Ok(End::Page(format!(
                "A redirect to {}, to sign in.",
                next.origin().ascii_serialization()
            )));
        }
        at = next;
    }
    Err(fault(format!("More than {MAX_REDIRECTS} redirects."), "See that they do not lead in a circle."))
}

fn other_port(port: u16) -> u16 {
    if port == u16::MAX { port - 1 } else { port + 1 }
}

/// As typescript-sdk wrote a resource without a path until 2026: what a browser makes of it. `None` if that is no
/// different.
fn with_slash(resource: &str) -> Option<String> {
    let written = Url::parse(resource).ok()?.to_string();
    (written != resource).then_some(written)
}
