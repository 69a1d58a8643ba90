-- How many different customers the network had, as key 0. $1, $2, $3: the window's pieces; $4, $5: its edges.
-- Whose first request lies in the window was there; only those who came before it have to be looked for in the buckets.
-- `offset 0` keeps the planner from joining by reading whole tables: each piece is read by the index.
with w as (
    select * from unnest($1::int[], $2::bigint[], $3::bigint[]) as w (step, a, b)
    where exists (select from users where first_seen < $4)
)
select 0 as key,
       (select count(*) from users where requests > 0 and first_seen >= $4 and first_seen < $5)
       + (
           select count(distinct p.user_id)
           from w, lateral (
               select user_id from presence where step = w.step and start >= w.a and start < w.b and dvm_id = 0 offset 0
           ) p
           join users u using (user_id)
           where u.first_seen < $4
       ) as users
