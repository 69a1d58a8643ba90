-- DVM $4 by time. Buckets of $1 seconds that start in [$2, $3); those without anything are zeros.
with points as (
    select generate_series($2::bigint, $3::bigint - 1, $1::bigint) as start
), sums as (
    select start, sum(requests) as requests, sum(results) as results, sum(feedback) as feedback, sum(paid_msat) as paid_msat
    from rollup
    where step = $1::int and start >= $2 and start < $3 and dvm_id = $4
    group by start
), people as (
    select start, count(distinct user_id) as unique_users
    from presence
    where step = $1::int and start >= $2 and start < $3 and dvm_id = $4
    group by start
), slots as (
    select start, slot, sum(samples) as samples
    from latency
    where step = $1::int and start >= $2 and start < $3 and dvm_id = $4 and not observed
    group by start, slot
), histograms as (
    select start, array_agg(slot) as slots, array_agg(samples) as samples from slots group by start
)
select start, coalesce(requests, 0)::bigint as requests, coalesce(results, 0)::bigint as results, coalesce(feedback, 0)::bigint as feedback,
       coalesce(unique_users, 0) as unique_users, null::bigint as unique_dvms,
       coalesce(paid_msat, 0)::text as paid_msat, coalesce(slots, '{}') as slots, coalesce(samples, '{}') as samples
from points
left join sums using (start)
left join people using (start)
left join histograms using (start)
order by start
