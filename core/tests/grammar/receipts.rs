use dvmdash_core::{Activity, Event, Hex32, Receipt, Rules, parse, read, receipt};

use crate::{data, signing};

const TIME: i64 = 1_700_000_000;
const HASH: [u8; 32] = [7; 32];
const SENDER: u8 = 1;
const RECIPIENT: u8 = 2;
const WALLET: u8 = 3;

fn recipient() -> String {
    signing::pubkey(RECIPIENT).to_string()
}

fn target() -> String {
    "e1".repeat(32)
}

fn zap_request(tags: &[&[&str]]) -> Event {
    signing::event(SENDER, 9734, TIME - 1, tags, "thanks")
}

fn receipt_of(request: &Event, bolt11: &str) -> Event {
    let description = signing::json(request);
    let p = recipient();
    let tags: [&[&str]; 3] = [
        &["p", &p],
        &["bolt11", bolt11],
        &["description", &description],
    ];
    signing::event(WALLET, 9735, TIME, &tags, "")
}

/// The receipt of a zap request with these tags, over 1000 sats.
fn of_tags(tags: &[&[&str]]) -> Option<Receipt> {
    receipt(&receipt_of(
        &zap_request(tags),
        &signing::invoice("lnbc10u", Some(HASH)),
    ))
}

#[test]
fn a_valid_receipt_says_who_paid_whom_how_much_for_what() {
    let (p, e) = (recipient(), target());
    let request = zap_request(&[
        &["relays", "wss://r"],
        &["p", &p],
        &["e", "x"],
        &["e", &e],
        &["amount", "1000000"],
    ]);
    let event = receipt_of(&request, &signing::invoice("lnbc10u", Some(HASH)));
    let expected = Receipt {
        id: event.id,
        created_at: TIME,
        payment_hash: Hex32(HASH),
        recipient: signing::pubkey(RECIPIENT),
        sender: signing::pubkey(SENDER),
        amount_msat: 1_000_000,
        target: Hex32::parse(&e),
    };
    assert_eq!(receipt(&event), Some(expected.clone()));
    assert_eq!(
        read(&event, &Rules::default(), None),
        Activity::Receipt(expected)
    );
}

#[test]
fn the_amount_tag_where_there_is_one_is_the_digits_exactly() {
    let p = recipient();
    let with = |amount: &str| of_tags(&[&["p", &p], &["amount", amount]]).is_some();
    assert!(with("1000000"));
    for bad in [
        "1000001",
        "01000000",
        "1_000_000",
        " 1000000",
        "1000000.0",
        "",
    ] {
        assert!(!with(bad), "{bad:?}");
    }
    assert!(of_tags(&[&["p", &p]]).is_some());
    assert!(
        of_tags(&[&["p", &p], &["amount"]]).is_some(),
        "a tag without a value is none"
    );
}

#[test]
fn the_recipient_is_the_only_p_of_the_request_and_the_p_of_the_receipt() {
    let (p, other) = (recipient(), signing::pubkey(4).to_string());
    assert!(of_tags(&[]).is_none());
    assert!(of_tags(&[&["p"]]).is_none());
    assert!(of_tags(&[&["p", &other]]).is_none());
    assert!(of_tags(&[&["p", &p], &["p", &other]]).is_none());
    assert!(of_tags(&[&["p", &p], &["p", &p]]).is_none());
    assert!(of_tags(&[&["p", &p], &["P", &other]]).is_some());
}

#[test]
fn a_recipient_that_is_no_key_in_lower_case_is_none() {
    let upper = recipient().to_uppercase();
    let request = zap_request(&[&["p", &upper]]);
    let (bolt11, description) = (
        signing::invoice("lnbc10u", Some(HASH)),
        signing::json(&request),
    );
    let tags: [&[&str]; 3] = [
        &["p", &upper],
        &["bolt11", &bolt11],
        &["description", &description],
    ];
    assert_eq!(
        receipt(&signing::event(WALLET, 9735, TIME, &tags, "")),
        None
    );
}

#[test]
fn the_zap_request_is_signed_and_of_its_kind() {
    let p = recipient();
    let bolt11 = signing::invoice("lnbc10u", Some(HASH));
    let good = zap_request(&[&["p", &p]]);
    assert!(receipt(&receipt_of(&good, &bolt11)).is_some());
    let other_kind = signing::event(SENDER, 9733, TIME, &[&["p", &p]], "");
    assert_eq!(receipt(&receipt_of(&other_kind, &bolt11)), None);
    let mut changed = good.clone();
    changed.content.push('!');
    assert_eq!(receipt(&receipt_of(&changed, &bolt11)), None);
    let mut forged = good.clone();
    forged.sig = signing::sign(RECIPIENT, good.id);
    assert_eq!(receipt(&receipt_of(&forged, &bolt11)), None);
}

#[test]
fn an_invalid_receipt_says_nothing() {
    let p = recipient();
    let request = zap_request(&[&["p", &p]]);
    for bolt11 in [
        "",
        "lnbc10u",
        &signing::invoice("lnbc10u", None),
        &signing::invoice("lntb10u", Some(HASH)),
    ] {
        let event = receipt_of(&request, bolt11);
        assert_eq!(
            read(&event, &Rules::default(), None),
            Activity::Nothing,
            "{bolt11:?}"
        );
    }
    let bare = signing::event(WALLET, 9735, TIME, &[&["p", &p]], "");
    assert_eq!(read(&bare, &Rules::default(), None), Activity::Nothing);
}

#[test]
fn real_receipts_count_unless_their_invoice_has_no_payment_hash() {
    let Some(lines) = data::text("events/zap_receipts.jsonl") else {
        return;
    };
    let (mut valid, mut invalid) = (0, 0);
    for line in lines.lines() {
        let event = parse(line).expect("an event");
        // Tag `p` of length 52, as a payment hash is written.
        let hashed = event
            .tag("bolt11")
            .is_some_and(|bolt11| bolt11.contains("pp5"));
        let read = receipt(&event);
        assert_eq!(read.is_some(), hashed, "{line}");
        let Some(read) = read else {
            invalid += 1;
            continue;
        };
        assert_eq!(event.tag("p"), Some(&*read.recipient.to_string()));
        assert_eq!(event.tag("e").and_then(Hex32::parse), read.target);
        valid += 1;
    }
    assert!(valid > 10 && invalid > 3, "{valid} and {invalid}");
}
