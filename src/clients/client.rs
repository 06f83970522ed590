//! A third-party application (RFC 6749 §2), owned by an organization or by nobody.

use std::iter;
use std::sync::Arc;

use serde_json::Value;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::audit::log;
use crate::audit::log::Change;
use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::base::ids::ClientSecretId;
use crate::base::ids::OrganizationId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::clients::columns;
use crate::clients::columns::select_clients;
use crate::clients::identifier;
use crate::clients::redirect_uri;
use crate::clients::registration::AuthMethod;
use crate::clients::registration::Lifetimes;
use crate::clients::registration::Registration;
use crate::clients::registration::SubjectType;
use crate::clients::secret;
use crate::scopes::OFFLINE_ACCESS;
use crate::scopes::OPENID;
use crate::scopes::Scopes;
use crate::signing::algorithm::SigningAlg;

#[derive(Debug, Clone)]
pub struct Client {
    pub id: ClientId,
    /// `None` for one that registered itself.
    pub organization_id: Option<OrganizationId>,
    /// The organization's name, for people who are asked to trust it.
    pub publisher: Option<String>,
    /// `client_id` of one that a document describes.
    pub metadata_url: Option<String>,
    /// Since when that document cannot be had.
    pub away_since: Option<Timestamp>,
    /// When a person first let one in that registered itself.
    pub accepted_at: Option<Timestamp>,
    /// The operator vouches for it.
    pub is_reviewed: bool,
    pub registration: Registration,
    pub created_at: Timestamp,
    /// To within a few seconds.
    pub last_used_at: Option<Timestamp>,
    pub disabled_at: Option<Timestamp>,
    /// Of its organization.
    pub suspended_at: Option<Timestamp>,
}

/// A client together with what its secrets must match.
#[derive(Debug)]
pub struct ClientWithSecrets {
    pub client: Arc<Client>,
    pub(super) secrets: Vec<KnownSecret>,
}

#[derive(Debug, Clone)]
pub(super) struct KnownSecret {
    pub(super) id: ClientSecretId,
    pub(super) hash: SecretHash,
    pub(super) expires_at: Option<Timestamp>,
}

impl Client {
    /// Nobody's app works while its organization is suspended.
    pub const fn works(&self) -> bool {
        self.disabled_at.is_none() && self.suspended_at.is_none()
    }

    /// `client_id` as it is written on the wire.
    pub fn identifier(&self) -> String {
        self.metadata_url.clone().unwrap_or_else(|| self.id.to_string())
    }

    pub const fn registered_itself(&self) -> bool {
        self.organization_id.is_none()
    }

    /// Whether somebody who is known here answers for it: its organization, or the operator.
    pub const fn is_vouched_for(&self) -> bool {
        !self.registered_itself() || self.is_reviewed
    }

    /// Anybody can register anything: until a person has let it in, it is listed nowhere and leaves no trace.
    pub const fn is_in_quarantine(&self) -> bool {
        self.registered_itself() && self.accepted_at.is_none()
    }

    pub fn belongs_to(&self, organization: OrganizationId) -> bool {
        self.organization_id == Some(organization)
    }

    /// Whether a person cannot untick the scope: the client said so, or the person signs in to it.
    pub fn requires(&self, scope: &str) -> bool {
        scope == OPENID || self.registration.required_scopes.contains(scope)
    }

    /// Whether what it gets for a person ends when they sign out: it asked to hear of that, and not to go on while they
    /// are away (Back-Channel Logout §2.7).
    pub fn ends_with_session(&self, scopes: &Scopes) -> bool {
        let is_told = self.registration.backchannel_logout_uri.is_some() && scopes.contains(OPENID);
        is_told && !scopes.contains(OFFLINE_ACCESS)
    }

    /// What of `asked` a person lets it have who ticked some: also what it cannot do without.
    pub fn granted(&self, asked: &Scopes, ticked: &Scopes) -> Scopes {
        let names = asked.iter().filter(|name| self.requires(name) || ticked.contains(name));
        Scopes::from_names(names).unwrap_or_default()
    }

