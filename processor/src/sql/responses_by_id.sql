select id, dvm, job, created_at, result_kind, status, amount_msat, seen_live
from responses
where id = any($1)
