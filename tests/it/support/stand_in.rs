//! A small MCP server with an authorization server of its own, healthy or with one fault.

use std::sync::Arc;
use std::sync::Mutex;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::Uri;
use axum::response::Html;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpListener;
use url::Url;
use url::form_urlencoded;

pub struct StandIn {
    /// Of the MCP server.
    pub url: String,
    pub issuer: String,
    state: Arc<Inner>,
}

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    OpenToAll,
    UnquotedChallenge,
    MetadataOfAnother,
    PageForEverything,
    StraySlash,
    DiscoveryBreaks,
    EndlessMetadata,
    NoPkce,
    NoCors,
    CorsWithStar,
    NullInRegistration,
    StrictRegistration,
    RegistrationsCounted,
    FixedPort,
    OpenRedirect,
    NoScopes,
    WrongWord,
    UnknownClientIs400,
    Undeletable,
    NoDeletion,
    OtherIss,
    NoSecondAnswer,
    SameRefreshToken,
}

struct Inner {
    fault: Fault,
    origin: String,
    /// Of those that are registered; `None` once deleted.
    clients: Mutex<Vec<Option<Value>>>,
    /// The number of the refresh token in force.
    refresh: Mutex<Option<u32>>,
}

impl StandIn {
    pub async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (url, issuer) = (format!("{origin}/mcp"), format!("{origin}/auth"));
        let state = Arc::new(Inner { fault, origin, clients: Mutex::default(), refresh: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&state));
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { url, issuer, state }
    }

    /// How many clients were registered so far, and how many of them are still there.
    pub fn clients(&self) -> (usize, usize) {
        let clients = self.state.clients.lock().unwrap();
        (clients.len(), clients.iter().flatten().count())
    }
}

async fn answer(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if method == Method::OPTIONS {
        return inner.preflight();
    }
    let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let response = match (method.as_str(), uri.path()) {
        ("POST", "/mcp") => inner.resource(&headers),
        ("GET", path) if path.contains("/.well-known/") => inner.metadata(path),
        ("GET", "/auth/authorize") => inner.authorize(uri.query().unwrap_or_default()),
        ("POST", "/auth/register") => inner.register(&serde_json::from_slice(&body).unwrap()),
        ("DELETE", path) => inner.delete(path, &headers),
        ("POST", "/auth/token") => inner.token(&form),
        ("POST", "/auth/revoke") => {
            *inner.refresh.lock().unwrap() = None;
            Json(json!({})).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    };
    if inner.fault == Fault::NoCors {
        return response;
    }
    ([("access-control-allow-origin", "*")], response).into_response()
}

fn refused(status: u16, error: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(json!({ "error": error }))).into_response()
}

impl Inner {
    fn preflight(&self) -> Response {
        let allowed = match self.fault {
            Fault::NoCors => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
            Fault::CorsWithStar => "*",
            _ => "Authorization, Content-Type, MCP-Protocol-Version",
        };
        let headers = [("access-control-allow-origin", "*"), ("access-control-allow-headers", allowed)];
        (StatusCode::NO_CONTENT, headers).into_response()
    }

