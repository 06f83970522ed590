create table clients (
    id                            uuid primary key,
    organization_id               uuid not null references organizations on delete cascade,
    name                          text not null,
    homepage_url                  text,
    logo_url                      text,
    is_confidential               boolean not null,
    is_reviewed                   boolean not null default false, -- the operator vouches for it on the consent page
    redirect_uris                 text[] not null,
    scopes                        text[] not null,               -- what it may ask for
    default_scopes                text[] not null,               -- what it gets when it asks for nothing
    required_scopes               text[] not null,               -- what a person cannot untick
    grant_types                   text[] not null,
    require_pkce                  boolean not null default true,
    access_token_seconds          integer not null,
    refresh_token_idle_seconds    integer not null,
    refresh_token_max_seconds     integer not null,
    retry_window_seconds          integer not null check (retry_window_seconds between 0 and 1800),
    created_at                    timestamptz not null,
    last_used_at                  timestamptz,                   -- to within a few seconds
    disabled_at                   timestamptz
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
