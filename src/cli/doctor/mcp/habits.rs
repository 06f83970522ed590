//! How clients register themselves (RFC 7591): what each is known or reported to send.

use serde_json::Value;
use serde_json::json;

use crate::cli::doctor::mcp::discovery::Server;

/// Where the doctor itself listens, and what a client registered by hand for it has as its redirect URI.
pub(super) const OWN_REDIRECT: &str = "http://127.0.0.1/callback";

/// Its client is used for everything that follows.
pub(super) const OWN: &str = "registration: loopback port, no scope";
/// Its client shows whether the port of `localhost` is free, too.
pub(super) const CLAUDE_CODE: &str = "registration: as Claude Code";

pub(super) struct Habit {
    pub(super) check: &'static str,
    pub(super) metadata: Value,
}

/// `port` is one that a client happened to listen on when it registered.
pub(super) fn all(server: &Server, port: u16) -> Vec<Habit> {
    let localhost = format!("http://localhost:{port}/callback");
    let mut habits = vec![
        own(port),
        with_scope(
            server,
            with(
                public("registration: as Claude", &["https://claude.ai/api/mcp/auth_callback"]),
                "token_endpoint_auth_method",
                json!("client_secret_post"),
            ),
        ),
        public(CLAUDE_CODE, &[localhost.as_str()]),
        public("registration: as ChatGPT", &["https://chatgpt.com/connector_platform_oauth_redirect"]),
        vs_code(),
        public("registration: as Cursor", &["cursor://anysphere.cursor-mcp/oauth/callback"]),
        with_scope(
            server,
            public("registration: as MCP Inspector", &["http://localhost:6274/oauth/callback"]),
        ),
    ];
    let web = public("registration: application_type web, localhost", &[localhost.as_str()]);
    habits.push(with(web, "application_type", json!("web")));
    let several = Habit { check: "registration: several response types", ..own(port) };
    habits.push(with(several, "response_types", json!(["code", "token", "id_token"])));
    habits.into_iter().map(|habit| named(habit, port)).collect()
}

/// As command-line clients do.
pub(super) fn own(port: u16) -> Habit {
    named(public(OWN, &[format!("http://127.0.0.1:{port}/callback").as_str()]), port)
}

/// So that people know where it came from, and that no run meets the clients of another: a server may take two that
/// say the same for one.
fn named(habit: Habit, port: u16) -> Habit {
    let name = format!("Countersign doctor {port} ({})", habit.check.trim_start_matches("registration: "));
    with(habit, "client_name", json!(name))
}

fn vs_code() -> Habit {
    let redirect_uris = [
        "http://127.0.0.1/",
        "http://127.0.0.1:33418/",
        "http://localhost/",
        "http://localhost:33418/",
        "https://vscode.dev/redirect",
    ];
    let grant_types = ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"];
    let habit = public("registration: as VS Code", &redirect_uris);
    with(with(habit, "grant_types", json!(grant_types)), "application_type", json!("native"))
}

fn public(check: &'static str, redirect_uris: &[&str]) -> Habit {
    let metadata = json!({
        "redirect_uris": redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    Habit { check, metadata }
}

fn with(mut habit: Habit, name: &str, value: Value) -> Habit {
    habit.metadata[name] = value;
    habit
}

/// All that the server lists, as clients do that were told nothing better.
fn with_scope(server: &Server, habit: Habit) -> Habit {
    let Some(scopes) = server.document["scopes_supported"].as_array() else { return habit };
    let scopes: Vec<&str> = scopes.iter().filter_map(Value::as_str).collect();
    with(habit, "scope", json!(scopes.join(" ")))
}
