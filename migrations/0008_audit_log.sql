-- Security-relevant changes: who, what, before and after, from where. Written in the transaction of the change.
-- No foreign keys: what it tells of may be gone.
create table audit_log (
    id              uuid primary key,
    organization_id uuid,                            -- null: of the whole server
    action          text not null,                   -- as in `api_key.created`
    actor_kind      text not null,                   -- user, api_key, client, operator or server
    actor_id        text,
    actor_name      text,                            -- an e-mail address, a label, a name, at that time
    target_kind     text not null,
    target_id       text not null,
    before          jsonb,
    after           jsonb,
    address         inet,
    user_agent      text,
    created_at      timestamptz not null
);
create index audit_log_organization_id_idx on audit_log (organization_id, id);

-- Nobody may change or remove an entry. The trigger is for those to whom permissions do not apply.
revoke update, delete, truncate on audit_log from current_user;

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end
$$;
create trigger audit_log_append_only before update or delete or truncate on audit_log
   for each statement execute function refuse_change();
