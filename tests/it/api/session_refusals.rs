//! What `/api/auth` answers to requests that cannot be right.

use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::PASSWORD;
use crate::support::TestServer;

const CALLS: [&str; 3] = ["/api/auth/register", "/api/auth/login", "/api/auth/refresh"];

fn good_body(path: &str) -> Value {
    match path {
        "/api/auth/register" => {
            json!({ "email": "eve@example.com", "password": PASSWORD, "companyName": "Eve" })
        }
        "/api/auth/login" => json!({ "email": "eve@example.com", "password": PASSWORD }),
        _ => json!({ "refresh_token": "v1.x" }),
    }
}

async fn post(server: &TestServer, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
    Answer::of(server.request("POST", path).header("content-type", content_type).body(body)).await
}

/// `{"error":{"code","message","field"?}}`, with the code in capitals.
fn assert_refused(answer: &Answer, expected: (u16, &str, Option<&str>), what: &str) {
    let error = &answer.json["error"];
    let found = (answer.status, answer.error(), error["field"].as_str());
    assert_eq!(found, expected, "{what}: {}", answer.text);
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: {}", answer.text);
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
}

#[tokio::test]
async fn what_is_no_json_is_a_bad_request() {
    let server = TestServer::start().await;

    for path in CALLS {
        for body in [
            &b""[..],
            b"{",
            b"email=a&password=b",
            b"{\"email\":\"\xff\"}",
            b"{\"email\":\"\\ud800\"}",
            b"\0",
        ] {
            let answer = post(&server, path, "application/json", body).await;

            assert_refused(&answer, (400, "BAD_REQUEST", None), &format!("{path} {body:?}"));
        }
    }
}

#[tokio::test]
async fn json_of_another_shape_is_a_validation_error() {
    let server = TestServer::start().await;

    for path in CALLS {
        for body in ["null", "[]", "\"text\"", "7", "true"] {
            let answer = post(&server, path, "application/json", body).await;

            assert_refused(&answer, (422, "VALIDATION_ERROR", None), &format!("{path} {body}"));
        }
    }
}

#[tokio::test]
async fn a_field_that_is_missing_or_no_text_is_named() {
    let server = TestServer::start().await;

    for path in CALLS {
        let good = good_body(path);
        for field in good.as_object().unwrap().keys() {
            let mut without = good.clone();
            without.as_object_mut().unwrap().remove(field);
            let answer = server.post_json(path, &without).await;
            assert_refused(
                &answer,
                (422, "VALIDATION_ERROR", Some(field)),
                &format!("{path} without {field}"),
            );

            for value in [json!(null), json!(7), json!(true), json!(["a"]), json!({ "a": 1 }), json!("a\0b")]
            {
                let mut wrong = good.clone();
                wrong[field] = value.clone();
                let answer = server.post_json(path, &wrong).await;
                assert_refused(
                    &answer,
                    (422, "VALIDATION_ERROR", Some(field)),
                    &format!("{path} {field}={value}"),
                );
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_does_not_say_it_is_json_is_refused() {
    let server = TestServer::start().await;

    for path in CALLS {
        for content_type in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json", ""]
        {
            let answer = post(&server, path, content_type, good_body(path).to_string()).await;

            assert_refused(&answer, (415, "UNSUPPORTED_MEDIA_TYPE", None), &format!("{path} {content_type}"));
        }
    }
}

#[tokio::test]
async fn json_with_a_charset_is_json() {
    let server = TestServer::start().await;
    server.user("ada").await;
    let body = json!({ "email": "ada@example.com", "password": PASSWORD }).to_string();

    let answer = post(&server, "/api/auth/login", "Application/JSON; charset=utf-8", body).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let server = TestServer::start().await;

    for path in CALLS {
        let mut body = good_body(path);
        body["padding"] = "x".repeat(1 << 20).into();
        let answer = server.post_json(path, &body).await;

        assert_refused(&answer, (413, "PAYLOAD_TOO_LARGE", None), path);
    }
}

#[tokio::test]
async fn deeply_nested_json_is_refused_and_the_server_lives() {
    let server = TestServer::start().await;

    let answer = post(&server, "/api/auth/login", "application/json", "[".repeat(60_000)).await;

    assert_refused(&answer, (400, "BAD_REQUEST", None), "60 000 brackets");
    assert_eq!(server.get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_registration_names_the_field_that_will_not_do() {
    let server = TestServer::start().await;
    let long = "x".repeat(5000);

    for (field, value) in [
        ("email", ""),
        ("email", "ada"),
        ("email", "@example.com"),
        ("email", "ada@"),
        ("email", "a da@example.com"),
        ("email", "ada@example.com\nBcc: eve@example.com"),
        ("email", &format!("{long}@example.com")),
        ("password", ""),
        ("password", "short"),
        ("password", &long),
        ("companyName", ""),
        ("companyName", "   "),
        ("companyName", "two\nlines"),
        ("companyName", &long),
    ] {
        let mut body = good_body("/api/auth/register");
        body[field] = value.into();
        let answer = server.post_json("/api/auth/register", &body).await;

        assert_refused(&answer, (422, "VALIDATION_ERROR", Some(field)), value);
    }
}

#[tokio::test]
async fn an_unknown_call_and_a_wrong_method_are_answered_in_capitals() {
    let server = TestServer::start().await;

    for path in ["/api/auth/nothing", "/api/auth/login/", "/api/auth/%FF"] {
        let answer = Answer::of(server.request("POST", path)).await;
        assert_refused(&answer, (404, "NOT_FOUND", None), path);
    }
    for (method, path) in [
        ("GET", "/api/auth/login"),
        ("PUT", "/api/auth/register"),
        ("DELETE", "/api/auth/me"),
        ("GET", "/api/auth/logout"),
    ] {
        let answer = Answer::of(server.request(method, path)).await;
        assert_refused(&answer, (405, "METHOD_NOT_ALLOWED", None), path);
        assert!(answer.header("allow").is_some(), "{path}: RFC 9110 §15.5.6 wants Allow");
    }
}

#[tokio::test]
async fn a_password_is_never_said_back() {
    let server = TestServer::start().await;
    let password = "p4ssw0rd-that-must-not-be-repeated";

    for body in [
        json!({ "email": "ada@example.com", "password": password }),
        json!({ "email": 7, "password": password }),
        json!({ "email": "ada@example.com", "password": [password] }),
        json!({ "email": "ada@example.com", "password": { password: 1 } }),
    ] {
        for path in CALLS {
            let answer = server.post_json(path, &body).await;

            assert!(!answer.text.contains(password), "{path}: {}", answer.text);
        }
    }
}
