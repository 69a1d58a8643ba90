select id, dvm, job, created_at, result_kind, status, amount_msat, seen_live
from responses
where job = any($1)
