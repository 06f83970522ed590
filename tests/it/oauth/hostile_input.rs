//! What no honest client sends, to every endpoint that takes a form: each parameter missing, empty, repeated,
//! too long or no text; other methods; other content types. Nothing of it may consume anything.

use countersign::clients::registration::DEVICE_CODE;
use countersign::clients::registration::TOKEN_EXCHANGE;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::Pkce;
use crate::support::RawConnection;

const TEN_MEGABYTES: usize = 10 * 1024 * 1024;
const ENDPOINTS: [&str; 5] =
    ["/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/par", "/oauth/device_authorization"];

/// A request that would succeed.
struct Good {
    path: &'static str,
    form: Vec<(&'static str, String)>,
    /// Without which it cannot.
    needed: &'static [&'static str],
}

impl Good {
    /// The form, with each value put through `change`.
    fn body(&self, change: impl Fn(&str, &str) -> String) -> String {
        let pairs = self.form.iter().map(|(name, value)| change(name, value));
        pairs.filter(|pair| !pair.is_empty()).collect::<Vec<_>>().join("&")
    }
}

fn pair(name: &str, value: &str) -> String {
    let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    format!("{name}={value}")
}

/// One for every endpoint and grant, all from one confidential client that authenticates in the body.
async fn good_requests(scene: &Scene) -> Vec<Good> {
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;
    let tokens = scene.tokens().await;
    let with_client = |form| with_client(scene, form);
    let text = str::to_owned;
    let mut requests = requests_of_devices_and_exchanges(scene).await;
    requests.extend([
        Good {
            path: "/oauth/token",
            form: with_client(vec![
                ("grant_type", text("authorization_code")),
                ("code", code),
                ("redirect_uri", text(CALLBACK)),
                ("code_verifier", pkce.verifier),
            ]),
            needed: &["grant_type", "code", "redirect_uri", "code_verifier"],
        },
        Good {
            path: "/oauth/token",
            form: with_client(vec![
                ("grant_type", text("refresh_token")),
                ("refresh_token", tokens.refresh),
                ("scope", text("read")),
            ]),
            needed: &["grant_type", "refresh_token"],
        },
        Good {
            path: "/oauth/token",
            form: with_client(vec![("grant_type", text("client_credentials")), ("scope", text("read"))]),
            needed: &["grant_type"],
        },
        Good {
            path: "/oauth/introspect",
            form: with_client(vec![
                ("token", tokens.access.clone()),
                ("token_type_hint", text("access_token")),
            ]),
            needed: &["token"],
        },
        Good {
            path: "/oauth/par",
            form: with_client(authorization_request()),
            needed: &["response_type", "code_challenge", "code_challenge_method"],
        },
        Good {
            path: "/oauth/revoke",
            form: with_client(vec![("token", tokens.access), ("token_type_hint", text("access_token"))]),
            needed: &["token"],
        },
    ]);
    requests
}

async fn requests_of_devices_and_exchanges(scene: &Scene) -> Vec<Good> {
    let device = scene.client.device_codes(&scene.server, &[]).await;
    scene.browser.allow_device(&device.user).await;
    let token = scene.tokens().await.access;
    let text = str::to_owned;
    vec![
        Good {
            path: "/oauth/token",
            form: with_client(scene, vec![("grant_type", text(DEVICE_CODE)), ("device_code", device.device)]),
            needed: &["grant_type", "device_code"],
        },
        Good {
            path: "/oauth/token",
            form: with_client(
                scene,
                vec![
                    ("grant_type", text(TOKEN_EXCHANGE)),
                    ("subject_token", token.clone()),
                    ("subject_token_type", text("urn:ietf:params:oauth:token-type:access_token")),
                    ("actor_token", token.clone()),
                    ("actor_token_type", text("urn:ietf:params:oauth:token-type:jwt")),
                    ("requested_token_type", text("urn:ietf:params:oauth:token-type:access_token")),
                    ("scope", text("read")),
                    ("label", text("an agent")),
                ],
            ),
            needed: &["grant_type", "subject_token", "subject_token_type"],
        },
        Good {
            path: "/oauth/device_authorization",
            form: with_client(scene, vec![("scope", text("read"))]),
            needed: &[],
        },
    ]
}

fn with_client(scene: &Scene, form: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    let secret = scene.client.secret.clone().unwrap();
    let client = [("client_id", scene.client.id.clone()), ("client_secret", secret)];
    client.into_iter().chain(form).collect()
}

fn authorization_request() -> Vec<(&'static str, String)> {
    let text = str::to_owned;
    vec![
        ("response_type", text("code")),
        ("redirect_uri", text(CALLBACK)),
        ("scope", text("read")),
        ("state", text("state-1")),
        ("code_challenge", Pkce::default().challenge),
        ("code_challenge_method", text("S256")),
        ("prompt", text("login")),
        ("max_age", text("60")),
        ("nonce", text("n")),
        ("login_hint", text("ada@example.com")),
        ("response_mode", text("query")),
    ]
}

/// Sends each good request as `change` spoils it, once for each of its parameters, and has the answers
/// checked. In the end every good request must still succeed.
async fn walk(scene: &Scene, change: impl Fn(&str, &str) -> String, check: impl Fn(&Good, &str, &Answer)) {
    let requests = good_requests(scene).await;
    for good in &requests {
        for (spoilt, _) in &good.form {
            let body = good
                .body(|name, value| if name == *spoilt { change(name, value) } else { pair(name, value) });
            let answer = scene.server.post_form(good.path, &body).await;
            check(good, spoilt, &answer);
        }
    }
    for good in &requests {
        let answer = scene.server.post_form(good.path, &good.body(pair)).await;
        assert_good(good, &answer);
    }
}

