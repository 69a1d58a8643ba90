//! Shares, sizes, times, and that nothing is missing.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{kind, parsed, refusal, small, tag, time};
use crate::{Config, Event, Simulator};

#[test]
fn shares_and_sizes_are_those_of_the_real_network() {
    let config = small(12_000);
    let events: Vec<Event> = Simulator::new(config.clone()).collect();
    let share = |matches: &dyn Fn(&Event) -> bool| {
        events.iter().filter(|e| matches(e)).count() as f64 / 12_000.0
    };
    let requests = share(&|e| (5000..6000).contains(&e.kind));
    let results = share(&|e| (6000..7000).contains(&e.kind));
    let feedback = share(&|e| e.kind == 7000);
    assert!((0.42..0.48).contains(&requests), "requests {requests}");
    assert!((0.33..0.39).contains(&results), "results {results}");
    assert!((0.14..0.19).contains(&feedback), "feedback {feedback}");
    let discovery = share(&|e| e.kind == 5300) / requests;
    assert!((0.93..0.97).contains(&discovery), "discovery {discovery}");

    let mut sizes: Vec<usize> = events.iter().map(|event| event.json.len()).collect();
    sizes.sort_unstable();
    let (median, mean) = (sizes[6000], sizes.iter().sum::<usize>() / 12_000);
    assert!((600..900).contains(&median), "median {median}");
    assert!((1150..1550).contains(&mean), "mean {mean}");

    let distinct: HashSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(distinct.len(), 12_000);
    let within =
        |e: &&Event| (config.start..config.start + config.span_seconds).contains(&e.created_at);
    assert!(events.iter().filter(within).count() > 11_950);
    let last = events
        .iter()
        .rev()
        .find(|e| (5000..6000).contains(&e.kind))
        .unwrap()
        .created_at;
    assert!(
        last > config.start + config.span_seconds * 9 / 10,
        "the whole stretch is used"
    );
}

#[test]
fn answers_mostly_come_within_three_seconds_and_sometimes_hours_late_or_early() {
    let events = parsed(&Simulator::new(small(12_000)).collect::<Vec<_>>());
    let mut asked = HashMap::new();
    let mut early_arrivals = 0;
    let mut delays = Vec::new();
    for event in &events {
        match kind(event) {
            5000..6000 => _ = asked.insert(event["id"].as_str().unwrap(), time(event)),
            6000..7000 => {
                let request: Option<Value> =
                    tag(event, "request").and_then(|json| serde_json::from_str(json).ok());
                if let Some(request) = request.filter(Value::is_object) {
                    early_arrivals +=
                        u32::from(!asked.contains_key(request["id"].as_str().unwrap()));
                    delays.push(time(event) - time(&request));
                }
            }
            _ => {}
        }
    }
    let share = |range: std::ops::Range<i64>| {
        delays.iter().filter(|delay| range.contains(delay)).count() as f64 / delays.len() as f64
    };
    assert!((0.88..0.95).contains(&share(0..4)), "{}", share(0..4));
    assert!(share(-100..0) > 0.0 && share(3600..86_400) > 0.0 && share(86_401..900_000) > 0.0);
    assert!(early_arrivals > 20, "{early_arrivals}");
}

#[test]
fn five_thousand_events_have_every_category_whatever_the_seed() {
    for seed in [1, 7, 42] {
        has_every_category(&Config {
            seed,
            ..small(5000)
        });
    }
}

