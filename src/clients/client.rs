//! A third-party application (RFC 6749 §2), owned by an organization.

use chrono::TimeDelta;
use serde_json::Value;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::audit::log;
use crate::audit::log::Change;
use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::base::ids::OrganizationId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::clients::redirect_uri;
use crate::clients::registration::Lifetimes;
use crate::clients::registration::Registration;
use crate::clients::secret;
use crate::scopes::Scopes;

#[derive(Debug, Clone)]
pub struct Client {
    pub id: ClientId,
    pub organization_id: OrganizationId,
    /// The organization's name, for people who are asked to trust it.
    pub publisher: String,
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
    pub client: Client,
    /// Those in force.
    pub secret_hashes: Vec<SecretHash>,
}

impl Client {
    /// Nobody's app works while its organization is suspended.
    pub const fn works(&self) -> bool {
        self.disabled_at.is_none() && self.suspended_at.is_none()
    }

    pub fn has_grant_type(&self, name: &str) -> bool {
        self.registration.grant_types.iter().any(|grant_type| grant_type == name)
    }

    /// Whether the client registered the URI that a request asks for (RFC 8252 §7.3 for loopback ports).
    pub fn may_redirect_to(&self, asked: &str) -> bool {
        self.registration.redirect_uris.iter().any(|registered| redirect_uri::matches(registered, asked))
    }
}

impl ClientWithSecrets {
    /// Whether `secret` is one of the client's. A public client has none and cannot be proved by one.
    ///
    /// Every hash is compared, and each in constant time.
    pub fn is_proved_by(&self, secret: &Secret) -> bool {
        let hash = secret.hash();
        self.secret_hashes.iter().filter(|known| **known == hash).count() > 0
    }
}

/// One place knows which columns make a client; the caller says which rows, and which secrets if any.
macro_rules! select_clients {
    (secrets: $secret_hashes:tt, $which:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query!(
            r#"
            select c.id as "id: ClientId", c.organization_id as "organization_id: OrganizationId",
                   o.name as publisher, c.name, c.homepage_url, c.logo_url, c.is_confidential, c.is_reviewed,
                   c.redirect_uris, c.scopes as "scopes: Scopes", c.default_scopes as "default_scopes: Scopes",
                   c.required_scopes as "required_scopes: Scopes", c.grant_types, c.require_pkce,
                   c.access_token_seconds, c.refresh_token_idle_seconds, c.refresh_token_max_seconds,
                   c.retry_window_seconds, c.created_at, c.last_used_at, c.disabled_at, o.suspended_at,
            "# + $secret_hashes + r#" as "secret_hashes!: Vec<SecretHash>"
              from clients c
              join organizations o on o.id = c.organization_id
            "# + $which
            $(, $argument)*
        )
        .map(|row| ClientWithSecrets {
            client: Client {
                id: row.id,
                organization_id: row.organization_id,
                publisher: row.publisher,
                is_reviewed: row.is_reviewed,
                registration: Registration {
                    name: row.name,
                    homepage_url: row.homepage_url,
                    logo_url: row.logo_url,
                    is_confidential: row.is_confidential,
                    redirect_uris: row.redirect_uris,
                    scopes: row.scopes,
                    default_scopes: row.default_scopes,
                    required_scopes: row.required_scopes,
                    grant_types: row.grant_types,
                    require_pkce: row.require_pkce,
                    lifetimes: Lifetimes {
                        access_token: seconds(row.access_token_seconds),
                        refresh_token_idle: seconds(row.refresh_token_idle_seconds),
                        refresh_token_max: seconds(row.refresh_token_max_seconds),
                        retry_window: seconds(row.retry_window_seconds),
                    },
                },
                created_at: row.created_at,
                last_used_at: row.last_used_at,
                disabled_at: row.disabled_at,
                suspended_at: row.suspended_at,
            },
            secret_hashes: row.secret_hashes,
        })
    };
    ($($which_and_arguments:tt)*) => {
        select_clients!(secrets: "'{}'::bytea[]", $($which_and_arguments)*).map(|found| found.client)
    };
}