#[track_caller]
fn assert_good(good: &Good, answer: &Answer) {
    let expected = if good.path == "/oauth/par" { 201 } else { 200 };
    assert_eq!(answer.status, expected, "{} {:?}: {}", good.path, good.form[2], answer.text);
}

#[track_caller]
fn assert_invalid(good: &Good, parameter: &str, answer: &Answer) {
    let context = format!("{} {:?}, {parameter}", good.path, good.form[2]);
    assert_eq!((answer.status, answer.error()), (400, "invalid_request"), "{context}: {}", answer.text);
    assert_refused(answer, 400, "invalid_request");
}

#[tokio::test]
async fn a_repeated_parameter_makes_a_request_invalid() {
    let scene = Scene::confidential().await;

    walk(&scene, |name, value| format!("{0}&{0}", pair(name, value)), assert_invalid).await;
}

#[tokio::test]
async fn a_nul_character_makes_a_request_invalid() {
    let scene = Scene::confidential().await;

    walk(&scene, |name, value| format!("{}%00", pair(name, value)), assert_invalid).await;
}

#[tokio::test]
async fn bytes_that_are_no_utf_8_make_a_request_invalid() {
    let scene = Scene::confidential().await;

    walk(&scene, |name, value| format!("{}%ff", pair(name, value)), assert_invalid).await;
}

#[tokio::test]
async fn a_parameter_without_a_value_is_as_good_as_missing() {
    let scene = Scene::confidential().await;
    let check = |good: &Good, parameter: &str, answer: &Answer| match parameter {
        "client_id" | "client_secret" => assert_refused(answer, 401, "invalid_client"),
        // RFC 7636 §4.6: it does not match.
        "code_verifier" => assert_refused(answer, 400, "invalid_grant"),
        _ => assert_invalid(good, parameter, answer),
    };
    let is_needed =
        |good: &Good, parameter: &str| good.needed.contains(&parameter) || parameter.starts_with("client_");

    for empty in [true, false] {
        for good in good_requests(&scene).await {
            for (spoilt, _) in good.form.iter().filter(|(name, _)| is_needed(&good, name)) {
                let body = good.body(|name, value| match name == *spoilt {
                    true if empty => format!("{name}="),
                    true => String::new(),
                    false => pair(name, value),
                });
                let answer = scene.server.post_form(good.path, &body).await;
                check(&good, spoilt, &answer);
            }
            let answer = scene.server.post_form(good.path, &good.body(pair)).await;
            assert_good(&good, &answer);
        }
    }
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_too_large_and_the_connection_survives() {
    let scene = Scene::confidential().await;

    for path in ENDPOINTS {
        let mut connection = RawConnection::open(&scene.server).await;
        let form = format!("client_id={}&token={}", scene.client.id, "a".repeat(TEN_MEGABYTES));
        let answer = connection.post_form(path, &form).await;

        assert_eq!(answer.status, 413, "{path}: {}", answer.head);
        assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
        let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(json["error"], "invalid_request");
        let next = connection.get("/oauth/jwks").await;
        assert_eq!(next.status, 200);
    }
}

#[tokio::test]
async fn a_form_under_another_content_type_is_not_read() {
    let scene = Scene::confidential().await;

    for good in good_requests(&scene).await {
        for content_type in [
            None,
            Some(""),
            Some("application/json"),
            Some("text/plain"),
            Some("multipart/form-data; boundary=x"),
        ] {
            let mut request = scene.server.request("POST", good.path).body(good.body(pair));
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            let answer = Answer::of(request).await;

            assert_refused(&answer, 400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn an_empty_body_is_from_nobody() {
    let scene = Scene::new().await;

    for path in ENDPOINTS {
        let answer = scene.server.post_form(path, "").await;

        assert_refused(&answer, 401, "invalid_client");
    }
}

#[tokio::test]
async fn a_body_that_is_no_form_is_refused() {
    let scene = Scene::new().await;

    for path in ENDPOINTS {
        for body in ["&", "=", "&&&===", "{\"grant_type\":\"refresh_token\"}", "%", "%zz=%zz", "grant_type"] {
            let answer = scene.server.post_form(path, body).await;

            assert!(matches!(answer.status, 400 | 401), "{path} {body}: {} {}", answer.status, answer.text);
            assert!(answer.json["error"].is_string(), "{path} {body}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_form_of_very_many_parameters_is_answered() {
    let scene = Scene::new().await;

    let answer = scene.server.post_form("/oauth/token", &"a=1&".repeat(15_000)).await;

    assert_refused(&answer, 401, "invalid_client");
}

#[tokio::test]
async fn other_methods_are_refused_and_told_which_is_right() {
    let scene = Scene::new().await;

    for path in ENDPOINTS {
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE"] {
            let answer = Answer::of(scene.server.request(method, path)).await;

            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some("POST"), "{method} {path}");
            if method != "HEAD" {
                // As every error of these endpoints: a client's library expects a string.
                assert_eq!(answer.json["error"], "invalid_request", "{method} {path}: {}", answer.text);
            }
        }
    }
}
