create table users (
    id                uuid primary key,
    email             text not null,                 -- as typed; unique whatever its case
    email_verified_at timestamptz,                   -- when a mail to it proved that it is theirs
    name              text,                          -- as they want apps to call them
    password_hash     text not null,                 -- Argon2id in PHC form
    is_superadmin     boolean not null default false,
    created_at        timestamptz not null,
    updated_at        timestamptz not null           -- when what apps are told of them last changed
);
create unique index users_email_key on users (lower(email));

-- One row per account or address that failed lately; removed by a success or when it is old.
create table sign_in_failures (
    subject  bytea primary key,                      -- SHA-256 of what is slowed down: 'account' and its address, …
    failures integer not null,
    last_at  timestamptz not null
);

-- Sessions of browsers, behind a cookie.
create table browser_sessions (
    id           uuid primary key,
    cookie_hash  bytea not null unique,              -- SHA-256 of what the cookie holds
    user_id      uuid references users on delete cascade, -- null until somebody signs in
    data         jsonb not null,
    created_at   timestamptz not null,
    last_seen_at timestamptz not null,               -- to within five minutes
    expires_at   timestamptz not null
);
create index browser_sessions_user_id_idx on browser_sessions (user_id);
create index browser_sessions_expires_at_idx on browser_sessions (expires_at);
