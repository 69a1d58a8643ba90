//! METRICS 1, 2 and 3 (embedded requests).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

fn rejected(line: String) -> Vec<String> {
    let naive = lines_of(&[line, request(1, T).to_string()]);
    assert_eq!(naive.counted().len(), 1, "the neighbour counts");
    naive.rejected().into_keys().collect()
}

fn with(change: impl Fn(&mut Value)) -> String {
    let mut event = event(2, T, 5100, json!([["t", "x"]]), "hello");
    change(&mut event);
    event.to_string()
}

#[test]
fn a_field_out_of_shape_is_malformed() {
    let changes: [fn(&mut Value); 14] = [
        |e| e["id"] = json!("ab"),
        |e| e["id"] = json!(e["id"].as_str().unwrap().to_uppercase()),
        |e| e["pubkey"] = json!("x".repeat(64)),
        |e| e["sig"] = json!(""),
        |e| e["created_at"] = json!(-1),
        |e| e["created_at"] = json!(9_223_372_036_854_775_808_u64),
        |e| e["created_at"] = json!("1"),
        |e| e["kind"] = json!(65536),
        |e| e["kind"] = json!(5100.0),
        |e| e["tags"] = json!([["t", 1]]),
        |e| e["tags"] = json!(["t"]),
        |e| e["content"] = Value::Null,
        |e| *e = json!([e]),
        |e| drop(e.as_object_mut().unwrap().remove("sig")),
    ];
    for change in changes {
        assert_eq!(rejected(with(change)), ["malformed"], "{}", with(change));
    }
}

#[test]
fn text_that_is_no_single_json_object_is_malformed() {
    let good = with(|_| {});
    for line in [
        "rubbish",
        &good[..good.len() - 1],
        &format!("{good}x"),
        "null",
        "{}",
    ] {
        assert_eq!(rejected(line.to_owned()), ["malformed"], "{line}");
    }
    let exponent = good.replace(&format!(":{T}"), ":1.6999992e9");
    assert_eq!(rejected(exponent), ["malformed"]);
    let lone_surrogate = good.replace("hello", "\\ud800");
    assert_eq!(rejected(lone_surrogate), ["malformed"]);
}

#[test]
fn a_member_that_stands_twice_is_malformed() {
    let good = with(|_| {});
    assert_eq!(
        rejected(good.replacen('{', "{\"kind\":5100,", 1)),
        ["malformed"]
    );
    let other = lines_of(&[good.replacen('{', "{\"x\":1,\"x\":1,", 1)]);
    assert_eq!(other.counted().len(), 1, "what is no field may");
}

#[test]
fn a_member_that_is_no_field_is_ignored() {
    let naive = lines_of(&[with(|e| e["seen_on"] = json!(["wss://relay.example"]))]);
    assert_eq!(naive.counted().len(), 1);
}

#[test]
fn the_hashed_array_may_be_max_event_bytes_long_and_no_longer() {
    let empty = json!([0, pubkey(2), T, 5100, [], ""]).to_string().len();
    let of = |length: usize| event(2, T, 5100, json!([]), &"é".repeat((length - empty) / 2));
    let fits = 131_072 - (131_072 - empty) % 2;
    assert_eq!(naive(&[&of(fits)]).counted().len(), 1);
    assert_eq!(rejected(of(fits + 2).to_string()), ["too_large"]);
}

#[test]
fn an_id_that_is_not_the_hash_is_a_bad_id() {
    assert_eq!(
        rejected(with(|e| e["content"] = json!("other"))),
        ["bad_id"]
    );
}

#[test]
fn a_signature_by_another_is_a_bad_signature() {
    let other = event(3, T, 5100, json!([]), "");
    assert_eq!(
        rejected(with(|e| e["sig"] = other["sig"].clone())),
        ["bad_signature"]
    );
}

#[test]
fn a_bad_signature_does_not_keep_the_good_copy_out() {
    let bad = with(|e| e["sig"] = json!("0".repeat(128)));
    let naive = lines_of(&[bad, with(|_| {})]);
    assert_eq!(naive.counted().len(), 1);
    assert_eq!(naive.rejected()["bad_signature"], 1);
}

#[test]
fn control_characters_are_hashed_as_escapes_and_del_in_either_form() {
    let content = "\0\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1f}\u{7f}\u{80}\u{2028}\"\\/🙂";
    let tags = json!([["t\u{7f}", content], []]);
    let array = json!([0, pubkey(2), T, 5100, tags, content]);
    let verbatim = signed(2, &array, &array.to_string());
    let escaped = signed(2, &array, &array.to_string().replace('\u{7f}', "\\u007f"));
    assert_ne!(id(&verbatim), id(&escaped));
    assert_eq!(naive(&[&verbatim, &escaped]).counted().len(), 2);
    let mixed = array.to_string().replacen('\u{7f}', "\\u007f", 1);
    assert_eq!(rejected(signed(2, &array, &mixed).to_string()), ["bad_id"]);
}

