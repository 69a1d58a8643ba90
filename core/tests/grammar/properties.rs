use dvmdash_core::{
    Event, Hex32, Rules, Signature, amount_msat, card, invoice, parse, read, verify,
};
use proptest::prelude::*;

use crate::signing;

/// Text that often comes near to what the grammar takes.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9_, ]{0,45}",
        "[0-9a-f]{64}",
        "(ln|LN)(bc|tb|bcrt)[0-9]{0,25}[munp]?1[02-9ac-hj-np-z]{0,200}",
        prop::sample::select(vec!["", "job", "event", "payment-required", "5100"])
            .prop_map(str::to_owned),
    ]
}

fn tag() -> impl Strategy<Value = Vec<String>> {
    let names = vec![
        "e",
        "p",
        "i",
        "k",
        "a",
        "d",
        "request",
        "status",
        "amount",
        "encrypted",
        "expiration",
        "bolt11",
        "description",
    ];
    (
        prop::sample::select(names),
        prop::collection::vec(text(), 0..4),
    )
        .prop_map(|(name, values)| {
            let mut tag = vec![name.to_owned()];
            tag.extend(values);
            tag
        })
}

fn event() -> impl Strategy<Value = Event> {
    let kinds = prop::sample::select(vec![
        0, 1, 5, 5000, 5100, 6100, 6999, 7000, 9734, 9735, 31990,
    ]);
    let names = (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>());
    (
        names,
        any::<i64>(),
        kinds,
        prop::collection::vec(tag(), 0..8),
        text(),
    )
        .prop_map(
            |((id, pubkey, half), created_at, kind, tags, content)| Event {
                id: Hex32(id),
                pubkey: Hex32(pubkey),
                created_at,
                kind,
                tags,
                content,
                sig: Signature([half, half].concat().try_into().expect("twice 32")),
            },
        )
}

proptest! {
    #[test]
    fn amounts_are_in_range_whatever_is_given(text in text()) {
        if let Some(msat) = amount_msat(&text) {
            prop_assert!((1..=1_000_000_000_000).contains(&msat));
        }
    }

    #[test]
    fn an_amount_survives_its_separators(msat in 1_i64..=1_000_000_000_000, every in 1_usize..4, separator in "[_, ]") {
        let mut text = String::new();
        for (place, digit) in msat.to_string().chars().enumerate() {
            if place % every == 0 {
                text.push_str(&separator);
            }
            text.push(digit);
        }
        prop_assert_eq!(amount_msat(&text), Some(msat));
    }

    #[test]
    fn reading_an_invoice_or_a_card_never_panics(text in text()) {
        invoice(&text);
        card(&text);
    }

    #[test]
    fn a_well_formed_invoice_with_any_payload_never_panics(hrp in "lnbc[0-9]{0,20}[munp]?", hash in any::<[u8; 32]>(), noise in any::<prop::sample::Index>()) {
        let good = signing::invoice(&hrp, Some(hash));
        if let Some(read) = invoice(&good) {
            prop_assert_eq!(read.payment_hash, Hex32(hash));
        }
        let mut changed = good.into_bytes();
        let place = noise.index(changed.len());
        changed[place] = if changed[place] == b'q' { b'p' } else { b'q' };
        // One wrong character is always noticed by the checksum.
        prop_assert_eq!(invoice(std::str::from_utf8(&changed).expect("ASCII")), None);
    }

    #[test]
    fn parsing_any_text_never_panics(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn parsing_a_cut_or_changed_event_never_panics(event in event(), cut in any::<prop::sample::Index>(), with in any::<char>()) {
        let json = signing::json(&event);
        let mut characters: Vec<char> = json.chars().collect();
        let place = cut.index(characters.len());
        let _ = parse(&characters[..place].iter().collect::<String>());
        characters[place] = with;
        let _ = parse(&characters.iter().collect::<String>());
    }

    #[test]
    fn an_event_comes_back_from_its_json(event in event()) {
        let back = parse(&signing::json(&event));
        if event.created_at >= 0 {
            prop_assert_eq!(back, Ok(event));
        } else {
            prop_assert!(back.is_err());
        }
    }

    #[test]
    fn reading_and_verifying_any_event_never_panics(event in event(), seen in any::<Option<i64>>()) {
        let rules = Rules::default();
        read(&event, &rules, seen);
        prop_assert!(verify(&event, &rules).is_err(), "nobody signed it");
    }

    #[test]
    fn hex_is_read_only_in_its_one_spelling(bytes in any::<[u8; 32]>(), other in "[0-9a-fA-F]{60,68}") {
        prop_assert_eq!(Hex32::parse(&Hex32(bytes).to_string()), Some(Hex32(bytes)));
        let lower = other.len() == 64 && other == other.to_lowercase();
        prop_assert_eq!(Hex32::parse(&other).is_some(), lower);
    }
}
