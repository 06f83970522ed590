-- One person's permission to one client inside one organization. Its code is generation 0, its first refresh
-- token generation 1, and so on: tokens are derived from a row and its generation, never stored.
create table grants (
    id                 uuid primary key,
    organization_id    uuid not null references organizations on delete cascade,
    client_id          uuid not null references clients on delete cascade,
    user_id            uuid not null references users on delete cascade,
    scopes             text[] not null,               -- granted: asked, less what the person unticked
    resources          text[] not null,               -- RFC 8707; empty: this server's own API
    redirect_uri       text not null,                 -- to which the code was sent
    redirect_uri_asked boolean not null,              -- then the exchange must name it again (RFC 6749 §4.1.3)
    code_challenge     text,                          -- S256 (RFC 7636 §4.2)
    generation         integer not null,              -- of the code or refresh token that was issued last
    token_key          smallint not null references token_keys, -- which key derives that token
    rotated_at         timestamptz not null,          -- when that token was issued
    created_at         timestamptz not null,
    last_used_at       timestamptz,                   -- to within a few seconds
    expires_at         timestamptz not null,          -- the latest end, however often it is refreshed
    revoked_at         timestamptz,
    revoked_because    text
) with (fillfactor = 80);                             -- room for refreshes to stay on the page
create index grants_user_id_idx on grants (user_id, client_id);
create index grants_client_id_idx on grants (client_id);
create index grants_organization_id_idx on grants (organization_id);

-- Access tokens that were revoked alone (RFC 7009). A row lives as long as its token would have.
create table revoked_access_tokens (
    jti        uuid primary key,
    expires_at timestamptz not null
);
create index revoked_access_tokens_expires_at_idx on revoked_access_tokens (expires_at);
