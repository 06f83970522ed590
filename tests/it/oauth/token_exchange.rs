//! Token exchange (RFC 8693): what a client passes on of a person's grant, and to whom.

use chrono::TimeDelta;
use countersign::app::config::Settings;
use countersign::clients::registration::Registration;
use countersign::clients::registration::TOKEN_EXCHANGE;
use countersign::organizations::member::Role;
use countersign::scopes::Scopes;
use serde_json::Value;
use serde_json::json;

use crate::oauth::Scene;
use crate::oauth::Tokens;
use crate::oauth::assert_refused;
use crate::oauth::at_once;
use crate::oauth::claims;
use crate::oauth::confidential;
use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::OAuthClient;
use crate::support::Pkce;
use crate::support::Prover;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const FILES: &str = "https://files.example/api";
const MAIL: &str = "https://mail.example";

fn two_resources(settings: &mut Settings) {
    settings.resources = vec![FILES.to_owned(), MAIL.to_owned()];
}

/// A public client that may pass on what it has.
fn public(registration: &mut Registration) {
    registration.grant_types.push(TOKEN_EXCHANGE.to_owned());
}

/// A backend of the same organization: it does nothing else.
fn service(registration: &mut Registration) {
    confidential(registration);
    "Reports".clone_into(&mut registration.name);
    registration.grant_types = vec!["client_credentials".to_owned(), TOKEN_EXCHANGE.to_owned()];
    registration.redirect_uris.clear();
}

impl Scene {
    /// What an app has that Ada allowed it all.
    async fn app_token(&self) -> Tokens {
        self.tokens().await
    }

    async fn service(&self) -> OAuthClient {
        self.server.client(self.ada.organization, service).await
    }

    /// A token of [`Self::client`] for two resources, both granted, narrowed to the first.
    async fn token_for_files(&self) -> String {
        let pkce = Pkce::default();
        let answer = self.client.ask(&self.browser, &pkce, &[("resource", FILES), ("resource", MAIL)]).await;
        let code = answer.location_params()["code"].clone();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", &pkce.verifier),
            ("resource", FILES),
        ];
        self.post_token(&form).await.field("access_token")
    }

    /// By `client`, with `more` besides the subject token.
    async fn exchange_by(&self, client: &OAuthClient, subject: &str, more: &[(&str, &str)]) -> Answer {
        Answer::of(self.exchanging_by(client, subject, more)).await
    }

    fn exchanging_by(
        &self,
        client: &OAuthClient,
        subject: &str,
        more: &[(&str, &str)],
    ) -> reqwest::RequestBuilder {
        let mut form = vec![("grant_type", TOKEN_EXCHANGE), ("subject_token", subject)];
        if !more.iter().any(|(name, _)| *name == "subject_token_type") {
            form.push(("subject_token_type", ACCESS_TOKEN));
        }
        form.extend(more);
        client.request(&self.server, "/oauth/token", &form)
    }

    /// All of Ada's organization, the newest first.
    async fn grants(&self) -> Vec<Value> {
        let (_, admin) = self.server.key(self.ada.organization, "admin").await;
        self.server.get_as(&admin, "/v1/grants").await.json["data"].as_array().unwrap().clone()
    }

    async fn client_credentials_of(&self, client: &OAuthClient) -> String {
        let form = [("grant_type", "client_credentials")];
        client.post(&self.server, "/oauth/token", &form).await.field("access_token")
    }
}

#[tokio::test]
async fn an_app_passes_a_part_of_its_access_on_to_an_agent() {
    let scene = Scene::confidential().await;
    let tokens = scene.app_token().await;
    let before = claims(&tokens.access);

    let more = [("scope", "read"), ("label", " nightly report agent ")];
    let answer = scene.exchange_by(&scene.client, &tokens.access, &more).await;

    assert_eq!(
        answer.json,
        json!({
            "access_token": answer.field("access_token"),
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": 600,
            "scope": "read",
        })
    );
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let now = scene.server.clock.now().timestamp();
    let passed_on = claims(&answer.field("access_token"));
    assert_eq!(
        passed_on,
        json!({
            "iss": scene.server.issuer(),
            "sub": scene.ada.id,
            "aud": scene.server.issuer(),
            "exp": now + 600,
            "iat": now,
            "jti": passed_on["jti"],
            "client_id": scene.client.id,
            "scope": "read",
            "org": scene.ada.organization.to_string(),
            "grant": passed_on["grant"],
            "auth_time": before["auth_time"],
            "acr": before["acr"],
            "amr": before["amr"],
            "act": { "sub": scene.client.id },
        })
    );
    let [child, parent] = &scene.grants().await[..] else { panic!("two grants") };
    assert_eq!((&child["id"], &parent["id"]), (&passed_on["grant"], &before["grant"]));
    assert_eq!((&child["parent"], &child["label"]), (&parent["id"], &json!("nightly report agent")));
    assert_eq!((&parent["parent"], &parent["label"]), (&Value::Null, &Value::Null));
    let who = scene.server.get_as(&answer.field("access_token"), "/v1/auth/test").await;
    assert_eq!(
        (&who.json["user"]["email"], &who.json["scopes"]),
        (&json!("ada@example.com"), &json!(["read"]))
    );
}

