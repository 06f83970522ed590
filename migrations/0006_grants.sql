-- One person's permission to one client inside one organization. Its code is generation 0, its first refresh
-- token generation 1, and so on: tokens are derived from a row and its generation, never stored.
create table grants (
    id                 uuid primary key,
    organization_id    uuid not null references organizations on delete cascade,
    client_id          uuid not null references clients on delete cascade,
    user_id            uuid not null references users on delete cascade,
    scopes             text[] not null,               -- granted: asked, less what the person unticked
    resources          text[] not null,               -- RFC 8707; empty: this server's own API
    redirect_uri       text,                          -- to which the code was sent; null: no browser was sent back
    redirect_uri_asked boolean not null,              -- then the exchange must name it again (RFC 6749 §4.1.3)
    code_challenge     text,                          -- S256 (RFC 7636 §4.2)
    nonce              text,                          -- for the ID tokens (OpenID Connect Core §3.1.2.1)
    auth_time          timestamptz,                   -- when the person signed in
    acr                text,
    amr                text[] not null default '{}',
    sid                uuid,                          -- the browser's session, for logouts
    dpop_jkt           text,                          -- thumbprint of the key that its tokens are bound to (RFC 9449 §6.1)
    dpop_from          integer,                       -- from which generation on
    parent_id          uuid references grants on delete cascade, -- of which it is a part, for another actor (RFC 8693)
    label              text,                          -- what that actor is for
    act                jsonb,                         -- who that actor is, and who acted before (RFC 8693 §4.1)
    generation         integer not null,              -- of the code or refresh token that was issued last
    token_key          smallint not null references token_keys, -- which key derives that token
    rotated_at         timestamptz not null,          -- when that token was issued
    created_at         timestamptz not null,
    last_used_at       timestamptz,                   -- to within a few seconds
    expires_at         timestamptz not null,          -- the latest end, however often it is refreshed
    signed_out_at      timestamptz,                   -- its tokens ended with the browser's session; the consent stays
    revoked_at         timestamptz,
    revoked_because    text
) with (fillfactor = 80);                             -- room for refreshes to stay on the page
create index grants_parent_id_idx on grants (parent_id) where parent_id is not null;
create index grants_user_id_idx on grants (user_id, client_id);
create index grants_client_id_idx on grants (client_id);
create index grants_organization_id_idx on grants (organization_id);
create index grants_sid_idx on grants (sid);

-- The apps that have signed a person in by a session of a browser, and asked to hear of its end.
create view apps_of_sessions as
select distinct g.sid, g.user_id, g.client_id, c.name
  from grants g
  join clients c on c.id = g.client_id
 where g.scopes @> '{openid}'
   and g.generation > 0
   and g.redirect_uri is not null                     -- that browser was sent to the app
   and c.backchannel_logout_uri is not null
   and c.disabled_at is null;

-- The outbox of logouts: an app that is to hear that a session of a browser has ended. Written with that end; gone when
-- the app has heard, or is given up.
create table logout_deliveries (
    sid             uuid not null,
    client_id       uuid not null references clients on delete cascade,
    user_id         uuid not null references users on delete cascade,
    started_at      timestamptz not null,
    next_attempt_at timestamptz not null,             -- while one is made, when another may be
    primary key (sid, client_id)
);
create index logout_deliveries_next_attempt_at_idx on logout_deliveries (next_attempt_at);
create index logout_deliveries_client_id_idx on logout_deliveries (client_id);
create index logout_deliveries_user_id_idx on logout_deliveries (user_id);

-- Authorization requests whose parameters do not stand in the browser's address as they are: their client pushed them
-- before (RFC 9126), or signed them as one object (RFC 9101). A row lives until the request is answered.
create table pending_requests (
    key_hash          bytea primary key,              -- SHA-256 of the `request_uri`, or of the object
    client_id         uuid not null references clients on delete cascade,
    parameters        text not null,                  -- as a query; without those that prove the client
    is_signed         boolean not null,               -- they come from an object
    object_id         text,                           -- `jti` of an object that the answer uses up
    object_expires_at timestamptz,
    begun_at          timestamptz,                    -- when a browser came with it first
    expires_at        timestamptz not null            -- by then one must come; once one has: by then it must be answered
);
create index pending_requests_expires_at_idx on pending_requests (expires_at);

-- Devices without a browser that ask for access (RFC 8628). A row is kept a day longer than its codes live.
create table device_authorizations (
    device_code_hash bytea primary key,               -- SHA-256
    user_code        text not null unique,            -- the letters alone
    client_id        uuid not null references clients on delete cascade,
    scopes           text[] not null,
    resources        text[] not null,                 -- RFC 8707; empty: this server's own API
    address          inet,                            -- from where the device asked
    user_agent       text,
    interval_seconds integer not null,                -- that the device is to leave between two polls
    last_polled_at   timestamptz,
    created_at       timestamptz not null,
    expires_at       timestamptz not null,            -- until then the person may decide
    decided_at       timestamptz,
    grant_id         uuid references grants on delete cascade -- null: not decided, or refused
);
create index device_authorizations_client_id_idx on device_authorizations (client_id);
create index device_authorizations_grant_id_idx on device_authorizations (grant_id) where grant_id is not null;
create index device_authorizations_expires_at_idx on device_authorizations (expires_at);

-- Access tokens that were revoked alone (RFC 7009). A row lives as long as its token would have.
create table revoked_access_tokens (
    jti        uuid primary key,
    expires_at timestamptz not null
);
create index revoked_access_tokens_expires_at_idx on revoked_access_tokens (expires_at);
