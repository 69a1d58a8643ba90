insert into announcements (id, pubkey, d, created_at, kinds, name, about, picture, malformed)
select id, pubkey, d, created_at, kinds::int[], name, about, picture, malformed
from unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::boolean[])
    as a (id, pubkey, d, created_at, kinds, name, about, picture, malformed)
