//! How a client proves who it is (RFC 6749 §2.3), at the token endpoint.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use countersign::base::ids::ClientId;
use countersign::base::secret::Secret;
use countersign::clients::secret;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::support::Answer;

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

impl Scene {
    /// With an `Authorization` header as it stands there.
    async fn with_header(&self, authorization: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.server.request("POST", "/oauth/token").header("authorization", authorization);
        Answer::of(request.form(form)).await
    }

    async fn with_body(&self, form: &[(&str, &str)]) -> Answer {
        Answer::of(self.server.request("POST", "/oauth/token").form(form)).await
    }

    fn credentials(&self) -> (&str, &str) {
        (&self.client.id, self.client.secret.as_deref().unwrap())
    }

    fn client_id(&self) -> ClientId {
        self.client.id.parse().unwrap()
    }
}

fn basic(id: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{password}")))
}

#[tokio::test]
async fn a_secret_may_come_in_the_header_or_in_the_body() {
    let scene = Scene::confidential().await;
    let (id, secret) = scene.credentials();

    let in_header = scene.with_header(&basic(id, secret), &[GRANT]).await;
    let in_body = scene.with_body(&[GRANT, ("client_id", id), ("client_secret", secret)]).await;

    assert_eq!(in_header.status, 200, "{}", in_header.text);
    assert_eq!(in_body.status, 200, "{}", in_body.text);
}

#[tokio::test]
async fn the_scheme_may_be_written_in_any_case() {
    let scene = Scene::confidential().await;
    let (id, secret) = scene.credentials();

    for scheme in ["basic", "BASIC", "bAsIc"] {
        let header = basic(id, secret).replacen("Basic", scheme, 1);
        let answer = scene.with_header(&header, &[GRANT]).await;

        assert_eq!(answer.status, 200, "{scheme}: {}", answer.text);
    }
}

#[tokio::test]
async fn both_halves_of_basic_are_form_decoded() {
    let scene = Scene::confidential().await;
    let plain = "p+w d:%2F&=/\"\u{fc}\u{20ac}";
    let client = (Some(scene.ada.organization), scene.client_id());
    let mut tx = scene.server.app.db.begin().await.unwrap();
    secret::insert(&mut tx, client, ("odd", None), &Secret::new(plain), &scene.server.act()).await.unwrap();
    tx.commit().await.unwrap();
    scene.server.hear().await;

    let encoded: String = url::form_urlencoded::byte_serialize(plain.as_bytes()).collect();
    let id = scene.client.id.replace('_', "%5F");
    let answer = scene.with_header(&basic(&id, &encoded), &[GRANT]).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn an_empty_password_is_a_public_client() {
    let public = Scene::new().await;
    let refresh_token = public.tokens().await.refresh;
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];

    let answer = public.with_header(&basic(&public.client.id, ""), &form).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn an_empty_password_does_not_prove_a_confidential_client() {
    let scene = Scene::confidential().await;

    let in_header = scene.with_header(&basic(&scene.client.id, ""), &[GRANT]).await;
    let in_body = scene.with_body(&[GRANT, ("client_id", &scene.client.id), ("client_secret", "")]).await;

    assert_refused(&in_header, 401, "invalid_client");
    assert_refused(&in_body, 401, "invalid_client");
}

#[tokio::test]
async fn a_public_client_has_no_secret_to_send() {
    let scene = Scene::new().await;
    let refresh_token = scene.tokens().await.refresh;
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];

    let in_header = scene.with_header(&basic(&scene.client.id, "anything"), &form).await;

    assert_refused(&in_header, 401, "invalid_client");
    assert_eq!(scene.refresh(&refresh_token).await.status, 200);
}

#[tokio::test]
async fn client_id_beside_basic_is_fine_when_equal() {
    let scene = Scene::confidential().await;
    let other = scene.other_client().await;
    let (id, secret) = scene.credentials();

    let equal = scene.with_header(&basic(id, secret), &[GRANT, ("client_id", id)]).await;
    let different = scene.with_header(&basic(id, secret), &[GRANT, ("client_id", &other.id)]).await;

    assert_eq!(equal.status, 200, "{}", equal.text);
    assert_refused(&different, 400, "invalid_request");
}

