create table webhook_endpoints (
    id                     uuid primary key,
    organization_id        uuid not null references organizations on delete cascade,
    url                    text not null,
    description            text not null,
    events                 text[] not null,             -- empty: all of them
    secret_sealed          bytea not null,              -- needed to sign: AES-256-GCM under the server secret
    previous_secret_sealed bytea,                       -- the secret before the last rotation
    previous_until         timestamptz,                 -- until when deliveries are signed with that one, too
    failing_since          timestamptz,                 -- the first failure since the last success
    disabled_at            timestamptz,
    disabled_because       text,
    created_at             timestamptz not null
);
create index webhook_endpoints_organization_id_idx on webhook_endpoints (organization_id, id);

-- The outbox: written in the transaction of the change that an event tells of.
create table webhook_events (
    id              uuid primary key,
    organization_id uuid not null references organizations on delete cascade,
    type            text not null,
    data            jsonb not null,
    created_at      timestamptz not null
);
create index webhook_events_created_at_idx on webhook_events (created_at);

create table webhook_deliveries (
    id              uuid primary key,
    event_id        uuid not null references webhook_events on delete cascade,
    endpoint_id     uuid not null references webhook_endpoints on delete cascade,
    attempts        integer not null default 0,
    next_attempt_at timestamptz,                        -- null: delivered, or given up; while one is made, when another may be
    delivered_at    timestamptz,
    started_at      timestamptz not null,               -- tried for a day from then on; moved when somebody asks for it again
    created_at      timestamptz not null
);
create index webhook_deliveries_due_idx on webhook_deliveries (next_attempt_at) where next_attempt_at is not null;
create unique index webhook_deliveries_endpoint_id_key on webhook_deliveries (endpoint_id, event_id);
create index webhook_deliveries_event_id_idx on webhook_deliveries (event_id);

create table webhook_attempts (
    delivery_id uuid not null references webhook_deliveries on delete cascade,
    number      integer not null,                       -- from one
    at          timestamptz not null,
    duration_ms integer not null,
    status      smallint,                               -- null: no answer came
    answer      text,                                   -- its beginning
    problem     text,                                   -- why no answer came
    primary key (delivery_id, number)
);
