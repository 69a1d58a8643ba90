select id, created_at, payment_hash, recipient, sender, amount_msat, target
from receipts
where payment_hash = any($1)
