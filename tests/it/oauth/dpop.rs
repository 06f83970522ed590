//! Proofs of possession at `/oauth/token` (RFC 9449 §4.3, §5, §10), and the tokens that are bound by them.

use aws_lc_rs::hmac;
use aws_lc_rs::signature;
use countersign::base::secret::sha256;
use reqwest::RequestBuilder;
use serde_json::Value;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::oauth::at_once;
use crate::oauth::claims;
use crate::oauth::confidential;
use crate::oauth::par::approve;
use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::Pkce;
use crate::support::Prover;
use crate::support::Signer;
use crate::support::TestServer;
use crate::support::encode;

const TOKEN: &str = "/oauth/token";
const PAR: &str = "/oauth/par";
const OWN_ACCOUNT: [(&str, &str); 2] = [("grant_type", "client_credentials"), ("scope", "read")];

impl Scene {
    /// A token request of a client on its own account, with these headers `DPoP`.
    async fn with_proofs(&self, proofs: &[&str]) -> Answer {
        let request = self.client.request(&self.server, TOKEN, &OWN_ACCOUNT);
        Answer::of(proofs.iter().fold(request, |request, proof| request.header("dpop", *proof))).await
    }

    pub(super) async fn post_proven(&self, form: &[(&str, &str)], proof: &str) -> Answer {
        Answer::of(self.client.request(&self.server, TOKEN, form).header("dpop", proof)).await
    }

    pub(super) async fn exchange_proven(&self, code: &str, pkce: &Pkce, proof: &str) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", &pkce.verifier),
        ];
        self.post_proven(&form, proof).await
    }

    pub(super) async fn refresh_proven(&self, refresh_token: &str, proof: &str) -> Answer {
        self.post_proven(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)], proof).await
    }

    /// From a fresh consent, bound to the key.
    pub(super) async fn bound_tokens(&self, prover: &Prover) -> Answer {
        let pkce = Pkce::default();
        let code = self.code(&pkce).await;
        let answer = self.exchange_proven(&code, &pkce, &prover.proof(&self.server)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer
    }
}

#[track_caller]
fn assert_bound(answer: &Answer, prover: &Prover) {
    assert_eq!((answer.status, &answer.json["token_type"]), (200, &json!("DPoP")), "{}", answer.text);
    let expected = json!({ "jkt": prover.thumbprint() });
    assert_eq!(claims(&answer.field("access_token"))["cnf"], expected);
}

/// Makes proofs for the token endpoint of one server, each wrong in one way.
struct Forger<'a> {
    server: &'a TestServer,
    prover: Prover,
}

