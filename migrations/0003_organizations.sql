create table plans (
    name                text primary key,
    requests_per_hour   integer not null check (requests_per_hour > 0),
    requests_per_minute integer not null check (requests_per_minute > 0),
    has_oauth_apps      boolean not null,
    has_ip_allowlist    boolean not null
);
insert into plans (name, requests_per_hour, requests_per_minute, has_oauth_apps, has_ip_allowlist)
values ('free', 100, 10, false, false),
       ('starter', 500, 50, false, false),
       ('standard', 2000, 100, false, false),
       ('pro', 10000, 500, true, true);

create table organizations (
    id                    uuid primary key,
    number                bigint not null unique generated always as identity, -- `company.id` of the session API
    name                  text not null,
    plan                  text not null references plans (name),
    requests_per_hour     integer check (requests_per_hour > 0),   -- instead of the plan's
    requests_per_minute   integer check (requests_per_minute > 0), -- instead of the plan's
    credits_cents         bigint not null check (credits_cents >= 0),
    credits_exhausted_at  timestamptz,                     -- the first debit since the last grant that left or found too little
    ip_allowlist          cidr[] not null default '{}',
    ip_allowlist_enabled  boolean not null default false,
    is_operator           boolean not null default false,  -- of the company that runs the server: its admins may move everybody's credits
    suspended_at          timestamptz,
    created_at            timestamptz not null
);

-- Every change of an organization's credits.
create table credit_entries (
    id              uuid primary key,
    organization_id uuid not null references organizations on delete cascade,
    amount_cents    bigint not null,                 -- negative: a debit
    balance_cents   bigint not null,                 -- afterwards
    reason          text not null,
    created_by      text not null,                   -- who, as the audit log names them
    created_at      timestamptz not null
);
create index credit_entries_organization_id_idx on credit_entries (organization_id, id);

create table members (
    organization_id uuid not null references organizations on delete cascade,
    user_id         uuid not null references users on delete cascade,
    role            text not null check (role in ('owner', 'admin', 'member')),
    created_at      timestamptz not null,
    primary key (organization_id, user_id)
);
create index members_user_id_idx on members (user_id);
create unique index members_owner_key on members (organization_id) where role = 'owner';

-- Gone when it is accepted or withdrawn.
create table invitations (
    id              uuid primary key,
    organization_id uuid not null references organizations on delete cascade,
    email           text not null,                   -- as typed
    role            text not null check (role in ('admin', 'member')),
    token_hash      bytea not null unique,           -- SHA-256 of what the link in the mail holds
    invited_by      uuid references users on delete set null,
    created_at      timestamptz not null,
    expires_at      timestamptz not null
);
create unique index invitations_email_key on invitations (organization_id, lower(email));

-- Sessions of the session API. The refresh token is derived from a row and its generation, never stored.
create table sessions (
    id              uuid primary key,
    user_id         uuid not null references users on delete cascade,
    organization_id uuid not null references organizations on delete cascade,
    generation      integer not null,                -- of the refresh token that was issued last
    token_key       smallint not null references token_keys, -- which key derives that token
    rotated_at      timestamptz not null,            -- when that token was issued
    created_at      timestamptz not null,
    expires_at      timestamptz not null,            -- the latest end, however often it is refreshed
    revoked_at      timestamptz,
    revoked_because text
) with (fillfactor = 80);                            -- room for refreshes to stay on the page
create index sessions_user_id_idx on sessions (user_id);
create index sessions_expires_at_idx on sessions (expires_at);

-- Answers to requests with an Idempotency-Key, so that a repeated one is answered again and not done again.
create table idempotent_requests (
    credential_id   uuid not null,                   -- of whatever kind: its ids are never shared
    key             text not null,
    organization_id uuid not null references organizations on delete cascade,
    request_hash    bytea not null,                  -- SHA-256 of method, path and body
    status          smallint,                        -- null while the request is being done
    answer_sealed   bytea,                           -- may hold a secret: AES-256-GCM under the server secret
    created_at      timestamptz not null,
    primary key (credential_id, key)
);
create index idempotent_requests_created_at_idx on idempotent_requests (created_at);
