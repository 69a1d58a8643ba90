-- The newest report of each stays, however they arrive.
insert into relay_reports (url, collector, at_ms, report)
select distinct on (url, collector) url, collector, at_ms, report::jsonb
from unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) as n (url, collector, at_ms, report)
order by url, collector, at_ms desc
on conflict (url, collector) do update
set at_ms = excluded.at_ms, report = excluded.report
where excluded.at_ms > relay_reports.at_ms
