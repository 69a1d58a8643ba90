use dvmdash_core::{
    Event, Quarantine, Refusal, Rules, Signature, admit_verified, event_id, parse, quarantine,
    verify,
};

use crate::signing;

const TIME: i64 = 1_700_000_000;

fn request() -> Event {
    signing::event(
        1,
        5100,
        TIME,
        &[&["i", "a\0b", "text"]],
        "\u{2028} \u{7f} \"\\/\u{8}\u{1f600}",
    )
}

#[test]
fn a_signed_event_of_our_kinds_is_admitted() {
    assert_eq!(verify(&request(), &Rules::default()), Ok(()));
    assert_eq!(parse(&signing::json(&request())), Ok(request()));
}

#[test]
fn every_changed_field_is_a_bad_id() {
    let changes: [fn(&mut Event); 6] = [
        |event| event.id.0[31] ^= 1,
        |event| event.pubkey = signing::pubkey(2),
        |event| event.created_at += 1,
        |event| event.kind += 1,
        |event| event.tags[0].push(String::new()),
        |event| event.content.push(' '),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut event = request();
        change(&mut event);
        assert_eq!(
            verify(&event, &Rules::default()),
            Err(Refusal::BadId),
            "change {number}"
        );
    }
}

#[test]
fn a_signature_by_another_or_by_no_key_is_bad() {
    let mut event = request();
    event.sig = signing::sign(2, event.id);
    assert_eq!(
        verify(&event, &Rules::default()),
        Err(Refusal::BadSignature)
    );
    event.sig = Signature([0xff; 64]);
    assert_eq!(
        verify(&event, &Rules::default()),
        Err(Refusal::BadSignature)
    );
    // No point of the curve has this x.
    let mut event = request();
    event.pubkey.0 = [0xff; 32];
    event.id = event_id(&event);
    assert_eq!(
        verify(&event, &Rules::default()),
        Err(Refusal::BadSignature)
    );
}

#[test]
fn the_checks_come_in_the_order_size_id_signature_kind() {
    let mut event = signing::event(1, 1, TIME, &[], &"x".repeat(100));
    let strict = Rules {
        max_event_bytes: 100,
        ..Rules::default()
    };
    assert_eq!(verify(&event, &Rules::default()), Err(Refusal::Kind));
    assert_eq!(admit_verified(&event, &strict), Err(Refusal::Kind));
    event.sig = Signature([0; 64]);
    assert_eq!(
        verify(&event, &Rules::default()),
        Err(Refusal::BadSignature)
    );
    event.id.0 = [0; 32];
    assert_eq!(verify(&event, &Rules::default()), Err(Refusal::BadId));
    assert_eq!(verify(&event, &strict), Err(Refusal::TooLarge));
}

#[test]
fn the_size_is_that_of_the_hashed_array() {
    let event = signing::event(1, 5100, TIME, &[&["a", "ü"]], "\n");
    let array = serde_json::json!([0, event.pubkey, TIME, 5100, [["a", "ü"]], "\n"]).to_string();
    let exact = Rules {
        max_event_bytes: array.len(),
        ..Rules::default()
    };
    assert_eq!(verify(&event, &exact), Ok(()));
    let less = Rules {
        max_event_bytes: array.len() - 1,
        ..Rules::default()
    };
    assert_eq!(verify(&event, &less), Err(Refusal::TooLarge));
}

#[test]
fn an_excluded_kind_is_ignored() {
    for kind in [5128, 6969, 1, 9734] {
        let event = signing::event(1, kind, TIME, &[], "");
        assert_eq!(
            verify(&event, &Rules::default()),
            Err(Refusal::Kind),
            "kind {kind}"
        );
    }
}

#[test]
fn the_future_begins_after_fifteen_minutes_and_the_past_with_the_first_event() {
    for (created_at, expected) in [
        (TIME, None),
        (TIME + 900, None),
        (TIME + 901, Some(Quarantine::Future)),
        (i64::MAX, Some(Quarantine::Future)),
        (1_604_707_200, None),
        (1_604_707_199, Some(Quarantine::Ancient)),
        (0, Some(Quarantine::Ancient)),
        (i64::MIN, Some(Quarantine::Ancient)),
    ] {
        assert_eq!(quarantine(created_at, TIME), expected, "{created_at}");
    }
    assert_eq!(quarantine(i64::MAX, i64::MAX), None);
}

#[test]
fn reasons_are_read_back_from_their_names() {
    for reason in Quarantine::ALL {
        assert_eq!(reason.as_str().parse(), Ok(reason));
    }
    assert!("Future".parse::<Quarantine>().is_err());
    let names = Refusal::ALL.map(Refusal::as_str);
    assert_eq!(
        names,
        ["malformed", "too_large", "bad_id", "bad_signature", "kind"]
    );
}
