-- Not `on conflict do nothing`, which costs an eighth more: nobody else writes here meanwhile, the fence is held.
insert into presence (step, start, kind, dvm_id, user_id)
select *
from unnest($1::int[], $2::bigint[], $3::int[], $4::int[], $5::int[]) as n (step, start, kind, dvm_id, user_id)
where not exists (
    select from presence p
    where p.step = n.step and p.dvm_id = n.dvm_id and p.start = n.start and p.kind = n.kind and p.user_id = n.user_id
)
