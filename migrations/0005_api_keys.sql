create table api_keys (
    id                   uuid primary key,
    organization_id      uuid not null references organizations on delete cascade,
    public_id            text not null unique,        -- the readable part of the key, by which it is found
    secret_hash          bytea not null,              -- SHA-256 of the secret part
    previous_secret_hash bytea,                       -- the secret before the last rotation
    previous_until       timestamptz,                 -- until when that one still works
    label                text not null,
    scopes               text[] not null,
    ip_allowlist         cidr[] not null default '{}', -- empty: from anywhere
    created_by           uuid references users on delete set null,
    created_at           timestamptz not null,
    expires_at           timestamptz,
    last_used_at         timestamptz,                 -- to within a few seconds
    last_used_from       text,                        -- address
    revoked_at           timestamptz
) with (fillfactor = 90);                             -- room for last uses to stay on the page
create index api_keys_organization_id_idx on api_keys (organization_id);
create index api_keys_created_by_idx on api_keys (created_by);
