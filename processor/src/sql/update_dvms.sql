-- Only rows that change: most DVMs of a batch were seen a moment ago.
update dvms d
set known = d.known or n.known,
    first_seen = least(d.first_seen, n.first_seen),
    last_seen = greatest(d.last_seen, n.last_seen)
from unnest($1::int[], $2::boolean[], $3::bigint[], $4::bigint[]) as n (dvm_id, known, first_seen, last_seen)
where d.dvm_id = n.dvm_id
  and (d.known < n.known or n.first_seen < d.first_seen or n.last_seen > d.last_seen or d.first_seen is null and n.first_seen is not null)
