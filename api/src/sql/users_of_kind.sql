-- How many different customers each DVM had in kind $4, of $5, the kind itself (0) included. $1, $2, $3: the window's pieces.
-- `offset 0` keeps the planner from joining by reading whole tables: each piece is read by the index.
with w as (
    select * from unnest($1::int[], $2::bigint[], $3::bigint[]) as w (step, a, b)
), people as (
    select distinct p.dvm_id as key, p.user_id
    from w, lateral (
        select * from presence where step = w.step and start >= w.a and start < w.b and dvm_id = any($5) and kind = $4 offset 0
    ) p
)
select key, count(*) as users from people group by key
