-- Name, about and picture, each by itself: from the newest live announcement, else from the newest profile that has not been deleted.
with touched as (
    select dvm_id, pubkey from dvms where pubkey = any($1)
), announcement as (
    select distinct on (pubkey) pubkey, created_at, name, about, picture, malformed
    from live_announcements where pubkey = any($1)
    order by pubkey, created_at desc, id
), profile as (
    select distinct on (p.pubkey) p.pubkey, p.created_at, p.name, p.about, p.picture, p.malformed
    from profiles p
    where p.pubkey = any($1) and not exists (select from deletions x where x.event_id = p.id and x.author = p.pubkey)
    order by p.pubkey, p.created_at desc, p.id
)
update dvms d
set name = coalesce(a.name, p.name),
    about = coalesce(a.about, p.about),
    picture = coalesce(a.picture, p.picture),
    profile_updated_at = greatest(
        case when a.name is not null or a.about is not null or a.picture is not null then a.created_at end,
        case when a.name is null and p.name is not null or a.about is null and p.about is not null
                  or a.picture is null and p.picture is not null then p.created_at end),
    profile_malformed = coalesce(a.malformed, p.malformed, false),
    announced = exists (select from live_announcements l where l.pubkey = d.pubkey and l.kinds <> '{}')
from touched t
left join announcement a using (pubkey)
left join profile p using (pubkey)
where d.dvm_id = t.dvm_id
