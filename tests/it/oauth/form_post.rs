//! `response_mode=form_post` (OAuth 2.0 Form Post Response Mode): the answer as a form that the browser posts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::base::secret::sha256;

use crate::oauth::Scene;
use crate::oauth::assert_shown_as_page;
use crate::support::Answer;
use crate::support::CALLBACK;
use crate::support::Pkce;
use crate::support::form_of;

const MODE: (&str, &str) = ("response_mode", "form_post");

/// The fields of the form that is posted to `redirect_uri`, in their order.
#[track_caller]
fn fields(answer: &Answer, redirect_uri: &str) -> Vec<(String, String)> {
    assert_eq!((answer.status, answer.header("location")), (200, None), "{}", answer.text);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let form = form_of(answer, redirect_uri.split('?').next().unwrap());
    assert_eq!(form.action, redirect_uri);
    form.fields
}

#[track_caller]
fn names(fields: &[(String, String)]) -> Vec<&str> {
    fields.iter().map(|(name, _)| name.as_str()).collect()
}

#[track_caller]
fn value<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    &fields.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name} in {fields:?}")).1
}

/// What stands between the tags of the only script of a page.
fn script(page: &Answer) -> &str {
    let mut parts = page.text.split("<script");
    let (_, script) = (parts.next(), parts.next().unwrap());
    assert_eq!(parts.next(), None, "{}", page.text);
    script.strip_prefix('>').unwrap().split("</script>").next().unwrap()
}

#[tokio::test]
async fn the_answer_is_posted_by_a_form() {
    let scene = Scene::new().await;
    let pkce = Pkce::default();

    let answer = scene.client.ask(&scene.browser, &pkce, &[MODE]).await;

    let fields = fields(&answer, CALLBACK);
    assert_eq!(names(&fields), ["code", "state", "iss"]);
    assert_eq!((value(&fields, "state"), value(&fields, "iss")), ("state-1", scene.server.issuer()));
    assert_eq!(scene.exchange(value(&fields, "code"), &pkce).await.status, 200);
}

#[tokio::test]
async fn who_has_consented_gets_the_form_at_once() {
    let scene = Scene::new().await;
    scene.tokens().await;

    for changes in [&[MODE][..], &[MODE, ("prompt", "none")]] {
        let answer = scene.browser.get(&scene.client.authorize_path(&Pkce::default(), changes)).await;

        assert_eq!(names(&fields(&answer, CALLBACK)), ["code", "state", "iss"]);
    }
}

