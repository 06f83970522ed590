//! The columns of a client, as they are read and written: in one place, because they are many.

use chrono::TimeDelta;
use sqlx::PgConnection;

use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::clients::registration::AuthMethod;
use crate::clients::registration::Registration;
use crate::clients::registration::SubjectType;
use crate::scopes::Scopes;
use crate::signing::algorithm::SigningAlg;

/// The caller says which rows, and imports the types that are named here.
macro_rules! select_clients {
    ($which:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query!(
            r#"
            select c.id as "id: ClientId", c.organization_id as "organization_id: OrganizationId",
                   o.name as "publisher?", c.metadata_url, c.metadata_away_since, c.accepted_at, c.name,
                   c.homepage_url, c.logo_url, c.policy_uri, c.tos_uri, c.contacts,
                   c.token_endpoint_auth_method as "token_endpoint_auth_method: AuthMethod",
                   c.jwks, c.jwks_uri, c.is_reviewed, c.redirect_uris, c.scopes as "scopes: Scopes",
                   c.default_scopes as "default_scopes: Scopes", c.required_scopes as "required_scopes: Scopes",
                   c.grant_types, c.require_pkce, c.require_pushed_authorization_requests,
                   c.require_signed_request_object, c.dpop_bound_access_tokens,
                   c.subject_type as "subject_type: SubjectType", c.sector_identifier_uri,
                   c.id_token_signed_response_alg as "id_token_signed_response_alg: SigningAlg",
                   c.introspection_signed_response_alg as "introspection_signed_response_alg: SigningAlg",
                   c.access_token_signing_alg as "access_token_signing_alg: SigningAlg",
                   c.post_logout_redirect_uris, c.backchannel_logout_uri, c.backchannel_logout_session_required,
                   c.access_token_seconds, c.refresh_token_idle_seconds, c.refresh_token_max_seconds,
                   c.retry_window_seconds, c.created_at, c.last_used_at, c.disabled_at,
                   o.suspended_at as "suspended_at?",
            s.ids as "secret_ids!: Vec<ClientSecretId>", s.hashes as "secret_hashes!: Vec<SecretHash>",
                   s.expiries as "secret_expiries!: Vec<Option<Timestamp>>"
              from clients c
              left join organizations o on o.id = c.organization_id
             cross join lateral (select coalesce(array_agg(id), '{}') as ids,
                                        coalesce(array_agg(hash), '{}') as hashes,
                                        coalesce(array_agg(expires_at), '{}') as expiries
                                   from client_secrets
                                  where client_id = c.id) s
            "# + $which
            $(, $argument)*
        )
        .map(|row| ClientWithSecrets {
            client: Arc::new(Client {
                id: row.id,
                organization_id: row.organization_id,
                publisher: row.publisher,
                metadata_url: row.metadata_url,
                away_since: row.metadata_away_since,
                accepted_at: row.accepted_at,
                is_reviewed: row.is_reviewed,
                registration: Registration {
                    name: row.name,
                    homepage_url: row.homepage_url,
                    logo_url: row.logo_url,
                    policy_uri: row.policy_uri,
                    tos_uri: row.tos_uri,
                    contacts: row.contacts,
                    token_endpoint_auth_method: row.token_endpoint_auth_method,
                    jwks: row.jwks,
                    jwks_uri: row.jwks_uri,
                    redirect_uris: row.redirect_uris,
                    scopes: row.scopes,
                    default_scopes: row.default_scopes,
                    required_scopes: row.required_scopes,
                    grant_types: row.grant_types,
                    require_pkce: row.require_pkce,
                    require_pushed_authorization_requests: row.require_pushed_authorization_requests,
                    require_signed_request_object: row.require_signed_request_object,
                    dpop_bound_access_tokens: row.dpop_bound_access_tokens,
                    subject_type: row.subject_type,
                    sector_identifier_uri: row.sector_identifier_uri,
                    id_token_signed_response_alg: row.id_token_signed_response_alg,
                    introspection_signed_response_alg: row.introspection_signed_response_alg,
                    access_token_signing_alg: row.access_token_signing_alg,
                    post_logout_redirect_uris: row.post_logout_redirect_uris,
                    backchannel_logout_uri: row.backchannel_logout_uri,
                    backchannel_logout_session_required: row.backchannel_logout_session_required,
                    lifetimes: Lifetimes {
                        access_token: columns::seconds(row.access_token_seconds),
                        refresh_token_idle: columns::seconds(row.refresh_token_idle_seconds),
                        refresh_token_max: columns::seconds(row.refresh_token_max_seconds),
                        retry_window: columns::seconds(row.retry_window_seconds),
                    },
                },
                created_at: row.created_at,
                last_used_at: row.last_used_at,
                disabled_at: row.disabled_at,
                suspended_at: row.suspended_at,
            }),
            secrets: iter::zip(row.secret_ids, iter::zip(row.secret_hashes, row.secret_expiries))
                .map(|(id, (hash, expires_at))| KnownSecret { id, hash, expires_at })
                .collect(),
        })
    };
}

