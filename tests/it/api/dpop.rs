//! Tokens that are bound to a key (RFC 9449 §7, §9), at `/v1`.

use chrono::TimeDelta;
use countersign::app::config::Settings;
use countersign::base::secret::Secret;
use serde_json::Value;
use serde_json::json;

use crate::support::Answer;
use crate::support::OAuthClient;
use crate::support::Prover;
use crate::support::TestRedis;
use crate::support::TestServer;
use crate::support::TestUser;

const PATH: &str = "/v1/auth/test";

/// A server, and a client of Ada's with a key.
pub(super) struct Scene {
    pub(super) server: TestServer,
    pub(super) ada: TestUser,
    pub(super) client: OAuthClient,
    pub(super) prover: Prover,
    /// Bound to the key, for the server's own API.
    pub(super) token: String,
}

impl Scene {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(settings: impl FnOnce(&mut Settings)) -> Self {
        let server = TestServer::start_with(settings).await;
        let ada = server.user("ada").await;
        let client = server.confidential_client(ada.organization).await;
        let prover = Prover::new();
        let token = token(&server, &client, Some(&prover), &[]).await;
        Self { server, ada, client, prover, token }
    }

    fn url(&self) -> String {
        format!("{}{PATH}", self.server.issuer())
    }

    fn proof(&self) -> String {
        self.prover.call(&self.server, ("GET", &self.url()), &self.token)
    }

    /// A proof with `changes` made in its claims.
    fn proof_with(&self, changes: &Value) -> String {
        let good = self.proof();
        let claims: Value = serde_json::from_slice(&decoded(good.split('.').nth(1).unwrap())).unwrap();
        let mut claims = claims.as_object().unwrap().clone();
        claims.extend(changes.as_object().unwrap().clone());
        claims.retain(|_, value| !value.is_null());
        self.prover.sign(&self.prover.header(&json!({})), &json!(claims))
    }

    async fn call(&self, proof: &str) -> Answer {
        ask(&self.server, &format!("DPoP {}", self.token), &[proof]).await
    }
}

fn decoded(part: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()
}

/// Of the client's own account, bound to the key of `prover` if there is one.
pub(super) async fn token(
    server: &TestServer,
    client: &OAuthClient,
    prover: Option<&Prover>,
    more: &[(&str, &str)],
) -> String {
    let form = [&[("grant_type", "client_credentials"), ("scope", "read")], more].concat();
    let request = client.request(server, "/oauth/token", &form);
    let Some(prover) = prover else { return Answer::of(request).await.field("access_token") };
    // Which also does where none is wanted.
    let nonce = server.app.nonces.current(server.clock.now());
    let proof = prover.proof_with(server, &json!({ "nonce": nonce }));
    Answer::of(request.header("dpop", proof)).await.field("access_token")
}

async fn ask(server: &TestServer, authorization: &str, proofs: &[&str]) -> Answer {
    let request = server.request("GET", PATH).header("authorization", authorization);
    Answer::of(proofs.iter().fold(request, |request, proof| request.header("dpop", *proof))).await
}

/// 401, with the error in the challenge of one scheme.
#[track_caller]
pub(super) fn assert_refused(answer: &Answer, scheme: &str, error: &str) {
    assert_eq!((answer.status, answer.error()), (401, "unauthorized"), "{}", answer.text);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer "), "{challenge}");
    let (bearer, dpop) = challenge.split_once(", DPoP ").unwrap_or_else(|| panic!("{challenge}"));
    let (named, other) = if scheme == "DPoP" { (dpop, bearer) } else { (bearer, dpop) };
    assert!(named.contains(&format!("error=\"{error}\", error_description=\"")), "{challenge}");
    assert!(!other.contains("error"), "{challenge}");
    assert!(bearer.contains("resource_metadata=\""), "{challenge}");
    assert!(dpop.contains("algs=\"ES256 "), "{challenge}");
}

#[tokio::test]
async fn a_bound_token_and_its_proof_are_taken() {
    let scene = Scene::new().await;

    for scheme in ["DPoP", "dpop", "DPOP  "] {
        let answer = ask(&scene.server, &format!("{scheme} {}", scene.token), &[&scene.proof()]).await;

        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json["client"]["id"], scene.client.id);
        assert_eq!(answer.header("dpop-nonce"), None, "none is wanted");
    }
    let request = scene.server.request("GET", &format!("{PATH}?a=b")).header("dpop", scene.proof());
    let with_query = Answer::of(request.header("authorization", format!("DPoP {}", scene.token))).await;
    assert_eq!(with_query.status, 200, "{}", with_query.text);
}