#[tokio::test]
async fn an_error_is_posted_too() {
    let scene = Scene::new().await;
    let path = |changes: &[(&str, &str)]| {
        scene.client.authorize_path(&Pkce::default(), &[&[MODE], changes].concat())
    };
    let consent = scene.browser.get(&path(&[])).await;

    let denied = scene.browser.send(&form_of(&consent, "/oauth/authorize"), &[("decision", "deny")]).await;
    let unknown_scope = scene.browser.get(&path(&[("scope", "unknown")])).await;
    let not_signed_in = scene.server.browser().get(&path(&[("prompt", "none")])).await;

    for (answer, error) in
        [(denied, "access_denied"), (unknown_scope, "invalid_scope"), (not_signed_in, "login_required")]
    {
        let fields = fields(&answer, CALLBACK);
        assert_eq!(names(&fields), ["error", "error_description", "error_uri", "state", "iss"]);
        assert_eq!(value(&fields, "error"), error);
        assert_eq!(value(&fields, "error_uri"), format!("{}/errors/{error}", scene.server.issuer()));
        assert_eq!((value(&fields, "state"), value(&fields, "iss")), ("state-1", scene.server.issuer()));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn a_value_arrives_as_it_was_whatever_it_holds() {
    let redirect_uri = "https://app.example/callback?a=1&b=%22%3E%3Cscript%3E";
    let scene =
        Scene::with_client(|registration| registration.redirect_uris = vec![redirect_uri.to_owned()]).await;

    for state in [
        "\"><script>alert(1)</script>",
        "'><img src=x onerror=alert(1)>",
        "</form><form action=https://evil.example/>",
        "&quot;&#34;&amp;&lt;",
        "a b+c%20d&e=f;g",
        "\u{e9}\u{1f600}\u{202e}",
        " ",
    ] {
        let changes = [MODE, ("redirect_uri", redirect_uri), ("state", state), ("prompt", "consent")];
        let answer = scene.client.ask(&scene.browser, &Pkce::default(), &changes).await;

        let fields = fields(&answer, redirect_uri);
        assert_eq!((names(&fields), value(&fields, "state")), (vec!["code", "state", "iss"], state));
        script(&answer);
    }
}

#[tokio::test]
async fn the_page_is_kept_by_nobody_and_runs_only_its_own_script() {
    let scene = Scene::new().await;

    let answer = scene.client.ask(&scene.browser, &Pkce::default(), &[MODE]).await;

    let hash = STANDARD.encode(sha256(script(&answer).as_bytes()));
    let policy = answer.header("content-security-policy").unwrap();
    let directives: Vec<&str> = policy.split("; ").collect();
    assert_eq!(
        directives,
        [
            "default-src 'none'",
            &format!("script-src 'sha256-{hash}'"),
            "style-src 'self'",
            "img-src 'self' data:",
            // And wherever the app sends the person on to: browsers hold redirects to it, too.
            "form-action 'self' https: https://app.example",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let form = answer.text.split("<form").nth(1).unwrap();
    for part in ["javascript:", " onclick=", " onload=", " onsubmit=", "target="] {
        assert!(!form.contains(part), "{part}: {form}");
    }
}

#[tokio::test]
async fn without_scripts_a_button_sends_the_form() {
    let scene = Scene::new().await;

    let answer = scene.client.ask(&scene.browser, &Pkce::default(), &[MODE]).await;

    let form = answer.text.split("<form").nth(1).unwrap().split("</form>").next().unwrap();
    assert!(form.contains(">Continue to app.example</button>"), "{form}");
    assert!(form.contains("method=\"post\"") && !answer.text.contains("<noscript"), "{form}");
    assert!(answer.text.contains("<title>Continue to app.example · Countersign</title>"), "{}", answer.text);
}

#[tokio::test]
async fn a_mode_that_the_server_does_not_know_is_shown_as_a_page() {
    let scene = Scene::new().await;

    for mode in ["fragment", "jwt", "form_post.jwt", "web_message", "FORM_POST", "form_post query", "x"] {
        let changes = [("response_mode", mode), ("scope", "unknown")];
        let answer = scene.browser.get(&scene.client.authorize_path(&Pkce::default(), &changes)).await;

        assert_shown_as_page(&answer, mode);
        assert_eq!(answer.status, 400, "{mode}");
        assert!(answer.text.contains("\"/errors/invalid_request\""), "{}", answer.text);
    }
    let path = scene.client.authorize_path(&Pkce::default(), &[MODE]);
    let twice = scene.browser.get(&format!("{path}&response_mode=form_post")).await;
    assert_shown_as_page(&twice, "repeated");
}

#[tokio::test]
async fn an_app_that_the_system_opens_gets_no_form() {
    let uris = ["com.example.app:/callback", "http://127.0.0.1/callback"];
    let scene =
        Scene::with_client(|registration| registration.redirect_uris = uris.map(str::to_owned).to_vec())
            .await;
    let ask = async |redirect_uri: &str| {
        let changes = [MODE, ("redirect_uri", redirect_uri)];
        scene.client.ask(&scene.browser, &Pkce::default(), &changes).await
    };

    let path = scene.client.authorize_path(&Pkce::default(), &[MODE, ("redirect_uri", uris[0])]);
    let by_scheme = scene.browser.get(&path).await;
    let on_a_port = ask("http://127.0.0.1:51004/callback").await;

    assert_shown_as_page(&by_scheme, "a scheme of its own");
    let fields = fields(&on_a_port, "http://127.0.0.1:51004/callback");
    assert_eq!(names(&fields), ["code", "state", "iss"]);
    let policy = on_a_port.header("content-security-policy").unwrap();
    assert!(policy.contains("http://127.0.0.1:51004"), "{policy}");
}

#[tokio::test]
async fn a_pushed_request_is_answered_in_the_mode_that_it_asks_for() {
    let scene = Scene::new().await;
    let path = scene.pushed_path(&Pkce::default(), &[MODE]).await;

    let consent = scene.browser.get(&format!("{path}&response_mode=query")).await;
    let answer = scene.browser.send(&form_of(&consent, "/oauth/authorize"), &[("decision", "approve")]).await;

    assert_eq!(names(&fields(&answer, CALLBACK)), ["code", "state", "iss"]);
}