#[tokio::test]
async fn a_service_gets_a_token_for_the_next_service() {
    let scene = Scene::with(two_resources, |_| {}).await;
    let service = scene.service().await;
    let token = scene.token_for_files().await;

    for target in ["resource", "audience"] {
        let answer = scene
            .exchange_by(&service, &token, &[(target, MAIL), ("requested_token_type", ACCESS_TOKEN)])
            .await;

        let claims = claims(&answer.field("access_token"));
        assert_eq!((&claims["aud"], &claims["client_id"]), (&json!(MAIL), &json!(service.id)));
        assert_eq!((&claims["sub"], &claims["act"]), (&json!(scene.ada.id), &json!({ "sub": service.id })));
        assert_eq!(
            (&answer.json["issued_token_type"], &answer.json["token_type"]),
            (&json!(ACCESS_TOKEN), &json!("Bearer"))
        );
        assert_eq!(answer.json["expires_in"], 600);
    }
    let both = scene
        .exchange_by(&service, &token, &[("resource", FILES), ("audience", MAIL), ("audience", MAIL)])
        .await;
    assert_eq!(claims(&both.field("access_token"))["aud"], json!([FILES, MAIL]));
    let same = scene.exchange_by(&service, &token, &[]).await;
    assert_eq!(claims(&same.field("access_token"))["aud"], FILES, "what is not asked for is as before");
}

#[tokio::test]
async fn a_target_that_cannot_be_served_is_an_invalid_target() {
    let scene = Scene::with(two_resources, confidential).await;
    let token = scene.app_token().await.access;

    for target in [
        ("resource", "not a uri"),
        ("resource", "https://files.example/api#x"),
        ("resource", "https://unknown.example"),
        ("audience", "a-logical-name"),
        ("audience", &scene.client.id),
        // Known, but not what the person granted.
        ("resource", FILES),
        ("audience", MAIL),
    ] {
        let answer = scene.exchange_by(&scene.client, &token, &[target]).await;

        assert_refused(&answer, 400, "invalid_target");
    }
    assert_eq!(scene.live_grants().await, 1);
}

#[tokio::test]
async fn what_is_missing_or_unknown_is_an_invalid_request() {
    let scene = Scene::confidential().await;
    let token = scene.app_token().await.access;
    let form =
        [("grant_type", TOKEN_EXCHANGE), ("subject_token", &*token), ("subject_token_type", ACCESS_TOKEN)];

    for left_out in ["subject_token", "subject_token_type"] {
        let form: Vec<_> = form.into_iter().filter(|(name, _)| *name != left_out).collect();
        assert_refused(&scene.post_token(&form).await, 400, "invalid_request");
    }
    let long = "a".repeat(101);
    for more in [
        ("subject_token", token.as_str()),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("requested_token_type", JWT),
        ("requested_token_type", "access_token"),
        ("label", &long),
        ("label", "turned\u{202e}around"),
        ("label", "two\nlines"),
        ("label", "nul\0"),
    ] {
        let form = [&form[..], &[more]].concat();
        assert_refused(&scene.post_token(&form).await, 400, "invalid_request");
    }
    for kind in
        ["urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:saml2", "Bearer", "x"]
    {
        let answer = scene.exchange_by(&scene.client, &token, &[("subject_token_type", kind)]).await;
        assert_refused(&answer, 400, "invalid_request");
    }
    for scope in ["re\"ad", "読む"] {
        let answer = scene.exchange_by(&scene.client, &token, &[("scope", scope)]).await;
        assert_refused(&answer, 400, "invalid_scope");
    }
    assert_eq!(scene.live_grants().await, 1);
    let longest = "ü".repeat(100);
    assert_eq!(scene.exchange_by(&scene.client, &token, &[("label", &longest)]).await.status, 200);
}

