//! Whether clients that run in a browser, such as MCP Inspector, get through (the Fetch standard's CORS protocol).

use reqwest::Method;
use reqwest::header;

use crate::cli::doctor::mcp::Visit;
use crate::cli::doctor::mcp::report::Fault;
use crate::cli::doctor::mcp::report::Finding;
use crate::cli::doctor::mcp::report::Report;
use crate::cli::doctor::mcp::report::fault;
use crate::cli::doctor::mcp::wire::Answer;
use crate::cli::doctor::mcp::wire::BROWSER_ORIGIN;

const READING: &[&str] = &["authorization", "mcp-protocol-version"];
const POSTING: &[&str] = &["authorization", "content-type", "mcp-protocol-version"];

pub(super) async fn check(visit: &Visit<'_>, report: &mut Report) {
    let resource = visit.resource.and_then(|resource| resource.metadata_url.as_deref());
    for (check, url, method, headers) in [
        ("cors: resource metadata", resource, Method::GET, READING),
        ("cors: server metadata", Some(visit.server.metadata_url.as_str()), Method::GET, READING),
        ("cors: token endpoint", visit.server.text("token_endpoint"), Method::POST, POSTING),
        ("cors: registration endpoint", visit.server.text("registration_endpoint"), Method::POST, POSTING),
    ] {
        match url {
            Some(url) => report.record(check, lets_in(visit, url, method, headers).await),
            None => report.skip(check, "There is none."),
        }
    }
}

async fn lets_in(visit: &Visit<'_>, url: &str, method: Method, headers: &[&str]) -> Finding {
    let preflight = visit
        .wire
        .request(Method::OPTIONS, url)
        .header(header::ORIGIN, BROWSER_ORIGIN)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, method.as_str())
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, headers.join(","));
    let answer = visit.wire.send(preflight).await?;
    if !answer.status.is_success() {
        return Err(fault(
            format!("The preflight is answered {}.", answer.told()),
            "Answer OPTIONS with 204 and the Access-Control headers, to anybody.",
        ));
    }
    allows_origin(&answer, "The preflight's answer")?;
    let allowed = list(&answer, header::ACCESS_CONTROL_ALLOW_HEADERS);
    // The star stands for all headers but Authorization.
    let is_allowed = |name: &str| allowed.iter().any(|a| a == name || (a == "*" && name != "authorization"));
    let missing: Vec<&str> = headers.iter().copied().filter(|name| !is_allowed(name)).collect();
    if !missing.is_empty() {
        return Err(fault(
            format!("Access-Control-Allow-Headers lacks {}.", missing.join(", ")),
            format!("Allow {}, by name.", headers.join(", ")),
        ));
    }
    if method == Method::GET {
        allows_origin(&visit.wire.send(visit.wire.document(url)).await?, "The document")?;
    }
    Ok(format!("A browser may send {}.", headers.join(", ")))
}

fn allows_origin(answer: &Answer, what: &str) -> Result<(), Fault> {
    match answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        "*" | BROWSER_ORIGIN => Ok(()),
        other => Err(fault(
            format!("{what} has Access-Control-Allow-Origin {other:?}: a browser keeps it from the client."),
            "Send Access-Control-Allow-Origin: * with every answer here; no cookie is involved.",
        )),
    }
}

fn list(answer: &Answer, name: header::HeaderName) -> Vec<String> {
    let lines = answer.headers.get_all(name);
    let lines = lines.iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|name| name.trim().to_lowercase()).collect()
}
