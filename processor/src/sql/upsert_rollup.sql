insert into rollup (step, start, kind, dvm_id,
    requests, results, feedback, payment_required, processing, error, success, partial, other, encrypted, jobs_answered, outcomes, failures, response_count, response_sum_s, skewed, late, asked_msat, paid_msat, tips_msat)
select * from unnest($1::int[], $2::bigint[], $3::int[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[], $9::int[], $10::int[], $11::int[], $12::int[], $13::int[], $14::int[], $15::int[], $16::int[], $17::int[], $18::int[], $19::bigint[], $20::int[], $21::int[], $22::bigint[], $23::bigint[], $24::bigint[])
on conflict (step, start, kind, dvm_id) do update
set requests = rollup.requests + excluded.requests,
    results = rollup.results + excluded.results,
    feedback = rollup.feedback + excluded.feedback,
    payment_required = rollup.payment_required + excluded.payment_required,
    processing = rollup.processing + excluded.processing,
    error = rollup.error + excluded.error,
    success = rollup.success + excluded.success,
    partial = rollup.partial + excluded.partial,
    other = rollup.other + excluded.other,
    encrypted = rollup.encrypted + excluded.encrypted,
    jobs_answered = rollup.jobs_answered + excluded.jobs_answered,
    outcomes = rollup.outcomes + excluded.outcomes,
    failures = rollup.failures + excluded.failures,
    response_count = rollup.response_count + excluded.response_count,
    response_sum_s = rollup.response_sum_s + excluded.response_sum_s,
    skewed = rollup.skewed + excluded.skewed,
    late = rollup.late + excluded.late,
    asked_msat = rollup.asked_msat + excluded.asked_msat,
    paid_msat = rollup.paid_msat + excluded.paid_msat,
    tips_msat = rollup.tips_msat + excluded.tips_msat