#[test]
fn the_edges_of_the_kinds_belong_and_the_excluded_do_not() {
    for kind in [5000, 5999, 6000, 6999, 7000, 9735, 31990, 0, 5] {
        assert_eq!(
            naive(&[&event(2, T, kind, json!([]), "")]).counted().len(),
            1,
            "{kind}"
        );
    }
    for kind in [
        1, 4999, 5128, 5666, 5969, 6128, 6666, 6969, 7001, 9734, 31989,
    ] {
        assert_eq!(
            rejected(event(2, T, kind, json!([]), "").to_string()),
            ["kind"],
            "{kind}"
        );
    }
}

#[test]
fn kinds_are_configuration() {
    let kinds = KindsConfig {
        requests: vec![(5000, 5010), (5020, 5020)],
        excluded: [5001].into(),
        max_event_bytes: 1000,
    };
    let lines: Vec<String> = [5000, 5001, 5010, 5011, 5020, 6020, 6001]
        .map(|kind| event(2, T, kind, json!([]), "").to_string())
        .into();
    let naive = Naive::load(&lines, NOW, &kinds);
    assert_eq!(naive.counted().len(), 4);
    assert_eq!(naive.rejected(), BTreeMap::from([("kind".to_owned(), 3)]));
}

#[test]
fn the_future_and_the_ancient_are_kept_and_in_no_number() {
    let all = [NOW + 900, NOW + 901, 1_604_707_199, 1_604_707_200].map(|at| request(2, at));
    let naive = naive(&all.each_ref());
    assert_eq!(naive.archived().len(), 4);
    assert_eq!(naive.counted().len(), 2);
    let expected = [("ancient".to_owned(), 1), ("future".to_owned(), 1)];
    assert_eq!(naive.quarantined(), BTreeMap::from(expected));
    assert_eq!(naive.global(0, i64::MAX / 2)["requests"], 2);
    let farthest = request(2, i64::MAX);
    assert_eq!(super::naive(&[&farthest]).quarantined()["future"], 1);
}

#[test]
fn a_future_event_counts_when_its_time_has_come() {
    let lines = [request(2, NOW + 1000).to_string()];
    let counted = |now| {
        Naive::load(&lines, now, &KindsConfig::default())
            .counted()
            .len()
    };
    assert_eq!((counted(NOW), counted(NOW + 100)), (0, 1));
}

#[test]
fn duplicates_count_once_and_order_does_not_matter() {
    let (job, other) = (request(1, T), request(2, T));
    let answer = result(3, T + 5, &job);
    let once = naive(&[&job, &other, &answer]);
    let twice = naive(&[&answer, &other, &answer, &job, &other, &job]);
    assert_eq!(once.global(0, NOW), twice.global(0, NOW));
    assert_eq!(once.dvms(0, NOW), twice.dvms(0, NOW));
    assert_eq!(once.job_states(NOW), twice.job_states(NOW));
}

#[test]
fn every_line_of_rubbish_is_counted_and_empty_ones_are_not() {
    let naive = lines_of(&["x".into(), "x".into(), String::new(), " ".into()]);
    assert_eq!(
        naive.rejected(),
        BTreeMap::from([("malformed".to_owned(), 2)])
    );
}

#[test]
fn a_request_embedded_in_a_counted_response_counts_once() {
    let job = request(1, T);
    let answer = event(3, T + 5, 6100, json!([["request", job.to_string()]]), "");
    let note = event(3, T + 6, 7000, json!([["request", job.to_string()]]), "");
    for events in [vec![&answer, &note], vec![&answer, &job, &note]] {
        let naive = naive(&events);
        assert!(naive.counted().contains(id(&job)));
        assert_eq!(naive.global(0, NOW)["requests"], 1);
        assert_eq!(naive.global(0, NOW)["jobs_answered"], 1);
    }
}

#[test]
fn a_request_embedded_elsewhere_or_in_a_quarantined_response_is_not_taken() {
    let job = request(1, T);
    let tags = json!([["request", job.to_string()]]);
    let quarantined = event(3, NOW + 5000, 6100, tags.clone(), "");
    let request = event(3, T, 5100, tags, "");
    let naive = naive(&[&quarantined, &request]);
    assert!(!naive.archived().contains(id(&job)));
}

#[test]
fn an_embedded_request_may_itself_be_quarantined_and_names_the_job_all_the_same() {
    let (job, decoy) = (request(1, NOW + 5000), request(2, T));
    let tags = json!([["request", job.to_string()], ["e", id(&decoy)]]);
    let answer = event(3, T, 6100, tags, "");
    let naive = naive(&[&decoy, &answer]);
    assert_eq!(naive.quarantined()["future"], 1);
    assert_eq!(naive.archived().len(), 3);
    assert_eq!(naive.global(0, NOW)["jobs_answered"], 0);
}
