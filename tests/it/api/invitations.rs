//! `/v1/organization/invitations`

use chrono::TimeDelta;
use countersign::organizations::member::Role;
use serde_json::json;

use crate::support::Answer;
use crate::support::TestServer;

const INVITATIONS: &str = "/v1/organization/invitations";

async fn invite(server: &TestServer, credential: &str, email: &str) -> Answer {
    server.send_json_as(credential, "POST", INVITATIONS, &json!({ "email": email })).await
}

#[tokio::test]
async fn inviting_sends_a_mail_whose_link_is_nowhere_else() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let session = server.session_of(&ada).await.access_token;

    let body = json!({ "email": " Bob@example.com ", "role": "admin" });
    let answer = server.send_json_as(&session, "POST", INVITATIONS, &body).await;

    assert_eq!(answer.status, 201);
    let id = answer.json["id"].as_str().unwrap();
    let expected = json!({
        "id": id,
        "email": "Bob@example.com",
        "role": "admin",
        "status": "open",
        "invited_by": "ada@example.com",
        "created_at": "2030-01-01T00:00:00Z",
        "expires_at": "2030-01-08T00:00:00Z",
    });
    assert_eq!(answer.json, expected);
    assert_eq!(answer.header("location"), Some(format!("{INVITATIONS}/{id}").as_str()));
    assert_eq!(server.get_as(&session, &format!("{INVITATIONS}/{id}")).await.json, expected);
    let [mail] = &server.mails()[..] else { panic!() };
    let token = server.invitation_path().trim_start_matches("/invitations/").to_owned();
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), ("Bob@example.com", "Join ada Inc"));
    assert_eq!(
        mail.text,
        format!(
            "Hello,\n\nada@example.com invites you to join “ada Inc” on 127.0.0.1 as an admin.\n\nTo accept, open \
             this page:\n\n{}/invitations/{token}\n\nIt works once, until 8 January 2030, 00:00 UTC, and only for \
             Bob@example.com.\n\nIf you do not know why you got this, do nothing: nothing happens then.\n",
            server.issuer()
        )
    );
    assert_eq!(token.len(), 32);
    let stored: String = sqlx::query_scalar("select invitations::text from invitations")
        .fetch_one(&server.app.db)
        .await
        .unwrap();
    let [created] = &server.audit_of(ada.organization, "invitation.created").await[..] else { panic!() };
    assert_eq!(created.after, Some(json!({ "email": "Bob@example.com", "role": "admin" })));
    for text in [&answer.text, &stored, &format!("{created:?}")] {
        assert!(!text.contains(&token), "{text}");
    }
}

#[tokio::test]
async fn a_key_that_invites_is_not_named_in_the_mail() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    let answer = invite(&server, &admin, "bob@example.com").await;

    assert_eq!((answer.status, &answer.json["invited_by"]), (201, &json!(null)));
    assert_eq!(answer.json["role"], "member");
    assert!(server.mails()[0].text.contains("\n\nYou are invited to join “ada Inc”"));
}

