-- Rollups and what they are folded from. Times are unix seconds (bigint) unless a column says otherwise; pubkeys, ids and hashes are 32 bytes;
-- money is whole millisats. PostgreSQL's text cannot hold U+0000: such characters are shown as U+FFFD here and come back as signed from the archive.

-- ── Turns ────────────────────────────────────────────────────────────────────────────────────────────────────────────────
create table progress (
    only_row boolean primary key default true check (only_row),
    lock_cluster text not null default '',
    fence_token bigint not null default 0,
    revision bigint not null default 0,
    counted bigint not null default 0,
    newest bigint,
    oldest bigint,
    minute_from bigint not null default 0,
    hour_from bigint not null default 0
);
comment on table progress is 'One row. Updating it is the first statement of every batch, so batches are serial whatever the lock server does.';
comment on column progress.lock_cluster is 'The lock server that gave fence_token; another one takes over with any token.';
comment on column progress.fence_token is 'Token of the newest turn that wrote; a holder with a smaller one is refused.';
comment on column progress.revision is 'Grows with every commit that changed a number.';
comment on column progress.counted is 'Events in the ledger.';
comment on column progress.newest is 'Greatest created_at among counted events.';
comment on column progress.oldest is 'Least created_at among counted events.';
comment on column progress.minute_from is 'Minute buckets before this moment are no longer kept.';
comment on column progress.hour_from is 'Hour buckets before this moment are no longer kept.';
insert into progress default values;

create table ledger (
    id bytea not null,
    created_at bigint not null,
    primary key (id, created_at)
) partition by range (created_at);
comment on table ledger is 'Every counted event, once, for ever: a pruned ledger would count a later backfill again. Partitioned by the month of created_at.';
do $$
declare
    month timestamptz := '2020-11-01 00:00:00+00';
begin
    while month < '2041-01-01 00:00:00+00' loop
        execute format(
            'create table ledger_%s partition of ledger for values from (%s) to (%s)',
            to_char(month at time zone 'utc', 'YYYY_MM'),
            extract(epoch from month)::bigint,
            extract(epoch from (month at time zone 'utc' + interval '1 month') at time zone 'utc')::bigint);
        month := (month at time zone 'utc' + interval '1 month') at time zone 'utc';
    end loop;
end $$;
create table ledger_other partition of ledger default;

create table quarantine (
    id bytea primary key,
    reason text not null,
    created_at bigint not null
);
comment on table quarantine is 'Archived events that are in no number, and why: future, ancient, unprocessable.';
create index quarantine_by_reason on quarantine (reason, created_at);

create table refused (
    reason text primary key,
    events bigint not null
);
comment on table refused is 'Events refused on the way, by reason; the same event refused twice is two.';

create table relays (
    url text primary key,
    events bigint not null default 0,
    first_deliveries bigint not null default 0,
    last_seen_ms bigint
);
comment on table relays is 'What each relay delivered to the processors.';
comment on column relays.events is 'Events of its messages, those that another relay had delivered before included.';
comment on column relays.first_deliveries is 'Events that were counted from its delivery.';
comment on column relays.last_seen_ms is 'Unix milliseconds of its last event.';

-- ── Facts: what counted events said ──────────────────────────────────────────────────────────────────────────────────────
create table requests (
    id bytea primary key,
    customer bytea not null,
    kind integer not null,
    created_at bigint not null,
    named bytea[] not null,
    expiration bigint,
    after_jobs bytea[] not null,
    after_events bytea[] not null,
    seen_live bigint
);
comment on table requests is 'Job requests (NIP-90).';
comment on column requests.named is 'Distinct pubkeys of the p tags.';
comment on column requests.after_jobs is 'Ids of ["i", id, "job"] tags.';
comment on column requests.after_events is 'Ids of ["i", id, "event"] tags: jobs only where they are known requests.';
comment on column requests.seen_live is 'Unix milliseconds of a live delivery by a relay, else null.';

create table responses (
    id bytea primary key,
    dvm bytea not null,
    job bytea,
    created_at bigint not null,
    result_kind integer,
    status smallint,
    amount_msat bigint,
    seen_live bigint,
    check ((result_kind is null) <> (status is null))
);
comment on table responses is 'Job results and feedback (NIP-90).';
comment on column responses.job is 'The job it names, known or not; null for an orphan.';
comment on column responses.result_kind is 'Request kind of a result (its kind less 1000); null for feedback.';
comment on column responses.status is 'Of feedback: 0 payment-required, 1 processing, 2 error, 3 success, 4 partial, 5 other, 6 encrypted.';
create index responses_by_job on responses (job) where job is not null;

