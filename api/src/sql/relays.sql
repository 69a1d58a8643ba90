-- What each relay delivered, and what the collectors that read it said within the last minutes: reports since $1 (unix ms).
select url, coalesce(r.events, 0) as events, coalesce(r.first_deliveries, 0) as first_deliveries, r.last_seen_ms,
       coalesce(p.reports, '[]') as reports
from relays r
full join (
    select url, jsonb_agg(report order by collector)::text as reports from relay_reports where at_ms >= $1 group by url
) p using (url)
order by url
