-- The known DVM of pubkey $1 with the kinds that it announces or has answered.
select d.dvm_id, d.pubkey, d.name, d.picture, d.about, d.first_seen, d.last_seen, d.announced,
       array(select kind from kind_dvm s where s.dvm_id = d.dvm_id and (s.announced or s.observed) order by kind) as kinds
from dvms d
where d.known and d.pubkey = $1
