-- Nodes keep in memory what they ask for on every request. What must be forgotten of it is announced here, by the very
-- transaction that changes it, whoever that is, and heard when it commits: `client 0191…`. Rows that come into being are
-- not announced: what a node did not find it does not keep.

-- The trigger's arguments: the kind of thing, and the column that names it.
create function announce() returns trigger language plpgsql as $$
begin
    perform pg_notify('countersign_changes',
                      tg_argv[0] || ' ' || (coalesce(to_jsonb(old), to_jsonb(new)) ->> tg_argv[1]));
    return null;
end $$;

-- That something was used is no change. Of keys there are many that are used: theirs costs not even a comparison.
create trigger announce_update after update of
    organization_id, public_id, secret_hash, previous_secret_hash, previous_until, label, scopes, ip_allowlist, created_by,
    created_at, expires_at, revoked_at on api_keys for each row
    execute function announce('api_key', 'public_id');
create trigger announce_delete after delete on api_keys for each row execute function announce('api_key', 'public_id');

create trigger announce_update after update on clients for each row
    when (to_jsonb(old) - 'last_used_at' is distinct from to_jsonb(new) - 'last_used_at')
    execute function announce('client', 'id');
create trigger announce_delete after delete on clients for each row execute function announce('client', 'id');
create trigger announce_update after update on client_secrets for each row
    when (to_jsonb(old) - 'last_used_at' is distinct from to_jsonb(new) - 'last_used_at')
    execute function announce('client', 'client_id');
create trigger announce_others after insert or delete on client_secrets for each row
    execute function announce('client', 'client_id');

-- A refresh changes none of these: it costs no announcement.
create trigger announce_update after update of revoked_at, signed_out_at, expires_at on grants for each row
    when ((old.revoked_at, old.signed_out_at, old.expires_at) is distinct from
          (new.revoked_at, new.signed_out_at, new.expires_at))
    execute function announce('grant', 'id');
create trigger announce_delete after delete on grants for each row execute function announce('grant', 'id');

create trigger announce_insert after insert on revoked_access_tokens for each row
    execute function announce('access_token', 'jti');

create trigger announce_update after update on organizations for each row
    when (to_jsonb(old) is distinct from to_jsonb(new)) execute function announce('organization', 'id');
create trigger announce_delete after delete on organizations for each row
    execute function announce('organization', 'id');
-- All organizations on it.
create trigger announce_update after update on plans for each row
    when (to_jsonb(old) is distinct from to_jsonb(new)) execute function announce('plan', 'name');

-- What else depends on a row.

create function announce_parts_of_grant() returns trigger language plpgsql as $$
begin
    perform pg_notify('countersign_changes', 'grant ' || id) from grants where parent_id = old.id;
    return null;
end $$;
create trigger announce_parts after update of signed_out_at on grants for each row
    when (old.signed_out_at is distinct from new.signed_out_at) execute function announce_parts_of_grant();

-- Their publisher's name, and whether they work.
create function announce_clients_of_organization() returns trigger language plpgsql as $$
begin
    perform pg_notify('countersign_changes', 'client ' || id) from clients where organization_id = old.id;
    return null;
end $$;
create trigger announce_clients after update of name, suspended_at on organizations for each row
    when ((old.name, old.suspended_at) is distinct from (new.name, new.suspended_at))
    execute function announce_clients_of_organization();

-- A person's role says what their apps may do.
create function announce_grants_of_member() returns trigger language plpgsql as $$
begin
    perform pg_notify('countersign_changes', 'grant ' || id)
       from grants
      where user_id = old.user_id and organization_id = old.organization_id;
    return null;
end $$;
create trigger announce_update after update of role on members for each row
    when (old.role is distinct from new.role) execute function announce_grants_of_member();
create trigger announce_delete after delete on members for each row execute function announce_grants_of_member();

-- What is shown of the person behind a credential.
create function announce_credentials_of_user() returns trigger language plpgsql as $$
begin
    perform pg_notify('countersign_changes', 'grant ' || id) from grants where user_id = old.id;
    perform pg_notify('countersign_changes', 'api_key ' || public_id) from api_keys where created_by = old.id;
    return null;
end $$;
create trigger announce_update after update of email on users for each row
    when (old.email is distinct from new.email) execute function announce_credentials_of_user();
