-- $1 jobs and responses that the batch touches, $2 DVMs that become known with it.
select payment_hash from receipts where target = any($1)
union
select payment_hash from receipts where recipient = any($2)
