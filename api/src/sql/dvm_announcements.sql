-- The live announcements of pubkey $1, newest first.
select id, convert_from(d, 'UTF8') as d, created_at, kinds, name, about, picture, malformed
from live_announcements
where pubkey = $1
order by created_at desc, id
