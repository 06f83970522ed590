//! The credentials of the rows that [`fill`](crate::fill) has made.

use std::sync::Arc;

use countersign::api_keys::format;
use countersign::base::clock::Clock;
use countersign::base::clock::Timestamp;
use countersign::base::ids::TokenId;
use countersign::base::secret::Secret;
use countersign::base::server_secret::ServerSecret;
use countersign::grants::access_token;
use countersign::grants::access_token::Audience;
use countersign::grants::access_token::Claims;
use countersign::grants::grant;
use countersign::signing::derived::Derived;
use countersign::signing::derived::Kind;
use countersign::signing::jwt;
use countersign::signing::keyring::Keyring;
use countersign::signing::keyring::Keys;
use jsonwebtoken::Algorithm;
use sqlx::PgConnection;

use crate::fill;
use crate::fill::Series;
use crate::server;
use crate::tenants;
use crate::tenants::Tenant;

/// What the server's own secret lets it make.
#[derive(Clone)]
pub struct Credentials {
    keys: Arc<Keys>,
}

impl Credentials {
    pub async fn open(db: &mut PgConnection) -> anyhow::Result<Self> {
        let secret = ServerSecret::new(&Secret::new(server::SECRET));
        let ring = Keyring::open(db, secret, Algorithm::ES256, Clock::System.now()).await?;
        Ok(Self { keys: ring.current() })
    }

    pub fn token_key(&self) -> i16 {
        self.keys.newest_token_key()
    }

    pub fn refresh_token(&self, number: u64, generation: i32) -> anyhow::Result<String> {
        self.derive(Series::Grants, Kind::Refresh, number, generation)
    }

    pub fn code(&self, number: u64) -> anyhow::Result<String> {
        self.derive(Series::Codes, Kind::Code, number, 0)
    }

    fn derive(&self, series: Series, kind: Kind, number: u64, generation: i32) -> anyhow::Result<String> {
        let token = Derived { id: fill::grant_id(series, number).to_bytes(), generation };
        Ok(self.keys.derive(self.token_key(), kind, token)?.expose().to_owned())
    }

    /// Of a grant; it outlives the bench.
    pub fn access_token(&self, tenants: &[Tenant], number: u64, now: Timestamp) -> anyhow::Result<String> {
        let tenant = tenants::of(tenants, number);
        let claims = Claims {
            iss: server::ISSUER.to_owned(),
            sub: tenants::person_of(tenant, number).to_string(),
            aud: Audience::One(server::ISSUER.to_owned()),
            exp: now.timestamp() + 3600,
            iat: now.timestamp(),
            jti: TokenId::new(now),
            client_id: tenant.client.to_string(),
            scope: "read write".to_owned(),
            org: tenant.organization,
            grant: Some(fill::grant_id(Series::Grants, number)),
            auth_time: Some(now.timestamp()),
            acr: Some(grant::ACR.to_owned()),
            amr: grant::AMR.map(str::to_owned).to_vec(),
            cnf: None,
            act: None,
        };
        let token = jwt::sign(&self.keys, Algorithm::ES256, access_token::TYPE, &claims, now)?;
        Ok(token.expose().to_owned())
    }
}

pub fn api_key(number: u64) -> String {
    let secret = Secret::new(fill::secret_of_key(number));
    format::assemble("sk", &fill::public_id_of_key(number), &secret).expose().to_owned()
}