    pub fn has_grant_type(&self, name: &str) -> bool {
        self.registration.grant_types.iter().any(|grant_type| grant_type == name)
    }

    /// Whether the client registered the URI that a request asks for (RFC 8252 §7.3 for loopback ports).
    pub fn may_redirect_to(&self, asked: &str) -> bool {
        self.registration.redirect_uris.iter().any(|registered| redirect_uri::matches(registered, asked))
    }

    /// The same after a logout (RP-Initiated Logout §3).
    pub fn may_return_to(&self, asked: &str) -> bool {
        let registered = &self.registration.post_logout_redirect_uris;
        registered.iter().any(|registered| redirect_uri::matches(registered, asked))
    }
}

impl ClientWithSecrets {
    pub fn into_client(self) -> Client {
        Arc::unwrap_or_clone(self.client)
    }

    /// The same client with other scopes that it may ask for.
    #[must_use]
    pub fn with_scopes(&self, scopes: Scopes) -> Self {
        let mut client = Client::clone(&self.client);
        client.registration.scopes = scopes;
        Self { client: Arc::new(client), secrets: self.secrets.clone() }
    }

    /// Which of the client's secrets in force `secret` is. A public client has none and cannot be proved by one.
    ///
    /// Every hash is compared, and each in constant time.
    pub fn proved_by(&self, secret: &Secret, now: Timestamp) -> Option<ClientSecretId> {
        let hash = secret.hash();
        let in_force = self.secrets.iter().filter(|known| known.expires_at.is_none_or(|at| now < at));
        in_force.fold(None, |found, known| if known.hash == hash { Some(known.id) } else { found })
    }
}

/// The registration has been checked.
pub async fn create(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    registration: &Registration,
    act: &Act,
) -> sqlx::Result<ClientId> {
    let id = ClientId::new(act.at);
    insert(tx, id, Origin { organization: Some(organization), ..Origin::default() }, act.at).await?;
    columns::write(tx, id, registration, act.at).await?;
    let after = registration.told();
    record(tx, act, Some(organization), ("client.created", id), (None, Some(after))).await?;
    Ok(id)
}

/// What a row has from the beginning.
#[derive(Debug, Default)]
pub(super) struct Origin<'a> {
    pub(super) organization: Option<OrganizationId>,
    pub(super) metadata_url: Option<&'a str>,
    pub(super) registration_token: Option<SecretHash>,
    pub(super) fingerprint: Option<[u8; 32]>,
}

