-- The sums that METRICS.md section 5 wants equal, of all time. "No kind" is kind -1.
with sums as (
    select r.kind >= 0 as has_kind, r.dvm_id <> 0 as of_dvm,
           sum(r.requests) as requests, sum(r.results) as results, sum(r.feedback) as feedback,
           sum(r.paid_msat) as paid_msat
    from rollup r
    where r.step = 2764800
    group by 1, 2
)
select coalesce(sum(requests) filter (where not of_dvm), 0)::text as requests,
       coalesce(sum(requests) filter (where not of_dvm and has_kind), 0)::text as requests_of_kinds,
       coalesce(sum(results) filter (where not of_dvm), 0)::text as results,
       coalesce(sum(results) filter (where not of_dvm and has_kind), 0)::text as results_of_kinds,
       coalesce(sum(results) filter (where of_dvm), 0)::text as results_of_dvms,
       coalesce(sum(feedback) filter (where not of_dvm), 0)::text as feedback,
       coalesce(sum(feedback) filter (where of_dvm), 0)::text as feedback_of_dvms,
       coalesce(sum(paid_msat) filter (where not of_dvm), 0)::text as paid_msat,
       (coalesce(sum(paid_msat) filter (where not of_dvm and has_kind), 0) + coalesce(sum(paid_msat) filter (where not of_dvm and not has_kind), 0))::text as paid_of_kinds,
       coalesce(sum(paid_msat) filter (where of_dvm), 0)::text as paid_of_dvms
from sums
