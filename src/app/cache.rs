//! What nearly every request asks for, in memory.
//!
//! Each row is forgotten when the transaction that changed it commits, wherever that was: it is announced
//! (`migrations/0010_announcements.sql`), and `server::announcements` listens. A node that does not hear what is announced
//! has no lease, and asks the database.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use quick_cache::sync::Cache as Memo;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::api_keys::verify;
use crate::api_keys::verify::KnownKey;
use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::base::ids::GrantId;
use crate::base::ids::OrganizationId;
use crate::base::ids::TokenId;
use crate::base::row_cache::Lease;
use crate::base::row_cache::RowCache;
use crate::base::secret;
use crate::clients::client;
use crate::clients::client::ClientWithSecrets;
use crate::clients::identifier;
use crate::grants::access_token;
use crate::grants::access_token::Basis;
use crate::grants::access_token::Claims;
use crate::grants::access_token::LiveToken;
use crate::grants::access_token::TokenGrant;
use crate::organizations::organization;
use crate::organizations::organization::Organization;
use crate::signing::jwt;
use crate::signing::keyring::Keys;

/// Where the database announces what has changed.
pub const CHANNEL: &str = "countersign_changes";

/// How many of each are kept: more than are in use within minutes, in some hundred megabytes at the very most.
const CREDENTIALS: usize = 128 * 1024;
const TOKENS: usize = 64 * 1024;
const OWNERS: usize = 32 * 1024;

/// Somebody who waits until what was announced so far has been heard.
pub type Waiting = oneshot::Sender<()>;

pub struct Cache {
    db: PgPool,
    lease: Lease,
    /// `None` while nobody listens.
    waiting: Mutex<Option<mpsc::UnboundedSender<Waiting>>>,
    /// By their public part.
    keys: RowCache<String, KnownKey>,
    organizations: RowCache<OrganizationId, Organization>,
    clients: RowCache<ClientId, ClientWithSecrets>,
    grants: RowCache<GrantId, TokenGrant>,
    /// Of access tokens: whether each was revoked alone.
    revocations: RowCache<TokenId, bool>,
    /// Access tokens whose signature was right, by their SHA-256: a signature takes longer to check than everything else
    /// together. Nothing that can change, so it needs no lease.
    tokens: Memo<[u8; 32], Arc<SignedToken>>,
}

/// An access token of ours, with the key that signed it.
struct SignedToken {
    claims: Arc<Claims>,
    key_id: String,
}

impl Cache {
    pub fn new(db: PgPool) -> Self {
        let lease = Lease::default();
        Self {
            db,
            waiting: Mutex::default(),
            keys: RowCache::new(CREDENTIALS, lease.clone()),
            organizations: RowCache::new(OWNERS, lease.clone()),
            clients: RowCache::new(OWNERS, lease.clone()),
            grants: RowCache::new(CREDENTIALS, lease.clone()),
            revocations: RowCache::new(TOKENS, lease.clone()),
            tokens: Memo::new(TOKENS),
            lease,
        }
    }

    /// `None` also if its organization is gone.
    pub async fn key(&self, public_id: &str) -> sqlx::Result<Option<(Arc<KnownKey>, Arc<Organization>)>> {
        let find = async || verify::find(&mut *self.db.acquire().await?, public_id).await;
        let Some(key) = self.keys.get(public_id, find).await? else { return Ok(None) };
        let organization = self.organization(key.organization_id).await?;
        Ok(organization.map(|organization| (key, organization)))
    }

    pub async fn organization(&self, id: OrganizationId) -> sqlx::Result<Option<Arc<Organization>>> {
        let find = async || organization::find(&mut *self.db.acquire().await?, id).await;
        self.organizations.get(&id, find).await
    }

    pub async fn client(&self, id: ClientId) -> sqlx::Result<Option<Arc<ClientWithSecrets>>> {
        let find = async || client::find(&mut *self.db.acquire().await?, id).await;
        self.clients.get(&id, find).await
    }

    async fn grant(&self, id: GrantId) -> sqlx::Result<Option<Arc<TokenGrant>>> {
        let find = async || access_token::find_grant(&mut *self.db.acquire().await?, id).await;
        self.grants.get(&id, find).await
    }