create table receipts (
    id bytea primary key,
    payment_hash bytea not null,
    created_at bigint not null,
    recipient bytea not null,
    sender bytea not null,
    amount_msat bigint not null,
    target bytea
);
comment on table receipts is 'Valid zap receipts (NIP-57).';
create index receipts_by_hash on receipts (payment_hash);
create index receipts_by_target on receipts (target) where target is not null;
create index receipts_by_recipient on receipts (recipient);

create table payments (
    payment_hash bytea primary key,
    receipt bytea not null,
    created_at bigint not null,
    recipient bytea not null,
    sender bytea not null,
    amount_msat bigint not null,
    tied boolean not null,
    job bytea,
    kind integer
);
comment on table payments is 'Payment hashes that count at present: paid for a job (tied) or tips.';
create index payments_by_job on payments (job) where job is not null;
create index payments_by_recipient on payments (recipient);

create table announcements (
    id bytea primary key,
    pubkey bytea not null,
    d bytea not null,
    created_at bigint not null,
    kinds integer[] not null,
    name text,
    about text,
    picture text,
    malformed boolean not null
);
comment on table announcements is 'All versions of handler announcements (NIP-89).';
comment on column announcements.d is 'UTF-8 of the d tag.';
comment on column announcements.kinds is 'Request kinds of the k tags.';
create index announcements_by_pubkey on announcements (pubkey);

create table profiles (
    id bytea primary key,
    pubkey bytea not null,
    created_at bigint not null,
    name text,
    about text,
    picture text,
    malformed boolean not null
);
comment on table profiles is 'All versions of profiles (kind 0), of whoever.';
create index profiles_by_pubkey on profiles (pubkey, created_at desc);

create table deletions (
    event_id bytea not null,
    deletion bytea not null,
    author bytea not null,
    created_at bigint not null,
    primary key (event_id, deletion)
);
comment on table deletions is 'Deletion requests by e tag (NIP-09); they hold only where the author is the event''s own.';

create table address_deletions (
    author bytea not null,
    d bytea not null,
    deletion bytea not null,
    created_at bigint not null
);
-- Not by d as well: it may be longer than an index takes.
create index address_deletions_by_author on address_deletions (author);
comment on table address_deletions is 'Deletion requests by a tag for the author''s own announcements: versions up to created_at are gone.';

-- ── People ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
create table users (
    user_id integer generated always as identity primary key,
    pubkey bytea not null unique,
    first_seen bigint,
    last_seen bigint,
    requests bigint not null default 0,
    spent_msat numeric not null default 0
);
comment on table users is 'Authors of requests; a row without requests is a payer who has asked for nothing yet, and no user.';
comment on column users.spent_msat is 'Paid as the sender of receipts tied to jobs.';
create index users_by_requests on users (requests desc, pubkey) where requests > 0;

create table dvms (
    dvm_id integer generated always as identity primary key,
    pubkey bytea not null unique,
    known boolean not null default false,
    announced boolean not null default false,
    first_seen bigint,
    last_seen bigint,
    name text,
    about text,
    picture text,
    profile_updated_at bigint,
    profile_malformed boolean not null default false
);
comment on table dvms is 'Service providers. A row that is not known was only named in p tags.';
comment on column dvms.known is 'Author of a result, a feedback, or an announcement with a request kind.';
comment on column dvms.announced is 'Has a live announcement of a request kind.';
comment on column dvms.first_seen is 'Least created_at of results and feedback.';
comment on column dvms.profile_updated_at is 'created_at of the newest event that gave name, about or picture.';

create table kinds (
    kind integer primary key
);
comment on table kinds is 'Request kinds seen in a request, a result or an announcement.';

create table kind_dvm (
    kind integer not null references kinds,
    dvm_id integer not null references dvms,
    announced boolean not null default false,
    observed boolean not null default false,
    first_seen bigint,
    last_seen bigint,
    primary key (kind, dvm_id)
);
comment on table kind_dvm is 'Which DVM supports which kind: announced (a live k tag) and/or observed (a result).';
create index kind_dvm_by_dvm on kind_dvm (dvm_id, kind);