#[tokio::test]
async fn a_token_is_only_what_its_type_says() {
    let scene = Scene::confidential().await;
    let tokens = scene.app_token().await;
    let own = scene.client_credentials_of(&scene.client).await;
    let session = scene.server.session_of(&scene.ada).await;
    let (_, key) = scene.server.key(scene.ada.organization, "read write").await;

    for kind in [ACCESS_TOKEN, JWT] {
        for other in [&tokens.refresh, &own, &session.access_token, &session.refresh_token, &key, "junk"] {
            let answer = scene.exchange_by(&scene.client, other, &[("subject_token_type", kind)]).await;

            assert_refused(&answer, 400, "invalid_request");
        }
        let good = scene.exchange_by(&scene.client, &tokens.access, &[("subject_token_type", kind)]).await;
        assert_eq!(good.status, 200, "{}", good.text);
    }
}

#[tokio::test]
async fn a_subject_token_that_does_not_live_is_refused() {
    let scene = Scene::confidential().await;
    let (expired, revoked, of_revoked) =
        (scene.app_token().await, scene.app_token().await, scene.app_token().await);
    let alone = [("token", revoked.access.as_str())];
    scene.client.post(&scene.server, "/oauth/revoke", &alone).await;
    let with_grant = [("token", of_revoked.refresh.as_str())];
    scene.client.post(&scene.server, "/oauth/revoke", &with_grant).await;
    let tampered = crate::oauth::tampered(&expired.access).nth(30).unwrap();

    for dead in [&revoked.access, &of_revoked.access, &tampered] {
        assert_refused(&scene.exchange_by(&scene.client, dead, &[]).await, 400, "invalid_request");
    }
    scene.server.clock.advance(TimeDelta::seconds(600));
    assert_refused(&scene.exchange_by(&scene.client, &expired.access, &[]).await, 400, "invalid_request");
    assert_eq!(scene.live_grants().await, 2);
}

#[tokio::test]
async fn only_its_own_client_and_services_of_the_same_organization_exchange_a_token() {
    let scene = Scene::with_client(public).await;
    let token = scene.app_token().await.access;
    let bob = scene.server.user("bob").await;
    let elsewhere = scene.server.client(bob.organization, service).await;
    let public_colleague = scene.server.client(scene.ada.organization, public).await;
    let unregistered = scene.server.confidential_client(scene.ada.organization).await;

    for stranger in [elsewhere, public_colleague] {
        assert_refused(&scene.exchange_by(&stranger, &token, &[]).await, 400, "invalid_request");
    }
    assert_refused(&scene.exchange_by(&unregistered, &token, &[]).await, 400, "unauthorized_client");
    assert_eq!(scene.exchange_by(&scene.service().await, &token, &[]).await.status, 200);
    assert_eq!(scene.exchange_by(&scene.client, &token, &[]).await.status, 200);
}

#[tokio::test]
async fn scopes_can_only_become_fewer() {
    let scene = Scene::with_client(|registration| {
        confidential(registration);
        registration.scopes = Scopes::parse("read write delete").unwrap();
    })
    .await;
    let narrow = scene
        .server
        .client(scene.ada.organization, |registration| {
            service(registration);
            registration.scopes = Scopes::parse("write delete").unwrap();
            registration.default_scopes = Scopes::parse("delete").unwrap();
        })
        .await;
    // `read write`
    let token = scene.app_token().await.access;

    for (client, scope, granted) in [
        (&scene.client, "", "read write"),
        (&scene.client, "write read", "read write"),
        (&scene.client, "write", "write"),
        (&narrow, "", "write"),
        (&narrow, "write", "write"),
    ] {
        let answer = scene.exchange_by(client, &token, &[("scope", scope)]).await;

        assert_eq!(answer.json["scope"], granted, "{scope}: {}", answer.text);
        assert_eq!(claims(&answer.field("access_token"))["scope"], granted);
    }
    for (client, scope) in
        [(&scene.client, "delete"), (&scene.client, "read admin"), (&scene.client, "x"), (&narrow, "read")]
    {
        let answer = scene.exchange_by(client, &token, &[("scope", scope)]).await;

        assert_refused(&answer, 400, "invalid_scope");
    }
    let read = scene.exchange_by(&scene.client, &token, &[("scope", "read")]).await.field("access_token");
    assert_refused(
        &scene.exchange_by(&scene.client, &read, &[("scope", "write")]).await,
        400,
        "invalid_scope",
    );
    assert_refused(&scene.exchange_by(&narrow, &read, &[]).await, 400, "invalid_scope");
}

