-- What each relay delivered.
select url, events, first_deliveries, last_seen_ms from relays order by url