-- ── Rollups ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
-- One row a (step, bucket, kind, DVM). dvm_id 0 is the kind's own row: what is counted of the kind as a whole. kind -1 holds what has no known kind.
-- A DVM is the sum of its rows; the network is the sum of the rows with dvm_id 0.
create table rollup (
    step integer not null,
    start bigint not null,
    kind integer not null,
    dvm_id integer not null,
    requests integer not null default 0,
    results integer not null default 0,
    feedback integer not null default 0,
    payment_required integer not null default 0,
    processing integer not null default 0,
    error integer not null default 0,
    success integer not null default 0,
    partial integer not null default 0,
    other integer not null default 0,
    encrypted integer not null default 0,
    jobs_answered integer not null default 0,
    outcomes integer not null default 0,
    failures integer not null default 0,
    response_count integer not null default 0,
    response_sum_s bigint not null default 0,
    skewed integer not null default 0,
    late integer not null default 0,
    asked_msat numeric not null default 0,
    paid_msat numeric not null default 0,
    tips_msat numeric not null default 0,
    primary key (step, start, kind, dvm_id)
) partition by list (step);
create table rollup_minute partition of rollup for values in (60) with (fillfactor = 80);
create table rollup_hour partition of rollup for values in (3600) with (fillfactor = 80);
create table rollup_day partition of rollup for values in (86400) with (fillfactor = 80);
create table rollup_month partition of rollup for values in (2764800) with (fillfactor = 80);
create index rollup_by_dvm on rollup (dvm_id, start);
comment on table rollup is 'Additive counters in half-open UTC buckets [start, start + step).';
comment on column rollup.step is 'Seconds: 60, 3600, 86400, or 2764800: a month of 32 days, so that days nest in it.';
comment on column rollup.requests is 'dvm_id 0: job requests. Else: jobs that name the DVM or that it responded to. Bucket of the request.';
comment on column rollup.results is 'Results, bucket of the result; kind is the request kind.';
comment on column rollup.feedback is 'Feedback, bucket of the feedback; kind -1 while the request is unknown.';
comment on column rollup.jobs_answered is 'Jobs with a matching result (of that DVM), bucket of the request.';
comment on column rollup.outcomes is '(job, DVM) pairs with a matching result or an error, bucket of the request.';
comment on column rollup.failures is 'Those of outcomes without a matching result.';
comment on column rollup.response_count is 'Response times of 0..=86400 s; skewed: below 0; late: above. Bucket of the request.';
comment on column rollup.asked_msat is 'One amount a (job, DVM), bucket of the event that asked.';
comment on column rollup.paid_msat is 'Receipts tied to a job, bucket of the receipt.';
comment on column rollup.tips_msat is 'Receipts to a known DVM tied to no job; kind -1.';

create table latency (
    step integer not null,
    start bigint not null,
    kind integer not null,
    dvm_id integer not null,
    observed boolean not null,
    slot integer not null,
    samples integer not null,
    primary key (step, dvm_id, start, kind, observed, slot)
) partition by list (step);
create table latency_minute partition of latency for values in (60) with (fillfactor = 80);
create table latency_hour partition of latency for values in (3600) with (fillfactor = 80);
create table latency_day partition of latency for values in (86400) with (fillfactor = 80);
create table latency_month partition of latency for values in (2764800) with (fillfactor = 80);
comment on table latency is 'Histograms of response times in log-spaced slots; keys as in rollup.';
comment on column latency.observed is 'false: claimed, slots of seconds; true: observed, slots of milliseconds.';

create table presence (
    step integer not null,
    start bigint not null,
    kind integer not null,
    dvm_id integer not null,
    user_id integer not null,
    primary key (step, dvm_id, start, kind, user_id)
) partition by list (step);
create table presence_minute partition of presence for values in (60);
create table presence_hour partition of presence for values in (3600);
create table presence_day partition of presence for values in (86400);
create table presence_month partition of presence for values in (2764800);
comment on table presence is 'Exact sets of customers; keys as in rollup. Only grows: a job never stops naming its customer.';