/// A row of which nothing is said yet. `false` if there is one with its URL or fingerprint.
pub(super) async fn insert(
    tx: &mut PgConnection,
    id: ClientId,
    origin: Origin<'_>,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        insert into clients
               (id, organization_id, metadata_url, registration_token_hash, fingerprint, name,
                token_endpoint_auth_method, redirect_uris, scopes, default_scopes, required_scopes, grant_types,
                access_token_seconds, refresh_token_idle_seconds, refresh_token_max_seconds, retry_window_seconds,
                created_at)
        values ($1, $2, $3, $4, $5, '', 'none', '{}', '{}', '{}', '{}', '{}', 0, 0, 0, 0, $6)
        on conflict do nothing
        "#,
        id as ClientId,
        origin.organization as Option<OrganizationId>,
        origin.metadata_url,
        origin.registration_token as Option<SecretHash>,
        origin.fingerprint.as_ref().map(|hash| &hash[..]),
        now,
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn record(
    tx: &mut PgTransaction<'_>,
    act: &Act,
    organization: Option<OrganizationId>,
    (action, id): (&str, ClientId),
    (before, after): (Option<Value>, Option<Value>),
) -> sqlx::Result<()> {
    let target = ("client", id.to_string());
    log::record(tx, act, &Change { organization, action, target, before, after }).await
}

/// With a first secret if it is to prove itself with one, which exists nowhere else. The registration has been checked.
pub async fn register(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    registration: &Registration,
    act: &Act,
) -> sqlx::Result<(ClientId, Option<Secret>)> {
    let id = create(tx, organization, registration, act).await?;
    if !registration.token_endpoint_auth_method.has_secret() {
        return Ok((id, None));
    }
    let created = secret::create(tx, (Some(organization), id), "First secret", None, act).await?;
    Ok((id, created.map(|(_, secret)| secret)))
}

/// Locks the client until the transaction ends, so that of two changes at once the second begins where the first
/// ended. `None` if the organization has no such client.
pub async fn find_for_update(
    tx: &mut PgConnection,
    organization: OrganizationId,
    id: ClientId,
) -> sqlx::Result<Option<Client>> {
    sqlx::query!(
        "select from clients where id = $1 and organization_id = $2 for update",
        id as ClientId,
        organization as OrganizationId,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let found = find(tx, id).await?.map(ClientWithSecrets::into_client);
    Ok(found.filter(|client| client.belongs_to(organization)))
}

/// The registration has been checked.
pub async fn update(
    tx: &mut PgTransaction<'_>,
    client: &Client,
    registration: &Registration,
    act: &Act,
) -> sqlx::Result<()> {
    let difference = log::difference(&client.registration.told(), &registration.told());
    let Some((before, after)) = difference else { return Ok(()) };
    columns::write(tx, client.id, registration, act.at).await?;
    if client.is_in_quarantine() {
        return Ok(());
    }
    let whose = client.organization_id;
    record(tx, act, whose, ("client.updated", client.id), (Some(before), Some(after))).await
}

pub async fn find(db: &mut PgConnection, id: ClientId) -> sqlx::Result<Option<ClientWithSecrets>> {
    select_clients!("where c.id = $1", id as ClientId).fetch_optional(db).await
}

/// Those of an organization, the newest first.
pub async fn list(db: &mut PgConnection, organization: OrganizationId) -> sqlx::Result<Vec<Client>> {
    let found =
        select_clients!("where c.organization_id = $1 order by c.id desc", organization as OrganizationId);
    found.map(ClientWithSecrets::into_client).fetch_all(db).await
}

/// Of all, also of those that belong to nobody, those whose name, publisher or URL holds `text`, or whose id it is; the
/// newest first, at most `limit`, those older than `before`. One in quarantine is only found by its whole identifier.
pub async fn search(
    db: &mut PgConnection,
    text: &str,
    (before, limit): (Option<ClientId>, i64),
) -> sqlx::Result<Vec<Client>> {
    let id = identifier::row_id(text);
    let found = select_clients!(
        "where (   strpos(lower(c.name), lower($1)) > 0
                or strpos(lower(o.name), lower($1)) > 0
                or strpos(lower(c.metadata_url), lower($1)) > 0
                or c.id = $2)
           and (c.organization_id is not null or c.accepted_at is not null or c.id = $2)
           and ($3::uuid is null or c.id < $3)
         order by c.id desc
         limit $4",
        text,
        id as Option<ClientId>,
        before as Option<ClientId>,
        limit,
    );
    found.map(ClientWithSecrets::into_client).fetch_all(db).await
}

/// With its secrets and grants; `false` if the organization has no such client. `None`: one that registered itself.
pub async fn delete(
    tx: &mut PgTransaction<'_>,
    organization: Option<OrganizationId>,
    id: ClientId,
    act: &Act,
) -> sqlx::Result<bool> {
    let deleted = sqlx::query!(
        r#"
        delete from clients
         where id = $1
           and organization_id is not distinct from $2
        returning name, organization_id is null and accepted_at is null as "is_in_quarantine!"
        "#,
        id as ClientId,
        organization as Option<OrganizationId>,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(deleted) = deleted else { return Ok(false) };
    if !deleted.is_in_quarantine {
        let before = json!({ "name": deleted.name });
        record(tx, act, organization, ("client.deleted", id), (Some(before), None)).await?;
    }
    Ok(true)
}
