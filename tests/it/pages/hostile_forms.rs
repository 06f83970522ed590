//! Whatever is posted to a page, it is answered with a page, and never with a failure of ours.

use crate::support::Answer;
use crate::support::TestServer;

const FORMS: [&str; 19] = [
    "/login",
    "/register",
    "/device",
    "/settings/api",
    "/settings/api/{key}/rotate",
    "/settings/apps/{client}/remove",
    "/settings/apps/parts/gra_1/remove",
    "/settings/developer/new",
    "/settings/developer/{client}",
    "/settings/developer/{client}/secrets",
    "/settings/developer/{client}/secrets/sec_1/delete",
    "/settings/account/password",
    "/settings/account/sessions/x/end",
    "/settings/account/sessions/end-others",
    "/playground/start",
    "/playground/step",
    "/playground/reset",
    "/oauth/authorize",
    "/logout",
];
const FIELDS: [&str; 20] = [
    "email",
    "password",
    "company_name",
    "next",
    "label",
    "scope",
    "expires_in",
    "overlap_seconds",
    "name",
    "kind",
    "redirect_uris",
    "grant_type",
    "current_password",
    "new_password",
    "client_id",
    "grant",
    "client_secret",
    "step",
    "user_code",
    "decision",
];

/// Every field with one value.
fn with_all(csrf: &str, value: &str) -> String {
    let fields: Vec<String> = FIELDS.iter().map(|name| format!("{name}={value}")).collect();
    format!("csrf={csrf}&{}", fields.join("&"))
}

#[tokio::test]
async fn a_hostile_form_is_refused_with_a_page() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    let (key, _) = server.key(ada.organization, "read").await;
    let client = server.confidential_client(ada.organization).await.id;
    let csrf = browser.csrf("/settings/account").await;

    let bodies = [
        String::new(),
        "&&&===&%".to_owned(),
        format!("csrf={csrf}&csrf={csrf}"),
        with_all(&csrf, "%00"),
        with_all(&csrf, "a%00b"),
        with_all(&csrf, "%FF%FE"),
        with_all(&csrf, "%ED%A0%80"),
        with_all(&csrf, "%zz"),
        with_all(&csrf, "%0D%0ASet-Cookie:%20x=y"),
        with_all(&csrf, "%F0%9F%94%91%E2%80%AE"),
        with_all(&csrf, "-99999999999999999999"),
        with_all(&csrf, &"x".repeat(3000)),
        format!("{}&{}", with_all(&csrf, "a"), with_all(&csrf, "b").replace("csrf=", "other=")),
        with_all(&csrf, &"x".repeat(1 << 16)),
        format!("csrf={csrf}&{}", "scope=read&".repeat(5000)),
    ];
    for path in FORMS {
        let path = path.replace("{key}", &key.to_string()).replace("{client}", &client);
        for body in &bodies {
            let request = browser.request("POST", &path).body(body.clone());
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            let answer = Answer::of(request).await;

            let what = format!("{path} {body:.100}: {} {}", answer.status, answer.text);
            assert!((300..500).contains(&answer.status) || answer.status == 200, "{what}");
            assert!(!(answer.status == 303 && answer.location().contains('\n')), "{what}");
            if path == "/logout" && answer.status == 303 {
                browser.sign_in(&ada.email, crate::support::PASSWORD).await;
            }
        }
    }
    assert_eq!(server.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_field_that_comes_twice_is_refused() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    let csrf = browser.csrf("/settings/account").await;

    for (path, form) in [
        ("/settings/api", "label=a&label=b&scope=read&expires_in=never"),
        ("/settings/api", "label=a&scope=read&expires_in=never&expires_in=30"),
        ("/settings/account/password", "current_password=a&current_password=b&new_password=long+enough"),
        ("/settings/developer/new", "name=a&name=b&kind=public&redirect_uris=https://a.example/&scope=read"),
    ] {
        let request = browser.request("POST", path).body(format!("csrf={csrf}&{form}"));
        let answer = Answer::of(request.header("content-type", "application/x-www-form-urlencoded")).await;

        assert_eq!(answer.status, 400, "{path} {form}: {}", answer.text);
    }
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    let csrf = browser.csrf("/settings/account").await;

    for content_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
        let request = browser.request("POST", "/settings/api").header("content-type", content_type);
        let answer =
            Answer::of(request.body(format!("csrf={csrf}&label=a&scope=read&expires_in=never"))).await;

        assert_eq!(answer.status, 415, "{content_type}");
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{content_type}");
    }
}

#[tokio::test]
async fn a_form_that_is_too_large_is_refused() {
    let server = TestServer::start().await;
    let browser = server.browser();
    let csrf = browser.csrf("/login").await;

    let request = browser.request("POST", "/login").body(with_all(&csrf, &"x".repeat(1 << 20)));
    let answer = Answer::of(request.header("content-type", "application/x-www-form-urlencoded")).await;

    assert_eq!(answer.status, 413);
    assert!(answer.header("content-type").unwrap().starts_with("text/html"));
}

#[tokio::test]
async fn a_hostile_query_is_answered_with_a_page() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;
    let long = "x".repeat(20_000);

    for path in [
        "/",
        "/login",
        "/register",
        "/settings/api",
        "/errors",
        "/playground",
        "/playground/callback",
        "/settings/apps",
    ] {
        for query in [
            "%00",
            "next=%00",
            "next=%FF",
            "next=a&next=b",
            "before=%00",
            "=&=&",
            "%",
            &format!("next={long}"),
        ] {
            let answer = browser.get(&format!("{path}?{query}")).await;

            assert!(answer.status < 500, "{path}?{query:.50}: {} {}", answer.status, answer.text);
        }
    }
}