fn seconds(seconds: i32) -> TimeDelta {
    TimeDelta::seconds(seconds.into())
}

/// The registration has been checked.
pub async fn create(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    registration: &Registration,
    act: &Act,
) -> sqlx::Result<ClientId> {
    let id = ClientId::new(act.at);
    sqlx::query!(
        "insert into clients (id, organization_id, name, is_confidential, redirect_uris, scopes, default_scopes,
                              required_scopes, grant_types, access_token_seconds, refresh_token_idle_seconds,
                              refresh_token_max_seconds, retry_window_seconds, created_at)
         values ($1, $2, '', false, '{}', '{}', '{}', '{}', '{}', 0, 0, 0, 0, $3)",
        id as ClientId,
        organization as OrganizationId,
        act.at,
    )
    .execute(&mut **tx)
    .await?;
    // One place knows the columns of a registration.
    write(tx, id, registration).await?;
    let after = registration.told();
    record(tx, act, organization, ("client.created", id), (None, Some(after))).await?;
    Ok(id)
}

async fn record(
    tx: &mut PgTransaction<'_>,
    act: &Act,
    organization: OrganizationId,
    (action, id): (&str, ClientId),
    (before, after): (Option<Value>, Option<Value>),
) -> sqlx::Result<()> {
    let target = ("client", id.to_string());
    log::record(tx, act, &Change { organization: Some(organization), action, target, before, after }).await
}

/// With a first secret if it is confidential, which exists nowhere else. The registration has been checked.
pub async fn register(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    registration: &Registration,
    act: &Act,
) -> sqlx::Result<(ClientId, Option<Secret>)> {
    let id = create(tx, organization, registration, act).await?;
    if !registration.is_confidential {
        return Ok((id, None));
    }
    let created = secret::create(tx, (organization, id), "First secret", None, act).await?;
    Ok((id, created.map(|(_, secret)| secret)))
}

