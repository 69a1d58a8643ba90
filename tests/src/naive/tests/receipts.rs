//! METRICS 7: which receipts count, as what, and where.

use serde_json::json;

use super::*;

/// `(paid, tips)` of all time.
fn sums(events: &[&Value]) -> (u64, u64) {
    let global = global(events);
    let of = |name: &str| global[name].as_u64().unwrap();
    (of("paid_msat"), of("tips_msat"))
}

#[test]
fn a_receipt_moves_from_nothing_to_tip_to_paid() {
    let (job, other) = (request(1, T), request(2, T));
    let zap = receipt(T + 90, 3, &job, 1000, 1);
    assert_eq!(sums(&[&job, &zap]), (0, 0), "the recipient is nobody");
    let unrelated = result(3, T + 1, &other);
    assert_eq!(sums(&[&job, &zap, &other, &unrelated]), (0, 1000));
    let response = feedback(3, T + 1, &job, "payment-required");
    let events = [&job, &zap, &other, &unrelated, &response];
    assert_eq!(sums(&events), (1000, 0));
    let naive = naive(&events);
    assert_eq!(naive.dvms(0, NOW)[&pubkey(3)]["paid_msat"], 1000);
    assert_eq!(naive.kinds(0, NOW)[&5100]["paid_msat"], 1000);
    assert_eq!(
        naive.global(T + 60, T + 120)["paid_msat"],
        1000,
        "in the receipt's bucket"
    );
    assert_eq!(naive.global(T, T + 60)["paid_msat"], 0);
}

#[test]
fn a_receipt_for_a_response_gets_its_kind_once_the_request_is_known() {
    let job = request(1, T);
    let answer = result(3, T + 1, &job);
    let zap = receipt(T + 9, 3, &answer, 1000, 1);
    let unknown = [&answer, &zap];
    assert_eq!(sums(&unknown), (1000, 0));
    assert_eq!(kind(&unknown, 5100)["paid_msat"], 0);
    assert_eq!(global(&unknown)["most_paid_kind"], Value::Null);
    assert_eq!(global(&unknown)["most_paid_dvm"]["paid_msat"], 1000);
    assert_eq!(naive(&unknown).check_invariants(0, NOW), Ok(()));
    let known = [&answer, &zap, &job];
    assert_eq!(kind(&known, 5100)["paid_msat"], 1000);
    assert_eq!(
        global(&known)["most_paid_kind"],
        json!({"kind": 5100, "paid_msat": 1000})
    );
}

#[test]
fn a_receipt_for_an_orphan_response_is_paid_in_no_kind() {
    let orphan = event(3, T, 6100, json!([]), "");
    let events = [&orphan, &receipt(T + 9, 3, &orphan, 1000, 1)];
    assert_eq!(sums(&events), (1000, 0));
    assert_eq!(kind(&events, 5100)["paid_msat"], 0);
}

#[test]
fn a_receipt_for_somebody_elses_response_is_a_tip() {
    let job = request(1, T);
    let (answer, others) = (result(3, T + 1, &job), result(4, T + 1, &request(2, T)));
    let zap = receipt(T + 9, 4, &answer, 1000, 1);
    assert_eq!(sums(&[&job, &answer, &others, &zap]), (0, 1000));
}

#[test]
fn one_payment_hash_counts_once_the_earliest_receipt_standing_for_it() {
    let job = request(1, T);
    let answer = result(3, T + 1, &job);
    let late = receipt(T + 100, 3, &job, 1000, 1);
    let early = receipt(T + 10, 3, &answer, 1000, 1);
    let other = receipt(T + 10, 3, &job, 500, 2);
    let all = naive(&[&job, &answer, &late, &early, &other]);
    assert_eq!(all.global(0, NOW)["paid_msat"], 1500);
    assert_eq!(all.global(T + 60, NOW)["paid_msat"], 0);
    let without = naive(&[&job, &answer, &late, &other]);
    assert_eq!(without.global(T + 60, NOW)["paid_msat"], 1000);
}

#[test]
fn of_two_receipts_of_one_second_the_smaller_id_stands_for_the_payment() {
    let job = request(1, T);
    let answer = result(3, T + 1, &job);
    let other = result(4, T + 1, &job);
    let (a, b) = (
        receipt(T + 10, 3, &job, 1000, 1),
        receipt(T + 10, 4, &job, 1000, 1),
    );
    let winner = if id(&a) < id(&b) { 3 } else { 4 };
    let events = [&job, &answer, &other, &a, &b];
    assert_eq!(dvm(&events, winner)["paid_msat"], 1000);
    assert_eq!(global(&events)["paid_msat"], 1000);
}

