//! Every operation of the credential API, and whom it refuses.

use std::collections::BTreeSet;

use countersign::base::ids::ApiKeyId;
use countersign::base::ids::ClientId;
use countersign::base::ids::ClientSecretId;
use countersign::base::ids::GrantId;
use countersign::base::ids::InvitationId;
use countersign::base::ids::UserId;
use countersign::base::ids::WebhookDeliveryId;
use countersign::base::ids::WebhookEndpointId;
use countersign::organizations::member::Role;
use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::TestServer;
use crate::support::TestUser;
use crate::support::document::Operation;

/// Method and path; `{…}` is an id of an organization.
const OPEN: [(&str, &str); 3] =
    [("GET", "/v1/auth/test"), ("GET", "/v1/auth/verify"), ("GET", "/v1/profile")];
const FOR_ADMINS: [(&str, &str); 41] = [
    ("GET", "/v1/access-log"),
    ("GET", "/v1/audit-log"),
    ("GET", "/v1/api-keys"),
    ("POST", "/v1/api-keys"),
    ("GET", "/v1/api-keys/{key}"),
    ("PATCH", "/v1/api-keys/{key}"),
    ("DELETE", "/v1/api-keys/{key}"),
    ("POST", "/v1/api-keys/{key}/rotate"),
    ("GET", "/v1/clients"),
    ("POST", "/v1/clients"),
    ("GET", "/v1/clients/{client}"),
    ("PATCH", "/v1/clients/{client}"),
    ("DELETE", "/v1/clients/{client}"),
    ("POST", "/v1/clients/{client}/secrets"),
    ("DELETE", "/v1/clients/{client}/secrets/{secret}"),
    ("GET", "/v1/grants"),
    ("DELETE", "/v1/grants/{grant}"),
    ("GET", "/v1/organization"),
    ("PUT", "/v1/organization"),
    ("GET", "/v1/organization/members"),
    ("PATCH", "/v1/organization/members/{member}"),
    ("DELETE", "/v1/organization/members/{member}"),
    ("GET", "/v1/organization/invitations"),
    ("POST", "/v1/organization/invitations"),
    ("GET", "/v1/organization/invitations/{invitation}"),
    ("DELETE", "/v1/organization/invitations/{invitation}"),
    ("POST", "/v1/organization/invitations/{invitation}/resend"),
    ("GET", "/v1/organization/credits"),
    ("POST", "/v1/organization/credits/debit"),
    ("POST", "/v1/organization/credits/grant"),
    ("GET", "/v1/organization/ip-allowlist"),
    ("PUT", "/v1/organization/ip-allowlist"),
    ("GET", "/v1/webhooks"),
    ("POST", "/v1/webhooks"),
    ("GET", "/v1/webhooks/{webhook}"),
    ("PATCH", "/v1/webhooks/{webhook}"),
    ("DELETE", "/v1/webhooks/{webhook}"),
    ("POST", "/v1/webhooks/{webhook}/rotate"),
    ("POST", "/v1/webhooks/{webhook}/test"),
    ("GET", "/v1/webhooks/{webhook}/deliveries"),
    ("POST", "/v1/webhooks/{webhook}/deliveries/{delivery}/redeliver"),
];
/// What only a person's own session does.
const FOR_PERSONS: [(&str, &str); 2] =
    [("POST", "/v1/organization/leave"), ("POST", "/v1/organization/members/{member}/transfer-ownership")];