impl Forger<'_> {
    fn claims(&self, changes: &Value) -> Value {
        let url = format!("{}{TOKEN}", self.server.issuer());
        Prover::claims(self.server, ("POST", &url), changes)
    }

    fn with_claims(&self, changes: &Value) -> String {
        self.prover.sign(&self.prover.header(&json!({})), &self.claims(changes))
    }

    fn with_header(&self, changes: &Value) -> String {
        self.prover.sign(&self.prover.header(changes), &self.claims(&json!({})))
    }

    fn unsigned(&self, alg: &str) -> String {
        let header = self.prover.header(&json!({ "alg": alg }));
        format!("{}.{}.", encode(header.to_string()), encode(self.claims(&json!({})).to_string()))
    }

    /// With the public key, which it brings along, as the shared secret.
    fn with_shared_secret(&self) -> String {
        let signed = self.unsigned("HS256");
        let signed = signed.trim_end_matches('.');
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.prover.signer.jwk.to_string().as_bytes());
        format!("{signed}.{}", encode(hmac::sign(&key, signed.as_bytes())))
    }

    /// With what is said of each.
    fn wrong_jwts(&self) -> Vec<(String, &'static str)> {
        let good = || self.prover.proof(self.server);
        let other = Prover::new();
        let private = self.prover.signer.jwk(&json!({ "d": "AA" }));
        vec![
            (String::new(), "is not three parts"),
            ("nonsense".to_owned(), "is not three parts"),
            (good().replace('.', ".."), "is not three parts"),
            (format!("{}, {}", good(), good()), "is not three parts"),
            ("a".repeat(20_000), "is longer than"),
            (self.unsigned("none"), "alg that is not accepted"),
            (self.with_shared_secret(), "alg that is not accepted"),
            (self.with_header(&json!({ "alg": "ES512" })), "alg that is not accepted"),
            (self.with_header(&json!({ "alg": null })), "no alg"),
            (self.with_header(&json!({ "alg": "EdDSA" })), "not for its alg"),
            (self.with_header(&json!({ "typ": null })), "has a typ other than dpop+jwt"),
            (self.with_header(&json!({ "typ": "JWT" })), "has a typ other than dpop+jwt"),
            (self.with_header(&json!({ "typ": "at+jwt" })), "has a typ other than dpop+jwt"),
            (self.with_header(&json!({ "crit": ["exp"] })), "has crit"),
            (self.with_header(&json!({ "jwk": null })), "no jwk"),
            (self.with_header(&json!({ "jwk": null, "kid": "a" })), "no jwk"),
            (self.with_header(&json!({ "jwk": other.signer.jwk })), "does not verify"),
            (self.with_header(&json!({ "jwk": private })), "must stay secret"),
            (self.with_header(&json!({ "jwk": { "kty": "oct", "k": "AA" } })), "must stay secret"),
            (self.with_header(&json!({ "jwk": [] })), "is not a JSON object"),
            (self.unsigned("ES256"), "does not verify"),
        ]
    }

    /// With what is said of each.
    fn wrong_claims(&self) -> Vec<(Value, &'static str)> {
        let now = self.server.clock.now().timestamp();
        let url = format!("{}{TOKEN}", self.server.issuer());
        let over_tls = url.replacen("http", "https", 1);
        vec![
            (json!({ "jti": null }), "missing field `jti`"),
            (json!({ "htm": null }), "missing field `htm`"),
            (json!({ "htu": null }), "missing field `htu`"),
            (json!({ "iat": null }), "missing field `iat`"),
            (json!({ "jti": 1 }), "fault: jti"),
            (json!({ "jti": "" }), "jti that is empty"),
            (json!({ "iat": now.to_string() }), "fault: iat"),
            (json!({ "iat": now - 61 }), "too long ago"),
            (json!({ "iat": now + 61 }), "yet to be made"),
            (json!({ "iat": 1e300 }), "yet to be made"),
            (json!({ "iat": -1e300 }), "too long ago"),
            (json!({ "htm": "GET" }), "for another method"),
            (json!({ "htm": "post" }), "for another method"),
            (json!({ "htu": url.replace("token", "revoke") }), "for another URL"),
            (json!({ "htu": format!("{url}/") }), "for another URL"),
            (json!({ "htu": over_tls }), "for another URL"),
            (json!({ "htu": "https://evil.example/oauth/token" }), "for another URL"),
            (json!({ "htu": TOKEN }), "for another URL"),
            (json!({ "htu": "" }), "for another URL"),
        ]
    }
}

#[tokio::test]
async fn a_proof_is_refused_unless_everything_in_it_is_right() {
    let scene = Scene::confidential().await;
    let forger = Forger { server: &scene.server, prover: Prover::new() };
    let wrong_claims = forger.wrong_claims().into_iter();
    let wrong_claims = wrong_claims.map(|(changes, says)| (forger.with_claims(&changes), says));

    for (proof, says) in forger.wrong_jwts().into_iter().chain(wrong_claims) {
        let answer = scene.with_proofs(&[&proof]).await;

        assert_refused(&answer, 400, "invalid_dpop_proof");
        let description = answer.json["error_description"].as_str().unwrap();
        assert!(description.contains(says), "{says}: {description}");
    }
    let two = [(); 2].map(|()| forger.prover.proof(&scene.server));
    let several = scene.with_proofs(&[&two[0], &two[1]]).await;
    assert_refused(&several, 400, "invalid_dpop_proof");
    let same_twice = scene.with_proofs(&[&two[0], &two[0]]).await;
    assert_refused(&same_twice, 400, "invalid_dpop_proof");
    let no_text =
        scene.client.request(&scene.server, TOKEN, &OWN_ACCOUNT).header("dpop", &b"\xff.\xfe.x"[..]);
    assert_refused(&Answer::of(no_text).await, 400, "invalid_dpop_proof");
    assert_eq!(scene.with_proofs(&[&two[0]]).await.status, 200, "nothing of this has used it up");
}

