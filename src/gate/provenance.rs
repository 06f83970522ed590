//! From where and when a request comes, for the audit log.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header;
use axum::http::request::Parts;

use crate::app::App;
use crate::audit::act::Act;
use crate::audit::act::Actor;
use crate::base::clock::Timestamp;
use crate::gate::client_address::ClientAddress;
use crate::gate::session;

#[derive(Debug, Clone)]
pub struct Provenance {
    pub address: ClientAddress,
    pub user_agent: Option<String>,
    pub at: Timestamp,
}

impl Provenance {
    pub fn new(address: ClientAddress, headers: &HeaderMap, at: Timestamp) -> Self {
        let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Self { address, user_agent: user_agent.map(session::shown_user_agent), at }
    }

    /// What `actor` does with this request.
    pub fn act(self, actor: Actor) -> Act {
        Act { actor, address: Some(self.address.ip), user_agent: self.user_agent, at: self.at }
    }
}

impl FromRequestParts<App> for Provenance {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let address = ClientAddress::from_request_parts(parts, app).await?;
        Ok(Self::new(address, &parts.headers, app.clock.now()))
    }
}