fn good_body(method: &str, path: &str) -> Option<Value> {
    match (method, path) {
        ("POST", "/v1/api-keys") => Some(json!({ "label": "x", "scopes": ["read"] })),
        ("POST", "/v1/clients") => {
            Some(json!({ "name": "x", "type": "public", "redirect_uris": [CALLBACK], "scopes": ["read"] }))
        }
        ("PATCH", "/v1/organization/members/{member}") => Some(json!({ "role": "admin" })),
        ("POST", "/v1/organization/invitations") => Some(json!({ "email": "x@example.com" })),
        ("POST", "/v1/organization/credits/debit" | "/v1/organization/credits/grant") => {
            Some(json!({ "amount_cents": 1, "reason": "x" }))
        }
        ("PATCH", "/v1/api-keys/{key}") | ("POST", "/v1/clients/{client}/secrets") => {
            Some(json!({ "label": "x" }))
        }
        ("POST", "/v1/webhooks") => Some(json!({ "url": "https://hooks.example/" })),
        ("PATCH", "/v1/webhooks/{webhook}") => Some(json!({ "description": "x" })),
        ("PUT", "/v1/organization/ip-allowlist") => Some(json!({ "enabled": false, "cidrs": [] })),
        ("PUT", "/v1/organization") | ("PATCH", _) => Some(json!({ "name": "x" })),
        _ => None,
    }
}

/// What an organization has, of each kind one.
struct Ids {
    key: String,
    client: String,
    secret: String,
    grant: String,
    member: String,
    invitation: String,
    webhook: String,
    delivery: String,
}

impl Ids {
    fn in_path(&self, path: &str) -> String {
        path.replace("{key}", &self.key)
            .replace("{client}", &self.client)
            .replace("{secret}", &self.secret)
            .replace("{grant}", &self.grant)
            .replace("{member}", &self.member)
            .replace("{invitation}", &self.invitation)
            .replace("{webhook}", &self.webhook)
            .replace("{delivery}", &self.delivery)
    }

    async fn of(server: &TestServer, user: &TestUser, admin: &str) -> Self {
        let (key, _) = server.key(user.organization, "read").await;
        let client = server.confidential_client(user.organization).await;
        client.tokens(server, &server.browser_of(user).await).await;
        let shown = server.get_as(admin, &format!("/v1/clients/{}", client.id)).await;
        let grants = server.get_as(admin, "/v1/grants").await;
        let colleague = server.colleague("colleague", user.organization, Role::Member).await;
        let guest = json!({ "email": "guest@example.com" });
        let invited = server.send_json_as(admin, "POST", "/v1/organization/invitations", &guest).await;
        let url = json!({ "url": "https://hooks.example/" });
        let webhook = server.send_json_as(admin, "POST", "/v1/webhooks", &url).await.field("id");
        let test = server.request("POST", &format!("/v1/webhooks/{webhook}/test")).bearer_auth(admin);
        Self {
            delivery: Answer::of(test).await.field("id"),
            webhook,
            key: key.to_string(),
            member: colleague.id,
            invitation: invited.field("id"),
            secret: shown.json["secrets"][0]["id"].as_str().unwrap().to_owned(),
            grant: grants.json["data"][0]["id"].as_str().unwrap().to_owned(),
            client: client.id,
        }
    }

    fn all(id: &str) -> Self {
        let id = || id.to_owned();
        Self {
            key: id(),
            client: id(),
            secret: id(),
            grant: id(),
            member: id(),
            invitation: id(),
            webhook: id(),
            delivery: id(),
        }
    }

    fn of_nobody(server: &TestServer) -> Self {
        let now = server.clock.now();
        Self {
            key: ApiKeyId::new(now).to_string(),
            client: ClientId::new(now).to_string(),
            secret: ClientSecretId::new(now).to_string(),
            grant: GrantId::new(now).to_string(),
            member: UserId::new(now).to_string(),
            invitation: InvitationId::new(now).to_string(),
            webhook: WebhookEndpointId::new(now).to_string(),
            delivery: WebhookDeliveryId::new(now).to_string(),
        }
    }
}

async fn send(server: &TestServer, credential: Option<&str>, method: &str, path: &str, ids: &Ids) -> Answer {
    let mut request = server.request(method, &ids.in_path(path));
    if let Some(credential) = credential {
        request = request.bearer_auth(credential);
    }
    if let Some(body) = good_body(method, path) {
        request = request.json(&body);
    }
    Answer::of(request).await
}

