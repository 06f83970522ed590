-- Every request to the credential API and to forward-auth. Written in batches; one partition a day.
create table access_log (
    id              uuid not null,                   -- UUIDv7 of the moment
    at              timestamptz not null,            -- when the request came
    organization_id uuid not null,
    credential_kind text not null,                   -- api_key, grant, client or session
    credential_id   uuid not null,
    client_id       uuid,
    user_id         uuid,
    via             text not null,                   -- api or forward_auth
    method          text not null,
    path            text not null,                   -- without query
    status          smallint not null,
    reason          text,                            -- the code of a refusal
    address         inet not null,
    user_agent      text,
    duration_us     integer not null
) partition by range (at);
create index access_log_organization_id_idx on access_log (organization_id, id desc);

-- The partition of a day, made unless it is there.
create function access_log_create_day(day date) returns void language plpgsql as $$
begin
    -- One at a time, over all nodes.
    perform pg_advisory_xact_lock(hashtext('access_log'));
    execute format('create table if not exists %I partition of access_log for values from (%L) to (%L)',
                   'access_log_' || to_char(day, 'YYYYMMDD'), day::timestamp at time zone 'UTC',
                   (day + 1)::timestamp at time zone 'UTC');
end
$$;

-- Removes the partitions of the days before; returns how many.
create function access_log_drop_before(day date) returns integer language plpgsql as $$
declare
    part text;
    dropped integer := 0;
begin
    perform pg_advisory_xact_lock(hashtext('access_log'));
    for part in
        select inhrelid::regclass::text
          from pg_inherits
         where inhparent = 'access_log'::regclass
           and right(inhrelid::regclass::text, 8) < to_char(day, 'YYYYMMDD')
    loop
        execute format('drop table %s', part);
        dropped := dropped + 1;
    end loop;
    return dropped;
end
$$;
