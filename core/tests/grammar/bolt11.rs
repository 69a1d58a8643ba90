use dvmdash_core::{Hex32, Invoice, invoice};
use serde_json::Value;

use crate::{data, signing};

const HASH: [u8; 32] = [0xab; 32];

#[test]
fn the_examples_of_the_specification_are_read_as_it_says() {
    let Some(text) = data::text("vectors/bolt11/bolt11_spec_vectors.json") else {
        return;
    };
    // Of the invalid ones, these are wrong only in what is not judged.
    let not_judged = [
        "Missing required `s` field.",
        "Signature is not recoverable.",
        "Non canonical signature",
    ];
    let vectors: Vec<Value> = serde_json::from_str(&text).expect("the vectors");
    let mut read = 0;
    for vector in &vectors {
        let title = vector["title"].as_str().expect("a title");
        let facts = &vector["pypi_bolt11"];
        let actual = invoice(vector["invoice"].as_str().expect("an invoice"));
        if not_judged.iter().any(|start| title.starts_with(start)) {
            continue;
        }
        let expected = (vector["valid"] == true && facts["currency"] == "bc")
            .then(|| facts["amount_msat"].as_i64())
            .flatten()
            .map(|amount_msat| Invoice {
                payment_hash: Hex32::parse(facts["payment_hash"].as_str().expect("a hash"))
                    .expect("hex"),
                amount_msat,
            });
        assert_eq!(actual, expected, "{title}");
        read += usize::from(actual.is_some());
    }
    assert!(read >= 12, "only {read} were read");
}

#[test]
fn the_fixtures_of_another_implementation_are_read_alike() {
    let Some(text) = data::text("vectors/bolt11/bitcoinjs-bolt11-fixtures.json") else {
        return;
    };
    let fixtures: Value = serde_json::from_str(&text).expect("the fixtures");
    let valid = fixtures["decode"]["valid"].as_array().expect("a list");
    for fixture in valid {
        let request = fixture["paymentRequest"].as_str().expect("an invoice");
        let tags = fixture["tags"].as_array().expect("tags");
        let hash = tags
            .iter()
            .find(|tag| tag["tagName"] == "payment_hash")
            .expect("a hash");
        let mainnet = fixture["prefix"].as_str().is_some_and(|prefix| {
            prefix
                .strip_prefix("lnbc")
                .is_some_and(|rest| !rest.starts_with("rt"))
        });
        let expected = fixture["millisatoshis"]
            .as_str()
            .filter(|_| mainnet)
            .map(|msat| Invoice {
                payment_hash: Hex32::parse(hash["data"].as_str().expect("a hash")).expect("hex"),
                amount_msat: msat.parse().expect("digits"),
            });
        assert_eq!(invoice(request), expected, "{request}");
    }
    for fixture in fixtures["decode"]["invalid"].as_array().expect("a list") {
        assert_eq!(
            invoice(fixture["paymentRequest"].as_str().unwrap_or("")),
            None,
            "{fixture}"
        );
    }
}

#[test]
fn amounts_are_whole_millisats_in_range() {
    for (prefix, msat) in [
        ("lnbc10p", Some(1)),
        ("lnbc1n", Some(100)),
        ("lnbc2500u", Some(250_000_000)),
        ("lnbc20m", Some(2_000_000_000)),
        ("lnbc10", Some(1_000_000_000_000)),
        ("lnbc15p", None),
        ("lnbc0u", None),
        ("lnbc11", None),
        ("lnbc10000000000010p", None),
        ("lnbc99999999999999999999", None),
        ("lnbc18446744073709551615m", None),
        ("lnbc", None),
        ("lntb10u", None),
        ("lnbcrt10u", None),
        ("lntbs10u", None),
        ("ln10u", None),
        ("lnbc10x", None),
    ] {
        let expected = msat.map(|amount_msat| Invoice {
            payment_hash: Hex32(HASH),
            amount_msat,
        });
        assert_eq!(
            invoice(&signing::invoice(prefix, Some(HASH))),
            expected,
            "{prefix}"
        );
    }
}

#[test]
fn one_case_a_checksum_and_a_payment_hash_are_needed() {
    let good = signing::invoice("lnbc10u", Some(HASH));
    assert!(invoice(&good).is_some());
    assert_eq!(invoice(&good.to_uppercase()), invoice(&good));
    assert_eq!(invoice(&good.replacen("ln", "LN", 1)), None);
    assert_eq!(invoice(&good.replacen("lnbc10u", "lnbc20u", 1)), None);
    assert_eq!(invoice(&signing::invoice("lnbc10u", None)), None);
    assert_eq!(invoice(&format!(" {good}")), None);
    assert_eq!(invoice(&format!("lightning:{good}")), None);
    assert_eq!(invoice(&"q".repeat(10_000_000)), None);
}
