//! `/errors/{code}`, and pages for what is not there.

use crate::support::Answer;
use crate::support::TestServer;

/// Every code that the contract and its RFCs name.
const CODES: [&str; 41] = [
    "bad_request",
    "unauthorized",
    "payment_required",
    "forbidden",
    "ip_not_allowed",
    "insecure_connection",
    "not_found",
    "conflict",
    "validation_error",
    "rate_limit_exceeded",
    "internal_error",
    "unavailable",
    "method_not_allowed",
    "payload_too_large",
    "unsupported_media_type",
    "INVALID_CREDENTIALS",
    "REFRESH_FAILED",
    "USER_CREATION_FAILED",
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "unsupported_token_type",
    "invalid_scope",
    "invalid_target",
    "invalid_token",
    "insufficient_scope",
    "insufficient_user_authentication",
    "invalid_dpop_proof",
    "use_dpop_nonce",
    "access_denied",
    "authorization_pending",
    "slow_down",
    "expired_token",
    "login_required",
    "consent_required",
    "unmet_authentication_requirements",
    "server_error",
    "temporarily_unavailable",
];

#[tokio::test]
async fn every_code_is_explained() {
    let server = TestServer::start().await;
    let list = server.get("/errors").await;

    for code in CODES {
        let answer = server.get(&format!("/errors/{code}")).await;

        assert_eq!(answer.status, 200, "{code}");
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{code}");
        assert!(answer.text.contains(code), "{code}");
        assert!(list.text.contains(&format!("/errors/{code}\"")), "the list lacks {code}");
    }
}

#[tokio::test]
async fn a_code_of_the_session_api_in_capitals_is_explained_too() {
    let server = TestServer::start().await;

    for code in CODES {
        let answer = server.get(&format!("/errors/{}", code.to_uppercase())).await;

        assert_eq!(answer.status, 200, "{code} in capitals");
    }
}

#[tokio::test]
async fn where_a_protocol_error_points_there_is_a_page() {
    let server = TestServer::start().await;

    let answer =
        server.post_form("/oauth/token", "grant_type=refresh_token&refresh_token=x&client_id=x").await;

    let uri = answer.json["error_uri"].as_str().unwrap();
    assert_eq!(uri, format!("{}/errors/{}", server.issuer(), answer.error()));
    let page = server.get(uri.strip_prefix(server.issuer()).unwrap()).await;
    assert_eq!(page.status, 200);
}

#[tokio::test]
async fn what_is_not_there_is_a_page_too() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let browser = server.browser_of(&ada).await;

    for path in [
        "/nothing",
        "/errors/nothing",
        "/errors/%00",
        "/settings/nothing",
        "/settings/api/x/rotate",
        "/login/",
    ] {
        let answer = browser.get(path).await;

        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{path}");
        assert!(answer.text.contains("There is nothing here"), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_page_too() {
    let server = TestServer::start().await;

    for (method, path) in
        [("DELETE", "/login"), ("PUT", "/"), ("POST", "/errors"), ("GET", "/settings/account/password")]
    {
        let answer = Answer::of(server.request(method, path)).await;

        assert_eq!(answer.status, 405, "{method} {path}");
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{method} {path}");
        assert!(answer.header("allow").is_some(), "{method} {path}: RFC 9110 §15.5.6 wants Allow");
    }
}

#[tokio::test]
async fn a_failure_tells_its_request_number() {
    let server = TestServer::start().await;

    for path in ["/errors/nothing", "/nothing"] {
        let answer =
            Answer::of(server.request("GET", path).header("x-request-id", "given-by-the-proxy")).await;

        assert_eq!(answer.header("x-request-id"), Some("given-by-the-proxy"), "{path}");
        assert!(answer.text.contains("given-by-the-proxy"), "{path}: {}", answer.text);
    }
}