fn has_every_category(config: &Config) {
    let events = parsed(&Simulator::new(config.clone()).collect::<Vec<_>>());
    let has = |what: &str, matches: &dyn Fn(&Value) -> bool| {
        assert!(events.iter().any(matches), "no {what}")
    };
    let request = |e: &Value| (5000..6000).contains(&kind(e));
    let result = |e: &Value| (6000..7000).contains(&kind(e));
    for name in [
        "p",
        "i",
        "param",
        "relays",
        "output",
        "bid",
        "encrypted",
        "expiration",
    ] {
        has(name, &|e| {
            request(e)
                && e["tags"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|tag| tag[0] == name)
        });
    }
    for status in [
        "processing",
        "payment-required",
        "error",
        "success",
        "partial",
        "started",
    ] {
        has(status, &|e| {
            kind(e) == 7000 && tag(e, "status") == Some(status)
        });
    }
    has("encrypted feedback", &|e| {
        kind(e) == 7000 && tag(e, "status").is_none()
    });
    for amount in [
        "100_000",
        "21,000",
        "",
        "free",
        "someone@wallet.example.com",
    ] {
        has(amount, &|e| {
            (6000..=7000).contains(&kind(e)) && tag(e, "amount") == Some(amount)
        });
    }
    has("result with an amount", &|e| {
        result(e) && tag(e, "amount").is_some()
    });
    has("result with its request", &|e| {
        result(e) && tag(e, "request").is_some_and(|json| json.starts_with("{\"id\""))
    });
    has("result with an e tag alone", &|e| {
        result(e) && tag(e, "request").is_none() && tag(e, "e").is_some()
    });
    has("orphan", &|e| {
        result(e) && tag(e, "request").is_none() && tag(e, "e").is_none()
    });
    has("request tag in Python", &|e| {
        result(e) && tag(e, "request").is_some_and(|json| json.starts_with("{'id'"))
    });
    has("profile", &|e| kind(e) == 0);
    has("announcement", &|e| {
        kind(e) == 31_990 && tag(e, "k") != Some("1")
    });
    has("other application", &|e| {
        kind(e) == 31_990 && tag(e, "k") == Some("1")
    });
    has("broken announcement", &|e| {
        kind(e) == 31_990
            && !serde_json::from_str::<Value>(e["content"].as_str().unwrap())
                .is_ok_and(|v| v.is_object())
    });
    has("chain", &|e| {
        request(e)
            && e["tags"]
                .as_array()
                .unwrap()
                .iter()
                .any(|t| t[0] == "i" && t[2] == "job")
    });
    has("ancient", &|e| time(e) < 1_604_707_200);
    has("future", &|e| time(e) >= config.start + config.span_seconds);

    let of = |id: &str| events.iter().find(|e| e["id"] == id);
    for (what, target) in [
        ("request", 5000..6000),
        ("result", 6000..7000),
        ("announcement", 31_990..31_991),
    ] {
        for stranger in [false, true] {
            has(
                &format!("deletion of a {what}, by a stranger: {stranger}"),
                &|e| {
                    let gone = match (tag(e, "e"), tag(e, "a")) {
                        (Some(id), _) => of(id),
                        (_, Some(a)) => events.iter().find(|e| {
                            kind(e) == 31_990 && a.contains(e["pubkey"].as_str().unwrap())
                        }),
                        _ => None,
                    };
                    kind(e) == 5
                        && gone.is_some_and(|t| {
                            target.contains(&kind(t)) && (t["pubkey"] != e["pubkey"]) == stranger
                        })
                },
            );
        }
    }
    let mut versions: HashMap<_, u32> = HashMap::new();
    for event in events.iter().filter(|e| kind(e) == 31_990) {
        *versions
            .entry((event["pubkey"].as_str(), tag(event, "d")))
            .or_default() += 1;
    }
    assert!(
        versions.values().any(|count| *count > 1),
        "no second version of an announcement"
    );
    let mut answers: HashMap<_, HashSet<_>> = HashMap::new();
    for event in events.iter().filter(|e| result(e)) {
        answers
            .entry(tag(event, "e"))
            .or_default()
            .insert(event["pubkey"].as_str());
    }
    assert!(
        answers
            .iter()
            .any(|(id, dvms)| id.is_some() && dvms.len() > 2),
        "no job with several DVMs"
    );
}

#[test]
fn receipts_are_sound_except_for_the_flaws_in_them() {
    let events = parsed(&Simulator::new(small(12_000)).collect::<Vec<_>>());
    let ids: HashMap<&str, u64> = events
        .iter()
        .map(|e| (e["id"].as_str().unwrap(), kind(e)))
        .collect();
    let (mut sound, mut flawed, mut hashes) = (0, 0, HashMap::new());
    let mut targets = HashSet::new();
    for receipt in events.iter().filter(|e| kind(e) == 9735) {
        let invoice: Result<lightning_invoice::SignedRawBolt11Invoice, _> =
            tag(receipt, "bolt11").unwrap().parse();
        let zap = tag(receipt, "description").unwrap();
        let request: Value = serde_json::from_str(zap).unwrap_or_default();
        let Some(msat) = invoice
            .as_ref()
            .ok()
            .and_then(|i| i.amount_pico_btc())
            .map(|pico| pico / 10)
        else {
            flawed += 1;
            continue;
        };
        let amount = tag(&request, "amount").is_none_or(|amount| amount == msat.to_string());
        // Kind 9734 is none of ours, and yet rightly signed.
        if refusal(zap) == Some("kind") && amount && tag(&request, "p") == tag(receipt, "p") {
            sound += 1;
            let hash = invoice.unwrap().payment_hash().unwrap().0.to_string();
            *hashes.entry(hash).or_insert(0) += 1;
            targets.insert(tag(&request, "e").map(|id| ids.get(id).map_or(0, |kind| kind / 1000)));
        } else {
            flawed += 1;
        }
    }
    assert!(
        sound > 50 && flawed > 8 && flawed < sound,
        "{sound} sound, {flawed} flawed"
    );
    assert!(
        hashes.values().any(|count| *count == 2),
        "no payment was reported twice"
    );
    assert!(
        [None, Some(5), Some(6)]
            .iter()
            .all(|target| targets.contains(target)),
        "{targets:?}"
    );
}
