-- Passes unless a newer turn of the same lock server has written. Another server's turns take over: a rebuilt etcd counts from the start again.
with before as (
    select lock_cluster from progress
)
update progress
set lock_cluster = $1, fence_token = $2
where lock_cluster <> $1 or fence_token <= $2
returning minute_from, hour_from, (select lock_cluster from before)
