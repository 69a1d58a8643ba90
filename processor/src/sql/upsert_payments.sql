insert into payments (payment_hash, receipt, created_at, recipient, sender, amount_msat, tied, job, kind)
select * from unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bigint[], $7::boolean[], $8::bytea[], $9::int[])
on conflict (payment_hash) do update
set receipt = excluded.receipt, created_at = excluded.created_at, recipient = excluded.recipient, sender = excluded.sender,
    amount_msat = excluded.amount_msat, tied = excluded.tied, job = excluded.job, kind = excluded.kind