    fn resource(&self, headers: &HeaderMap) -> Response {
        let is_good = headers.get("authorization").is_some_and(|value| value == "Bearer at-good");
        if is_good || self.fault == Fault::OpenToAll {
            return Json(json!({ "jsonrpc": "2.0", "id": 1, "result": {} })).into_response();
        }
        let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", self.origin);
        let challenge = match self.fault {
            Fault::UnquotedChallenge => format!("Bearer resource_metadata={metadata}, scope=\"read\""),
            _ => format!("Bearer resource_metadata=\"{metadata}\", scope=\"read\""),
        };
        (StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)]).into_response()
    }

    fn metadata(&self, path: &str) -> Response {
        const RFC_8414: &str = "/.well-known/oauth-authorization-server/auth";
        match (path, self.fault) {
            ("/.well-known/oauth-protected-resource/mcp", fault) => {
                let path = if fault == Fault::MetadataOfAnother { "other" } else { "mcp" };
                Json(json!({
                    "resource": format!("{}/{path}", self.origin),
                    "authorization_servers": [format!("{}/auth", self.origin)],
                }))
                .into_response()
            }
            (RFC_8414, Fault::DiscoveryBreaks) => StatusCode::BAD_GATEWAY.into_response(),
            (RFC_8414, Fault::EndlessMetadata) => "[".repeat(1 << 20).into_response(),
            (RFC_8414, _) => Json(self.document()).into_response(),
            ("/auth/.well-known/openid-configuration", Fault::DiscoveryBreaks | Fault::EndlessMetadata) => {
                Json(self.document()).into_response()
            }
            (_, Fault::PageForEverything) => Html("<p>Welcome").into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }

    fn document(&self) -> Value {
        let issuer = format!("{}/auth", self.origin);
        let mut document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "registration_endpoint": format!("{issuer}/register"),
            "revocation_endpoint": format!("{issuer}/revoke"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        });
        match self.fault {
            Fault::StraySlash => document["issuer"] = json!(format!("{issuer}/")),
            Fault::NoPkce => document["code_challenge_methods_supported"] = json!(["plain"]),
            _ => {}
        }
        document
    }

    fn register(&self, sent: &Value) -> Response {
        let is_known = |list: &Value, known: &[&str]| {
            list.as_array().unwrap().iter().all(|value| known.contains(&value.as_str().unwrap()))
        };
        let mut clients = self.clients.lock().unwrap();
        if self.fault == Fault::RegistrationsCounted && clients.len() > 2 {
            return refused(429, "too_many");
        }
        let is_plain = is_known(&sent["response_types"], &["code"])
            && is_known(&sent["grant_types"], &["authorization_code", "refresh_token"]);
        if self.fault == Fault::StrictRegistration && !is_plain {
            return refused(400, "invalid_client_metadata");
        }
        let id = clients.len();
        let mut client = sent.clone();
        client["client_id"] = json!(format!("client-{id}"));
        client["grant_types"] = json!(["authorization_code", "refresh_token"]);
        client["response_types"] = json!(["code"]);
        if sent["token_endpoint_auth_method"] != "none" {
            client["client_secret"] = json!("a secret");
            client["client_secret_expires_at"] = json!(0);
        }
        if self.fault == Fault::NullInRegistration {
            client["client_uri"] = Value::Null;
        }
        if self.fault != Fault::NoDeletion {
            client["registration_client_uri"] = json!(format!("{}/clients/{id}", self.origin));
            client["registration_access_token"] = json!(format!("rat-{id}"));
        }
        clients.push(Some(client.clone()));
        (StatusCode::CREATED, Json(client)).into_response()
    }

    fn delete(&self, path: &str, headers: &HeaderMap) -> Response {
        let id: usize = path.strip_prefix("/clients/").unwrap().parse().unwrap();
        assert_eq!(headers.get("authorization").unwrap(), &format!("Bearer rat-{id}"));
        if self.fault == Fault::Undeletable {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        self.clients.lock().unwrap()[id] = None;
        StatusCode::NO_CONTENT.into_response()
    }

    fn find(&self, id: &str) -> Option<Value> {
        let clients = self.clients.lock().unwrap();
        clients.iter().flatten().find(|client| client["client_id"] == id).cloned()
    }

    /// The page to sign in; `agree` is what a person would click.
    fn authorize(&self, query: &str) -> Response {
        let asked: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let Some(client) = self.find(&value(&asked, "client_id")) else {
            return refused(400, "invalid_request");
        };
        let redirect_uri = value(&asked, "redirect_uri");
        let is_registered = client["redirect_uris"].as_array().unwrap().iter().any(|registered| {
            *registered == redirect_uri
                || (self.fault != Fault::FixedPort
                    && without_port(registered.as_str().unwrap()) == without_port(&redirect_uri))
        });
        if self.fault == Fault::OpenRedirect && !is_registered {
            return Redirect::to(&format!("{redirect_uri}?error=invalid_request")).into_response();
        }
        if !is_registered {
            return refused(400, "invalid_request");
        }
        if self.fault == Fault::NoScopes && !value(&asked, "scope").is_empty() {
            let error = "error=invalid_scope&error_description=none%1B%5B2Jhere";
            return Redirect::to(&format!("{redirect_uri}?{error}")).into_response();
        }
        if value(&asked, "agree").is_empty() {
            return Html("<p>Sign in").into_response();
        }
        assert_eq!(value(&asked, "resource"), format!("{}/mcp", self.origin));
        let issuer = if self.fault == Fault::OtherIss { "other" } else { "auth" };
        let answer = form_urlencoded::Serializer::new(String::new())
            .append_pair("code", "ac-good")
            .append_pair("state", &value(&asked, "state"))
            .append_pair("iss", &format!("{}/{issuer}", self.origin))
            .finish();
        Redirect::to(&format!("{redirect_uri}?{answer}")).into_response()
    }

    fn token(&self, form: &[(String, String)]) -> Response {
        if self.find(&value(form, "client_id")).is_none() {
            let status = if self.fault == Fault::UnknownClientIs400 { 400 } else { 401 };
            return refused(status, "invalid_client");
        }
        let mut refresh = self.refresh.lock().unwrap();
        let presented: Option<u32> =
            value(form, "refresh_token").strip_prefix("rt-").and_then(|number| number.parse().ok());
        let answers_twice = self.fault != Fault::NoSecondAnswer;
        match (value(form, "code").as_str(), presented, *refresh) {
            ("ac-good", _, None) => *refresh = Some(1),
            (_, Some(presented), Some(current)) if presented == current => {
                *refresh = Some(if self.fault == Fault::SameRefreshToken { current } else { current + 1 });
            }
            (_, Some(presented), Some(current)) if presented + 1 == current && answers_twice => {}
            _ if self.fault == Fault::WrongWord => return refused(400, "invalid_request"),
            _ => return refused(400, "invalid_grant"),
        }
        Json(json!({
            "access_token": "at-good",
            "token_type": "bearer",
            "expires_in": 600,
            "scope": "read",
            "refresh_token": refresh.map(|number| format!("rt-{number}")),
        }))
        .into_response()
    }
}

/// Empty if it is missing.
fn value(pairs: &[(String, String)], name: &str) -> String {
    pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

fn without_port(uri: &str) -> Option<Url> {
    let mut url = Url::parse(uri).ok()?;
    url.set_port(None).ok()?;
    Some(url)
}
