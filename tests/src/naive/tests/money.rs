//! METRICS 7: amounts and what was asked.

use serde_json::json;

use super::super::invoice::{amount, invoice};
use super::*;

#[test]
fn an_amount_is_digits_with_separators_in_range() {
    for (text, msat) in [
        ("1", 1),
        ("100_000", 100_000),
        ("1,000 000", 1_000_000),
        (" 7 ", 7),
        ("1000000000000", 1_000_000_000_000),
        ("0000000000000000000000000000000000000005", 5),
    ] {
        assert_eq!(amount(text), Some(msat), "{text}");
    }
    for text in [
        "",
        "_",
        "0",
        "000",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "0x10",
        "1000000000001",
        "٣",
        "1\u{a0}0",
        "1\t",
        "1\n",
        "tips@getalby.com",
        "99999999999999999999999999999999999999999",
        "00000000000000000000000000000000000000005",
        "9999999999999999999999999999999999999999",
    ] {
        assert_eq!(amount(text), None, "{text}");
    }
}

fn asking(dvm: u8, at: i64, job: &Value, status: &str, amount: &str) -> Value {
    let tags = json!([
        ["e", id(job)],
        ["status", status],
        ["amount", amount, "lnbc…"]
    ]);
    event(dvm, at, 7000, tags, "")
}

#[test]
fn what_is_asked_is_one_amount_for_each_job_and_dvm_the_largest() {
    let job = request(1, T);
    let events = [
        &job,
        &asking(3, T + 1, &job, "payment-required", "1000"),
        &asking(3, T + 61, &job, "payment-required", "3000"),
        &event(
            3,
            T + 121,
            6100,
            json!([["e", id(&job)], ["amount", "2000"]]),
            "",
        ),
        &asking(4, T + 1, &job, "payment-required", "10"),
        &asking(5, T + 1, &job, "processing", "100000"),
    ];
    let naive = naive(&events);
    assert_eq!(naive.global(0, NOW)["asked_msat"], 3010);
    assert_eq!(naive.kinds(0, NOW)[&5100]["asked_msat"], 3010);
    assert_eq!(
        naive.dvms(T + 60, T + 120)[&pubkey(3)]["asked_msat"],
        3000,
        "in that event's bucket"
    );
    assert_eq!(naive.global(T, T + 60)["asked_msat"], 10);
}

#[test]
fn of_two_equal_amounts_the_earliest_is_taken() {
    let job = request(1, T);
    let late = asking(3, T + 61, &job, "payment-required", "1000");
    let early = asking(3, T + 1, &job, "payment-required", "1_000");
    let naive = naive(&[&job, &late, &early]);
    assert_eq!(naive.global(T, T + 60)["asked_msat"], 1000);
    assert_eq!(naive.global(T + 60, NOW)["asked_msat"], 0);
}

#[test]
fn what_is_asked_has_no_kind_while_the_request_is_unknown() {
    let job = request(1, T);
    let note = asking(3, T + 1, &job, "payment-required", "1000");
    let naive = naive(&[&note]);
    assert_eq!(naive.global(0, NOW)["asked_msat"], 1000);
    assert_eq!(naive.dvms(0, NOW)[&pubkey(3)]["asked_msat"], 1000);
    assert!(naive.kinds(0, NOW).is_empty());
    assert_eq!(kind(&[&note, &job], 5100)["asked_msat"], 1000);
}

#[test]
fn a_result_of_another_kind_asks_in_the_kind_of_its_job() {
    let job = request(1, T);
    let tags = json!([["e", id(&job)], ["amount", "1000"]]);
    let events = [&job, &event(3, T + 1, 6200, tags, "")];
    assert_eq!(kind(&events, 5100)["asked_msat"], 1000);
    assert_eq!(kind(&events, 5200)["asked_msat"], 0);
}

#[test]
fn only_the_first_amount_tag_counts_and_a_bad_one_is_none() {
    let job = request(1, T);
    let tags = json!([
        ["e", id(&job)],
        ["amount"],
        ["amount", "x@y.z"],
        ["amount", "1000"]
    ]);
    let events = [&job, &event(3, T + 1, 6100, tags, "")];
    assert_eq!(global(&events)["asked_msat"], 0);
    assert_eq!(global(&events)["jobs_answered"], 1);
}

#[test]
fn many_largest_amounts_add_up() {
    let jobs: Vec<Value> = (0..30).map(|i| request(1, T + i)).collect();
    let notes: Vec<Value> = jobs
        .iter()
        .map(|job| asking(3, T + 100, job, "payment-required", "1000000000000"))
        .collect();
    let all: Vec<&Value> = jobs.iter().chain(&notes).collect();
    assert_eq!(global(&all)["asked_msat"], 30_000_000_000_000_u64);
}

#[test]
fn an_invoice_is_of_mainnet_in_one_case_with_a_hash_and_whole_msat_in_range() {
    let good = bolt11(Currency::Bitcoin, 21_000, 7);
    let expected = Some((hex::encode([7; 32]), 21_000));
    assert_eq!(invoice(&good), expected);
    assert_eq!(invoice(&good.to_uppercase()), expected);
    assert_eq!(invoice(&good.replacen("lnbc", "LNBC", 1)), None);
    let last = if good.ends_with('q') { "p" } else { "q" };
    assert_eq!(invoice(&format!("{}{last}", &good[..good.len() - 1])), None);
    assert_eq!(invoice(&format!(" {good}")), None);
    assert_eq!(invoice(&format!("lightning:{good}")), None);
    assert_eq!(invoice(&bolt11(Currency::BitcoinTestnet, 21_000, 7)), None);
    assert_eq!(invoice(&bolt11(Currency::Regtest, 21_000, 7)), None);
    assert!(invoice(&bolt11(Currency::Bitcoin, 1_000_000_000_000, 7)).is_some());
    assert_eq!(
        invoice(&bolt11(Currency::Bitcoin, 1_000_000_000_001, 7)),
        None
    );
    assert_eq!(invoice(&bolt11(Currency::Bitcoin, 0, 7)), None);
}

#[test]
fn an_invoice_of_part_of_a_msat_or_without_amount_or_hash_is_none() {
    let raw = |pico: Option<u64>, hash: bool| {
        let signed: lightning_invoice::SignedRawBolt11Invoice =
            bolt11(Currency::Bitcoin, 1, 7).parse().unwrap();
        let mut raw = signed.raw_invoice().clone();
        raw.hrp.raw_amount = pico;
        if pico.is_none() {
            raw.hrp.si_prefix = None;
        }
        if !hash {
            let is_hash = |field: &_| {
                use lightning_invoice::{RawTaggedField::KnownSemantics, TaggedField::PaymentHash};
                matches!(field, KnownSemantics(PaymentHash(_)))
            };
            raw.data.tagged_fields.retain(|field| !is_hash(field));
        }
        sign_invoice(raw)
    };
    assert_eq!(invoice(&raw(Some(20), true)).map(|i| i.1), Some(2));
    assert_eq!(invoice(&raw(Some(25), true)), None);
    assert_eq!(invoice(&raw(None, true)), None);
    assert_eq!(invoice(&raw(Some(20), false)), None);
}
