-- How many different customers each kind had. $1, $2, $3: the window's pieces.
with w as (
    select * from unnest($1::int[], $2::bigint[], $3::bigint[]) as w (step, a, b)
), people as (
    select distinct p.kind as key, p.user_id
    from w join presence p on p.step = w.step and p.start >= w.a and p.start < w.b
    where p.dvm_id = 0
)
select key, count(*) as users from people group by key
