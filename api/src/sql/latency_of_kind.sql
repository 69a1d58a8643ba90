-- Histograms of claimed response times of kind $4 by DVM of $5; 0 is its own. $1, $2, $3: the window's pieces.
-- `offset 0` keeps the planner from joining by reading whole tables: each piece is read by the index.
with w as (
    select * from unnest($1::int[], $2::bigint[], $3::bigint[]) as w (step, a, b)
), slots as (
    select l.dvm_id as key, l.slot, sum(l.samples) as samples
    from w, lateral (
        select * from latency where step = w.step and start >= w.a and start < w.b and dvm_id = any($5) and kind = $4 and not observed offset 0
    ) l
    group by l.dvm_id, l.slot
)
select key, array_agg(slot) as slots, array_agg(samples) as samples from slots group by key
