//! The client credentials grant (RFC 6749 §4.4).

use crate::app::App;
use crate::clients::client::Client;
use crate::grants::access_token;
use crate::grants::access_token::Holder;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use crate::oauth::resource;
use crate::oauth::token::TokenResponse;
use crate::protocol::client_credentials;

pub(super) fn issue(app: &App, client: &Client, params: &Params) -> Result<TokenResponse, OAuthError> {
    let scopes = client_credentials::decide(client, params.optional("scope")?, app.config.scopes.all())?;
    let resources = resource::asked(params, &app.config)?;
    let now = app.clock.now();
    let holder = Holder::Client(client.organization_id);
    let keys = app.keys.current();
    let issuer = app.config.links.issuer();
    let access_token = access_token::mint(&keys, issuer, client, (holder, &scopes, &resources), now)?;
    // No refresh token (RFC 6749 §4.4.3): the client can always ask again.
    Ok(TokenResponse::bearer(&access_token, client.registration.lifetimes.access_token, None, &scopes))
}