    async fn is_revoked(&self, id: TokenId) -> sqlx::Result<bool> {
        let find = async || access_token::is_revoked(&mut *self.db.acquire().await?, id).await.map(Some);
        Ok(self.revocations.get(&id, find).await?.is_some_and(|is_revoked| *is_revoked))
    }

    /// The token of these claims, if it still counts.
    pub async fn live_token(&self, claims: &Claims, now: Timestamp) -> sqlx::Result<Option<LiveToken>> {
        let Some(client_id) = identifier::row_id(&claims.client_id) else { return Ok(None) };
        let Some(client) = self.client(client_id).await? else { return Ok(None) };
        let Some(organization) = self.organization(claims.org).await? else { return Ok(None) };
        let grant = match claims.grant {
            Some(id) => self.grant(id).await?,
            None => None,
        };
        let is_revoked = self.is_revoked(claims.jti).await?;
        let client = Arc::clone(&client.client);
        Ok(access_token::judge(claims, Basis { client, grant, organization, is_revoked }, now))
    }

    /// The claims of an access token that was read before, as long as the key counts that signed it.
    pub fn read_token(&self, keys: &Keys, token: &str, now: Timestamp) -> Option<Arc<Claims>> {
        let known = self.tokens.get(&secret::sha256(token.as_bytes()))?;
        let counts = now.timestamp() < known.claims.exp && keys.verifier(&known.key_id, now).is_some();
        counts.then(|| Arc::clone(&known.claims))
    }

    /// `claims` are those of `token`, whose signature was right.
    pub fn keep_token(&self, token: &str, claims: &Arc<Claims>) {
        let Some(key_id) = jwt::any_key_id(token) else { return };
        let signed = SignedToken { claims: Arc::clone(claims), key_id };
        self.tokens.insert(secret::sha256(token.as_bytes()), Arc::new(signed));
    }

    /// Until when what is kept may be believed, as long as somebody listens.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// How many rows are kept.
    pub fn row_count(&self) -> usize {
        let of_owners = self.organizations.row_count() + self.clients.row_count();
        self.keys.row_count() + self.grants.row_count() + self.revocations.row_count() + of_owners
    }

    /// Now somebody listens. What was announced before is past hearing.
    pub fn begin(&self) -> mpsc::UnboundedReceiver<Waiting> {
        self.clear();
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Now nobody listens any more.
    pub fn end(&self) {
        self.lease.end();
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns when this node has heard of all that was committed before: whoever is answered that something was revoked
    /// must find it revoked here.
    pub async fn catch_up(&self) {
        // While nobody listens nothing is believed, and before it is again all is forgotten.
        if let Some(hearing) = self.wait() {
            let _ = hearing.await;
        }
    }

    fn wait(&self) -> Option<oneshot::Receiver<()>> {
        let listener = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (heard, hearing) = oneshot::channel();
        listener.as_ref()?.send(heard).ok()?;
        Some(hearing)
    }

    /// Forgets what is announced to have changed, such as `client 0191…`; all, if that says nothing.
    pub fn forget(&self, announced: &str) {
        let (kind, name) = announced.split_once(' ').unwrap_or_default();
        let is_understood = match kind {
            "api_key" => {
                self.keys.forget(name);
                true
            }
            "organization" => forget(&self.organizations, name, OrganizationId::from_bytes),
            "client" => forget(&self.clients, name, ClientId::from_bytes),
            "grant" => forget(&self.grants, name, GrantId::from_bytes),
            "access_token" => forget(&self.revocations, name, TokenId::from_bytes),
            "plan" => {
                self.organizations.clear();
                true
            }
            _ => false,
        };
        if !is_understood {
            tracing::warn!(announced, "an announcement says nothing to this version: all is read again");
            self.clear();
        }
    }

    fn clear(&self) {
        self.keys.clear();
        self.organizations.clear();
        self.clients.clear();
        self.grants.clear();
        self.revocations.clear();
    }
}

/// `false` if `id` is none.
fn forget<K: Eq + Hash + Clone, V>(rows: &RowCache<K, V>, id: &str, of_bytes: fn([u8; 16]) -> K) -> bool {
    let Ok(id) = Uuid::try_parse(id) else { return false };
    rows.forget(&of_bytes(id.into_bytes()));
    true
}
