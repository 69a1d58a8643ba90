-- The announced half of the support table, for DVMs whose announcements may have changed.
with live as (
    select distinct d.dvm_id, k.kind
    from live_announcements l join dvms d using (pubkey), unnest(l.kinds) as k (kind)
    where l.pubkey = any($1)
), gone as (
    update kind_dvm s set announced = false
    from dvms d
    where s.dvm_id = d.dvm_id and d.pubkey = any($1) and s.announced
      and not exists (select from live l where l.dvm_id = s.dvm_id and l.kind = s.kind)
)
insert into kind_dvm (kind, dvm_id, announced)
select kind, dvm_id, true from live
on conflict (kind, dvm_id) do update set announced = true where not kind_dvm.announced