#[tokio::test]
async fn a_client_authenticates_in_one_way_only() {
    let scene = Scene::confidential().await;
    let (id, secret) = scene.credentials();

    let both = scene.with_header(&basic(id, secret), &[GRANT, ("client_secret", secret)]).await;
    let request = scene.server.request("POST", "/oauth/token").form(&[GRANT]);
    let header = basic(id, secret);
    let twice = Answer::of(request.header("authorization", &header).header("authorization", &header)).await;

    assert_refused(&both, 400, "invalid_request");
    assert_refused(&twice, 400, "invalid_request");
}

#[tokio::test]
async fn a_malformed_header_is_an_invalid_client() {
    let scene = Scene::confidential().await;
    let (id, secret) = scene.credentials();
    let encoded = |bytes: &[u8]| format!("Basic {}", STANDARD.encode(bytes));

    for header in [
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "Basic !!!".to_owned(),
        format!("Basic {id}:{secret}"),
        encoded(id.as_bytes()),
        encoded(b":"),
        encoded(b"\xff\xfe:\xff"),
        encoded(format!("{id}\0:{secret}").as_bytes()),
        encoded(format!("{id}:{secret}%00").as_bytes()),
        encoded(format!("{id}:{secret}%ff").as_bytes()),
        format!("Bearer {secret}"),
        format!("Digest {}", &basic(id, secret)[6..]),
    ] {
        let answer = scene.with_header(&header, &[GRANT]).await;

        assert_eq!((answer.status, answer.error()), (401, "invalid_client"), "{header}: {}", answer.text);
        assert_refused(&answer, 401, "invalid_client");
    }
}

#[tokio::test]
async fn a_refusal_says_how_to_authenticate() {
    let scene = Scene::confidential().await;

    let answer = scene.with_header(&basic(&scene.client.id, "wrong"), &[GRANT]).await;

    assert_refused(&answer, 401, "invalid_client");
    assert!(answer.header("www-authenticate").unwrap().starts_with("Basic realm=\""));
}

#[tokio::test]
async fn a_stranger_cannot_learn_which_clients_exist() {
    let scene = Scene::confidential().await;
    let foreign = scene.server.user("bob").await;
    let foreign = scene.server.confidential_client(foreign.organization).await;
    let (_, secret) = scene.credentials();
    let expected = scene.with_header(&basic(&scene.client.id, "wrong"), &[GRANT]).await;

    for id in
        [foreign.id.as_str(), &ClientId::new(scene.server.clock.now()).to_string(), "cli_x", "x", "\u{e9}"]
    {
        let answer = scene.with_header(&basic(id, secret), &[GRANT]).await;

        assert_refused(&answer, 401, "invalid_client");
        assert_eq!(answer.json, expected.json, "{id}");
    }
}

#[tokio::test]
async fn every_secret_of_a_client_works_until_it_expires_or_is_deleted() {
    let scene = Scene::confidential().await;
    let (id, now) = (scene.client_id(), scene.server.clock.now());
    let (client, act) = ((Some(scene.ada.organization), id), scene.server.act());
    let hour = Some(now + TimeDelta::hours(1));
    let mut tx = scene.server.app.db.begin().await.unwrap();
    let (_, expiring) = secret::create(&mut tx, client, "expiring", hour, &act).await.unwrap().unwrap();
    let (deleted_id, deleted) =
        secret::create(&mut tx, client, "deleted", None, &act).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    scene.server.hear().await;
    let status =
        async |secret: &str| scene.with_header(&basic(&scene.client.id, secret), &[GRANT]).await.status;
    assert_eq!((status(expiring.expose()).await, status(deleted.expose()).await), (200, 200));

    let mut tx = scene.server.app.db.begin().await.unwrap();
    assert!(secret::delete(&mut tx, client, deleted_id, &act).await.unwrap());
    tx.commit().await.unwrap();
    scene.server.hear().await;
    let after_deletion = status(deleted.expose()).await;
    scene.server.clock.advance(TimeDelta::hours(1));
    let after_expiry = status(expiring.expose()).await;

    assert_eq!((after_deletion, after_expiry), (401, 401));
    assert_eq!(status(scene.client.secret.as_deref().unwrap()).await, 200);
}

#[tokio::test]
async fn a_disabled_client_is_refused_like_an_unknown_one() {
    let scene = Scene::confidential().await;
    let (id, secret) = scene.credentials();
    let unknown = scene.with_header(&basic("cli_x", secret), &[GRANT]).await;
    scene.server.disable_client(&scene.client.id).await;

    let disabled = scene.with_header(&basic(id, secret), &[GRANT]).await;

    assert_refused(&disabled, 401, "invalid_client");
    assert_eq!(disabled.json, unknown.json);
}
