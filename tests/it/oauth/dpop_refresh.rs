//! Refresh tokens that are bound to a key (RFC 9449 §5): those of public clients.

use chrono::TimeDelta;

use crate::oauth::Scene;
use crate::oauth::assert_refused;
use crate::oauth::at_once;
use crate::oauth::claims;
use crate::support::Answer;
use crate::support::Prover;

fn key_of(answer: &Answer) -> Option<String> {
    claims(&answer.field("access_token"))["cnf"]["jkt"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn a_public_clients_refresh_token_wants_the_same_key() {
    let scene = Scene::new().await;
    let (prover, other) = (Prover::new(), Prover::new());
    let mut refresh_token = scene.bound_tokens(&prover).await.field("refresh_token");

    for _ in 0..3 {
        let without = scene.refresh(&refresh_token).await;
        let with_another = scene.refresh_proven(&refresh_token, &other.proof(&scene.server)).await;
        let with_its_own = scene.refresh_proven(&refresh_token, &prover.proof(&scene.server)).await;

        assert_refused(&without, 400, "invalid_grant");
        assert_refused(&with_another, 400, "invalid_grant");
        assert_eq!(key_of(&with_its_own), Some(prover.thumbprint()));
        refresh_token = with_its_own.field("refresh_token");
    }
}

#[tokio::test]
async fn a_refresh_with_another_key_is_refused_and_the_token_stays_good() {
    let scene = Scene::new().await;
    let (prover, thief) = (Prover::new(), Prover::new());
    let first = scene.bound_tokens(&prover).await.field("refresh_token");
    let second = scene.refresh_proven(&first, &prover.proof(&scene.server)).await.field("refresh_token");
    scene.server.clock.advance(TimeDelta::minutes(5));

    // Also an old one: a copy without the key is no replay, or it could log its owner out.
    for copy in [&first, &second] {
        for answer in
            [scene.refresh(copy).await, scene.refresh_proven(copy, &thief.proof(&scene.server)).await]
        {
            assert_refused(&answer, 400, "invalid_grant");
        }
    }

    assert_eq!(scene.live_grants().await, 1);
    let third = scene.refresh_proven(&second, &prover.proof(&scene.server)).await;
    assert_eq!(third.status, 200, "{}", third.text);
    let replayed = scene.refresh_proven(&first, &prover.proof(&scene.server)).await;
    assert_refused(&replayed, 400, "invalid_grant");
    assert_eq!(scene.live_grants().await, 0, "with the key it is a replay like any other");
}

#[tokio::test]
async fn a_lost_answer_is_given_again_to_the_same_key() {
    let scene = Scene::new().await;
    let (prover, other) = (Prover::new(), Prover::new());
    let first = scene.bound_tokens(&prover).await.field("refresh_token");
    let lost = scene.refresh_proven(&first, &prover.proof(&scene.server)).await;
    scene.server.clock.advance(TimeDelta::seconds(59));

    let by_another = scene.refresh_proven(&first, &other.proof(&scene.server)).await;
    let again = scene.refresh_proven(&first, &prover.proof(&scene.server)).await;

    assert_refused(&by_another, 400, "invalid_grant");
    assert_eq!(again.field("refresh_token"), lost.field("refresh_token"));
    assert_ne!(again.field("access_token"), lost.field("access_token"));
    assert_eq!((key_of(&again), &again.json["token_type"]), (Some(prover.thumbprint()), &"DPoP".into()));
    let next = scene.refresh_proven(&again.field("refresh_token"), &prover.proof(&scene.server)).await;
    assert_eq!(next.status, 200);
}

#[tokio::test]
async fn many_refreshes_at_once_get_one_successor() {
    let scene = Scene::new().await;
    let prover = Prover::new();
    let first = scene.bound_tokens(&prover).await.field("refresh_token");
    let form = [("grant_type", "refresh_token"), ("refresh_token", first.as_str())];

    let requests = (0..10).map(|_| {
        let request = scene.client.request(&scene.server, "/oauth/token", &form);
        request.header("dpop", prover.proof(&scene.server))
    });
    let answers = at_once(requests).await;

    let mut successors: Vec<String> = answers.iter().map(|answer| answer.field("refresh_token")).collect();
    successors.dedup();
    assert_eq!(successors.len(), 1);
}

#[tokio::test]
async fn a_confidential_client_may_change_its_key() {
    let scene = Scene::confidential().await;
    let (prover, other) = (Prover::new(), Prover::new());
    let first = scene.bound_tokens(&prover).await.field("refresh_token");

    let second = scene.refresh_proven(&first, &other.proof(&scene.server)).await;
    let third = scene.refresh(&second.field("refresh_token")).await;

    assert_eq!(key_of(&second), Some(other.thumbprint()));
    assert_eq!((key_of(&third), &third.json["token_type"]), (None, &"Bearer".into()));
}

#[tokio::test]
async fn a_refresh_with_a_proof_binds_from_then_on() {
    let scene = Scene::new().await;
    let prover = Prover::new();
    let unbound = scene.tokens().await.refresh;

    let bound = scene.refresh_proven(&unbound, &prover.proof(&scene.server)).await;
    let lost = scene.refresh_proven(&unbound, &prover.proof(&scene.server)).await;
    let without_the_key = [scene.refresh(&unbound).await, scene.refresh(&bound.field("refresh_token")).await];
    let next = scene.refresh_proven(&bound.field("refresh_token"), &prover.proof(&scene.server)).await;

    assert_eq!(key_of(&bound), Some(prover.thumbprint()));
    assert_eq!(lost.field("refresh_token"), bound.field("refresh_token"));
    for answer in without_the_key {
        assert_refused(&answer, 400, "invalid_grant");
    }
    assert_eq!(key_of(&next), Some(prover.thumbprint()));
}

/// A thief who binds a copied token to a key of his own is found out like any other, when its owner comes.
#[tokio::test]
async fn a_token_from_before_the_binding_is_still_a_replay() {
    let scene = Scene::new().await;
    let thief = Prover::new();
    let unbound = scene.tokens().await.refresh;
    let stolen = scene.refresh_proven(&unbound, &thief.proof(&scene.server)).await;
    scene.server.clock.advance(TimeDelta::minutes(5));

    let by_its_owner = scene.refresh(&unbound).await;

    assert_refused(&by_its_owner, 400, "invalid_grant");
    assert_eq!(scene.live_grants().await, 0);
    let next = scene.refresh_proven(&stolen.field("refresh_token"), &thief.proof(&scene.server)).await;
    assert_refused(&next, 400, "invalid_grant");
}
