-- Who announces and has answered kind $1, by DVM.
select dvm_id as key, announced, observed, first_seen, last_seen from kind_dvm where kind = $1 and (announced or observed)
