select id, customer, kind, created_at, named, seen_live
from requests
where id = any($1)