#[tokio::test]
async fn inviting_again_replaces_and_the_older_link_is_dead() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let first = invite(&server, &admin, "bob@example.com").await;
    let old = server.invitation_path();
    server.clock.advance(TimeDelta::days(6));

    let again = invite(&server, &admin, "BOB@example.com").await;
    let newer = server.invitation_path();
    let again_path = format!("{INVITATIONS}/{}/resend", again.field("id"));
    let resent = Answer::of(server.request("POST", &again_path).bearer_auth(&admin)).await;
    let newest = server.invitation_path();

    assert_eq!(first.json["id"], again.json["id"]);
    assert_eq!((resent.status, &resent.json["expires_at"]), (200, &json!("2030-01-14T00:00:00Z")));
    let listed = server.get_as(&admin, INVITATIONS).await;
    assert_eq!(listed.json, json!({ "data": [resent.json], "next_cursor": null }));
    for (path, status) in [(old, 404), (newer, 404), (newest, 200)] {
        assert_eq!(server.get(&path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_withdrawn_invitation_and_one_that_ran_out_let_nobody_in() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    let id = invite(&server, &admin, "bob@example.com").await.field("id");
    let withdrawn = server.invitation_path();
    invite(&server, &admin, "carol@example.com").await;
    let run_out = server.invitation_path();

    let path = format!("{INVITATIONS}/{id}");
    let answer = Answer::of(server.request("DELETE", &path).bearer_auth(&admin)).await;
    let again = Answer::of(server.request("DELETE", &path).bearer_auth(&admin)).await;
    server.clock.advance(TimeDelta::days(7));

    assert_eq!((answer.status, again.status), (204, 404));
    assert_eq!(server.get(&withdrawn).await.status, 404);
    assert_eq!(server.get(&run_out).await.status, 404);
    let listed = server.get_as(&admin, INVITATIONS).await;
    assert_eq!(
        (&listed.json["data"][0]["status"], &listed.json["data"][1]),
        (&json!("expired"), &json!(null))
    );
    let recorded = server.audit_of(ada.organization, "invitation.withdrawn").await;
    assert_eq!(recorded[0].before, Some(json!({ "email": "bob@example.com", "role": "member" })));
}

#[tokio::test]
async fn what_is_no_address_of_mail_is_not_invited() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    for email in [
        "",
        "bob",
        "bob@",
        "@example.com",
        "bob@example.com\r\nBcc: eve@example.com",
        "bob@example.com, eve@example.com",
        "Bob <bob@example.com>",
        "bob@exa\0mple.com",
        &format!("{}@example.com", "b".repeat(400)),
    ] {
        let answer = invite(&server, &admin, email).await;
        assert_eq!((answer.status, answer.error()), (422, "validation_error"), "{email:?}");
        assert_eq!(answer.json["error"]["field"], "email");
    }
    for role in ["owner", "", "x"] {
        let body = json!({ "email": "bob@example.com", "role": role });
        let answer = server.send_json_as(&admin, "POST", INVITATIONS, &body).await;
        assert_eq!((answer.status, &answer.json["error"]["field"]), (422, &json!("role")), "{role}");
    }
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn who_belongs_to_it_already_is_not_invited() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    server.colleague("bob", ada.organization, Role::Member).await;
    let (_, admin) = server.key(ada.organization, "admin").await;

    let answer = invite(&server, &admin, "BOB@example.com").await;

    assert_eq!((answer.status, answer.error()), (409, "conflict"));
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn a_hundred_invitations_are_open_at_the_most() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    for number in 0..98 {
        assert_eq!(invite(&server, &admin, &format!("p{number}@example.com")).await.status, 201);
    }

    let requests = (98..104).map(|number| {
        let body = json!({ "email": format!("p{number}@example.com") });
        server.request("POST", INVITATIONS).bearer_auth(&admin).json(&body)
    });
    let mut statuses: Vec<_> = Answer::of_all(requests).await.iter().map(|answer| answer.status).collect();

    statuses.sort_unstable();
    assert_eq!(statuses, [201, 201, 409, 409, 409, 409]);
    assert_eq!(server.mails().len(), 100);
    assert_eq!(invite(&server, &admin, "p1@example.com").await.status, 201, "one that is open is replaced");
}

#[tokio::test]
async fn nobody_is_pestered_with_mail() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let (_, admin) = server.key(ada.organization, "admin").await;
    for _ in 0..5 {
        let id = invite(&server, &admin, "bob@example.com").await.field("id");
        Answer::of(server.request("DELETE", &format!("{INVITATIONS}/{id}")).bearer_auth(&admin)).await;
    }

    let refused = invite(&server, &admin, "Bob@example.com").await;
    let other = invite(&server, &admin, "carol@example.com").await;
    server.clock.advance(TimeDelta::days(1) + TimeDelta::seconds(1));
    let next_day = invite(&server, &admin, "bob@example.com").await;

    assert_eq!((refused.status, refused.error()), (429, "rate_limit_exceeded"));
    assert_eq!((other.status, next_day.status), (201, 201));
    assert_eq!(server.mails().len(), 7);
}
