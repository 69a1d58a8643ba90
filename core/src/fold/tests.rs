use super::*;
use crate::{Answer, Hex32, Receipt, Request, Response, Status};

const DVM: Hex32 = Hex32([7; 32]);
const CUSTOMER: Hex32 = Hex32([8; 32]);
const JOB: Hex32 = Hex32([1; 32]);

fn request() -> Request {
    Request {
        id: JOB,
        customer: CUSTOMER,
        kind: 5300,
        created_at: 1_700_000_000,
        named: vec![],
        expiration: None,
        after_jobs: vec![],
        after_events: vec![],
        seen_live: None,
    }
}

fn response(id: u8, after: i64, answer: Answer) -> Response {
    Response {
        id: Hex32([id; 32]),
        dvm: DVM,
        created_at: 1_700_000_000 + after,
        job: Some(JOB),
        answer,
        amount_msat: None,
        seen_live: None,
    }
}

fn receipt(target: Hex32) -> Receipt {
    Receipt {
        id: Hex32([40; 32]),
        created_at: 1_700_000_100,
        payment_hash: Hex32([50; 32]),
        recipient: DVM,
        sender: CUSTOMER,
        amount_msat: 21_000,
        target: Some(target),
    }
}

fn all() -> Facts {
    Facts {
        requests: vec![request()],
        responses: vec![
            response(2, 5, Answer::Result(5300)),
            response(3, 2, Answer::Result(5300)),
            response(4, 1, Answer::Feedback(Status::Error)),
            response(5, 1, Answer::Result(5301)),
        ],
        receipts: vec![
            receipt(Hex32([2; 32])),
            Receipt {
                id: Hex32([41; 32]),
                ..receipt(JOB)
            },
        ],
        known: [DVM].into(),
    }
}

fn merge(sum: &mut Deltas, more: Deltas) {
    for (cell, counters) in more.cells {
        sum.cells.entry(cell).or_default().merge(&counters);
    }
    for (key, samples) in more.latency {
        *sum.latency.entry(key).or_default() += samples;
    }
    for (key, more) in more.presence {
        *sum.presence.entry(key).or_default() += more;
    }
    for (key, msat) in more.spent {
        *sum.spent.entry(key).or_default() += msat;
    }
    for hash in more.payments_seen {
        sum.payments.remove(&hash);
        sum.payments_seen.push(hash);
    }
    sum.payments.extend(more.payments);
}

/// Every fact as a batch of its own.
fn pieces(facts: &Facts) -> Vec<Facts> {
    let requests = facts.requests.iter().map(|one| Facts {
        requests: vec![one.clone()],
        ..Facts::default()
    });
    let responses = facts.responses.iter().map(|one| Facts {
        responses: vec![one.clone()],
        known: [one.dvm].into(),
        ..Facts::default()
    });
    let receipts = facts.receipts.iter().map(|one| Facts {
        receipts: vec![one.clone()],
        ..Facts::default()
    });
    requests.chain(responses).chain(receipts).collect()
}

#[test]
fn facts_one_by_one_in_any_order_amount_to_all_at_once() {
    let mut whole = World::default().fold(&all());
    whole.payments_seen.clear();
    let pieces = pieces(&all());
    for turn in 0..pieces.len() {
        for backwards in [false, true] {
            let mut order: Vec<_> = (0..pieces.len())
                .map(|i| (i + turn) % pieces.len())
                .collect();
            if backwards {
                order.reverse();
            }
            let (mut world, mut sum) = (World::default(), Deltas::default());
            for i in order {
                merge(&mut sum, world.clone().fold(&pieces[i]));
                world.add(&pieces[i]);
            }
            sum.payments_seen.clear();
            sum.compact();
            assert_eq!(sum, whole, "starting at {turn}, backwards {backwards}");
        }
    }
}

#[test]
fn an_earlier_dated_result_revises_the_response_time() {
    let late = Facts {
        responses: vec![response(3, 2, Answer::Result(5300))],
        ..Facts::default()
    };
    let mut world = World::default();
    world.add(&Facts {
        requests: vec![request()],
        responses: vec![response(2, 5, Answer::Result(5300))],
        ..Facts::default()
    });
    let deltas = world.fold(&late);
    let own = Cell {
        start: 1_699_999_980,
        kind: 5300,
        dvm: None,
    };
    assert_eq!(deltas.cells[&own][Counter::ResponseSum], -3);
    assert_eq!(deltas.cells[&own][Counter::ResponseCount], 0);
    assert_eq!(deltas.latency[&(own, false, 5)], -1);
    assert_eq!(deltas.latency[&(own, false, 2)], 1);
}

#[test]
fn two_receipts_of_one_payment_hash_are_paid_once() {
    let deltas = World::default().fold(&all());
    assert_eq!(deltas.spent[&CUSTOMER], 21_000);
    assert_eq!(deltas.payments.len(), 1);
    let tie = deltas.payments[&Hex32([50; 32])].tie;
    assert_eq!(
        tie,
        Tie::Job {
            job: Some(JOB),
            kind: Some(5300)
        }
    );
}

#[test]
fn a_tip_becomes_paid_when_the_response_arrives() {
    let mut world = World::default();
    world.add(&Facts {
        receipts: vec![receipt(Hex32([2; 32]))],
        known: [DVM].into(),
        ..Facts::default()
    });
    let facts = Facts {
        responses: vec![response(2, 5, Answer::Result(5300))],
        known: [DVM].into(),
        ..Facts::default()
    };
    let deltas = world.fold(&facts);
    let cell = Cell {
        start: 1_700_000_100,
        kind: NO_KIND,
        dvm: Some(DVM),
    };
    assert_eq!(deltas.cells[&cell][Counter::Tips], -21_000);
    assert_eq!(deltas.cells[&cell][Counter::Paid], 21_000);
}

#[test]
fn a_payment_stops_counting_when_an_earlier_receipt_of_its_hash_names_a_stranger() {
    let mut world = World::default();
    world.add(&Facts {
        receipts: vec![receipt(JOB)],
        known: [DVM].into(),
        ..Facts::default()
    });
    let earlier = Receipt {
        id: Hex32([42; 32]),
        created_at: 1_700_000_050,
        recipient: Hex32([9; 32]),
        ..receipt(JOB)
    };
    let facts = Facts {
        receipts: vec![earlier],
        ..Facts::default()
    };
    let deltas = world.fold(&facts);
    assert!(deltas.payments.is_empty());
    assert_eq!(deltas.payments_seen, [Hex32([50; 32])]);
    let tips: i64 = deltas
        .cells
        .values()
        .map(|counters| counters[Counter::Tips])
        .sum();
    assert_eq!(tips, -2 * 21_000);
}
