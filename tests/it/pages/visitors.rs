//! Who may see and do what in the settings.

use countersign::organizations::member::Role;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;

/// What belongs to the organization; `{…}` is an id of it.
const FOR_MANAGERS: [(&str, &str); 29] = [
    ("GET", "/settings/access-log"),
    ("GET", "/settings/audit-log"),
    ("GET", "/settings/api"),
    ("POST", "/settings/api"),
    ("GET", "/settings/api/{key}/rotate"),
    ("POST", "/settings/api/{key}/rotate"),
    ("GET", "/settings/api/{key}/revoke"),
    ("POST", "/settings/api/{key}/revoke"),
    ("GET", "/settings/developer"),
    ("GET", "/settings/developer/new"),
    ("POST", "/settings/developer/new"),
    ("GET", "/settings/developer/{client}"),
    ("POST", "/settings/developer/{client}"),
    ("GET", "/settings/developer/{client}/delete"),
    ("POST", "/settings/developer/{client}/delete"),
    ("POST", "/settings/developer/{client}/secrets"),
    ("GET", "/settings/developer/{client}/secrets/{secret}/delete"),
    ("GET", "/settings/webhooks"),
    ("POST", "/settings/webhooks"),
    ("GET", "/settings/webhooks/{webhook}"),
    ("POST", "/settings/webhooks/{webhook}"),
    ("POST", "/settings/webhooks/{webhook}/enable"),
    ("POST", "/settings/webhooks/{webhook}/disable"),
    ("POST", "/settings/webhooks/{webhook}/test"),
    ("POST", "/settings/webhooks/{webhook}/deliveries/{delivery}/redeliver"),
    ("GET", "/settings/webhooks/{webhook}/rotate"),
    ("POST", "/settings/webhooks/{webhook}/rotate"),
    ("GET", "/settings/webhooks/{webhook}/delete"),
    ("POST", "/settings/webhooks/{webhook}/delete"),
];

/// A good form for any of them.
fn fields(csrf: &str) -> Vec<(&str, &str)> {
    vec![
        ("csrf", csrf),
        ("label", "x"),
        ("expires_in", "never"),
        ("overlap_seconds", "0"),
        ("name", "x"),
        ("kind", "public"),
        ("redirect_uris", "https://evil.example/"),
        ("scope", "read"),
        ("grant_type", "authorization_code"),
        ("url", "https://evil.example/"),
    ]
}

struct Own {
    server: TestServer,
    organization: countersign::base::ids::OrganizationId,
    admin: String,
    ids: [(&'static str, String); 5],
}

impl Own {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let ada = server.user("ada").await;
        let (_, admin) = server.key(ada.organization, "admin").await;
        let (key, _) = server.key(ada.organization, "read").await;
        let client = server.confidential_client(ada.organization).await.id;
        let shown = server.get_as(&admin, &format!("/v1/clients/{client}")).await;
        let secret = shown.json["secrets"][0]["id"].as_str().unwrap().to_owned();
        let url = json!({ "url": "https://hooks.example/" });
        let webhook = server.send_json_as(&admin, "POST", "/v1/webhooks", &url).await.field("id");
        let test = server.request("POST", &format!("/v1/webhooks/{webhook}/test")).bearer_auth(&admin);
        let delivery = Answer::of(test).await.field("id");
        let ids = [
            ("{key}", key.to_string()),
            ("{client}", client),
            ("{secret}", secret),
            ("{webhook}", webhook),
            ("{delivery}", delivery),
        ];
        Self { server, organization: ada.organization, admin, ids }
    }

    fn path(&self, path: &str) -> String {
        self.ids.iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
    }

    async fn everything(&self) -> [String; 4] {
        let shown = async |path: &str| {
            self.server.get_as(&self.admin, &self.path(path)).await.json["data"].to_string()
        };
        let client = self.server.get_as(&self.admin, &self.path("/v1/clients/{client}")).await.text;
        [shown("/v1/api-keys").await, shown("/v1/clients").await, client, shown("/v1/webhooks").await]
    }
}

#[tokio::test]
async fn a_member_may_neither_see_nor_change_keys_and_apps() {
    let own = Own::start().await;
    let member = own.server.colleague("bob", own.organization, Role::Member).await;
    let browser = own.server.browser_of(&member).await;
    let csrf = browser.csrf("/settings/account").await;
    let before = own.everything().await;

    for (method, path) in FOR_MANAGERS {
        let path = own.path(path);
        let answer = match method {
            "GET" => browser.get(&path).await,
            _ => browser.post(&path, &fields(&csrf)).await,
        };

        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{method} {path}");
    }
    let after = own.everything().await;
    assert_eq!(before[1..], after[1..]);
    assert_eq!(before[0].matches("key_").count(), after[0].matches("key_").count());
}

#[tokio::test]
async fn a_member_has_the_pages_that_are_about_themselves() {
    let own = Own::start().await;
    let member = own.server.colleague("bob", own.organization, Role::Member).await;
    let browser = own.server.browser_of(&member).await;

    let start = browser.get("/settings").await;
    let apps = browser.get("/settings/apps").await;
    let account = browser.get("/settings/account").await;

    assert_eq!((start.status, start.location()), (303, "/settings/apps"));
    assert_eq!((apps.status, account.status), (200, 200));
    assert!(!account.text.contains("/settings/api") && !account.text.contains("/settings/developer"));
}

#[tokio::test]
async fn an_admin_may_what_an_owner_may() {
    let own = Own::start().await;
    let admin = own.server.colleague("bob", own.organization, Role::Admin).await;
    let browser = own.server.browser_of(&admin).await;

    for (_, path) in FOR_MANAGERS.into_iter().filter(|(method, _)| *method == "GET") {
        let answer = browser.get(&own.path(path)).await;

        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn what_another_organization_has_does_not_exist() {
    let own = Own::start().await;
    let eve = own.server.user("eve").await;
    let browser = own.server.browser_of(&eve).await;
    let csrf = browser.csrf("/settings/account").await;
    let before = own.everything().await;
    let unknown = own.path("/settings/api/{key}/rotate").replace(&own.ids[0].1[20..], "000000000000");
    let expected = browser.get(&unknown).await.status;

    for (method, path) in FOR_MANAGERS.into_iter().filter(|(_, path)| path.contains('{')) {
        let path = own.path(path);
        let answer = match method {
            "GET" => browser.get(&path).await,
            _ => browser.post(&path, &fields(&csrf)).await,
        };

        assert_eq!((answer.status, expected), (404, 404), "{method} {path}: {}", answer.text);
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{method} {path}");
        assert!(!answer.text.contains("Test app"), "{method} {path}");
    }
    assert_eq!(own.everything().await, before);
}