#[tokio::test]
async fn what_was_passed_on_is_never_for_more_apis() {
    let scene = Scene::with(two_resources, |_| {}).await;
    let service = scene.service().await;
    let token = scene.token_for_files().await;
    let for_mail = scene.exchange_by(&service, &token, &[("resource", MAIL)]).await.field("access_token");

    let answer = scene.exchange_by(&service, &for_mail, &[("resource", FILES)]).await;

    assert_refused(&answer, 400, "invalid_target");
}

/// Whoever finds a token of a public client can say that they are that client.
#[tokio::test]
async fn a_public_client_gains_neither_time_nor_another_api() {
    let scene = Scene::with(two_resources, public).await;
    let token = scene.token_for_files().await;
    scene.server.clock.advance(TimeDelta::seconds(590));

    let elsewhere = scene.exchange_by(&scene.client, &token, &[("resource", MAIL)]).await;
    let answer = scene.exchange_by(&scene.client, &token, &[]).await;
    let again = scene.exchange_by(&scene.client, &answer.field("access_token"), &[("label", "again")]).await;

    assert_refused(&elsewhere, 400, "invalid_target");
    let end = &claims(&token)["exp"];
    for answer in [answer, again] {
        assert_eq!(answer.json["expires_in"], 10);
        assert_eq!(
            (&claims(&answer.field("access_token"))["exp"], &claims(&answer.field("access_token"))["aud"]),
            (end, &json!(FILES))
        );
    }
    scene.server.clock.advance(TimeDelta::seconds(10));
    assert_eq!(scene.grants().await.len(), 1, "what was passed on has ended");
}

#[tokio::test]
async fn who_acts_for_whom_is_told_down_the_chain() {
    let scene = Scene::confidential().await;
    let (first, second) = (scene.service().await, scene.service().await);
    let token = scene.app_token().await.access;

    let once = scene.exchange_by(&first, &token, &[]).await.field("access_token");
    let actor = scene.client_credentials_of(&second).await;
    let more = [("actor_token", actor.as_str()), ("actor_token_type", ACCESS_TOKEN)];
    let twice = scene.exchange_by(&second, &once, &more).await.field("access_token");

    assert_eq!(claims(&once)["act"], json!({ "sub": first.id }));
    assert_eq!(claims(&twice)["act"], json!({ "sub": second.id, "act": { "sub": first.id } }));
    assert_eq!(
        (&claims(&twice)["sub"], &claims(&twice)["client_id"]),
        (&json!(scene.ada.id), &json!(second.id))
    );
    let introspected = second.post(&scene.server, "/oauth/introspect", &[("token", &twice)]).await;
    assert_eq!(introspected.json["act"], claims(&twice)["act"]);
    let parents: Vec<_> = scene.grants().await.into_iter().map(|grant| grant["parent"].clone()).collect();
    assert_eq!(parents, [claims(&once)["grant"].clone(), claims(&token)["grant"].clone(), Value::Null]);
}

#[tokio::test]
async fn a_person_may_be_the_actor() {
    let scene = Scene::with_client(confidential).await;
    let bob = scene.server.colleague("bob", scene.ada.organization, Role::Member).await;
    let subject = scene.app_token().await.access;
    let of_bob =
        scene.client.tokens(&scene.server, &scene.server.browser_of(&bob).await).await.field("access_token");

    let more = [("actor_token", of_bob.as_str()), ("actor_token_type", JWT)];
    let answer = scene.exchange_by(&scene.client, &subject, &more).await;

    let claims = claims(&answer.field("access_token"));
    assert_eq!((&claims["sub"], &claims["act"]), (&json!(scene.ada.id), &json!({ "sub": bob.id })));
}

