-- What DVM $1 announces and has answered, by kind.
select kind as key, announced, observed, first_seen, last_seen from kind_dvm where dvm_id = $1 and (announced or observed)