pub(super) use select_clients;

pub(super) fn seconds(seconds: i32) -> TimeDelta {
    TimeDelta::seconds(seconds.into())
}

/// Whoever vouched for the client vouched for what it was: a change of what people see or may lose ends that. And people
/// who let one in that registered itself let in what it said then: it has to ask them again.
pub(super) async fn write(
    db: &mut PgConnection,
    id: ClientId,
    registration: &Registration,
    now: Timestamp,
) -> sqlx::Result<()> {
    let seconds = |lifetime: TimeDelta| i32::try_from(lifetime.num_seconds()).unwrap_or(i32::MAX);
    let lifetimes = registration.lifetimes;
    sqlx::query!(
        r#"
        update clients
           set name = $2, homepage_url = $3, logo_url = $4, policy_uri = $5, tos_uri = $6, contacts = $7,
               token_endpoint_auth_method = $8, jwks = $9, jwks_uri = $10, redirect_uris = $11, scopes = $12,
               default_scopes = $13, required_scopes = $14, grant_types = $15, require_pkce = $16,
               require_pushed_authorization_requests = $17, require_signed_request_object = $18,
               dpop_bound_access_tokens = $19, subject_type = $20, sector_identifier_uri = $21,
               id_token_signed_response_alg = $22, introspection_signed_response_alg = $23,
               access_token_signing_alg = $24, post_logout_redirect_uris = $25, backchannel_logout_uri = $26,
               backchannel_logout_session_required = $27, access_token_seconds = $28,
               refresh_token_idle_seconds = $29, refresh_token_max_seconds = $30, retry_window_seconds = $31,
               is_reviewed = is_reviewed and name = $2 and homepage_url is not distinct from $3
                             and logo_url is not distinct from $4 and redirect_uris = $11 and scopes = $12,
               consents_count_from = case when organization_id is null
                                           and (name <> $2 or token_endpoint_auth_method <> $8 or redirect_uris <> $11
                                                or jwks is distinct from $9 or jwks_uri is distinct from $10)
                                          then $32 else consents_count_from end
         where id = $1
        "#,
        id as ClientId,
        registration.name.trim(),
        registration.homepage_url,
        registration.logo_url,
        registration.policy_uri,
        registration.tos_uri,
        &registration.contacts,
        registration.token_endpoint_auth_method as AuthMethod,
        registration.jwks,
        registration.jwks_uri,
        &registration.redirect_uris,
        &registration.scopes as &Scopes,
        &registration.default_scopes as &Scopes,
        &registration.required_scopes as &Scopes,
        &registration.grant_types,
        registration.require_pkce,
        registration.require_pushed_authorization_requests,
        registration.require_signed_request_object,
        registration.dpop_bound_access_tokens,
        registration.subject_type as SubjectType,
        registration.sector_identifier_uri,
        registration.id_token_signed_response_alg as SigningAlg,
        registration.introspection_signed_response_alg as SigningAlg,
        registration.access_token_signing_alg as Option<SigningAlg>,
        &registration.post_logout_redirect_uris,
        registration.backchannel_logout_uri,
        registration.backchannel_logout_session_required,
        seconds(lifetimes.access_token),
        seconds(lifetimes.refresh_token_idle),
        seconds(lifetimes.refresh_token_max),
        seconds(lifetimes.retry_window),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}
