//! Logouts told by a process that works by itself, and that dies.

use countersign::clients::registration::Registration;

use crate::support::Browser;
use crate::support::CALLBACK;
use crate::support::Folder;
use crate::support::PASSWORD;
use crate::support::Pkce;
use crate::support::Program;
use crate::support::Receiver;
use crate::support::TestServer;

#[tokio::test]
async fn an_app_is_told_though_the_process_is_killed_in_between() {
    let server = TestServer::start().await;
    let ada = server.user("ada").await;
    let receiver = Receiver::start().await;
    let told =
        |registration: &mut Registration| registration.backchannel_logout_uri = Some(receiver.url.clone());
    let client = server.client(ada.organization, told).await;
    let folder = Folder::new();
    let program = Program::beside(&server.database, &folder)
        .with("COUNTERSIGN_LISTEN", "127.0.0.1:0")
        .with("COUNTERSIGN_OUTGOING_TO_PRIVATE", "true");
    let mut first = program.serve(&["serve"]);
    let browser = Browser::new(&first.url().await);
    browser.sign_in(&ada.email, PASSWORD).await;
    let pkce = Pkce::default();
    let code = client.ask(&browser, &pkce, &[("scope", "openid")]).await.location_params()["code"].clone();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", &client.id),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", &pkce.verifier),
    ];
    assert_eq!(browser.post("/oauth/token", &form).await.status, 200);
    receiver.be_silent(true);

    assert_eq!(browser.submit("/logout", "/logout", &[]).await.status, 303);
    receiver.wait_for(1).await;
    first.signal("KILL");
    first.end().await;
    receiver.be_silent(false);
    let mut second = program.serve(&["serve"]);
    second.url().await;

    receiver.wait_for(2).await;
    assert!(receiver.received().iter().all(|received| received.body.starts_with("logout_token=")));
}
