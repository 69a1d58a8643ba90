use dvmdash_core::{
    Activity, Announcement, Answer, Deletion, Event, Hex32, Request, Response, Rules, Status, read,
};

use crate::signing;

const TIME: i64 = 1_700_000_000;
const CUSTOMER: u8 = 1;
const DVM: u8 = 2;

fn id(digits: &str) -> String {
    digits.repeat(32)
}

fn hex32(text: &str) -> Hex32 {
    Hex32::parse(text).expect("64 hex digits")
}

fn request(event: &Event) -> Request {
    match read(event, &Rules::default(), None) {
        Activity::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

fn response_of(event: &Event) -> (Response, Option<Box<Event>>) {
    match read(event, &Rules::default(), None) {
        Activity::Response(response, embedded) => (response, embedded),
        other => panic!("{other:?}"),
    }
}

fn response(kind: u16, tags: &[&[&str]]) -> Response {
    response_of(&signing::event(DVM, kind, TIME, tags, "")).0
}

#[test]
fn a_request_names_dvms_inputs_and_its_end() {
    let (a, b) = (id("0a"), id("0b"));
    let event = signing::event(
        CUSTOMER,
        5100,
        TIME,
        &[
            &["p", &b],
            &["p", &a],
            &["p", &b],
            &["p", "someone"],
            &["expiration", "1700000600"],
            &["expiration", "1"],
            &["i", &b, "job"],
            &["i", &a, "job", "wss://r"],
            &["i", &a, "event"],
            &["i", &b],
            &["i", "https://x", "job"],
            &["i", &id("0C"), "job"],
        ],
        "",
    );
    assert_eq!(
        request(&event),
        Request {
            id: event.id,
            customer: signing::pubkey(CUSTOMER),
            kind: 5100,
            created_at: TIME,
            named: vec![hex32(&a), hex32(&b)],
            expiration: Some(1_700_000_600),
            after_jobs: vec![hex32(&a), hex32(&b)],
            after_events: vec![hex32(&a)],
            seen_live: None,
        }
    );
}

#[test]
fn an_expiration_is_digits_only() {
    for (value, expected) in [
        ("0", Some(0)),
        ("+5", None),
        ("-5", None),
        ("5.0", None),
        ("", None),
        ("99999999999999999999", None),
    ] {
        let event = signing::event(
            CUSTOMER,
            5100,
            TIME,
            &[&["expiration"], &["expiration", value]],
            "",
        );
        assert_eq!(request(&event).expiration, expected, "{value:?}");
    }
}

#[test]
fn a_delivery_within_a_minute_of_its_date_is_live() {
    let event = signing::event(CUSTOMER, 5100, TIME, &[], "");
    for (offset, live) in [
        (0, true),
        (60_000, true),
        (60_001, false),
        (-60_000, true),
        (-60_001, false),
    ] {
        let seen = TIME * 1000 + offset;
        let Activity::Request(request) = read(&event, &Rules::default(), Some(seen)) else {
            panic!("a request");
        };
        assert_eq!(request.seen_live, live.then_some(seen), "{offset} ms");
    }
    let far = signing::event(DVM, 7000, i64::MAX, &[], "");
    let Activity::Response(response, _) = read(&far, &Rules::default(), Some(i64::MIN)) else {
        panic!("a response");
    };
    assert_eq!(response.seen_live, None);
}

#[test]
fn the_first_e_of_64_hex_names_the_job() {
    let (a, b) = (id("0a"), id("0b"));
    assert_eq!(
        response(6100, &[&["e", "nonsense"], &["e"], &["e", &a], &["e", &b]]).job,
        Some(hex32(&a))
    );
    assert_eq!(response(7000, &[&["E", &a], &["e", &id("0A")]]).job, None);
}

#[test]
fn a_valid_embedded_request_names_the_job_before_any_e() {
    let asked = signing::event(CUSTOMER, 5100, TIME, &[], "please");
    let json = signing::json(&asked);
    let event = signing::event(
        DVM,
        6100,
        TIME,
        &[&["e", &id("0a")], &["request", &json]],
        "",
    );
    let (response, embedded) = response_of(&event);
    assert_eq!(response.job, Some(asked.id));
    assert_eq!(embedded.as_deref(), Some(&asked));
}

#[test]
fn an_embedded_request_that_is_none_falls_back_to_the_e() {
    let e = id("0a");
    let mut forged = signing::event(CUSTOMER, 5100, TIME, &[], "please");
    forged.content.clear();
    let mut unsigned = signing::event(CUSTOMER, 5100, TIME, &[], "please");
    unsigned.sig = signing::sign(DVM, unsigned.id);
    let excluded = signing::event(CUSTOMER, 5128, TIME, &[], "");
    let result = signing::event(CUSTOMER, 6100, TIME, &[], "");
    for bad in [forged, unsigned, excluded, result]
        .iter()
        .map(signing::json)
        .chain([String::new(), id("0b"), "{'id': 1}".to_owned()])
    {
        let event = signing::event(DVM, 7000, TIME, &[&["request", &bad], &["e", &e]], "");
        let (response, embedded) = response_of(&event);
        assert_eq!((response.job, embedded), (Some(hex32(&e)), None), "{bad}");
    }
}

#[test]
fn an_embedded_request_larger_than_the_rules_allow_is_none() {
    let asked = signing::event(CUSTOMER, 5100, TIME, &[], &"x".repeat(300));
    let event = signing::event(DVM, 7000, TIME, &[&["request", &signing::json(&asked)]], "");
    let rules = Rules {
        max_event_bytes: 300,
        ..Rules::default()
    };
    assert!(matches!(
        read(&event, &rules, None),
        Activity::Response(Response { job: None, .. }, None)
    ));
}

#[test]
fn the_status_is_that_of_the_status_tag() {
    let status = |tags: &[&[&str]]| match response(7000, tags).answer {
        Answer::Feedback(status) => status,
        Answer::Result(_) => panic!("a feedback"),
    };
    for (value, expected) in [
        ("payment-required", Status::PaymentRequired),
        ("processing", Status::Processing),
        ("error", Status::Error),
        ("success", Status::Success),
        ("partial", Status::Partial),
        ("Error", Status::Other),
        ("", Status::Other),
    ] {
        assert_eq!(
            status(&[&["status"], &["status", value, "why"], &["encrypted"]]),
            expected,
            "{value:?}"
        );
    }
    assert_eq!(status(&[]), Status::Other);
    assert_eq!(status(&[&["encrypted"]]), Status::Encrypted);
    assert_eq!(
        status(&[&["status"], &["encrypted", "1"]]),
        Status::Encrypted
    );
    assert_eq!(status(&[&[], &["Encrypted"]]), Status::Other);
}

#[test]
fn results_and_bills_ask_for_money_and_other_feedback_does_not() {
    let amount: &[&str] = &["amount", "100_000", "lnbc"];
    assert_eq!(response(6100, &[amount]).amount_msat, Some(100_000));
    assert_eq!(
        response(7000, &[&["status", "payment-required"], amount]).amount_msat,
        Some(100_000)
    );
    assert_eq!(
        response(7000, &[&["status", "processing"], amount]).amount_msat,
        None
    );
    assert_eq!(
        response(6100, &[&["amount", "me@wallet"], amount]).amount_msat,
        None
    );
    assert_eq!(
        response(6100, &[&["amount"], amount]).amount_msat,
        Some(100_000)
    );
    assert_eq!(response(6999, &[]).answer, Answer::Result(5999));
}

#[test]
fn an_announcement_lists_its_request_kinds_once_each() {
    let event = signing::event(
        DVM,
        31990,
        TIME,
        &[
            &["d", "one"],
            &["d", "two"],
            &["k", "5300"],
            &["k", "5100"],
            &["k", "5300"],
            &["k", "1"],
            &["k", "6100"],
            &["k", "5128"],
            &["k", "+5050"],
            &["k"],
        ],
        r#"{"name":"Bot"}"#,
    );
    let Activity::Announcement(announcement) = read(&event, &Rules::default(), None) else {
        panic!("an announcement");
    };
    assert_eq!(
        announcement,
        Announcement {
            id: event.id,
            pubkey: signing::pubkey(DVM),
            d: "one".to_owned(),
            created_at: TIME,
            kinds: vec![5100, 5300],
            card: dvmdash_core::card(r#"{"name":"Bot"}"#),
        }
    );
    let bare = signing::event(DVM, 31990, TIME, &[], "");
    assert!(
        matches!(read(&bare, &Rules::default(), None), Activity::Announcement(a) if a.d.is_empty() && a.card.malformed)
    );
}

#[test]
fn a_profile_shows_its_card() {
    let event = signing::event(DVM, 0, TIME, &[], r#"{"display_name":"Bot","picture":"p"}"#);
    let Activity::Profile(profile) = read(&event, &Rules::default(), None) else {
        panic!("a profile");
    };
    assert_eq!(profile.card.name.as_deref(), Some("Bot"));
    assert_eq!(
        (profile.id, profile.pubkey, profile.created_at),
        (event.id, event.pubkey, TIME)
    );
}

#[test]
fn a_deletion_names_events_and_only_its_authors_announcements() {
    let (a, b) = (id("0a"), id("0b"));
    let (own, other) = (signing::pubkey(DVM), signing::pubkey(CUSTOMER));
    let event = signing::event(
        DVM,
        5,
        TIME,
        &[
            &["e", &b],
            &["e", &a],
            &["e", &b],
            &["e", "x"],
            &["a", &format!("31990:{own}:my:handler")],
            &["a", &format!("31990:{own}:")],
            &["a", &format!("31990:{own}")],
            &["a", &format!("31990:{other}:theirs")],
            &["a", &format!("31989:{own}:x")],
        ],
        "",
    );
    let Activity::Deletion(deletion) = read(&event, &Rules::default(), None) else {
        panic!("a deletion");
    };
    assert_eq!(
        deletion,
        Deletion {
            id: event.id,
            author: own,
            created_at: TIME,
            events: vec![hex32(&a), hex32(&b)],
            announcements: vec![String::new(), "my:handler".to_owned()],
        }
    );
}

#[test]
fn a_kind_that_is_none_of_ours_says_nothing() {
    let event = signing::event(DVM, 1, TIME, &[&["e", &id("0a")]], "");
    assert_eq!(read(&event, &Rules::default(), None), Activity::Nothing);
}
