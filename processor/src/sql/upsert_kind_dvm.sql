insert into kind_dvm (kind, dvm_id, observed, first_seen, last_seen)
select kind, dvm_id, true, first_seen, last_seen
from unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[]) as n (kind, dvm_id, first_seen, last_seen)
on conflict (kind, dvm_id) do update
set observed = true,
    first_seen = least(kind_dvm.first_seen, excluded.first_seen),
    last_seen = greatest(kind_dvm.last_seen, excluded.last_seen)
where not kind_dvm.observed or excluded.first_seen < kind_dvm.first_seen or excluded.last_seen > kind_dvm.last_seen