#[test]
fn an_invalid_receipt_takes_no_payment_hash() {
    let job = request(1, T);
    let answer = result(3, T + 1, &job);
    let invalid = receipt_of(T + 2, 3, "{}", &bolt11(Currency::Bitcoin, 1000, 1));
    let valid = receipt(T + 9, 3, &job, 1000, 1);
    assert_eq!(sums(&[&job, &answer, &invalid, &valid]), (1000, 0));
}

#[test]
fn a_receipt_is_refused_unless_every_part_of_it_is_right() {
    let job = request(1, T);
    let answer = result(3, T + 1, &job);
    let invoice = bolt11(Currency::Bitcoin, 1000, 1);
    let zap = |tags: Value, kind: u16| event(100, T, kind, tags, "");
    let paid = |recipient: u8, description: String, invoice: &str| {
        sums(&[
            &job,
            &answer,
            &receipt_of(T + 5, recipient, &description, invoice),
        ])
    };
    let p = json!(["p", pubkey(3)]);
    let e = json!(["e", id(&job)]);
    let good = zap(json!([p, e]), 9734);
    assert_eq!(paid(3, good.to_string(), &invoice), (1000, 0));
    let mut forged = good.clone();
    forged["content"] = json!("changed");
    let mut unsigned = good.clone();
    unsigned["sig"] = zap(json!([]), 9734)["sig"].clone();
    let mut shapeless = good.clone();
    shapeless["kind"] = json!("9734");
    for wrong in [
        forged,
        unsigned,
        shapeless,
        zap(json!([p, e]), 9733),
        json!("text"),
    ] {
        assert_eq!(paid(3, wrong.to_string(), &invoice), (0, 0), "{wrong}");
    }
    let amount = |text: &str| zap(json!([p, e, ["amount", text]]), 9734).to_string();
    assert_eq!(paid(3, amount("1000"), &invoice), (1000, 0));
    for wrong in ["999", "1_000", "01000", " 1000", ""] {
        assert_eq!(paid(3, amount(wrong), &invoice), (0, 0), "{wrong}");
    }
    assert_eq!(
        paid(3, zap(json!([p, p, e]), 9734).to_string(), &invoice),
        (0, 0),
        "two p tags"
    );
    assert_eq!(
        paid(3, zap(json!([e]), 9734).to_string(), &invoice),
        (0, 0),
        "no p tag"
    );
    assert_eq!(
        paid(4, good.to_string(), &invoice),
        (0, 0),
        "another p on the receipt"
    );
    assert_eq!(
        paid(3, good.to_string(), &bolt11(Currency::Signet, 1000, 1)),
        (0, 0)
    );
}

#[test]
fn the_zap_requests_first_e_of_64_hex_ties_and_without_one_it_is_a_tip() {
    let job = request(1, T);
    let answer = result(3, T + 1, &job);
    let invoice = bolt11(Currency::Bitcoin, 1000, 1);
    let sums_of = |tags: Value| {
        let zap = event(100, T, 9734, tags, "");
        sums(&[
            &job,
            &answer,
            &receipt_of(T + 5, 3, &zap.to_string(), &invoice),
        ])
    };
    let p = json!(["p", pubkey(3)]);
    assert_eq!(sums_of(json!([p, ["e", "x"], ["e", id(&job)]])), (1000, 0));
    assert_eq!(
        sums_of(json!([p, ["e", "0".repeat(64)], ["e", id(&job)]])),
        (0, 1000)
    );
    assert_eq!(sums_of(json!([p])), (0, 1000));
}

#[test]
fn users_spend_what_tied_receipts_say_and_no_tips() {
    let job = request(100, T);
    let later = request(100, T + 3600);
    let answer = result(3, T + 1, &job);
    let paid = receipt(T + 5, 3, &job, 1000, 1);
    let tip = receipt(T + 5, 3, &later, 500, 2);
    let users = naive(&[&job, &later, &answer, &paid, &tip]).users();
    let expected = json!({
        "first_seen": "2023-11-14T22:00:00Z", "last_seen": "2023-11-14T23:00:00Z", "requests": 2, "spent_msat": 1000
    });
    assert_eq!(users.len(), 1);
    assert_eq!(users[&pubkey(100)], expected);
}
