insert into address_deletions (author, d, deletion, created_at)
select * from unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bigint[])
