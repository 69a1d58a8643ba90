-- What is no function of the archived events goes from the tables in use (first schema) to the new ones. Not in the transaction that swaps
-- them: whoever looks while that one runs finds this there already.
delete from recompute.refused;
insert into recompute.refused select * from {live}.refused;
delete from recompute.relays;
insert into recompute.relays select * from {live}.relays;
delete from recompute.relay_reports;
insert into recompute.relay_reports select * from {live}.relay_reports;
insert into recompute.quarantine
select * from {live}.quarantine q
where not exists (select from recompute.ledger l where l.id = q.id and l.created_at = q.created_at)
on conflict do nothing;
update recompute.progress n
set lock_cluster = p.lock_cluster, fence_token = p.fence_token, revision = p.revision + 1
from {live}.progress p