-- ── Views: the numbers of all time under the names that people look for ─────────────────────────────────────────────────
create view kind_stats as
select k.kind,
       coalesce(r.requests, 0) as total_requests,
       coalesce(r.results, 0) as total_responses,
       coalesce(r.feedback, 0) as total_feedback,
       coalesce(r.paid_msat, 0) / 1000 as total_sats_paid,
       (select count(*) from kind_dvm s where s.kind = k.kind and (s.announced or s.observed)) as supporting_dvms
from kinds k
left join (
    select kind, sum(requests) as requests, sum(results) as results, sum(feedback) as feedback, sum(paid_msat) as paid_msat
    from rollup where step = 2764800 and dvm_id = 0 group by kind
) r using (kind);
comment on view kind_stats is 'Per request kind, of all time.';

create view dvm_stats as
select d.dvm_id, encode(d.pubkey, 'hex') as pubkey, d.name, d.about as profile_description, d.picture,
       to_timestamp(d.profile_updated_at) as profile_updated_at,
       coalesce(r.requests, 0) as total_requests,
       coalesce(r.results, 0) as total_results,
       coalesce(r.feedback, 0) as total_feedback,
       r.response_sum_s::double precision / nullif(r.response_count, 0) as average_response_seconds,
       coalesce(r.paid_msat, 0) / 1000 as total_sats_earned
from dvms d
left join (
    select dvm_id, sum(requests) as requests, sum(results) as results, sum(feedback) as feedback,
           sum(response_sum_s) as response_sum_s, sum(response_count) as response_count, sum(paid_msat) as paid_msat
    from rollup where step = 2764800 and dvm_id <> 0 group by dvm_id
) r using (dvm_id)
where d.known;
comment on view dvm_stats is 'Per known DVM, of all time.';

create view kind_dvm_stats as
select s.kind, s.dvm_id, encode(d.pubkey, 'hex') as pubkey, s.announced, s.observed,
       to_timestamp(s.first_seen) as first_seen, to_timestamp(s.last_seen) as last_seen,
       coalesce(r.requests, 0) as total_requests, coalesce(r.results, 0) as total_results,
       coalesce(r.paid_msat, 0) / 1000 as total_sats_earned
from kind_dvm s
join dvms d using (dvm_id)
left join (
    select kind, dvm_id, sum(requests) as requests, sum(results) as results, sum(paid_msat) as paid_msat
    from rollup where step = 2764800 and dvm_id <> 0 group by kind, dvm_id
) r using (kind, dvm_id)
where s.announced or s.observed;
comment on view kind_dvm_stats is 'Pairs of kind and DVM that supports it, of all time.';

create view global_stats as
with total as (
    select coalesce(sum(requests), 0) as requests, coalesce(sum(results), 0) as results, coalesce(sum(feedback), 0) as feedback,
           coalesce(sum(paid_msat), 0) as paid_msat
    from rollup where step = 2764800 and dvm_id = 0
), by_dvm as (
    select d.pubkey, sum(r.results) as results, sum(r.paid_msat) as paid_msat
    from rollup r join dvms d using (dvm_id) where r.step = 2764800 and r.dvm_id <> 0 group by d.pubkey
), by_kind as (
    select kind, sum(requests) as requests, sum(paid_msat) as paid_msat
    from rollup where step = 2764800 and dvm_id = 0 and kind >= 0 group by kind
)
select total.requests as total_requests, total.results as total_results, total.feedback as total_feedback,
       (select count(*) from users where requests > 0) as unique_users,
       (select count(*) from dvms where first_seen is not null) as unique_dvms,
       (select count(*) from dvms where known) as known_dvms,
       (select encode(pubkey, 'hex') from by_dvm where results > 0 order by results desc, pubkey limit 1) as most_popular_dvm,
       (select encode(pubkey, 'hex') from by_dvm where paid_msat > 0 order by paid_msat desc, pubkey limit 1) as most_paid_dvm,
       (select kind from by_kind where requests > 0 order by requests desc, kind limit 1) as most_popular_kind,
       (select kind from by_kind where paid_msat > 0 order by paid_msat desc, kind limit 1) as most_paid_kind,
       total.paid_msat / 1000 as total_sats_earned
from total;
comment on view global_stats is 'The network, of all time.';

