-- Histograms of claimed response times by kind. $1, $2, $3: the window's pieces.
with w as (
    select * from unnest($1::int[], $2::bigint[], $3::bigint[]) as w (step, a, b)
), slots as (
    select l.kind as key, l.slot, sum(l.samples) as samples
    from w join latency l on l.step = w.step and l.start >= w.a and l.start < w.b
    where l.dvm_id = 0 and not l.observed
    group by l.kind, l.slot
)
select key, array_agg(slot) as slots, array_agg(samples) as samples from slots group by key
