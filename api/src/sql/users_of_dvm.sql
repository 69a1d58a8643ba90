-- How many different customers DVM $4 had, in each kind and, as key -1, in all. $1, $2, $3: the window's pieces.
with w as (
    select * from unnest($1::int[], $2::bigint[], $3::bigint[]) as w (step, a, b)
), people as (
    select distinct p.kind, p.user_id
    from w join presence p on p.step = w.step and p.start >= w.a and p.start < w.b
    where p.dvm_id = $4
)
select kind as key, count(*) as users from people group by kind
union all
select -1, count(distinct user_id) from people