#[tokio::test]
async fn a_bound_token_without_a_proof_is_refused() {
    let scene = Scene::new().await;

    let answer = ask(&scene.server, &format!("DPoP {}", scene.token), &[]).await;

    assert_refused(&answer, "DPoP", "invalid_dpop_proof");
    assert_eq!(answer.json["error"]["message"], "The DPoP proof is missing");
}

#[tokio::test]
async fn a_proof_for_another_request_is_refused() {
    let scene = Scene::new().await;
    let url = scene.url();

    for changes in [
        json!({ "htm": "POST" }),
        json!({ "htm": null }),
        json!({ "htu": format!("{}/v1/profile", scene.server.issuer()) }),
        json!({ "htu": format!("{url}/") }),
        json!({ "htu": "https://evil.example/v1/auth/test" }),
        json!({ "htu": null }),
        json!({ "iat": scene.server.clock.now().timestamp() - 61 }),
        json!({ "iat": scene.server.clock.now().timestamp() + 61 }),
        json!({ "iat": null }),
        json!({ "jti": null }),
    ] {
        let answer = scene.call(&scene.proof_with(&changes)).await;
        assert_refused(&answer, "DPoP", "invalid_dpop_proof");
    }
    let request = scene.server.request("HEAD", PATH).header("authorization", format!("DPoP {}", scene.token));
    assert_eq!(Answer::of(request.header("dpop", scene.proof())).await.status, 401, "HEAD is not GET");
}

#[tokio::test]
async fn a_proof_for_another_token_is_refused() {
    let scene = Scene::new().await;
    let other = token(&scene.server, &scene.client, Some(&scene.prover), &[]).await;
    let for_other = scene.prover.call(&scene.server, ("GET", &scene.url()), &other);

    for proof in [
        for_other,
        scene.proof_with(&json!({ "ath": null })),
        scene.proof_with(&json!({ "ath": "" })),
        scene.proof_with(&json!({ "ath": scene.token })),
        scene.prover.proof(&scene.server),
    ] {
        assert_refused(&scene.call(&proof).await, "DPoP", "invalid_dpop_proof");
    }
}

#[tokio::test]
async fn a_proof_with_another_key_is_refused() {
    let scene = Scene::new().await;

    let proof = Prover::new().call(&scene.server, ("GET", &scene.url()), &scene.token);
    let answer = scene.call(&proof).await;

    assert_refused(&answer, "DPoP", "invalid_token");
    assert_eq!(scene.call(&scene.proof()).await.status, 200);
}

#[tokio::test]
async fn what_is_no_proof_is_refused() {
    let scene = Scene::new().await;
    let private = scene.prover.signer.jwk(&json!({ "d": "AA" }));
    let claims: Value = serde_json::from_slice(&decoded(scene.proof().split('.').nth(1).unwrap())).unwrap();
    let authorization = format!("DPoP {}", scene.token);

    for proof in [
        String::new(),
        "nonsense".to_owned(),
        "a".repeat(20_000),
        scene.token.clone(),
        scene.prover.sign(&scene.prover.header(&json!({ "typ": "JWT" })), &claims),
        scene.prover.sign(&scene.prover.header(&json!({ "alg": "none" })), &claims),
        scene.prover.sign(&scene.prover.header(&json!({ "alg": "HS256" })), &claims),
        scene.prover.sign(&scene.prover.header(&json!({ "jwk": private })), &claims),
        scene.prover.sign(&scene.prover.header(&json!({ "jwk": null })), &claims),
        format!("{}, {}", scene.proof(), scene.proof()),
    ] {
        assert_refused(&scene.call(&proof).await, "DPoP", "invalid_dpop_proof");
    }
    let several = ask(&scene.server, &authorization, &[&scene.proof(), &scene.proof()]).await;
    assert_refused(&several, "DPoP", "invalid_dpop_proof");
}