#[tokio::test]
async fn a_chain_has_an_end() {
    let scene = Scene::confidential().await;
    let mut token = scene.app_token().await.access;

    for _ in 0..8 {
        token = scene.exchange_by(&scene.client, &token, &[]).await.field("access_token");
    }

    assert_refused(&scene.exchange_by(&scene.client, &token, &[]).await, 400, "invalid_request");
}

#[tokio::test]
async fn earlier_actors_give_no_rights() {
    let scene = Scene::confidential().await;
    let (first, second) = (scene.service().await, scene.service().await);
    let token = scene.app_token().await.access;
    let once = scene.exchange_by(&first, &token, &[]).await.field("access_token");
    let twice = scene.exchange_by(&second, &once, &[("scope", "read")]).await.field("access_token");

    let of_first = [("token", twice.as_str())];
    let revoked = first.post(&scene.server, "/oauth/revoke", &of_first).await;
    scene.server.disable_client(&first.id).await;

    assert_refused(&revoked, 400, "unauthorized_client");
    assert!(!scene.is_accepted(&once).await);
    assert!(scene.is_accepted(&twice).await, "the current actor works");
    scene.server.disable_client(&second.id).await;
    assert!(!scene.is_accepted(&twice).await);
}

#[tokio::test]
async fn an_actor_token_and_its_type_come_together() {
    let scene = Scene::confidential().await;
    let (token, actor) = (scene.app_token().await.access, scene.client_credentials_of(&scene.client).await);

    for more in [
        vec![("actor_token", actor.as_str())],
        vec![("actor_token_type", ACCESS_TOKEN)],
        vec![("actor_token", &actor), ("actor_token_type", "")],
        vec![("actor_token", &actor), ("actor_token_type", "urn:ietf:params:oauth:token-type:id_token")],
        vec![("actor_token", &actor), ("actor_token", &actor), ("actor_token_type", ACCESS_TOKEN)],
        vec![("actor_token", &actor), ("actor_token_type", ACCESS_TOKEN), ("actor_token_type", ACCESS_TOKEN)],
    ] {
        assert_refused(&scene.exchange_by(&scene.client, &token, &more).await, 400, "invalid_request");
    }
}

#[tokio::test]
async fn an_actor_token_that_does_not_live_is_refused() {
    let scene = Scene::confidential().await;
    let token = scene.app_token().await;
    let revoked = scene.client_credentials_of(&scene.client).await;
    scene.client.post(&scene.server, "/oauth/revoke", &[("token", &revoked)]).await;
    let of_another = scene.client_credentials_of(&scene.service().await).await;
    let session = scene.server.session_of(&scene.ada).await.access_token;

    for actor in [&revoked, &of_another, &session, &token.refresh, "junk"] {
        let more = [("actor_token", actor), ("actor_token_type", ACCESS_TOKEN)];
        let answer = scene.exchange_by(&scene.client, &token.access, &more).await;

        assert_refused(&answer, 400, "invalid_request");
    }
}

