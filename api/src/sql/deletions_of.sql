-- Which of these events their authors have deleted, and by which deletion: the earliest, then the one with the smallest id.
-- $1 ids, $2 authors, $3 times, $4 the d tags of announcements, null for other events.
with asked as (
    select * from unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[]) as a (id, author, created_at, d)
), gone as (
    select a.id, x.deletion, x.created_at
    from asked a join deletions x on x.event_id = a.id and x.author = a.author
    union all
    select a.id, y.deletion, y.created_at
    from asked a join address_deletions y on y.author = a.author and y.d = a.d and y.created_at >= a.created_at
)
select distinct on (id) id, deletion from gone order by id, created_at, deletion
