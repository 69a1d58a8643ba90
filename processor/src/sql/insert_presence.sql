insert into presence (step, start, kind, dvm_id, user_id)
select * from unnest($1::int[], $2::bigint[], $3::int[], $4::int[], $5::int[])
on conflict do nothing