create view job_dvms as
select job, dvm,
       (array['requested', 'acknowledged', 'payment_required', 'paid', 'failed', 'succeeded'])[max(rank) + 1] as state,
       max(rank) as rank
from (
    select q.id as job, d.pubkey as dvm, 0 as rank from requests q join dvms d on d.pubkey = any(q.named) where d.known
    union all
    select q.id, r.dvm,
           case when r.result_kind = q.kind then 5 when r.result_kind is not null then 0
                when r.status = 2 then 4 when r.status = 0 then 2 else 1 end
    from requests q join responses r on r.job = q.id
    union all
    select p.job, p.recipient, 3 from payments p join requests q on q.id = p.job where p.tied
) evidence
group by job, dvm;
comment on view job_dvms is 'State of each (job, DVM): what the set of events says, later states outrank earlier ones.';

create view jobs as
select q.id, q.kind, q.customer, q.created_at,
       case when coalesce(s.rank, 0) > 0 then s.state
            when exists (select from deletions x where x.event_id = q.id and x.author = q.customer) then 'cancelled'
            when q.expiration <= extract(epoch from now()) then 'expired'
            when q.created_at + 600 <= extract(epoch from now()) then 'silent'
            else 'requested' end as state
from requests q
left join lateral (
    select state, rank from job_dvms j where j.job = q.id order by rank desc limit 1
) s on true;
comment on view jobs is 'Jobs and their state at this moment.';

create view live_announcements as
select distinct on (a.pubkey, a.d) a.*
from announcements a
where not exists (select from deletions x where x.event_id = a.id and x.author = a.pubkey)
  and not exists (select from address_deletions y where y.author = a.pubkey and y.d = a.d and y.created_at >= a.created_at)
order by a.pubkey, a.d, a.created_at desc, a.id;
comment on view live_announcements is 'The version of each announcement that holds: the newest that is not deleted, of equals the one with the smallest id.';

