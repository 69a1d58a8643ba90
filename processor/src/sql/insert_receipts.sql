insert into receipts (id, payment_hash, created_at, recipient, sender, amount_msat, target)
select * from unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bytea[])
