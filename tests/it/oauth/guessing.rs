//! Nobody guesses what the server makes up (RFC 6749 §10.10), or finds it in a stolen database (§10.3, §10.4).

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sqlx::AssertSqlSafe;

use crate::oauth::Scene;
use crate::support::Pkce;
use crate::support::TestServer;

/// Bits in base62.
const BITS_OF_A_CHARACTER: f64 = 5.95;

/// What is unforeseeable of a code or a refresh token: the HMAC at its end.
fn authenticator(token: &str) -> Vec<u8> {
    let bytes = URL_SAFE_NO_PAD.decode(&token[3..]).unwrap();
    bytes[bytes.len() - 32..].to_vec()
}

/// Every row of every table, as text.
async fn whole_database(server: &TestServer) -> Vec<String> {
    let db = &server.app.db;
    let tables: Vec<String> =
        sqlx::query_scalar("select tablename::text from pg_tables where schemaname = 'public'")
            .fetch_all(db)
            .await
            .unwrap();
    let mut rows = Vec::new();
    for table in tables {
        let query = format!("select to_jsonb(r)::text from {table} r");
        let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(db).await.unwrap();
        rows.extend(found.into_iter().map(|row| format!("{table}: {row}")));
    }
    rows
}

#[tokio::test]
async fn codes_and_refresh_tokens_carry_256_bits_that_nobody_foresees() {
    let scene = Scene::new().await;
    let mut seen = HashSet::new();

    for _ in 0..4 {
        let pkce = Pkce::default();
        let code = scene.code(&pkce).await;
        let refresh_token = scene.exchange(&code, &pkce).await.field("refresh_token");

        assert!(seen.insert(authenticator(&code)));
        assert!(seen.insert(authenticator(&refresh_token)));
    }

    // In each place there are many different bytes: nothing is left at a constant.
    for at in 0..32 {
        let bytes: HashSet<u8> = seen.iter().map(|authenticator| authenticator[at]).collect();
        assert!(bytes.len() > 2, "byte {at}: {bytes:?}");
    }
}

#[tokio::test]
async fn client_secrets_and_keys_have_160_bits_and_more() {
    let scene = Scene::confidential().await;
    let other = scene.server.confidential_client(scene.ada.organization).await;
    let (_, key) = scene.server.key(scene.ada.organization, "read").await;
    let (_, other_key) = scene.server.key(scene.ada.organization, "read").await;
    let (secret, other_secret) = (scene.client.secret.clone().unwrap(), other.secret.unwrap());

    for (one, another) in [
        (secret.strip_prefix("cs_").unwrap(), other_secret.strip_prefix("cs_").unwrap()),
        // Without the public id and the checksum.
        (&key[11..43], &other_key[11..43]),
    ] {
        assert!(one.bytes().all(|b| b.is_ascii_alphanumeric()), "{one}");
        let bits = BITS_OF_A_CHARACTER * f64::from(u32::try_from(one.len()).unwrap());
        assert!(bits >= 160.0, "{one}: {bits}");
        let same = one.bytes().zip(another.bytes()).filter(|(a, b)| a == b).count();
        assert!(same < one.len() / 2, "{one} {another}");
    }
}

#[tokio::test]
async fn nothing_in_the_database_is_a_token() {
    let scene = Scene::confidential().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;
    let tokens = scene.exchange(&code, &pkce).await;
    let device = scene.client.device_codes(&scene.server, &[]).await;
    let (_, key) = scene.server.key(scene.ada.organization, "read").await;
    scene.server.get_as(&key, "/v1/auth/test").await;
    scene.is_accepted(&tokens.field("access_token")).await;
    scene.server.write_access_log().await;

    let rows = whole_database(&scene.server).await;

    assert!(
        rows.iter().any(|row| row.contains(&scene.client.id[4..12]) || row.contains("Test app")),
        "all is read"
    );
    let access_token = tokens.field("access_token");
    for secret in [
        code.as_str(),
        &tokens.field("refresh_token"),
        &device.device,
        access_token.rsplit('.').next().unwrap(),
        scene.client.secret.as_deref().unwrap(),
        &key[11..43],
        &pkce.verifier,
    ] {
        let hex = secret.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let found = rows.iter().find(|row| row.contains(secret) || row.contains(&hex));
        assert_eq!(found, None, "{secret}");
    }
}

/// RFC 6749 appendix A.
#[tokio::test]
async fn all_that_clients_are_given_is_visible_ascii() {
    let scene = Scene::confidential().await;
    let pkce = Pkce::default();
    let code = scene.code(&pkce).await;
    let tokens = scene.exchange(&code, &pkce).await;

    for text in [
        scene.client.id.as_str(),
        scene.client.secret.as_deref().unwrap(),
        &code,
        &tokens.field("access_token"),
        &tokens.field("refresh_token"),
    ] {
        assert!(text.bytes().all(|b| b.is_ascii_graphic()), "{text}");
    }
}
