//! Pairwise subjects (OpenID Connect Core §8).

use countersign::clients::registration::Registration;
use countersign::clients::registration::SubjectType;
use serde_json::Value;

use crate::oauth::Scene;
use crate::oauth::claims;
use crate::support::OAuthClient;
use crate::support::Pkce;

const OPENID: (&str, &str) = ("scope", "openid");

fn pairwise(redirect_uri: &str) -> impl FnOnce(&mut Registration) {
    let redirect_uri = redirect_uri.to_owned();
    move |registration| {
        registration.subject_type = SubjectType::Pairwise;
        registration.redirect_uris = vec![redirect_uri];
    }
}

impl Scene {
    async fn pairwise_client(&self, redirect_uri: &str) -> OAuthClient {
        self.server.client(self.ada.organization, pairwise(redirect_uri)).await
    }

    /// The claims of Ada's ID token for a client.
    async fn id_token_for(&self, client: &OAuthClient, redirect_uri: &str) -> Value {
        let pkce = Pkce::default();
        let answer = client.ask(&self.browser, &pkce, &[OPENID, ("redirect_uri", redirect_uri)]).await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &answer.location_params()["code"]),
            ("redirect_uri", redirect_uri),
            ("code_verifier", &pkce.verifier),
        ];
        let tokens = client.post(&self.server, "/oauth/token", &form).await;
        let claims = claims(&tokens.field("id_token"));
        let userinfo = self.server.get_as(&tokens.field("access_token"), "/oauth/userinfo").await;
        assert_eq!(userinfo.json["sub"], claims["sub"]);
        claims
    }
}

#[tokio::test]
async fn one_persons_subject_differs_between_sectors_and_is_the_same_within_one() {
    let scene = Scene::new().await;
    let [here, there] = ["https://one.example/callback", "https://two.example/callback"];
    let (one, two) = (scene.pairwise_client(here).await, scene.pairwise_client(there).await);

    let first = scene.id_token_for(&one, here).await;
    let again = scene.id_token_for(&one, here).await;
    let other = scene.id_token_for(&two, there).await;

    assert_eq!((&first["sub"], &first["sid"]), (&again["sub"], &again["sid"]));
    assert_ne!(first["sub"], other["sub"]);
    assert_ne!(first["sid"], other["sid"], "the session would tell that it is the same person");
}

#[tokio::test]
async fn the_sector_is_the_host_of_the_redirect_uris() {
    let scene = Scene::new().await;
    let [web, phone] = ["https://app.example/web", "https://app.example/phone"];
    let (one, two) = (scene.pairwise_client(web).await, scene.pairwise_client(phone).await);

    let [of_web, of_phone] = [scene.id_token_for(&one, web).await, scene.id_token_for(&two, phone).await];

    assert_eq!(of_web["sub"], of_phone["sub"]);
}

#[tokio::test]
async fn nobody_can_turn_a_pairwise_subject_back_into_the_person() {
    let uri = "https://one.example/callback";
    let scene = Scene::new().await;
    let client = scene.pairwise_client(uri).await;

    let claims = scene.id_token_for(&client, uri).await;

    let sub = claims["sub"].as_str().unwrap();
    assert_eq!(sub.len(), 43, "256 bits of an HMAC");
    assert!(!claims.to_string().contains(&scene.ada.id));
}
