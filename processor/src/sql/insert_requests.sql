-- Ragged arrays travel as array literals: unnest would flatten arrays of arrays.
insert into requests (id, customer, kind, created_at, named, expiration, after_jobs, after_events, seen_live)
select id, customer, kind, created_at, named::bytea[], expiration, after_jobs::bytea[], after_events::bytea[], seen_live
from unnest($1::bytea[], $2::bytea[], $3::int[], $4::bigint[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::bigint[])
    as r (id, customer, kind, created_at, named, expiration, after_jobs, after_events, seen_live)