-- ── What the other columns hold ──────────────────────────────────────────────────────────────────────────────────────────
comment on column address_deletions.author is 'Whose announcements.';
comment on column address_deletions.d is 'UTF-8 of the d of the address.';
comment on column address_deletions.deletion is 'Id of the kind-5 event.';
comment on column address_deletions.created_at is 'The deletion''s time; later versions stay.';
comment on column announcements.id is 'Id of this version.';
comment on column announcements.pubkey is 'Author.';
comment on column announcements.created_at is 'Unix seconds; the newest live version of (pubkey, d) holds.';
comment on column announcements.name is 'name, else display_name, of the content; null where there is none.';
comment on column announcements.about is 'about of the content.';
comment on column announcements.picture is 'picture, else image, of the content.';
comment on column announcements.malformed is 'The content is not a JSON object.';
comment on column deletions.event_id is 'The event that is to be deleted.';
comment on column deletions.deletion is 'Id of the kind-5 event.';
comment on column deletions.author is 'Who asks.';
comment on column deletions.created_at is 'Unix seconds of the deletion.';
comment on column dvms.dvm_id is 'Short name of the DVM in the rollups.';
comment on column dvms.pubkey is 'The DVM''s public key.';
comment on column dvms.last_seen is 'Greatest created_at of results and feedback.';
comment on column dvms.name is 'Shown name, from the newest live announcement, else the newest profile.';
comment on column dvms.about is 'Shown description, likewise.';
comment on column dvms.picture is 'Shown picture, likewise.';
comment on column dvms.profile_malformed is 'The content that would be shown is not a JSON object.';
comment on column kind_dvm.kind is 'Request kind.';
comment on column kind_dvm.dvm_id is 'The DVM.';
comment on column kind_dvm.announced is 'A live announcement has a k tag of this kind.';
comment on column kind_dvm.observed is 'It has sent a result of this kind.';
comment on column kind_dvm.first_seen is 'Least created_at of those results.';
comment on column kind_dvm.last_seen is 'Greatest created_at of those results.';
comment on column kinds.kind is 'Request kind.';
comment on column latency.step is 'As in rollup.';
comment on column latency.start is 'As in rollup; bucket of the request.';
comment on column latency.kind is 'As in rollup.';
comment on column latency.dvm_id is 'As in rollup.';
comment on column latency.slot is 'Values below 64 exactly, then 32 slots an octave.';
comment on column latency.samples is 'How many response times lie in the slot.';
comment on column ledger.id is 'Event id.';
comment on column ledger.created_at is 'Its time, which the id covers, so that an event has one place.';
comment on column payments.payment_hash is 'Of the invoice; counts once.';
comment on column payments.receipt is 'The receipt that stands for it: smallest created_at, then smallest id.';
comment on column payments.created_at is 'Of that receipt, unix seconds.';
comment on column payments.recipient is 'Who was paid.';
comment on column payments.sender is 'Author of the zap request.';
comment on column payments.amount_msat is 'Millisats.';
comment on column payments.tied is 'true: paid for a job; false: a tip.';
comment on column payments.job is 'The job; null for a tip and for an orphan response.';
comment on column payments.kind is 'The job''s kind; null while its request is unknown.';
comment on column presence.step is 'As in rollup.';
comment on column presence.start is 'As in rollup; bucket of the request.';
comment on column presence.kind is 'As in rollup.';
comment on column presence.dvm_id is 'As in rollup.';
comment on column presence.user_id is 'A customer whose request lies in the bucket.';
comment on column profiles.id is 'Id of this version.';
comment on column profiles.pubkey is 'Author.';
comment on column profiles.created_at is 'Unix seconds.';
comment on column profiles.name is 'name, else display_name, of the content.';
comment on column profiles.about is 'about of the content.';
comment on column profiles.picture is 'picture, else image, of the content.';
comment on column profiles.malformed is 'The content is not a JSON object.';
comment on column progress.only_row is 'Keeps the table at one row.';
comment on column quarantine.id is 'Event id; the event is in the archive.';
comment on column quarantine.reason is 'future, ancient or unprocessable.';
comment on column quarantine.created_at is 'The event''s time, unix seconds.';
comment on column receipts.id is 'The receipt''s id.';
comment on column receipts.payment_hash is 'Of its invoice.';
comment on column receipts.created_at is 'Unix seconds of the receipt.';
comment on column receipts.recipient is 'Who was paid.';
comment on column receipts.sender is 'Author of the zap request.';
comment on column receipts.amount_msat is 'Millisats, 1 to 10^12.';
comment on column receipts.target is 'What was zapped: the first e of the zap request; null where there is none.';
comment on column refused.reason is 'malformed, too_large, bad_id, bad_signature or kind.';
comment on column refused.events is 'How many arrivals.';
comment on column relays.url is 'Normalised url.';
comment on column requests.id is 'The job''s id.';
comment on column requests.customer is 'Who asks.';
comment on column requests.kind is '5000 to 5999.';
comment on column requests.created_at is 'Unix seconds.';
comment on column requests.expiration is 'Unix seconds of the expiration tag (NIP-40).';
comment on column responses.id is 'The event''s id.';
comment on column responses.dvm is 'Who answers.';
comment on column responses.created_at is 'Unix seconds.';
comment on column responses.amount_msat is 'Asked by a result or a payment-required feedback, in millisats.';
comment on column responses.seen_live is 'Unix milliseconds of a live delivery by a relay, else null.';
comment on column rollup.start is 'First second of the bucket, unix seconds, a multiple of step.';
comment on column rollup.kind is 'Request kind; -1 where there is none known.';
comment on column rollup.dvm_id is 'The DVM; 0: what is counted of the kind as a whole.';
comment on column rollup.payment_required is 'Feedback of this status.';
comment on column rollup.processing is 'Feedback of this status.';
comment on column rollup.error is 'Feedback of this status.';
comment on column rollup.success is 'Feedback of this status.';
comment on column rollup.partial is 'Feedback of this status.';
comment on column rollup.other is 'Feedback of any other status, or none.';
comment on column rollup.encrypted is 'Feedback without a status and with an encrypted tag.';
comment on column rollup.response_sum_s is 'Sum of the response times of response_count, seconds.';
comment on column rollup.skewed is 'Pairs whose first matching result is dated before its request.';
comment on column rollup.late is 'Pairs whose first matching result came after more than a day.';
comment on column users.user_id is 'Short name of the customer in presence.';
comment on column users.pubkey is 'Their public key.';
comment on column users.first_seen is 'Least created_at of their requests; null without one.';
comment on column users.last_seen is 'Greatest created_at of their requests.';
comment on column users.requests is 'How many requests.';
