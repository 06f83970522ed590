//! `/oauth/userinfo` (OpenID Connect Core §5.3, RFC 6750).

use chrono::TimeDelta;
use countersign::organizations::member::Role;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::claims;
use crate::oauth::confidential;
use crate::support::Answer;
use crate::support::PASSWORD;
use crate::support::Pkce;
use crate::support::Prover;
use crate::support::TestServer;
use crate::support::form_of;

const USERINFO: &str = "/oauth/userinfo";
const ALL: &str = "openid profile email";

impl Scene {
    async fn access_token(&self, scope: &str) -> String {
        self.tokens_with(&[("scope", scope)]).await.field("access_token")
    }
}

async fn ask(server: &TestServer, token: &str) -> Answer {
    server.get_as(token, USERINFO).await
}

/// Where a client reads on (RFC 9728 §5.1).
fn metadata(server: &TestServer) -> String {
    format!("resource_metadata=\"{}/.well-known/oauth-protected-resource\"", server.issuer())
}

/// As RFC 6750 §3 has it: the status, the error, and what is said of it to whoever reads headers.
#[track_caller]
fn assert_refused(server: &TestServer, answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.error()), (status, error), "{}", answer.text);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let description = answer.json["error_description"].as_str().unwrap();
    let scope = if status == 403 { ", scope=\"openid\"" } else { "" };
    let expected = format!(
        "Bearer error=\"{error}\", error_description=\"{description}\", {}{scope}, DPoP algs=\"ES256 ",
        metadata(server)
    );
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with(&expected), "{challenge}");
}

