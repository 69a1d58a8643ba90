update users u
set first_seen = least(u.first_seen, n.first_seen),
    last_seen = greatest(u.last_seen, n.last_seen),
    requests = u.requests + n.requests,
    spent_msat = u.spent_msat + n.spent
from unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) as n (user_id, first_seen, last_seen, requests, spent)
where u.user_id = n.user_id
