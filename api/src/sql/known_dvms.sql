-- Every known DVM with the kinds that it announces or has answered.
select d.dvm_id, d.pubkey, d.name, d.picture, d.about, d.first_seen, d.last_seen, d.announced,
       coalesce(s.kinds, '{}') as kinds
from dvms d
left join (
    select dvm_id, array_agg(kind order by kind) as kinds from kind_dvm where announced or observed group by dvm_id
) s using (dvm_id)
where d.known
