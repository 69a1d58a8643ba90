//! What a job and its responses amount to (METRICS.md sections 5 and 6, and `asked_msat` of section 7).

use std::collections::BTreeMap;

use super::{Cell, Counter, Deltas};
use crate::{Answer, Pubkey, Request, Response, Status};

/// Longest response time that is one, in seconds.
const LATEST: i64 = 86_400;

/// Adds `sign` times what a job amounts to; `request` is `None` while it is unknown.
pub(super) fn contribute(
    request: Option<&Request>,
    responses: &[Response],
    deltas: &mut Deltas,
    sign: i64,
) {
    let kind = request.map(|request| request.kind);
    let mut pairs: BTreeMap<Pubkey, Vec<&Response>> = BTreeMap::new();
    for response in responses {
        count_response(response, kind, deltas, sign);
        pairs.entry(response.dvm).or_default().push(response);
    }
    for (dvm, responses) in &pairs {
        if let Some((at, msat)) = asked(responses) {
            deltas.count_both(at, kind, *dvm, Counter::Asked, sign * msat);
        }
    }

    let Some(request) = request else { return };
    let own = Cell::at(request.created_at, kind, None);
    deltas.count(own, Counter::Requests, sign);
    *deltas.presence.entry((own, request.customer)).or_default() += sign;
    for dvm in request
        .named
        .iter()
        .filter(|dvm| !pairs.contains_key(dvm))
        .chain(pairs.keys())
    {
        let cell = Cell {
            dvm: Some(*dvm),
            ..own
        };
        deltas.count(cell, Counter::Requests, sign);
        *deltas.presence.entry((cell, request.customer)).or_default() += sign;
    }
    let mut answered = false;
    for (dvm, responses) in &pairs {
        answered |= pair(request, *dvm, responses, deltas, sign);
    }
    if answered {
        deltas.count(own, Counter::JobsAnswered, sign);
    }
}

/// Adds `sign` times what a response to no job amounts to.
pub(super) fn contribute_orphan(response: &Response, deltas: &mut Deltas, sign: i64) {
    count_response(response, None, deltas, sign);
}

/// The event itself: a result under its own kind, feedback under the job's.
fn count_response(response: &Response, job_kind: Option<u16>, deltas: &mut Deltas, sign: i64) {
    let at = response.created_at;
    match response.answer {
        Answer::Result(kind) => {
            deltas.count_both(at, Some(kind), response.dvm, Counter::Results, sign)
        }
        Answer::Feedback(status) => {
            deltas.status(Cell::at(at, job_kind, None), status, sign);
            deltas.status(Cell::at(at, job_kind, Some(response.dvm)), status, sign);
        }
    }
}

/// The largest amount of a (job, DVM) and when it was asked; the earliest of equals.
fn asked(responses: &[&Response]) -> Option<(i64, i64)> {
    let asks = responses
        .iter()
        .filter_map(|response| Some((response.created_at, response.amount_msat?)));
    asks.max_by_key(|(at, msat)| (*msat, std::cmp::Reverse(*at)))
}

/// What one DVM did for a known request; whether it answered.
fn pair(
    request: &Request,
    dvm: Pubkey,
    responses: &[&Response],
    deltas: &mut Deltas,
    sign: i64,
) -> bool {
    let (at, kind) = (request.created_at, Some(request.kind));
    let matching = responses
        .iter()
        .filter(|response| response.answer == Answer::Result(request.kind));
    let first = matching.min_by_key(|response| (response.created_at, response.id));
    let failed = responses
        .iter()
        .any(|response| response.answer == Answer::Feedback(Status::Error));
    if first.is_some() || failed {
        deltas.count_both(at, kind, dvm, Counter::Outcomes, sign);
    }
    let Some(first) = first else {
        if failed {
            deltas.count_both(at, kind, dvm, Counter::Failures, sign);
        }
        return false;
    };
    deltas.count(Cell::at(at, kind, Some(dvm)), Counter::JobsAnswered, sign);

    let cells = [Cell::at(at, kind, None), Cell::at(at, kind, Some(dvm))];
    match first.created_at - at {
        ..0 => deltas.count_both(at, kind, dvm, Counter::Skewed, sign),
        seconds @ 0..=LATEST => {
            deltas.count_both(at, kind, dvm, Counter::ResponseCount, sign);
            deltas.count_both(at, kind, dvm, Counter::ResponseSum, sign * seconds);
            for cell in cells {
                deltas.sample(cell, false, seconds.unsigned_abs(), sign);
            }
        }
        _ => deltas.count_both(at, kind, dvm, Counter::Late, sign),
    }
    if let (Some(asked), Some(answered)) = (request.seen_live, first.seen_live)
        && answered >= asked
    {
        for cell in cells {
            deltas.sample(cell, true, answered.abs_diff(asked), sign);
        }
    }
    true
}