#[tokio::test]
async fn every_announced_algorithm_proves() {
    let scene = Scene::confidential().await;
    let provers = [
        Prover::with("ES256", Signer::p256()),
        Prover::with("ES384", Signer::ec("P-384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING)),
        Prover::with("Ed25519", Signer::ed25519()),
        Prover::with("EdDSA", Signer::ed25519()),
        Prover::with("PS256", Signer::rsa(&signature::RSA_PSS_SHA256)),
        Prover::with("PS384", Signer::rsa(&signature::RSA_PSS_SHA384)),
        Prover::with("PS512", Signer::rsa(&signature::RSA_PSS_SHA512)),
        Prover::with("RS256", Signer::rsa(&signature::RSA_PKCS1_SHA256)),
        Prover::with("RS384", Signer::rsa(&signature::RSA_PKCS1_SHA384)),
        Prover::with("RS512", Signer::rsa(&signature::RSA_PKCS1_SHA512)),
    ];

    let metadata = scene.server.get("/.well-known/oauth-authorization-server").await.json;

    let ours: Vec<Value> = provers.iter().map(|prover| prover.header(&json!({}))["alg"].clone()).collect();
    assert_eq!(metadata["dpop_signing_alg_values_supported"], json!(ours));
    for prover in &provers {
        assert_bound(&scene.with_proofs(&[&prover.proof(&scene.server)]).await, prover);
    }
}

/// Clients say more of their key than they need to.
#[tokio::test]
async fn a_key_is_the_same_whatever_else_is_said_of_it() {
    let scene = Scene::confidential().await;
    let prover = Prover::new();
    let more = json!({ "kid": "a", "alg": "ES256", "use": "sig", "key_ops": ["verify"], "ext": true });
    let header = prover.header(&json!({ "jwk": prover.signer.jwk(&more), "typ": "application/DPoP+JWT" }));
    let url = format!("{}{TOKEN}", scene.server.issuer());

    let proof =
        prover.sign(&header, &Prover::claims(&scene.server, ("POST", &url), &json!({ "exp": 1, "x": [] })));

    assert_bound(&scene.with_proofs(&[&proof]).await, &prover);
}

#[tokio::test]
async fn a_proof_counts_for_a_short_time() {
    let scene = Scene::confidential().await;
    let prover = Prover::new();
    let now = scene.server.clock.now().timestamp();

    for (iat, status) in [
        (json!(now - 60), 200),
        (json!(now + 60), 200),
        (json!(f64::from(u32::try_from(now).unwrap()) + 0.5), 200),
        (json!(now - 61), 400),
        (json!(now + 61), 400),
    ] {
        let proof = prover.proof_with(&scene.server, &json!({ "iat": iat }));
        assert_eq!(scene.with_proofs(&[&proof]).await.status, status, "{iat}");
    }
    let kept = prover.proof(&scene.server);
    scene.server.clock.advance(chrono::TimeDelta::seconds(61));
    assert_refused(&scene.with_proofs(&[&kept]).await, 400, "invalid_dpop_proof");
}

#[tokio::test]
async fn a_url_may_be_written_in_any_equal_way() {
    let scene =
        Scene::with(|settings| settings.issuer = "https://auth.example".to_owned(), confidential).await;
    let prover = Prover::new();

    for url in [
        "https://auth.example/oauth/token",
        "https://auth.example:443/oauth/token",
        "HTTPS://Auth.Example/oauth/token",
        "https://auth.example/oauth/token?a=b",
        "https://auth.example/oauth/token#top",
        "https://auth.example/oauth/%74oken",
        "https://auth.example/x/../oauth/./token",
    ] {
        let proof = prover.proof_with(&scene.server, &json!({ "htu": url }));
        assert_bound(&scene.with_proofs(&[&proof]).await, &prover);
    }
    for url in [&format!("{}{TOKEN}", scene.server.url), "http://auth.example/oauth/token"] {
        let proof = prover.proof_with(&scene.server, &json!({ "htu": url }));
        assert_refused(&scene.with_proofs(&[&proof]).await, 400, "invalid_dpop_proof");
    }
}

#[tokio::test]
async fn a_used_proof_is_refused_at_the_token_endpoint() {
    let scene = Scene::confidential().await;
    let other_node = scene.server.second_node().await;
    let (prover, other) = (Prover::new(), Prover::new());
    let jti = json!({ "jti": "the same" });
    let proof = prover.proof_with(&scene.server, &jti);

    let request = |server| scene.client.request(server, TOKEN, &OWN_ACCOUNT).header("dpop", &proof);
    let answers =
        at_once((0..12).map(|at| request(if at % 2 == 0 { &scene.server } else { &other_node }))).await;
    let of_the_same_key = scene.with_proofs(&[&prover.proof_with(&scene.server, &jti)]).await;
    let of_another_key = scene.with_proofs(&[&other.proof_with(&scene.server, &jti)]).await;

    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_refused(answer, 400, "invalid_dpop_proof");
        assert_eq!(answer.json["error_description"], "the DPoP proof was used before");
    }
    assert_refused(&of_the_same_key, 400, "invalid_dpop_proof");
    assert_eq!(of_another_key.status, 200);
}

/// As long as its proof could be sent again, and no longer.
#[tokio::test]
async fn a_used_proof_is_remembered_for_as_long_as_it_counts() {
    let scene = Scene::confidential().await;
    let early = json!({ "iat": scene.server.clock.now().timestamp() + 60 });
    let proof = Prover::new().proof_with(&scene.server, &early);
    assert_eq!(scene.with_proofs(&[&proof]).await.status, 200);
    let kept = async || {
        scene.server.clean_up().await;
        let count: i64 = sqlx::query_scalar("select count(*) from used_jwt_ids")
            .fetch_one(&scene.server.app.db)
            .await
            .unwrap();
        count
    };

    scene.server.clock.advance(chrono::TimeDelta::seconds(120));
    assert_eq!(kept().await, 1);
    let last_try = scene.with_proofs(&[&proof]).await;
    scene.server.clock.advance(chrono::TimeDelta::seconds(61));

    assert_eq!(last_try.json["error_description"], "the DPoP proof was used before");
    assert_eq!(kept().await, 0);
}

#[tokio::test]
async fn a_very_long_jti_is_refused() {
    let scene = Scene::confidential().await;
    let prover = Prover::new();
    let with_id = |length| prover.proof_with(&scene.server, &json!({ "jti": "j".repeat(length) }));

    assert_eq!(scene.with_proofs(&[&with_id(256)]).await.status, 200);
    assert_refused(&scene.with_proofs(&[&with_id(257)]).await, 400, "invalid_dpop_proof");
    assert_refused(&scene.with_proofs(&[&with_id(10_000)]).await, 400, "invalid_dpop_proof");
}

#[tokio::test]
async fn a_client_that_fails_to_authenticate_uses_no_proof_up() {
    let mut scene = Scene::confidential().await;
    let proof = Prover::new().proof(&scene.server);
    let secret = scene.client.secret.replace("cs_wrong".to_owned());

    let failed = scene.with_proofs(&[&proof]).await;
    scene.client.secret = secret;

    assert_refused(&failed, 401, "invalid_client");
    assert_eq!(scene.with_proofs(&[&proof]).await.status, 200);
}

#[tokio::test]
async fn a_proof_at_the_token_endpoint_binds_the_tokens() {
    let scene = Scene::new().await;
    let prover = Prover::new();

    let bound = scene.bound_tokens(&prover).await;
    let bearer = scene.client.tokens(&scene.server, &scene.browser).await;

    assert_bound(&bound, &prover);
    assert_eq!(prover.thumbprint().len(), 43);
    assert_eq!(bearer.json["token_type"], "Bearer");
    assert_eq!(claims(&bearer.field("access_token")).get("cnf"), None);
    assert_eq!(bound.header("cache-control"), Some("no-store"));
    assert_eq!(bound.header("dpop-nonce"), None, "none is wanted");
}

#[tokio::test]
async fn every_grant_binds_its_tokens() {
    let scene = Scene::confidential().await;
    let prover = Prover::new();

    let by_code = scene.bound_tokens(&prover).await;
    let by_refresh =
        scene.refresh_proven(&by_code.field("refresh_token"), &prover.proof(&scene.server)).await;
    let by_credentials = scene.with_proofs(&[&prover.proof(&scene.server)]).await;

    for answer in [by_code, by_refresh, by_credentials] {
        assert_bound(&answer, &prover);
    }
}

#[tokio::test]
async fn a_client_that_must_prove_gets_nothing_without_a_proof() {
    let scene = Scene::with_client(|registration| {
        confidential(registration);
        registration.dpop_bound_access_tokens = true;
    })
    .await;
    let (prover, pkce) = (Prover::new(), Pkce::default());
    let code = scene.code(&pkce).await;

    let without = [scene.exchange(&code, &pkce).await, scene.with_proofs(&[]).await];
    let with = scene.exchange_proven(&code, &pkce, &prover.proof(&scene.server)).await;
    let refreshed = scene.refresh(&with.field("refresh_token")).await;

    for answer in without.iter().chain([&refreshed]) {
        assert_refused(answer, 400, "invalid_dpop_proof");
        assert_eq!(answer.json["error_description"], "the DPoP proof is missing");
    }
    assert_bound(&with, &prover);
    let again = scene.refresh_proven(&with.field("refresh_token"), &prover.proof(&scene.server)).await;
    assert_bound(&again, &prover);
}

#[tokio::test]
async fn introspection_tells_the_key_of_a_bound_token() {
    let scene = Scene::confidential().await;
    let prover = Prover::new();
    let token = scene.bound_tokens(&prover).await.field("access_token");

    let answer = scene.client.post(&scene.server, "/oauth/introspect", &[("token", &token)]).await;

    assert_eq!(answer.json["active"], true);
    assert_eq!(answer.json["token_type"], "DPoP");
    assert_eq!(answer.json["cnf"], json!({ "jkt": prover.thumbprint() }));
}

#[tokio::test]
async fn a_code_of_a_request_with_a_thumbprint_wants_that_key() {
    for scene in [Scene::new().await, Scene::confidential().await] {
        let (prover, other, pkce) = (Prover::new(), Prover::new(), Pkce::default());
        let asked = [("dpop_jkt", prover.thumbprint())];
        let asked = asked.each_ref().map(|(name, value)| (*name, value.as_str()));
        let code = scene.client.ask(&scene.browser, &pkce, &asked).await.location_params()["code"].clone();

        let with_none = scene.exchange(&code, &pkce).await;
        let with_another = scene.exchange_proven(&code, &pkce, &other.proof(&scene.server)).await;
        let with_its_own = scene.exchange_proven(&code, &pkce, &prover.proof(&scene.server)).await;
        let copied = scene.exchange(&code, &pkce).await;
        let refreshed =
            scene.refresh_proven(&with_its_own.field("refresh_token"), &prover.proof(&scene.server)).await;

        for answer in [with_none, with_another, copied] {
            assert_refused(&answer, 400, "invalid_grant");
        }
        assert_bound(&with_its_own, &prover);
        assert_bound(&refreshed, &prover);
    }
}

#[tokio::test]
async fn what_is_no_thumbprint_is_an_invalid_request() {
    let scene = Scene::new().await;
    let good = Prover::new().thumbprint();

    for bad in ["x", &good[1..], &format!("{good}="), &good.replace(&good[..1], "+"), &"A".repeat(5000)] {
        let path = scene.client.authorize_path(&Pkce::default(), &[("dpop_jkt", bad)]);
        assert_eq!(scene.browser.get(&path).await.location_params()["error"], "invalid_request", "{bad}");
    }
    let path = scene.client.authorize_path(&Pkce::default(), &[("dpop_jkt", &good), ("dpop_jkt", &good)]);
    assert_eq!(scene.browser.get(&path).await.location_params()["error"], "invalid_request", "twice");
}

/// One who reads a code on its way can do nothing with it, not even harm.
#[tokio::test]
async fn a_used_code_without_its_key_ends_nothing() {
    let scene = Scene::new().await;
    let (prover, pkce) = (Prover::new(), Pkce::default());
    let jkt = prover.thumbprint();
    let asked = scene.client.ask(&scene.browser, &pkce, &[("dpop_jkt", &jkt)]).await;
    let code = asked.location_params()["code"].clone();
    let tokens = scene.exchange_proven(&code, &pkce, &prover.proof(&scene.server)).await;

    let copied = scene.exchange_proven(&code, &pkce, &Prover::new().proof(&scene.server)).await;

    assert_refused(&copied, 400, "invalid_grant");
    assert_eq!(scene.live_grants().await, 1);
    let again = scene.exchange_proven(&code, &pkce, &prover.proof(&scene.server)).await;
    assert_refused(&again, 400, "invalid_grant");
    assert_eq!(scene.live_grants().await, 0, "with the key it is a replay like any other");
    let refreshed = scene.refresh_proven(&tokens.field("refresh_token"), &prover.proof(&scene.server)).await;
    assert_refused(&refreshed, 400, "invalid_grant");
}

impl Scene {
    /// Pushes a request, with a proof if there is one.
    pub(super) async fn push_proven(
        &self,
        pkce: &Pkce,
        changes: &[(&str, &str)],
        proof: Option<&str>,
    ) -> Answer {
        let form = self.client.authorize_form(pkce, changes);
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request = self.client.request(&self.server, PAR, &form);
        Answer::of(proof.into_iter().fold(request, |request, proof| request.header("dpop", proof))).await
    }
}

#[tokio::test]
async fn a_pushed_request_names_its_key_either_way() {
    let scene = Scene::new().await;
    let (prover, other) = (Prover::new(), Prover::new());
    let jkt = prover.thumbprint();
    let proof = || prover.proof_at(&scene.server, PAR, &json!({}));

    for (changes, proof) in [
        (vec![("dpop_jkt", jkt.as_str())], None),
        (vec![], Some(proof())),
        (vec![("dpop_jkt", jkt.as_str())], Some(proof())),
    ] {
        let pkce = Pkce::default();
        let pushed = scene.push_proven(&pkce, &changes, proof.as_deref()).await;
        assert_eq!(pushed.status, 201, "{}", pushed.text);
        let page = scene.browser.get(&scene.client.path_with(&pushed.field("request_uri"))).await;
        let answer = if page.status == 303 { page } else { approve(&scene.browser, &page).await };
        let code = &answer.location_params()["code"];

        let with_none = scene.exchange(code, &pkce).await;
        let with_another = scene.exchange_proven(code, &pkce, &other.proof(&scene.server)).await;
        let with_its_own = scene.exchange_proven(code, &pkce, &prover.proof(&scene.server)).await;

        for refused in [with_none, with_another] {
            assert_refused(&refused, 400, "invalid_grant");
        }
        assert_bound(&with_its_own, &prover);
    }
}

#[tokio::test]
async fn a_pushed_request_that_contradicts_its_proof_is_refused() {
    let scene = Scene::new().await;
    let (prover, pkce) = (Prover::new(), Pkce::default());
    let jkt = Prover::new().thumbprint();
    let proof = || prover.proof_at(&scene.server, PAR, &json!({}));

    let of_another = scene.push_proven(&pkce, &[("dpop_jkt", &jkt)], Some(&proof())).await;
    let for_another = scene.push_proven(&pkce, &[], Some(&prover.proof(&scene.server))).await;
    let used = proof();
    let first = scene.push_proven(&pkce, &[], Some(&used)).await;
    let again = scene.push_proven(&pkce, &[], Some(&used)).await;

    assert_refused(&of_another, 400, "invalid_request");
    assert_refused(&for_another, 400, "invalid_dpop_proof");
    assert_eq!(first.status, 201, "{}", first.text);
    assert_refused(&again, 400, "invalid_dpop_proof");
}

#[tokio::test]
async fn scripts_of_any_origin_may_send_a_proof_and_read_a_nonce() {
    let scene = Scene::with(|settings| "token_endpoint".clone_into(&mut settings.dpop_nonces), |_| {}).await;
    let preflight = |request: RequestBuilder| {
        request
            .header("origin", "https://spa.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,dpop")
    };

    let asked = Answer::of(preflight(scene.server.request("OPTIONS", TOKEN))).await;
    let proof = Prover::new().proof(&scene.server);
    let request = scene.client.request(
        &scene.server,
        TOKEN,
        &[("grant_type", "refresh_token"), ("refresh_token", "x")],
    );
    let answer = Answer::of(request.header("dpop", proof).header("origin", "https://spa.example")).await;

    let lists = |answer: &Answer, header: &str, name: &str| {
        let names = answer.header(header).unwrap_or_default().split(',').map(str::trim);
        names.into_iter().any(|found| found.eq_ignore_ascii_case(name))
    };
    assert!(lists(&asked, "access-control-allow-headers", "dpop"), "{:?}", asked.headers);
    assert_eq!(answer.error(), "use_dpop_nonce");
    assert!(answer.header("dpop-nonce").is_some());
    for name in ["dpop-nonce", "www-authenticate"] {
        assert!(lists(&answer, "access-control-expose-headers", name), "{name}: {:?}", answer.headers);
    }
}

/// The claim of a proof that goes with a token has no meaning here, and does no harm.
#[tokio::test]
async fn a_proof_for_a_token_is_one_without() {
    let scene = Scene::confidential().await;
    let prover = Prover::new();

    let proof = prover
        .proof_with(&scene.server, &json!({ "ath": encode(sha256(b"x")), "nonce": "of-another-server" }));

    assert_bound(&scene.with_proofs(&[&proof]).await, &prover);
}
