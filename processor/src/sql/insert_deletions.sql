insert into deletions (event_id, deletion, author, created_at)
select * from unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bigint[])
