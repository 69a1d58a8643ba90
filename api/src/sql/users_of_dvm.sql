-- How many different customers DVM $4 had, in each kind and, as key -1, in all. $1, $2, $3: the window's pieces.
-- `offset 0` keeps the planner from joining by reading whole tables: each piece is read by the index.
with w as (
    select * from unnest($1::int[], $2::bigint[], $3::bigint[]) as w (step, a, b)
), people as (
    select distinct p.kind, p.user_id
    from w, lateral (
        select * from presence where step = w.step and start >= w.a and start < w.b and dvm_id = $4 offset 0
    ) p
)
select kind as key, count(*) as users from people group by kind
union all
select -1, count(distinct user_id) from people
