-- What collectors say of the relays that they read.
create table relay_reports (
    url text not null,
    collector text not null,
    at_ms bigint not null,
    report jsonb not null,
    primary key (url, collector)
);
comment on table relay_reports is 'The last report of each collector on each relay that it reads; those older than a day go.';
comment on column relay_reports.url is 'Normalised url.';
comment on column relay_reports.collector is 'Name of the collector.';
comment on column relay_reports.at_ms is 'Unix milliseconds of the report.';
comment on column relay_reports.report is 'Connection, counts since the collector began to read the relay, cursor (unix seconds), capabilities, last CLOSED and NOTICE.';
