-- Puts the tables and views of the schema `recompute` in the place of those in use, which go to the schema `recompute_old`; who was allowed to
-- use the old ones may use the new ones. Indexes, constraints and sequences go with their tables. Statements that are prepared elsewhere are
-- planned again, by name.
do $$
declare
    in_use text := current_schema();
    moved record;
    grants text;
begin
    create schema recompute_old;
    for moved in
        select n.relname, o.oid as old, o.relacl as acl
        from pg_class n
        left join pg_class o on o.relname = n.relname and o.relnamespace = in_use::regnamespace
        where n.relnamespace = 'recompute'::regnamespace and n.relkind in ('r', 'p', 'v') and n.relname <> '_sqlx_migrations'
    loop
        if moved.old is not null then
            execute format('alter table %I.%I set schema recompute_old', in_use, moved.relname);
        end if;
        execute format('alter table recompute.%I set schema %I', moved.relname, in_use);
        for grants in
            select format('grant %s on %I.%I to %s', privilege_type, in_use, moved.relname,
                          case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end)
            from aclexplode(moved.acl) where grantee <> (select relowner from pg_class where oid = moved.old)
        loop
            execute grants;
        end loop;
    end loop;
end $$
