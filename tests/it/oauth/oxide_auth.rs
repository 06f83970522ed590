//! What oxide-auth's machines would get wrong on the wire if they were asked: each a fact of its own, so that
//! an upgrade that changes one is noticed.

use chrono::TimeDelta;
use countersign::app::config::Settings;
use countersign::scopes::Scopes;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::oauth::claims;
use crate::oauth::key_rotation::rotate;
use crate::support::Pkce;

const MANY_SCOPES: &str = "read write delete a:read b:read c:read d:read e:read";

fn many_scopes(settings: &mut Settings) {
    for name in ["a:read", "b:read", "c:read", "d:read", "e:read"] {
        settings.scopes.insert(name.to_owned(), format!("See {name}"));
    }
}

/// Its `Scope` prints in random order.
#[tokio::test]
async fn scopes_are_always_written_in_the_same_order() {
    let scene = Scene::with(many_scopes, |registration| {
        registration.scopes = Scopes::parse(MANY_SCOPES).unwrap();
        registration.default_scopes = registration.scopes.clone();
    })
    .await;
    let pkce = Pkce::default();
    let shuffled = "e:read c:read delete a:read  write b:read read d:read read";
    let code =
        scene.client.ask(&scene.browser, &pkce, &[("scope", shuffled)]).await.location_params()["code"]
            .clone();
    let mut answer = scene.exchange(&code, &pkce).await;

    for _ in 0..5 {
        assert_eq!(answer.json["scope"], MANY_SCOPES);
        assert_eq!(claims(&answer.field("access_token"))["scope"], MANY_SCOPES);
        answer = scene.refresh(&answer.field("refresh_token")).await;
    }
}

/// It goes by the system's clock: a server that is set to another time would find every grant expired.
#[tokio::test]
async fn lifetimes_go_by_the_servers_clock() {
    let scene = Scene::new().await;
    scene.server.clock.advance(TimeDelta::days(-3000));
    rotate(&scene.server, TimeDelta::zero()).await;
    let past = scene.server.browser_of(&scene.ada).await;
    let in_the_past = scene.client.tokens(&scene.server, &past).await;
    assert_eq!(scene.refresh(&in_the_past.field("refresh_token")).await.status, 200);

    scene.server.clock.advance(TimeDelta::days(30_000));
    let future = scene.server.browser_of(&scene.ada).await;
    let in_the_future = scene.client.tokens(&scene.server, &future).await;

    assert!(scene.is_accepted(&in_the_future.field("access_token")).await);
    assert_eq!(scene.refresh(&in_the_future.field("refresh_token")).await.status, 200);
    assert_refused(&scene.refresh(&in_the_past.field("refresh_token")).await, 400, "invalid_grant");
}

/// It says `invalid_request` where RFC 6749 §5.2 and RFC 7636 §4.6 say `invalid_grant`.
#[tokio::test]
async fn an_unknown_code_and_a_failed_pkce_are_invalid_grants() {
    let scene = Scene::new().await;
    let code = scene.code(&Pkce::default()).await;

    let unknown = scene.exchange("unknown", &Pkce::default()).await;
    let failed_pkce = scene.exchange(&code, &Pkce::default()).await;

    assert_refused(&unknown, 400, "invalid_grant");
    assert_refused(&failed_pkce, 400, "invalid_grant");
}

/// It calls a missing `response_type` unsupported; RFC 6749 §4.1.2.1 calls the request invalid.
#[tokio::test]
async fn a_missing_response_type_is_an_invalid_request() {
    let scene = Scene::new().await;

    let path = scene.client.authorize_path(&Pkce::default(), &[("response_type", "")]);
    let answer = scene.browser.get(&path).await;

    assert_eq!(answer.location_params()["error"], "invalid_request");
}

/// It binds a refresh token to its client only where an authorization is given, public clients included.
#[tokio::test]
async fn a_public_clients_refresh_token_is_bound_to_it() {
    let scene = Scene::new().await;
    let other = scene.other_client().await;
    let refresh_token = scene.tokens().await.refresh;

    let answer = other.refresh(&scene.server, &refresh_token).await;

    assert_refused(&answer, 400, "invalid_grant");
}

/// Its refresh machine loses its state when it is advanced without input; a scope must come through whole.
#[tokio::test]
async fn a_refresh_with_and_without_a_scope_gives_what_was_asked() {
    let scene = Scene::new().await;
    let first = scene.tokens().await.refresh;

    let form = [("grant_type", "refresh_token"), ("refresh_token", &first), ("scope", "write")];
    let narrowed = scene.post_token(&form).await;
    let whole = scene.refresh(&narrowed.field("refresh_token")).await;

    assert_eq!((&narrowed.json["scope"], &whole.json["scope"]), (&"write".into(), &"read write".into()));
}