#[test]
fn every_call_of_the_document_is_among_them() {
    let without_names = |path: &str| {
        let segments = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
        segments.collect::<Vec<_>>().join("/")
    };
    let documented = Operation::all().into_iter().filter(|operation| operation.path.starts_with("/v1/"));
    let documented: BTreeSet<_> =
        documented.map(|operation| (operation.method, without_names(&operation.path))).collect();

    let here = OPEN.into_iter().chain(FOR_ADMINS).chain(FOR_PERSONS);
    let here: BTreeSet<_> = here.map(|(method, path)| (method.to_owned(), without_names(path))).collect();

    assert_eq!(here, documented);
}

#[tokio::test]
async fn nothing_is_answered_to_a_stranger() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let ids = Ids::of(&server, &ada, &admin).await;

    for (method, path) in OPEN.into_iter().chain(FOR_ADMINS).chain(FOR_PERSONS) {
        for credential in [None, Some("junk")] {
            let answer = send(&server, credential, method, path, &ids).await;

            assert_eq!((answer.status, answer.error()), (401, "unauthorized"), "{method} {path}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn what_is_for_admins_takes_the_scope_admin() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let (_, key) = server.key(ada.organization, "read write delete").await;
    let ids = Ids::of(&server, &ada, &admin).await;

    for (method, path) in FOR_ADMINS {
        let answer = send(&server, Some(&key), method, path, &ids).await;

        assert_eq!((answer.status, answer.error()), (403, "forbidden"), "{method} {path}: {}", answer.text);
        assert!(answer.json["error"]["message"].as_str().unwrap().contains("admin"), "{method} {path}");
        let challenge = answer.header("www-authenticate").unwrap();
        for part in ["Bearer ", "error=\"insufficient_scope\"", "scope=\"admin\"", "resource_metadata=\""] {
            assert!(challenge.contains(part), "{method} {path}: {challenge}");
        }
    }
    for (method, path) in OPEN {
        assert_eq!(send(&server, Some(&key), method, path, &ids).await.status, 200, "{method} {path}");
    }
}

/// RFC 6750 §3, RFC 9449 §7.1.
#[tokio::test]
async fn a_challenge_says_each_thing_once() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "read").await;

    for (credential, expected) in [
        ("", vec!["resource_metadata"]),
        ("junk", vec!["error", "error_description", "resource_metadata"]),
        (&key, vec!["error", "error_description", "resource_metadata", "scope"]),
    ] {
        let request = server.request("GET", "/v1/api-keys");
        let request = if credential.is_empty() { request } else { request.bearer_auth(credential) };
        let answer = Answer::of(request).await;

        assert_eq!(answer.headers.get_all("www-authenticate").iter().count(), 1, "{credential}");
        let challenges = answer.header("www-authenticate").unwrap().strip_prefix("Bearer ").unwrap();
        let (bearer, dpop) = challenges.split_once(", DPoP ").unwrap();
        for (parameters, expected) in [(bearer, &expected[..]), (dpop, &["algs"][..])] {
            let mut names = Vec::new();
            for parameter in parameters.split(", ") {
                let (name, value) = parameter.split_once('=').unwrap();
                let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap();
                assert!(
                    value.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
                    "{parameter}"
                );
                names.push(name);
            }
            names.sort_unstable();
            assert_eq!(names, expected, "{parameters}");
        }
    }
}

/// Never 403: that would say that there is something.
#[tokio::test]
async fn what_another_organization_has_does_not_exist() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let (_, admin) = server.key(ada.organization, "admin").await;
    let (_, foreign_admin) = server.key(eve.organization, "admin").await;
    let (adas, nobodys) = (Ids::of(&server, &ada, &admin).await, Ids::of_nobody(&server));
    let shown = async |path: &str| server.get_as(&admin, &adas.in_path(path)).await.json;
    let paths = ["/v1/api-keys/{key}", "/v1/clients/{client}", "/v1/grants"];
    let before = [shown(paths[0]).await, shown(paths[1]).await, shown(paths[2]).await];

    for (method, path) in FOR_ADMINS.into_iter().filter(|(_, path)| path.contains('{')) {
        let foreign = send(&server, Some(&foreign_admin), method, path, &adas).await;
        let unknown = send(&server, Some(&foreign_admin), method, path, &nobodys).await;

        assert_eq!(
            (foreign.status, foreign.error()),
            (404, "not_found"),
            "{method} {path}: {}",
            foreign.text
        );
        assert_eq!((unknown.status, &unknown.text), (foreign.status, &foreign.text), "{method} {path}");
    }
    assert_eq!([shown(paths[0]).await, shown(paths[1]).await, shown(paths[2]).await], before);
}

