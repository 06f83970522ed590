//! Apps that register themselves and sign people in, with the crate `openidconnect` and all that it does by default.

mod suite;

use std::process::ExitCode;

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreClientRegistrationRequest, CoreGrantType,
    CoreIdTokenClaims, CoreProviderMetadata, CoreUserInfoClaims,
};
use openidconnect::registration::{EmptyAdditionalClientMetadata, EmptyAdditionalClientRegistrationResponse};
use openidconnect::{
    AuthorizationCode, ClientName, CsrfToken, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl,
    Nonce, OAuth2TokenResponse, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse,
};

use suite::{Failure, Suite, equal};

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

const CALLBACK: &str = "https://app.example/callback";
const SCOPES: [&str; 3] = ["email", "profile", "read"];

fn main() -> Result<ExitCode, Failure> {
    let mut suite = Suite::from_environment()?;
    let provider = suite.check("discovery finds the provider, and its keys", |suite| {
        let issuer = IssuerUrl::new(suite.issuer.clone())?;
        let provider = CoreProviderMetadata::discover(&issuer, &suite.http)?;
        equal(&provider.issuer(), &&issuer)?;
        Ok(provider)
    });
    for method in [
        CoreClientAuthMethod::ClientSecretBasic,
        CoreClientAuthMethod::ClientSecretPost,
        CoreClientAuthMethod::None,
    ] {
        // Each step needs the one before; the first that fails has been reported.
        let _ = provider.as_ref().and_then(|provider| sign_in(&mut suite, provider, &method));
    }
    Ok(if suite.has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn sign_in(suite: &mut Suite, provider: &CoreProviderMetadata, method: &CoreClientAuthMethod) -> Option<()> {
    let name = serde_json::to_value(method).ok()?.as_str()?.to_owned();
    let client = suite
        .check(&format!("{name}: the app registers itself"), |suite| register(suite, provider, method))?;

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (code, nonce) = suite.check(&format!("{name}: the answer carries code, state and iss"), |suite| {
        let (url, state, nonce) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scopes(SCOPES.map(|scope| Scope::new(scope.into())))
            .set_pkce_challenge(challenge)
            .url();
        Ok((suite.authorize(url.as_str(), CALLBACK, state.secret())?, nonce))
    })?;

    let (tokens, subject) = suite.check(
        &format!("{name}: the code gives tokens, and the crate accepts the ID token"),
        |suite| {
            let code = AuthorizationCode::new(code);
            let tokens = client.exchange_code(code)?.set_pkce_verifier(verifier).request(&suite.http)?;
            let id_token = tokens.id_token().ok_or("no ID token")?;
            let claims: &CoreIdTokenClaims = id_token.claims(&client.id_token_verifier(), &nonce)?;
            let scopes = ["openid", "profile", "email", "read"];
            suite.acts_for(
                tokens.access_token().secret(),
                client.client_id(),
                Some(&suite.email),
                &scopes,
            )?;
            let subject = claims.subject().clone();
            Ok((tokens, subject))
        },
    )?;

    suite.check(&format!("{name}: userinfo tells of the same person"), |suite| {
        let request = client.user_info(tokens.access_token().clone(), Some(subject.clone()))?;
        let told: CoreUserInfoClaims = request.request(&suite.http)?;
        equal(&told.email().map(|email| email.as_str()), &Some(suite.email.as_str()))
    })?;

    suite.check(
        &format!("{name}: refreshing gives a new pair that works, and an ID token that holds"),
        |suite| {
            let refresh = tokens.refresh_token().ok_or("no refresh token")?;
            let next = client.exchange_refresh_token(refresh)?.request(&suite.http)?;
            let id_token = next.id_token().ok_or("no ID token")?;
            // That of a refresh has no nonce.
            let claims =
                id_token.claims(&client.id_token_verifier(), |nonce: Option<&Nonce>| match nonce {
                    None => Ok(()),
                    Some(_) => Err("a nonce".to_owned()),
                })?;
            equal(claims.subject(), &subject)?;
            equal(&(next.refresh_token().map(|token| token.secret()) == Some(refresh.secret())), &false)
        },
    )?;

    suite.check(
        &format!("{name}: without its signature an ID token is worth nothing to the crate"),
        |suite| {
            let id_token = tokens.id_token().ok_or("no ID token")?.to_string();
            let (signed, _) = id_token.rsplit_once('.').ok_or("no signature")?;
            let forged: openidconnect::core::CoreIdToken = format!("{signed}.AAAA").parse()?;
            equal(&forged.claims(&client.id_token_verifier(), &nonce).is_err(), &true)?;
            suite.refuses(&format!("{}x", tokens.access_token().secret()))
        },
    )
}

fn register(
    suite: &Suite,
    provider: &CoreProviderMetadata,
    method: &CoreClientAuthMethod,
) -> Result<Client, Failure> {
    let endpoint = provider.registration_endpoint().ok_or("no registration endpoint")?;
    let callback = RedirectUrl::new(CALLBACK.into())?;
    let registered =
        CoreClientRegistrationRequest::new(vec![callback.clone()], EmptyAdditionalClientMetadata {})
            .set_client_name(Some(
                [(None, ClientName::new("With openidconnect".into()))].into_iter().collect(),
            ))
            .set_grant_types(Some(vec![CoreGrantType::AuthorizationCode, CoreGrantType::RefreshToken]))
            .set_token_endpoint_auth_method(Some(method.clone()))
            .register(endpoint, &suite.http)?;
    let _: &EmptyAdditionalClientRegistrationResponse = registered.additional_response();
    let client = CoreClient::from_provider_metadata(
        provider.clone(),
        registered.client_id().clone(),
        registered.client_secret().cloned(),
    );
    let by = match method {
        CoreClientAuthMethod::ClientSecretPost => openidconnect::AuthType::RequestBody,
        _ => openidconnect::AuthType::BasicAuth,
    };
    Ok(client.set_auth_type(by).set_redirect_uri(callback))
}
