insert into profiles (id, pubkey, created_at, name, about, picture, malformed)
select * from unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::boolean[])