/// Locks the client until the transaction ends, so that of two changes at once the second begins where the first
/// ended. `None` if the organization has no such client.
pub async fn find_for_update(
    tx: &mut PgConnection,
    organization: OrganizationId,
    id: ClientId,
    now: Timestamp,
) -> sqlx::Result<Option<Client>> {
    sqlx::query!(
        "select from clients where id = $1 and organization_id = $2 for update",
        id as ClientId,
        organization as OrganizationId,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let found = find(tx, id, now).await?.map(|found| found.client);
    Ok(found.filter(|client| client.organization_id == organization))
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
    write(tx, client.id, registration).await?;
    let whose = client.organization_id;
    record(tx, act, whose, ("client.updated", client.id), (Some(before), Some(after))).await
}

/// Whoever vouched for the client vouched for what it was: a change of what people see or may lose ends that.
async fn write(db: &mut PgConnection, id: ClientId, registration: &Registration) -> sqlx::Result<()> {
    let seconds = |lifetime: TimeDelta| i32::try_from(lifetime.num_seconds()).unwrap_or(i32::MAX);
    let lifetimes = registration.lifetimes;
    sqlx::query!(
        r#"
        update clients
           set name = $2, homepage_url = $3, logo_url = $4, is_confidential = $5, redirect_uris = $6,
               scopes = $7, default_scopes = $8, required_scopes = $9, grant_types = $10, require_pkce = $11,
               access_token_seconds = $12, refresh_token_idle_seconds = $13, refresh_token_max_seconds = $14,
               retry_window_seconds = $15,
               is_reviewed = is_reviewed and name = $2 and homepage_url is not distinct from $3
                             and logo_url is not distinct from $4 and redirect_uris = $6 and scopes = $7
         where id = $1
        "#,
        id as ClientId,
        registration.name.trim(),
        registration.homepage_url,
        registration.logo_url,
        registration.is_confidential,
        &registration.redirect_uris,
        &registration.scopes as &Scopes,
        &registration.default_scopes as &Scopes,
        &registration.required_scopes as &Scopes,
        &registration.grant_types,
        registration.require_pkce,
        seconds(lifetimes.access_token),
        seconds(lifetimes.refresh_token_idle),
        seconds(lifetimes.refresh_token_max),
        seconds(lifetimes.retry_window),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// With the secrets that are in force at `now`.
pub async fn find(
    db: &mut PgConnection,
    id: ClientId,
    now: Timestamp,
) -> sqlx::Result<Option<ClientWithSecrets>> {
    let found = select_clients!(
        secrets: "array(select hash from client_secrets s
                         where s.client_id = c.id and (s.expires_at is null or s.expires_at > $2))",
        "where c.id = $1",
        id as ClientId,
        now,
    );
    found.fetch_optional(db).await
}

/// Those of an organization, the newest first.
pub async fn list(db: &mut PgConnection, organization: OrganizationId) -> sqlx::Result<Vec<Client>> {
    let found =
        select_clients!("where c.organization_id = $1 order by c.id desc", organization as OrganizationId);
    found.fetch_all(db).await
}

/// Of all organizations those whose name or publisher holds `text`, or whose id it is; the newest first, at most
/// `limit`, those older than `before`.
pub async fn search(
    db: &mut PgConnection,
    text: &str,
    (before, limit): (Option<ClientId>, i64),
) -> sqlx::Result<Vec<Client>> {
    let id: Option<ClientId> = text.parse().ok();
    let found = select_clients!(
        "where (strpos(lower(c.name), lower($1)) > 0 or strpos(lower(o.name), lower($1)) > 0 or c.id = $2)
           and ($3::uuid is null or c.id < $3)
         order by c.id desc
         limit $4",
        text,
        id as Option<ClientId>,
        before as Option<ClientId>,
        limit,
    );
    found.fetch_all(db).await
}

/// With its secrets and grants; `false` if the organization has no such client.
pub async fn delete(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    id: ClientId,
    act: &Act,
) -> sqlx::Result<bool> {
    let name = sqlx::query_scalar!(
        "delete from clients where id = $1 and organization_id = $2 returning name",
        id as ClientId,
        organization as OrganizationId,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(name) = name else { return Ok(false) };
    let before = json!({ "name": name });
    record(tx, act, organization, ("client.deleted", id), (Some(before), None)).await?;
    Ok(true)
}

/// A disabled client gets no tokens, and those it has count no more.
pub async fn set_disabled(
    tx: &mut PgTransaction<'_>,
    client: &Client,
    is_disabled: bool,
    act: &Act,
) -> sqlx::Result<()> {
    if client.disabled_at.is_some() == is_disabled {
        return Ok(());
    }
    sqlx::query!(
        "update clients set disabled_at = $2 where id = $1",
        client.id as ClientId,
        is_disabled.then_some(act.at),
    )
    .execute(&mut **tx)
    .await?;
    let (before, after) = (json!({ "disabled": !is_disabled }), json!({ "disabled": is_disabled }));
    let whose = client.organization_id;
    record(tx, act, whose, ("client.updated", client.id), (Some(before), Some(after))).await
}

/// The operator vouches for the client, or no longer does. `false` if there is none.
pub async fn set_reviewed(
    tx: &mut PgTransaction<'_>,
    id: ClientId,
    is_reviewed: bool,
    act: &Act,
) -> sqlx::Result<bool> {
    let organization = sqlx::query_scalar!(
        r#"update clients set is_reviewed = $2 where id = $1 returning organization_id as "id: OrganizationId""#,
        id as ClientId,
        is_reviewed,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(organization) = organization else { return Ok(false) };
    let after = json!({ "reviewed": is_reviewed });
    record(tx, act, organization, ("client.reviewed", id), (None, Some(after))).await?;
    Ok(true)
}