#[tokio::test]
async fn the_exchanged_token_goes_on_living() {
    let scene = Scene::confidential().await;
    let tokens = scene.app_token().await;
    let actor = scene.client_credentials_of(&scene.client).await;

    let more = [("actor_token", actor.as_str()), ("actor_token_type", ACCESS_TOKEN)];
    let answer = scene.exchange_by(&scene.client, &tokens.access, &more).await;

    for token in [&answer.field("access_token"), &tokens.access, &actor] {
        assert!(scene.is_accepted(token).await);
    }
    assert_eq!(scene.refresh(&tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn the_same_part_is_passed_on_once_however_often_it_is_asked_for() {
    let scene = Scene::with(two_resources, confidential).await;
    let tokens = scene.app_token().await;
    let more = [("scope", "read"), ("label", "agent")];
    let requests = (0..6).map(|_| scene.exchanging_by(&scene.client, &tokens.access, &more));

    let mut grants: Vec<Value> = Vec::new();
    for answer in at_once(requests).await {
        grants.push(claims(&answer.field("access_token"))["grant"].clone());
    }
    let refreshed = scene.refresh(&tokens.refresh).await.field("access_token");
    let later = scene.exchange_by(&scene.client, &refreshed, &more).await;
    grants.push(claims(&later.field("access_token"))["grant"].clone());

    grants.dedup();
    assert_eq!(grants.len(), 1, "{grants:?}");
    assert_eq!(scene.live_grants().await, 2);
    for other in [[("scope", "read"), ("label", "other")], [("scope", "read write"), ("label", "agent")]] {
        scene.exchange_by(&scene.client, &tokens.access, &other).await;
    }
    scene.exchange_by(&scene.client, &tokens.access, &[("scope", "read")]).await;
    scene.exchange_by(&scene.service().await, &tokens.access, &more).await;
    assert_eq!(scene.live_grants().await, 6, "a part that differs in anything is another one");
}

#[tokio::test]
async fn a_grant_has_a_hundred_parts_at_most() {
    let scene = Scene::confidential().await;
    let token = scene.app_token().await.access;
    for n in 0..100 {
        let label = format!("agent {n}");
        let answer = scene.exchange_by(&scene.client, &token, &[("label", &label)]).await;
        assert_eq!(answer.status, 200, "{n}: {}", answer.text);
    }

    let one_more = scene.exchange_by(&scene.client, &token, &[("label", "agent 100")]).await;
    let known = scene.exchange_by(&scene.client, &token, &[("label", "agent 7")]).await;

    assert_refused(&one_more, 400, "invalid_request");
    assert_eq!(known.status, 200, "{}", known.text);
}

#[tokio::test]
async fn what_was_passed_on_ends_after_an_hour_unless_it_is_passed_on_again() {
    let scene = Scene::with_client(|registration| {
        confidential(registration);
        registration.lifetimes.access_token = TimeDelta::hours(2);
    })
    .await;
    let token = scene.app_token().await.access;
    let first = scene.exchange_by(&scene.client, &token, &[]).await;
    assert_eq!(first.json["expires_in"], 3600);
    scene.server.clock.advance(TimeDelta::minutes(50));

    let second = scene.exchange_by(&scene.client, &token, &[]).await;
    let of_first = scene.exchange_by(&scene.client, &first.field("access_token"), &[("label", "x")]).await;
    scene.server.clock.advance(TimeDelta::minutes(59));

    assert_eq!((&second.json["expires_in"], &of_first.json["expires_in"]), (&json!(3600), &json!(3600)));
    assert!(scene.is_accepted(&second.field("access_token")).await);
    scene.server.clock.advance(TimeDelta::minutes(1));
    assert!(!scene.is_accepted(&second.field("access_token")).await);
    assert_eq!(scene.live_grants().await, 1);
    scene.server.clock.advance(TimeDelta::days(2));
    scene.server.clean_up().await;
    assert_eq!(scene.live_grants().await, 1, "the consent stays");
}

#[tokio::test]
async fn what_was_passed_on_ends_with_its_parent() {
    for way in ["client", "replay", "person", "admin"] {
        let scene = Scene::confidential().await;
        let tokens = scene.app_token().await;
        let service = scene.service().await;
        let child = scene.exchange_by(&service, &tokens.access, &[]).await.field("access_token");
        let grandchild = scene.exchange_by(&scene.client, &child, &[("scope", "read")]).await;
        let grandchild = grandchild.field("access_token");
        assert!(scene.is_accepted(&child).await && scene.is_accepted(&grandchild).await);

        match way {
            "client" => {
                scene.client.post(&scene.server, "/oauth/revoke", &[("token", &tokens.refresh)]).await;
            }
            "replay" => {
                scene.refresh(&tokens.refresh).await;
                scene.server.clock.advance(TimeDelta::seconds(120));
                assert_refused(&scene.refresh(&tokens.refresh).await, 400, "invalid_grant");
            }
            "person" => {
                let path = format!("/settings/apps/{}/remove", scene.client.id);
                scene.browser.submit(&path, &path, &[]).await;
            }
            _ => {
                let (_, admin) = scene.server.key(scene.ada.organization, "admin").await;
                let path = format!("/v1/grants/{}", claims(&tokens.access)["grant"].as_str().unwrap());
                Answer::of(scene.server.request("DELETE", &path).bearer_auth(&admin)).await;
            }
        }

        assert!(!scene.is_accepted(&child).await && !scene.is_accepted(&grandchild).await, "{way}");
        let introspected = service.post(&scene.server, "/oauth/introspect", &[("token", &child)]).await;
        assert_eq!(introspected.json, json!({ "active": false }), "{way}");
        let forward_auth = scene.server.get_as(&child, "/v1/auth/verify").await;
        assert_eq!(forward_auth.status, 401, "{way}");
        assert_refused(&scene.exchange_by(&service, &child, &[]).await, 400, "invalid_request");
        let ended = scene.server.audit_of(scene.ada.organization, "grant.revoked").await;
        let replayed = scene.server.audit_of(scene.ada.organization, "grant.replayed").await;
        assert_eq!(ended.len() + replayed.len(), 3, "{way}");
        let of_child =
            ended.iter().find(|entry| entry.target_id == claims(&child)["grant"].as_str().unwrap());
        assert_eq!(of_child.unwrap().before.as_ref().unwrap()["parent"], claims(&tokens.access)["grant"]);
    }
}

#[tokio::test]
async fn what_was_passed_on_ends_with_the_membership() {
    let scene = Scene::confidential().await;
    let bob = scene.server.colleague("bob", scene.ada.organization, Role::Member).await;
    let of_bob =
        scene.client.tokens(&scene.server, &scene.server.browser_of(&bob).await).await.field("access_token");
    let child = scene.exchange_by(&scene.service().await, &of_bob, &[]).await.field("access_token");
    let (_, admin) = scene.server.key(scene.ada.organization, "admin").await;

    let path = format!("/v1/organization/members/{}", bob.id);
    let answer = Answer::of(scene.server.request("DELETE", &path).bearer_auth(&admin)).await;

    assert_eq!(answer.status, 204, "{}", answer.text);
    assert!(!scene.is_accepted(&child).await);
    assert_eq!(scene.live_grants().await, 0);
}

#[tokio::test]
async fn what_was_passed_on_can_be_revoked_alone() {
    let scene = Scene::confidential().await;
    let tokens = scene.app_token().await;
    let child =
        scene.exchange_by(&scene.client, &tokens.access, &[("label", "agent")]).await.field("access_token");
    let (_, admin) = scene.server.key(scene.ada.organization, "admin").await;

    let path = format!("/v1/grants/{}", claims(&child)["grant"].as_str().unwrap());
    let answer = Answer::of(scene.server.request("DELETE", &path).bearer_auth(&admin)).await;

    assert_eq!(answer.status, 204);
    assert!(!scene.is_accepted(&child).await);
    assert!(scene.is_accepted(&tokens.access).await);
    let again = scene.exchange_by(&scene.client, &tokens.access, &[("label", "agent")]).await;
    assert_ne!(
        claims(&again.field("access_token"))["grant"],
        claims(&child)["grant"],
        "it does not come back"
    );
}

/// None is born to a grant that has ended, and none is missed by the one who ends it.
#[tokio::test]
async fn nothing_is_left_of_a_grant_that_ends_while_it_is_passed_on() {
    let scene = Scene::confidential().await;
    for _ in 0..4 {
        let tokens = scene.app_token().await;
        let labels = ["a", "b", "c", "d", "e", "f"];
        let mut requests: Vec<_> = labels
            .iter()
            .map(|label| scene.exchanging_by(&scene.client, &tokens.access, &[("label", *label)]))
            .collect();
        let revocation = [("token", tokens.refresh.as_str())];
        requests.insert(3, scene.client.request(&scene.server, "/oauth/revoke", &revocation));

        for answer in at_once(requests).await {
            assert!(matches!(answer.status, 200 | 400), "{}", answer.text);
            if let Some(token) = answer.json["access_token"].as_str() {
                assert!(!scene.is_accepted(token).await);
            }
        }
        assert_eq!(scene.live_grants().await, 0);
    }
}

#[tokio::test]
async fn what_is_passed_on_to_an_app_is_no_consent_to_it() {
    let scene = Scene::confidential().await;
    let other = scene.server.client(scene.ada.organization, confidential).await;
    let token = scene.app_token().await.access;
    scene.exchange_by(&other, &token, &[]).await.field("access_token");

    let page = scene.browser.get(&other.authorize_path(&Pkce::default(), &[])).await;

    assert_eq!(page.status, 200, "the person is asked");
    assert!(!page.text.contains("You gave this app access"), "{}", page.text);
}

#[tokio::test]
async fn a_member_who_is_no_admin_any_more_passes_none_of_it_on() {
    let scene = Scene::with_client(|registration| {
        confidential(registration);
        registration.scopes = Scopes::parse("read admin").unwrap();
        registration.default_scopes = Scopes::parse("read").unwrap();
    })
    .await;
    let bob = scene.server.colleague("bob", scene.ada.organization, Role::Admin).await;
    let pkce = Pkce::default();
    let asked =
        scene.client.ask(&scene.server.browser_of(&bob).await, &pkce, &[("scope", "read admin")]).await;
    let token = scene.exchange(&asked.location_params()["code"], &pkce).await.field("access_token");
    let (_, admin) = scene.server.key(scene.ada.organization, "admin").await;
    let path = format!("/v1/organization/members/{}", bob.id);
    scene.server.send_json_as(&admin, "PATCH", &path, &json!({ "role": "member" })).await;

    let all = scene.exchange_by(&scene.client, &token, &[]).await;
    let more = scene.exchange_by(&scene.client, &token, &[("scope", "admin")]).await;

    assert_eq!(all.json["scope"], "read");
    assert_refused(&more, 400, "invalid_scope");
}

#[tokio::test]
async fn a_public_client_proves_to_hold_the_key_of_what_it_passes_on() {
    let scene = Scene::with_client(public).await;
    let (prover, thief) = (Prover::new(), Prover::new());
    let token = scene.bound_tokens(&prover).await.field("access_token");
    let unbound = scene.app_token().await.access;
    let exchange = async |prover: &Prover, more: &[(&str, &str)]| {
        let request = scene.exchanging_by(&scene.client, &token, more);
        Answer::of(request.header("dpop", prover.proof(&scene.server))).await
    };

    assert_refused(&scene.exchange_by(&scene.client, &token, &[]).await, 400, "invalid_request");
    assert_refused(&exchange(&thief, &[]).await, 400, "invalid_request");
    let as_actor = [("actor_token", token.as_str()), ("actor_token_type", ACCESS_TOKEN)];
    assert_refused(&scene.exchange_by(&scene.client, &unbound, &as_actor).await, 400, "invalid_request");
    let answer = exchange(&prover, &[]).await;
    assert_eq!((answer.status, &answer.json["token_type"]), (200, &json!("DPoP")), "{}", answer.text);
    let jkt = json!({ "jkt": prover.thumbprint() });
    assert_eq!(claims(&answer.field("access_token"))["cnf"], jkt);
}

/// It cannot have the key of the app whose token it was sent.
#[tokio::test]
async fn a_service_exchanges_a_bound_token_for_one_that_is_bound_to_its_own_key() {
    let scene = Scene::with_client(public).await;
    let (prover, own) = (Prover::new(), Prover::new());
    let token = scene.bound_tokens(&prover).await.field("access_token");
    let service = scene.service().await;

    let unbound = scene.exchange_by(&service, &token, &[]).await;
    let request = scene.exchanging_by(&service, &token, &[]);
    let bound = Answer::of(request.header("dpop", own.proof(&scene.server))).await;

    assert_eq!((&unbound.json["token_type"], &bound.json["token_type"]), (&json!("Bearer"), &json!("DPoP")));
    assert_eq!(claims(&unbound.field("access_token"))["cnf"], Value::Null);
    assert_eq!(claims(&bound.field("access_token"))["cnf"], json!({ "jkt": own.thumbprint() }));
}

/// What an app holds ends then, that has asked to hear of it (Back-Channel Logout §2.7).
#[tokio::test]
async fn what_was_passed_on_ends_when_the_person_signs_out_of_its_parent() {
    let scene = Scene::with_client(|registration| {
        confidential(registration);
        registration.backchannel_logout_uri = Some("https://app.example/logout".to_owned());
    })
    .await;
    let pkce = Pkce::default();
    let asked = scene.client.ask(&scene.browser, &pkce, &[("scope", "openid read")]).await;
    let tokens = scene.exchange(&asked.location_params()["code"], &pkce).await;
    let token = tokens.field("access_token");
    let child = scene.exchange_by(&scene.client, &token, &[]).await;
    let grandchild = scene.exchange_by(&scene.service().await, &child.field("access_token"), &[]).await;

    scene.browser.submit("/logout", "/logout", &[]).await;

    assert_eq!((&child.json["scope"], child.json.get("id_token")), (&json!("openid read"), None));
    assert!(!scene.is_accepted(&token).await);
    for passed_on in [child, grandchild] {
        assert!(!scene.is_accepted(&passed_on.field("access_token")).await);
    }
    assert_refused(&scene.exchange_by(&scene.client, &token, &[]).await, 400, "invalid_request");
    assert_eq!(scene.live_grants().await, 1, "the consent stays");
}