#[tokio::test]
async fn a_refusal_names_its_reason_in_the_challenge_of_the_scheme_used() {
    let scene = Scene::new().await;
    let metadata = format!("{}/.well-known/oauth-protected-resource", scene.server.issuer());
    let algorithms = "ES256 ES384 Ed25519 EdDSA PS256 PS384 PS512 RS256 RS384 RS512";

    let unproven = ask(&scene.server, &format!("DPoP {}", scene.token), &["x"]).await;
    let unknown = ask(&scene.server, "DPoP x", &[&scene.proof()]).await;
    let bearer = ask(&scene.server, "Bearer x", &[]).await;
    let request = scene.server.request("GET", "/v1/webhooks");
    let url = format!("{}/v1/webhooks", scene.server.issuer());
    let proof = scene.prover.call(&scene.server, ("GET", &url), &scene.token);
    let request = request.header("authorization", format!("DPoP {}", scene.token)).header("dpop", proof);
    let forbidden = Answer::of(request).await;

    let told = |answer: &Answer| answer.header("www-authenticate").unwrap().to_owned();
    let wrong = "error_description=\"The DPoP proof is not three parts in base64url with dots between them\"";
    assert_eq!(
        told(&unproven),
        format!(
            "Bearer resource_metadata=\"{metadata}\", DPoP error=\"invalid_dpop_proof\", {wrong}, algs=\"{algorithms}\""
        )
    );
    let unknown_token = "error=\"invalid_token\", error_description=\"Invalid or missing API key\"";
    assert_eq!(
        told(&unknown),
        format!("Bearer resource_metadata=\"{metadata}\", DPoP {unknown_token}, algs=\"{algorithms}\"")
    );
    assert_eq!(
        told(&bearer),
        format!("Bearer {unknown_token}, resource_metadata=\"{metadata}\", DPoP algs=\"{algorithms}\"")
    );
    let lacks = "Insufficient permissions for this operation: it needs the scope admin";
    assert_eq!(forbidden.status, 403, "{}", forbidden.text);
    assert_eq!(
        told(&forbidden),
        format!(
            "Bearer resource_metadata=\"{metadata}\", DPoP error=\"insufficient_scope\", error_description=\"{lacks}\", \
             scope=\"admin\", algs=\"{algorithms}\""
        )
    );
}

#[tokio::test]
async fn a_bound_token_is_none_as_a_bearer_token() {
    let scene = Scene::new().await;

    for proofs in [vec![], vec![scene.proof()]] {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let answer = ask(&scene.server, &format!("Bearer {}", scene.token), &proofs).await;
        assert_refused(&answer, "Bearer", "invalid_token");
    }
    for path in ["/v1/profile", "/v1/grants", "/api/auth/me"] {
        assert_eq!(scene.server.get_as(&scene.token, path).await.status, 401, "{path}");
    }
    let as_key = Answer::of(scene.server.request("GET", PATH).header("x-api-key", &scene.token)).await;
    assert_eq!(as_key.status, 401);
}

#[tokio::test]
async fn who_sends_nothing_is_told_of_both_schemes_and_of_no_error() {
    let scene = Scene::new().await;

    let answer = Answer::of(scene.server.request("GET", PATH).header("dpop", scene.proof())).await;

    let challenge = answer.header("www-authenticate").unwrap();
    assert_eq!(answer.status, 401);
    assert!(challenge.starts_with("Bearer resource_metadata=\""), "{challenge}");
    assert!(challenge.contains("\", DPoP algs=\"ES256 "), "{challenge}");
    assert!(!challenge.contains("error"), "{challenge}");
}

#[tokio::test]
async fn an_unbound_token_is_none_with_the_scheme_dpop() {
    let scene = Scene::new().await;
    let (_, key) = scene.server.key(scene.ada.organization, "read").await;
    let session = scene.server.session_of(&scene.ada).await.access_token;
    let unbound = token(&scene.server, &scene.client, None, &[]).await;

    for credential in [key, session, unbound] {
        let proof = scene.prover.call(&scene.server, ("GET", &scene.url()), &credential);
        let answer = ask(&scene.server, &format!("DPoP {credential}"), &[&proof]).await;

        assert_refused(&answer, "DPoP", "invalid_token");
        let as_bearer = ask(&scene.server, &format!("Bearer {credential}"), &[&proof, &proof]).await;
        assert_eq!(as_bearer.status, 200, "a bearer token needs no proof: {}", as_bearer.text);
    }
}

#[tokio::test]
async fn a_bound_token_beside_a_key_is_a_second_credential() {
    let scene = Scene::new().await;
    let (_, key) = scene.server.key(scene.ada.organization, "read").await;

    for other in [&key, &scene.token] {
        let request =
            scene.server.request("GET", PATH).header("dpop", scene.proof()).header("x-api-key", other);
        let answer = Answer::of(request.header("authorization", format!("DPoP {}", scene.token))).await;
        assert_eq!((answer.status, answer.error()), (400, "bad_request"), "{}", answer.text);
    }
}

