//! The client credentials grant (RFC 6749 §4.4).

use crate::app::App;
use crate::clients::client::Client;
use crate::grants::access_token;
use crate::grants::access_token::Holder;
use crate::grants::access_token::NewToken;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use crate::oauth::resource;
use crate::oauth::token::TokenResponse;
use crate::protocol::client_credentials;

pub(super) fn issue(
    app: &App,
    client: &Client,
    params: &Params,
    key: Option<&str>,
) -> Result<TokenResponse, OAuthError> {
    let scopes = client_credentials::decide(client, params.optional("scope")?, app.config.scopes.all())?;
    let resources = resource::asked(params, &app.config)?;
    let now = app.clock.now();
    // One that registered itself has nobody in whose name it could act.
    let organization = client.organization_id.ok_or_else(|| {
        ErrorCode::UnauthorizedClient
            .because("the client belongs to no organization, and acts for people only")
    })?;
    let holder = Holder::Client(organization);
    let keys = app.keys.current();
    let new = NewToken { client, holder, scopes: &scopes, resources: &resources, dpop_jkt: key };
    let access_token = access_token::mint(&keys, app.issuer(), &new, now)?;
    // No refresh token (RFC 6749 §4.4.3): the client can always ask again.
    Ok(TokenResponse::bearer(&access_token, client.registration.lifetimes.access_token, None, &scopes))
}
