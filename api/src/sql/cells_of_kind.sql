-- Sums of kind $4 by DVM, its own (0) included. $1, $2, $3: the window's pieces.
-- `offset 0` keeps the planner from joining by reading whole tables: each piece is read by the index.
with w as (
    select * from unnest($1::int[], $2::bigint[], $3::bigint[]) as w (step, a, b)
)
select r.kind, r.dvm_id,
       sum(r.requests) as requests, sum(r.results) as results, sum(r.feedback) as feedback,
       sum(r.payment_required) as payment_required, sum(r.processing) as processing, sum(r.error) as error, sum(r.success) as success,
       sum(r.partial) as partial, sum(r.other) as other, sum(r.encrypted) as encrypted,
       sum(r.jobs_answered) as jobs_answered, sum(r.outcomes) as outcomes, sum(r.failures) as failures,
       sum(r.response_count) as response_count, sum(r.response_sum_s)::bigint as response_sum_s, sum(r.skewed) as skewed, sum(r.late) as late,
       sum(r.asked_msat)::text as asked_msat, sum(r.paid_msat)::text as paid_msat, sum(r.tips_msat)::text as tips_msat
from w, lateral (
    select * from rollup where step = w.step and start >= w.a and start < w.b and kind = $4 offset 0
) r
group by r.kind, r.dvm_id