#[tokio::test]
async fn where_a_nonce_is_wanted_a_proof_without_one_gets_it() {
    let scene = Scene::with(|settings| "everywhere".clone_into(&mut settings.dpop_nonces)).await;

    let without = scene.call(&scene.proof()).await;
    let nonce = without.header("dpop-nonce").unwrap().to_owned();
    let with = scene.call(&scene.proof_with(&json!({ "nonce": nonce }))).await;
    let made_up = scene.call(&scene.proof_with(&json!({ "nonce": "made-up" }))).await;
    scene.server.clock.advance(TimeDelta::seconds(120));
    let next = scene.call(&scene.proof_with(&json!({ "nonce": nonce }))).await;
    scene.server.clock.advance(TimeDelta::seconds(120));
    let old = scene.call(&scene.proof_with(&json!({ "nonce": nonce }))).await;

    for answer in [&without, &made_up, &old] {
        assert_refused(answer, "DPoP", "use_dpop_nonce");
    }
    assert_eq!((with.status, next.status), (200, 200));
    assert_eq!(with.header("dpop-nonce"), Some(nonce.as_str()));
    assert_ne!(next.header("dpop-nonce"), Some(nonce.as_str()), "told what comes next");
    for answer in [&without, &with, &made_up, &next, &old] {
        assert_eq!(answer.headers.get_all("dpop-nonce").iter().count(), 1);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "RFC 9449 §8.2");
    }
    let bearer = token(&scene.server, &scene.client, None, &[]).await;
    assert_eq!(scene.server.get_as(&bearer, PATH).await.header("dpop-nonce"), None);
}

/// For which no row is written: there is one for each proof at the token endpoint, and no more.
#[tokio::test]
async fn a_used_proof_is_refused() {
    let scene = Scene::new().await;
    let proof = scene.proof();
    let authorization = format!("DPoP {}", scene.token);
    let request =
        || scene.server.request("GET", PATH).header("authorization", &authorization).header("dpop", &proof);

    let answers = Answer::of_all((0..10).map(|_| request())).await;

    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_refused(answer, "DPoP", "invalid_dpop_proof");
        assert_eq!(answer.json["error"]["message"], "The DPoP proof was used before");
    }
    let kept: i64 = sqlx::query_scalar("select count(*) from used_jwt_ids")
        .fetch_one(&scene.server.app.db)
        .await
        .unwrap();
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn with_redis_a_proof_counts_once_over_all_nodes() {
    let Some(redis) = TestRedis::start() else { return };
    let scene = Scene::with(|settings| {
        settings.redis_url = Some(Secret::new(redis.url()));
        settings.redis_timeout_milliseconds = 10_000;
    })
    .await;
    let other_node = scene.server.second_node().await;
    let proof = scene.proof();
    let authorization = format!("DPoP {}", scene.token);

    let requests = (0..10).map(|at| {
        let node = if at % 2 == 0 { &scene.server } else { &other_node };
        node.request("GET", PATH).header("authorization", &authorization).header("dpop", &proof)
    });
    let answers = Answer::of_all(requests).await;

    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 9);
    let longest = redis.times_to_live().await.into_iter().filter(|seconds| *seconds < 3600).max();
    assert!(longest.is_some_and(|seconds| (120..=300).contains(&seconds)), "{longest:?}");
}

#[tokio::test]
async fn while_redis_is_away_each_node_remembers_for_itself() {
    let Some(mut redis) = TestRedis::start() else { return };
    let scene = Scene::with(|settings| {
        settings.redis_url = Some(Secret::new(redis.url()));
        settings.redis_timeout_milliseconds = 10_000;
    })
    .await;
    let other_node = scene.server.second_node().await;
    let (proof, authorization) = (scene.proof(), format!("DPoP {}", scene.token));

    redis.stop();
    let first = ask(&scene.server, &authorization, &[&proof]).await;
    let again = ask(&scene.server, &authorization, &[&proof]).await;
    let elsewhere = ask(&other_node, &authorization, &[&proof]).await;

    assert_eq!((first.status, again.status, elsewhere.status), (200, 401, 200));
}

/// What is refused has not used its proof up.
#[tokio::test]
async fn a_proof_is_used_by_what_passes() {
    let scene = Scene::new().await;
    let proof = scene.proof();

    let at_another_path = Answer::of(
        scene
            .server
            .request("GET", "/v1/profile")
            .header("authorization", format!("DPoP {}", scene.token))
            .header("dpop", &proof),
    )
    .await;

    assert_eq!(at_another_path.status, 401);
    assert_eq!(scene.call(&proof).await.status, 200);
}

/// An access log without those that were refused would hide a thief.
#[tokio::test]
async fn a_refused_token_is_in_the_access_log() {
    let scene = Scene::new().await;
    let (_, admin) = scene.server.key(scene.ada.organization, "admin").await;

    scene.server.get_as(&scene.token, PATH).await;
    scene.call("nonsense").await;
    scene.server.write_access_log().await;

    let log = scene.server.get_as(&admin, "/v1/access-log").await.json;
    let told: Vec<_> = log["data"].as_array().unwrap().iter().map(|entry| entry["status"].clone()).collect();
    assert_eq!(told, [401, 401]);
}
