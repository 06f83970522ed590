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
    duration_us     integer not null,
    primary key (organization_id, id, at)            -- also how a batch that is written again stays one
) partition by range (at);

-- The partition of a day, made unless it is there.
create function access_log_create_day(day date) returns void language plpgsql as $$
declare
    part text := 'access_log_' || to_char(day, 'YYYYMMDD');
begin
    -- One at a time, over all nodes.
    perform pg_advisory_xact_lock(hashtext('access_log'));
    if to_regclass(part) is null then
        execute format('create table %I partition of access_log for values from (%L) to (%L)', part,
                       day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
    end if;
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
