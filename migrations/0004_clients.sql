-- Columns are named as RFC 7591 and the registries that extend it name the same things.
create table clients (
    id                                    uuid primary key,
    organization_id                       uuid references organizations on delete cascade, -- null: it registered itself
    metadata_url                          text unique,                    -- `client_id` of one that a document describes
    metadata_away_since                   timestamptz,                    -- since when that document cannot be had
    registration_token_hash               bytea,                          -- SHA-256 of what opens its registration to a client (RFC 7592)
    fingerprint                           bytea unique,                   -- SHA-256 of what it said: whoever says the very same is the same client
    accepted_at                           timestamptz,                    -- when a person first let one in that registered itself; null: quarantine
    consents_count_from                   timestamptz,                    -- those from before were given to an app that looked otherwise
    name                                  text not null,
    homepage_url                          text,
    logo_url                              text,
    policy_uri                            text,
    tos_uri                               text,
    contacts                              text[] not null default '{}',
    token_endpoint_auth_method            text not null,
    jwks                                  jsonb,                          -- its public keys (RFC 7517 §5), or
    jwks_uri                              text,                           -- where they are
    is_reviewed                           boolean not null default false, -- the operator vouches for it on the consent page
    redirect_uris                         text[] not null,
    scopes                                text[] not null,                -- what it may ask for
    default_scopes                        text[] not null,                -- what it gets when it asks for nothing
    required_scopes                       text[] not null,                -- what a person cannot untick
    grant_types                           text[] not null,
    require_pkce                          boolean not null default true,
    require_pushed_authorization_requests boolean not null default false, -- RFC 9126 §6
    require_signed_request_object         boolean not null default false, -- RFC 9101 §10.5
    dpop_bound_access_tokens              boolean not null default false, -- RFC 9449 §5.2
    subject_type                          text not null default 'public', -- OpenID Connect Core §8
    sector_identifier_uri                 text,                           -- OpenID Connect Core §8.1
    id_token_signed_response_alg          text not null default 'RS256',
    introspection_signed_response_alg     text not null default 'RS256',  -- RFC 9701 §6
    access_token_signing_alg              text,                           -- null: the server's
    post_logout_redirect_uris             text[] not null default '{}',
    backchannel_logout_uri                text,
    backchannel_logout_session_required   boolean not null default false,
    access_token_seconds                  integer not null,
    refresh_token_idle_seconds            integer not null,
    refresh_token_max_seconds             integer not null,
    retry_window_seconds                  integer not null check (retry_window_seconds between 0 and 1800),
    created_at                            timestamptz not null,
    last_used_at                          timestamptz,                    -- to within a few seconds
    disabled_at                           timestamptz
);
create index clients_organization_id_idx on clients (organization_id);

create table client_secrets (
    id           uuid primary key,
    client_id    uuid not null references clients on delete cascade,
    hash         bytea not null,                      -- SHA-256
    label        text not null,
    created_at   timestamptz not null,
    expires_at   timestamptz,
    last_used_at timestamptz                          -- to within a few seconds
);
create index client_secrets_client_id_idx on client_secrets (client_id);
