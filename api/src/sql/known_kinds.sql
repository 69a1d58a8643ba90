-- Every kind seen in a request, a result or a live announcement, with how many DVMs announce and support it.
-- The table of kinds also holds those of announcements that are gone: for these alone the rollups are looked through.
select k.kind, count(s.kind) filter (where s.announced) as announced_dvms, count(s.kind) as supporting_dvms
from kinds k
left join kind_dvm s on s.kind = k.kind and (s.announced or s.observed)
group by k.kind
having count(s.kind) > 0
    or not exists (select from announcements a where k.kind = any(a.kinds))
    or exists (select from rollup r where r.step = 2764800 and r.kind = k.kind and r.dvm_id = 0 and (r.requests > 0 or r.results > 0))
order by k.kind
