insert into latency (step, start, kind, dvm_id, observed, slot, samples)
select * from unnest($1::int[], $2::bigint[], $3::int[], $4::int[], $5::boolean[], $6::int[], $7::int[])
on conflict (step, start, kind, dvm_id, observed, slot) do update
set samples = latency.samples + excluded.samples