#[tokio::test]
async fn it_tells_of_the_person_what_the_scopes_allow() {
    let scene = Scene::new().await;
    let made = scene.server.clock.now().timestamp();
    scene.server.clock.advance(TimeDelta::minutes(1));
    scene.browser.submit("/settings/account", "/settings/account/name", &[("name", "Ada Lovelace")]).await;
    let sub = &scene.ada.id;

    for (scope, expected) in [
        ("openid", json!({ "sub": sub })),
        ("openid email", json!({ "sub": sub, "email": "ada@example.com", "email_verified": false })),
        ("openid profile", json!({ "sub": sub, "name": "Ada Lovelace", "updated_at": made + 60 })),
        ("openid read", json!({ "sub": sub })),
        (
            ALL,
            json!({
                "sub": sub,
                "name": "Ada Lovelace",
                "updated_at": made + 60,
                "email": "ada@example.com",
                "email_verified": false,
            }),
        ),
    ] {
        let answer = ask(&scene.server, &scene.access_token(scope).await).await;

        assert_eq!((answer.status, answer.json), (200, expected), "{scope}");
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn the_subject_is_that_of_the_id_token() {
    let scene = Scene::new().await;
    let tokens = scene.tokens_with(&[("scope", "openid")]).await;

    let answer = ask(&scene.server, &tokens.field("access_token")).await;

    assert_eq!(answer.json["sub"], claims(&tokens.field("id_token"))["sub"]);
}

#[tokio::test]
async fn what_is_not_known_is_left_out() {
    let scene = Scene::new().await;

    let answer = ask(&scene.server, &scene.access_token(ALL).await).await;

    assert_eq!(answer.json.get("name"), None);
}

#[tokio::test]
async fn an_address_is_verified_only_if_the_person_proved_it() {
    let scene = Scene::new().await;
    let (_, admin) = scene.server.key(scene.ada.organization, "admin").await;
    let bob = scene.server.user("bob").await;
    let (newcomer, bobs) = (scene.server.browser(), scene.server.browser_of(&bob).await);
    let is_verified = async |browser| {
        let tokens = scene.tokens_in(browser, &[("scope", "openid email")]).await;
        ask(&scene.server, &tokens.field("access_token")).await.json["email_verified"].clone()
    };
    let invite = async |email: &str| {
        let body = json!({ "email": email, "role": "member" });
        scene.server.send_json_as(&admin, "POST", "/v1/organization/invitations", &body).await;
        scene.server.invitation_path()
    };
    assert_eq!((is_verified(&scene.browser).await, is_verified(&bobs).await), (json!(false), json!(false)));

    let path = invite("carol@example.com").await;
    newcomer.submit(&path, &format!("{path}/register"), &[("password", PASSWORD)]).await;
    let path = invite("bob@example.com").await;
    bobs.submit(&path, &path, &[]).await;

    assert_eq!(is_verified(&newcomer).await, json!(true), "who made an account by the mail's link");
    assert_eq!(is_verified(&bobs).await, json!(true), "who had one, and followed it");
    assert_eq!(is_verified(&scene.browser).await, json!(false), "who invited them");
}

#[tokio::test]
async fn it_can_be_asked_by_get_and_by_post() {
    let scene = Scene::new().await;
    let token = scene.access_token("openid").await;
    let request = |method| scene.server.request(method, USERINFO);

    let answers = [
        Answer::of(request("GET").bearer_auth(&token)).await,
        Answer::of(request("GET").header("authorization", format!("bEARER  {token} "))).await,
        Answer::of(request("POST").bearer_auth(&token)).await,
        Answer::of(request("POST").bearer_auth(&token).json(&json!({ "access_token": "x" }))).await,
        Answer::of(request("POST").bearer_auth(&token).form(&[("other", "x")])).await,
        Answer::of(request("POST").form(&[("access_token", &token)])).await,
    ];

    for answer in answers {
        assert_eq!((answer.status, answer.json), (200, json!({ "sub": scene.ada.id })));
    }
    assert_eq!(Answer::of(request("HEAD").bearer_auth(&token)).await.status, 200);
}

#[tokio::test]
async fn who_shows_no_token_is_told_the_way_and_nothing_else() {
    let scene = Scene::new().await;
    let token = scene.access_token("openid").await;
    let request = |method| scene.server.request(method, USERINFO);
    let in_query = scene.server.request("GET", &format!("{USERINFO}?access_token={token}"));

    for request in [
        request("GET"),
        request("POST"),
        request("GET").basic_auth("x", Some("y")),
        request("GET").header("authorization", &token),
        request("GET").header("x-api-key", &token),
        request("POST").form(&[("access_token", "")]),
        request("POST").json(&json!({ "access_token": token })),
        in_query,
    ] {
        let answer = Answer::of(request).await;

        let expected = format!("Bearer {}, DPoP algs=\"ES256 ", metadata(&scene.server));
        let challenge = answer.header("www-authenticate").unwrap();
        assert_eq!((answer.status, answer.text.as_str()), (401, ""));
        assert!(challenge.starts_with(&expected), "{challenge}");
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_invalid() {
    let scene = Scene::new().await;
    let token = scene.access_token("openid").await;
    let request = |method| scene.server.request(method, USERINFO);
    let form =
        |body: String| request("POST").header("content-type", "application/x-www-form-urlencoded").body(body);

    for request in [
        request("POST").bearer_auth(&token).form(&[("access_token", &token)]),
        request("GET").bearer_auth(&token).bearer_auth(&token),
        form(format!("access_token={token}&access_token={token}")),
        form("access_token=%00".to_owned()),
        form("access_token=%ff".to_owned()),
    ] {
        assert_refused(&scene.server, &Answer::of(request).await, 400, "invalid_request");
    }
    let too_large = Answer::of(form(format!("access_token={}", "x".repeat(100_000)))).await;
    assert_refused(&scene.server, &too_large, 413, "invalid_request");
    for method in ["PUT", "DELETE", "PATCH"] {
        assert_eq!(Answer::of(request(method).bearer_auth(&token)).await.status, 405, "{method}");
    }
}

#[tokio::test]
async fn what_is_no_living_access_token_is_refused_with_a_challenge() {
    let scene = Scene::new().await;
    let tokens = scene.tokens_with(&[("scope", ALL)]).await;
    let access = tokens.field("access_token");
    let session = scene.server.session_of(&scene.ada).await;
    let (_, key) = scene.server.key(scene.ada.organization, "admin").await;
    let last = if access.ends_with('A') { "B" } else { "A" };
    let tampered = format!("{}{last}", &access[..access.len() - 1]);

    for token in [
        "x",
        "a.b.c",
        "\u{e9}",
        &"x".repeat(20_000),
        &tampered,
        &tokens.field("refresh_token"),
        &tokens.field("id_token"),
        &session.access_token,
        &key,
    ] {
        assert_refused(&scene.server, &ask(&scene.server, token).await, 401, "invalid_token");
    }
    scene.server.clock.advance(TimeDelta::seconds(599));
    assert_eq!(ask(&scene.server, &access).await.status, 200);
    scene.server.clock.advance(TimeDelta::seconds(1));
    assert_refused(&scene.server, &ask(&scene.server, &access).await, 401, "invalid_token");
}

#[tokio::test]
async fn a_token_whose_grant_has_ended_is_refused_at_once() {
    let scene = Scene::new().await;
    let bob = scene.server.colleague("bob", scene.ada.organization, Role::Member).await;
    let bobs = scene.server.browser_of(&bob).await;
    let (_, admin) = scene.server.key(scene.ada.organization, "admin").await;
    let [taken_back, given_back] =
        [scene.tokens_with(&[("scope", "openid")]).await, scene.tokens_with(&[("scope", "openid")]).await];
    let of_bob = scene.tokens_in(&bobs, &[("scope", "openid")]).await;

    let revoked =
        [("token", given_back.field("refresh_token"))].map(|(name, value)| (name, value.leak() as &str));
    scene.client.post(&scene.server, "/oauth/revoke", &revoked).await;
    let grant = claims(&taken_back.field("access_token"))["grant"].as_str().unwrap().to_owned();
    Answer::of(scene.server.request("DELETE", &format!("/v1/grants/{grant}")).bearer_auth(&admin)).await;
    let member = format!("/v1/organization/members/{}", bob.id);
    Answer::of(scene.server.request("DELETE", &member).bearer_auth(&admin)).await;

    for tokens in [taken_back, given_back, of_bob] {
        let answer = ask(&scene.server, &tokens.field("access_token")).await;
        assert_refused(&scene.server, &answer, 401, "invalid_token");
    }
}

#[tokio::test]
async fn a_token_without_openid_is_refused_as_insufficient() {
    let scene = Scene::with_client(confidential).await;
    let of_person = scene.access_token("profile email read").await;
    let form = [("grant_type", "client_credentials"), ("scope", "read")];
    let of_client = scene.post_token(&form).await.field("access_token");

    for token in [of_person, of_client] {
        assert_refused(&scene.server, &ask(&scene.server, &token).await, 403, "insufficient_scope");
    }
}

#[tokio::test]
async fn a_scope_that_the_person_unticked_tells_nothing() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();
    let page = scene.browser.get(&scene.client.authorize_path(&pkce, &[("scope", ALL)])).await;

    let form = form_of(&page, "/oauth/authorize");
    let decision = [("decision", "approve"), ("scope", "openid"), ("scope", "profile")];
    let code = scene.browser.send(&form, &decision).await.location_params()["code"].clone();
    let tokens = scene.exchange(&code, &pkce).await;

    assert_eq!(tokens.json["scope"], "openid profile");
    let answer = ask(&scene.server, &tokens.field("access_token")).await;
    assert_eq!((answer.json.get("email"), answer.json.get("email_verified")), (None, None));
}

#[tokio::test]
async fn a_token_for_another_resource_is_good_here_too() {
    let mcp = "https://mcp.example/mcp";
    let scene = Scene::with(|settings| settings.resources.push(mcp.to_owned()), |_| {}).await;

    let tokens = scene.tokens_with(&[("scope", "openid email read"), ("resource", mcp)]).await;
    let answer = ask(&scene.server, &tokens.field("access_token")).await;

    assert_eq!(claims(&tokens.field("access_token"))["aud"], mcp);
    assert!(!scene.is_accepted(&tokens.field("access_token")).await, "the built-in API is another resource");
    assert_eq!((answer.status, &answer.json["email"]), (200, &json!("ada@example.com")));
}

#[tokio::test]
async fn scripts_of_any_origin_may_ask_it() {
    let scene = Scene::new().await;
    let token = scene.access_token("openid").await;
    let request = |token: &str| {
        scene.server.request("GET", USERINFO).header("origin", "https://spa.example").bearer_auth(token)
    };

    for (token, status) in [(token.as_str(), 200), ("x", 401)] {
        let answer = Answer::of(request(token)).await;

        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, Some("*")));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let exposed = answer.header("access-control-expose-headers").unwrap_or_default();
        assert!(exposed.contains("www-authenticate"), "{exposed}");
    }
}

/// The only call that clients make here with their token, besides those to the API (RFC 9449 §7.1).
#[tokio::test]
async fn a_bound_token_wants_its_proof_here_too() {
    let scene = Scene::new().await;
    let (prover, other, pkce) = (Prover::new(), Prover::new(), Pkce::default());
    let asked = scene.client.ask(&scene.browser, &pkce, &[("scope", "openid")]).await;
    let proof = prover.proof(&scene.server);
    let tokens = scene.exchange_proven(&asked.location_params()["code"], &pkce, &proof).await;
    let (token, unbound) = (tokens.field("access_token"), scene.access_token("openid").await);
    let url = format!("{}{USERINFO}", scene.server.issuer());
    let ask = async |method: &str, authorization: &str, proof: Option<String>| {
        let request = scene.server.request(method, USERINFO).header("authorization", authorization);
        Answer::of(proof.into_iter().fold(request, |request, proof| request.header("dpop", proof))).await
    };
    let call = |prover: &Prover, method, token: &str| Some(prover.call(&scene.server, (method, &url), token));
    let bound = format!("DPoP {token}");

    let used = call(&prover, "GET", &token);
    let by_get = ask("GET", &bound, used.clone()).await;
    let by_post = ask("POST", &bound, call(&prover, "POST", &token)).await;
    let refused = [
        (ask("GET", &bound, used).await, "DPoP", "invalid_dpop_proof"),
        (ask("GET", &bound, None).await, "DPoP", "invalid_dpop_proof"),
        (ask("GET", &bound, call(&prover, "POST", &token)).await, "DPoP", "invalid_dpop_proof"),
        (ask("GET", &bound, call(&prover, "GET", &unbound)).await, "DPoP", "invalid_dpop_proof"),
        (ask("GET", &bound, call(&other, "GET", &token)).await, "DPoP", "invalid_token"),
        (ask("GET", "DPoP x", call(&prover, "GET", "x")).await, "DPoP", "invalid_token"),
        (
            ask("GET", &format!("DPoP {unbound}"), call(&prover, "GET", &unbound)).await,
            "DPoP",
            "invalid_token",
        ),
        (
            ask("GET", &format!("Bearer {token}"), call(&prover, "GET", &token)).await,
            "Bearer",
            "invalid_token",
        ),
        (
            Answer::of(scene.server.request("POST", USERINFO).form(&[("access_token", &token)])).await,
            "Bearer",
            "invalid_token",
        ),
    ];

    for answer in [by_get, by_post] {
        assert_eq!((answer.status, answer.json), (200, json!({ "sub": scene.ada.id })));
    }
    for (answer, scheme, error) in refused {
        assert_eq!((answer.status, answer.error()), (401, error), "{}", answer.text);
        let challenge = answer.header("www-authenticate").unwrap();
        let (bearer, dpop) = challenge.split_once(", DPoP ").unwrap();
        let (named, silent) = if scheme == "DPoP" { (dpop, bearer) } else { (bearer, dpop) };
        assert!(named.contains(&format!("error=\"{error}\"")) && !silent.contains("error="), "{challenge}");
    }
}

#[tokio::test]
async fn where_a_nonce_is_wanted_it_is_wanted_here_too() {
    let scene = Scene::with(|settings| "everywhere".clone_into(&mut settings.dpop_nonces), |_| {}).await;
    let (prover, pkce) = (Prover::new(), Pkce::default());
    let nonce = scene.server.app.nonces.current(scene.server.clock.now());
    let asked = scene.client.ask(&scene.browser, &pkce, &[("scope", "openid")]).await;
    let proof = prover.proof_with(&scene.server, &json!({ "nonce": nonce }));
    let token =
        scene.exchange_proven(&asked.location_params()["code"], &pkce, &proof).await.field("access_token");
    let url = format!("{}{USERINFO}", scene.server.issuer());

    let proof = prover.call(&scene.server, ("GET", &url), &token);
    let request = scene.server.request("GET", USERINFO).header("authorization", format!("DPoP {token}"));
    let answer = Answer::of(request.header("dpop", proof)).await;

    assert_eq!((answer.status, answer.error()), (401, "use_dpop_nonce"), "{}", answer.text);
    assert_eq!(answer.header("dpop-nonce"), Some(nonce.as_str()));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}