#[tokio::test]
async fn lists_hold_nothing_of_another_organization() {
    let server = TestServer::start().await;
    let (ada, eve) = (server.user("ada").await, server.user("eve").await);
    let (_, admin) = server.key(ada.organization, "admin").await;
    let (_, foreign_admin) = server.key(eve.organization, "admin").await;
    let adas = Ids::of(&server, &ada, &admin).await;

    let lists = FOR_ADMINS.into_iter().filter(|(method, path)| *method == "GET" && !path.contains('{'));
    for (_, path) in lists {
        let answer = server.get_as(&foreign_admin, path).await;

        assert_eq!(answer.status, 200, "{path}");
        let all =
            [&adas.key, &adas.client, &adas.grant, &adas.member, &adas.invitation, &adas.webhook, &ada.email];
        for id in all {
            assert!(!answer.text.contains(id.as_str()), "{path}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn an_id_that_cannot_be_one_does_not_exist() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    for id in
        ["x", "1", "key_", "%00", "%FF", "..%2F..%2Fetc", "key_zz", "'", &"a".repeat(5000), "%F0%9F%94%91"]
    {
        let ids = Ids::all(id);
        for (method, path) in FOR_ADMINS.into_iter().filter(|(_, path)| path.contains('{')) {
            let answer = send(&server, Some(&admin), method, path, &ids).await;

            assert_eq!(
                (answer.status, answer.error()),
                (404, "not_found"),
                "{method} {path} {}: {}",
                ids.key,
                answer.text
            );
        }
    }
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_answered_in_json() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, key) = server.key(ada.organization, "admin").await;

    for path in ["/v1/nothing", "/v1/api-keys/", "/v1/", "/v1"] {
        let answer = server.get_as(&key, path).await;
        assert_eq!((answer.status, answer.error()), (404, "not_found"), "{path}: {}", answer.text);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
    }
    for (method, path) in [("POST", "/v1/auth/test"), ("PUT", "/v1/api-keys"), ("DELETE", "/v1/clients")] {
        let answer = Answer::of(server.request(method, path).bearer_auth(&key)).await;
        assert_eq!((answer.status, answer.error()), (405, "method_not_allowed"), "{path}: {}", answer.text);
        assert!(answer.header("allow").is_some(), "{path}: RFC 9110 §15.5.6 wants Allow");
    }
}

fn takes_body(method: &str, path: &str) -> bool {
    let has_none = ["/resend", "/test", "/redeliver"].iter().any(|end| path.ends_with(end));
    ["POST", "PUT", "PATCH"].contains(&method) && !has_none
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_alike_everywhere() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let ids = Ids::of(&server, &ada, &admin).await;
    let large = format!("{{\"label\":\"{}\"}}", "x".repeat(1 << 20));

    for (method, path) in FOR_ADMINS.into_iter().filter(|(method, path)| takes_body(method, path)) {
        for (content_type, body, expected) in [
            ("application/json", "{", (400, "bad_request")),
            ("application/json", "[]", (422, "validation_error")),
            ("application/json", "{\"no_such_field\":1}", (422, "validation_error")),
            ("application/json", large.as_str(), (413, "payload_too_large")),
            ("text/plain", "{}", (415, "unsupported_media_type")),
        ] {
            let request = server.request(method, &ids.in_path(path)).bearer_auth(&admin);
            let answer = Answer::of(request.header("content-type", content_type).body(body.to_owned())).await;

            assert_eq!((answer.status, answer.error()), expected, "{method} {path}: {}", answer.text);
        }
    }
}
