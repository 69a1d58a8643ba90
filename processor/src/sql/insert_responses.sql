insert into responses (id, dvm, job, created_at, result_kind, status, amount_msat, seen_live)
select * from unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bigint[], $5::int[], $6::smallint[], $7::bigint[], $8::bigint[])
