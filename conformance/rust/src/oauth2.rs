//! A public client and a confidential one, with the crate `oauth2`. It knows no discovery.

mod suite;

use std::env::var;
use std::process::ExitCode;

use oauth2::basic::{BasicClient, BasicRequestTokenError};
use oauth2::reqwest::blocking::Client as Http;
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    HttpClientError, HttpRequest, PkceCodeChallenge, RedirectUrl, RevocationUrl, Scope, SyncHttpClient,
    TokenResponse, TokenUrl, reqwest,
};

use suite::{Failure, Suite, equal};

type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet>;

const WEB_CALLBACK: &str = "https://app.example/callback";
const LOOPBACK_CALLBACK: &str = "http://127.0.0.1:43210/callback";

fn main() -> Result<ExitCode, Failure> {
    let mut suite = Suite::from_environment()?;
    let public = client(&suite, &var("PUBLIC_CLIENT")?)?;
    let confidential = client(&suite, &var("CONFIDENTIAL_CLIENT")?)?
        .set_client_secret(ClientSecret::new(var("CONFIDENTIAL_SECRET")?));
    let by_basic = confidential.clone().set_auth_type(AuthType::BasicAuth);
    let by_post = confidential.set_auth_type(AuthType::RequestBody);

    for (name, client, callback) in [
        ("public", public, LOOPBACK_CALLBACK),
        ("confidential, Basic", by_basic.clone(), WEB_CALLBACK),
        ("confidential, POST body", by_post.clone(), WEB_CALLBACK),
    ] {
        let client = client.set_redirect_uri(RedirectUrl::new(callback.into())?);
        // Each step needs the one before; the first that fails has been reported.
        let _ = authorization_code(&mut suite, name, &client, callback);
    }
    for (name, client) in [("Basic", by_basic), ("POST body", by_post)] {
        suite.check(&format!("client credentials, secret by {name}"), |suite| {
            let token = client
                .exchange_client_credentials()
                .add_scope(Scope::new("read".into()))
                .request(&suite.http)?;
            equal(&token.refresh_token().is_none(), &true)?;
            suite.acts_for(token.access_token().secret(), client.client_id(), None, &["read"])
        });
    }
    Ok(if suite.has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn client(suite: &Suite, id: &str) -> Result<Client, Failure> {
    let issuer = &suite.issuer;
    // The crate revokes over TLS alone; `without_tls` takes the `s` away again.
    let revocation = issuer.replacen("http:", "https:", 1);
    Ok(BasicClient::new(ClientId::new(id.into()))
        .set_auth_uri(AuthUrl::new(format!("{issuer}/oauth/authorize"))?)
        .set_token_uri(TokenUrl::new(format!("{issuer}/oauth/token"))?)
        .set_revocation_url(RevocationUrl::new(format!("{revocation}/oauth/revoke"))?))
}

fn without_tls(http: &Http) -> impl SyncHttpClient<Error = HttpClientError<reqwest::Error>> {
    |mut request: HttpRequest| {
        let plain = request.uri().to_string().replacen("https:", "http:", 1);
        *request.uri_mut() = plain.parse().expect("a URL stays one without TLS");
        http.call(request)
    }
}

fn authorization_code(suite: &mut Suite, name: &str, client: &Client, callback: &str) -> Option<()> {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let code = suite.check(&format!("{name}: the answer carries code, state and iss"), |suite| {
        let (url, state) = client
            .authorize_url(CsrfToken::new_random)
            .add_scopes(["read", "write"].map(|scope| Scope::new(scope.into())))
            .add_extra_param("prompt", "consent")
            .set_pkce_challenge(challenge)
            .url();
        suite.authorize(url.as_str(), callback, state.secret())
    })?;

    let first =
        suite.check(&format!("{name}: the code gives tokens that act for the person at /v1"), |suite| {
            let tokens = client
                .exchange_code(AuthorizationCode::new(code))
                .set_pkce_verifier(verifier)
                .request(&suite.http)?;
            suite.acts_for(
                tokens.access_token().secret(),
                client.client_id(),
                Some(&suite.email),
                &["read", "write"],
            )?;
            tokens.refresh_token().cloned().ok_or("no refresh token".into())
        })?;

    let (access, refresh) =
        suite.check(&format!("{name}: refreshing gives a new pair that works"), |suite| {
            let tokens = client.exchange_refresh_token(&first).request(&suite.http)?;
            let refresh = tokens.refresh_token().cloned().ok_or("no refresh token")?;
            equal(&(refresh.secret() == first.secret()), &false)?;
            suite.acts_for(
                tokens.access_token().secret(),
                client.client_id(),
                Some(&suite.email),
                &["read", "write"],
            )?;
            Ok((tokens.access_token().clone(), refresh))
        })?;

    suite.check(&format!("{name}: after revocation both tokens are refused"), |suite| {
        client.revoke_token(refresh.clone().into())?.request(&without_tls(&suite.http))?;
        suite.refuses(access.secret())?;
        match client.exchange_refresh_token(&refresh).request(&suite.http) {
            Err(BasicRequestTokenError::ServerResponse(answer)) => {
                equal(answer.error().as_ref(), "invalid_grant")
            }
            other => Err(format!("not refused: {other:?}").into()),
        }
    })
}
