//! METRICS 9 and 10.

use serde_json::json;

use super::*;

fn announcement(dvm: u8, at: i64, d: &str, kinds: &[&str], content: &str) -> Value {
    let mut tags = vec![json!(["d", d])];
    tags.extend(kinds.iter().map(|k| json!(["k", k])));
    event(dvm, at, 31990, json!(tags), content)
}

#[test]
fn a_known_dvm_responded_or_ever_announced_a_request_kind() {
    let events = [
        &event(3, T, 6100, json!([]), ""),
        &event(4, T, 7000, json!([]), ""),
        &announcement(5, T, "x", &["5100"], ""),
        &announcement(
            6,
            T,
            "x",
            &["1", "31337", "5666", "6100", "+5100", "5100x", "75100", ""],
            "",
        ),
        &request(7, T),
        &announcement(8, T, "x", &["5200"], ""),
        &announcement(8, T + 1, "x", &["1"], ""),
        &announcement(9, T, "x", &["5200"], ""),
        &event(
            9,
            T + 1,
            5,
            json!([["a", format!("31990:{}:x", pubkey(9))]]),
            "",
        ),
    ];
    let rows = naive(&events).dvms(0, NOW);
    let mut expected = [3, 4, 5, 8, 9].map(pubkey);
    expected.sort();
    assert_eq!(rows.keys().cloned().collect::<Vec<_>>(), expected);
    let announced = |n: u8| rows[&pubkey(n)]["announced"].as_bool().unwrap();
    assert_eq!(
        [3, 4, 5, 8, 9].map(announced),
        [false, false, true, false, false]
    );
    assert_eq!(global(&events)["known_dvms"], 5);
    assert_eq!(naive(&events).global(0, 1)["known_dvms"], 5, "in no window");
}

#[test]
fn a_dvm_only_announced_has_a_row_of_zeros_and_nulls() {
    let row = dvm(&[&announcement(5, T, "x", &["5200", "5100"], "")], 5);
    let expected = json!({
        "pubkey": pubkey(5), "name": null, "picture": null, "about": null, "kinds": [5100, 5200],
        "requests": 0, "results": 0, "feedback": 0, "jobs_answered": 0, "error_rate": null,
        "avg_response_s": null, "p50_s": null, "p95_s": null, "paid_msat": 0, "asked_msat": 0,
        "unique_users": 0, "first_seen": null, "last_seen": null, "announced": true
    });
    assert_eq!(row, expected);
}

#[test]
fn the_newest_version_of_an_announcement_decides_on_a_tie_the_smallest_id() {
    let old = announcement(5, T, "x", &["5100"], "");
    let new = announcement(5, T + 1, "x", &["5200"], "");
    let other = announcement(5, T, "y", &["5300"], "");
    assert_eq!(dvm(&[&new, &old, &other], 5)["kinds"], json!([5200, 5300]));
    let tied = announcement(5, T, "x", &["5400"], "");
    let kept = if id(&tied) < id(&old) { 5400 } else { 5100 };
    assert_eq!(dvm(&[&old, &tied], 5)["kinds"], json!([kept]));
    let without_d = event(5, T, 31990, json!([["k", "5500"]]), "");
    let empty_d = announcement(5, T + 1, "", &["5600"], "");
    assert_eq!(dvm(&[&without_d, &empty_d], 5)["kinds"], json!([5600]));
}

#[test]
fn a_deleted_version_gives_way_to_the_one_before() {
    let old = announcement(5, T, "x", &["5100"], "");
    let new = announcement(5, T + 1, "x", &["5200"], "");
    let deletion = event(5, T, 5, json!([["e", id(&new)]]), "");
    assert_eq!(dvm(&[&old, &new, &deletion], 5)["kinds"], json!([5100]));
    let foreign = event(6, T, 5, json!([["e", id(&new)]]), "");
    assert_eq!(dvm(&[&old, &new, &foreign], 5)["kinds"], json!([5200]));
}

#[test]
fn an_address_deletes_versions_up_to_the_deletions_time() {
    let versions = [T, T + 10, T + 11].map(|at| announcement(5, at, "a:b", &["5100"], ""));
    let address = |n: u8, d: &str| json!([["a", format!("31990:{}:{d}", pubkey(n))]]);
    let deletion = event(5, T + 10, 5, address(5, "a:b"), "");
    let mut events: Vec<&Value> = versions.iter().collect();
    events.push(&deletion);
    let deleted = naive(&events).deleted();
    assert_eq!(
        deleted
            .keys()
            .map(String::as_str)
            .collect::<std::collections::BTreeSet<_>>(),
        [id(&versions[0]), id(&versions[1])].into()
    );
    assert_eq!(dvm(&events, 5)["announced"], true);
    events.remove(2);
    assert_eq!(dvm(&events, 5)["announced"], false);
    for tags in [address(5, "a"), address(5, ""), address(6, "a:b")] {
        let other = event(5, T + 100, 5, tags, "");
        assert!(naive(&[&versions[0], &other]).deleted().is_empty());
    }
    let foreign = event(6, T + 100, 5, address(5, "a:b"), "");
    assert!(naive(&[&versions[0], &foreign]).deleted().is_empty());
}

#[test]
fn of_several_deletions_the_earliest_stands_then_the_smallest_id() {
    let job = request(1, T);
    let delete = |at: i64, reason: &str| event(1, at, 5, json!([["e", id(&job)]]), reason);
    let (a, b, c) = (delete(T + 5, "a"), delete(T + 5, "b"), delete(T + 6, "c"));
    let deleted = naive(&[&job, &c, &a, &b]).deleted();
    let expected = if id(&a) < id(&b) { id(&a) } else { id(&b) };
    assert_eq!(deleted[id(&job)], expected);
    assert_eq!(naive(&[&a]).deleted().len(), 0, "the event is not there");
}

#[test]
fn a_deletion_cannot_be_deleted() {
    let job = request(1, T);
    let deletion = event(1, T + 5, 5, json!([["e", id(&job)]]), "");
    let undo = event(1, T + 6, 5, json!([["e", id(&deletion)]]), "");
    let deleted = naive(&[&job, &deletion, &undo]).deleted();
    assert_eq!(deleted.into_keys().collect::<Vec<_>>(), [id(&job)]);
}

#[test]
fn each_part_of_the_profile_is_the_announcements_or_else_the_newest_kind_0s() {
    let content = r#"{"name":"","display_name":"Announced","picture":7}"#;
    let events = [
        &announcement(5, T, "x", &["5100"], content),
        &announcement(
            5,
            T - 1,
            "y",
            &["5100"],
            r#"{"about":"older announcement"}"#,
        ),
        &event(5, T, 0, json!([]), r#"{"name":"Zero","about":"old"}"#),
        &event(
            5,
            T + 1,
            0,
            json!([]),
            r#"{"name":"Zero","about":"new","image":"https://x.example/a.png"}"#,
        ),
        &event(6, T + 2, 0, json!([]), r#"{"about":"somebody else"}"#),
    ];
    let row = dvm(&events, 5);
    assert_eq!(row["name"], "Announced");
    assert_eq!(row["about"], "new");
    assert_eq!(row["picture"], "https://x.example/a.png");
}

#[test]
fn content_that_is_no_object_names_nothing_and_harms_nothing() {
    for content in ["", "text", "[1]", "\"name\"", "{\"name\":1}", "{broken"] {
        let events = [
            &announcement(5, T, "x", &["5100"], content),
            &event(5, T, 0, json!([]), r#"{"name":"Zero"}"#),
        ];
        assert_eq!(dvm(&events, 5)["name"], "Zero", "{content}");
    }
}

#[test]
fn a_deleted_profile_gives_way_and_nul_is_shown_as_a_replacement_character() {
    let result = event(5, T, 6100, json!([]), "");
    let old = event(5, T, 0, json!([]), r#"{"name":"O\u0000ld"}"#);
    let new = event(5, T + 1, 0, json!([]), r#"{"name":"New"}"#);
    let deletion = event(5, T + 2, 5, json!([["e", id(&new)]]), "");
    assert_eq!(dvm(&[&result, &old, &new], 5)["name"], "New");
    assert_eq!(
        dvm(&[&result, &old, &new, &deletion], 5)["name"],
        "O\u{fffd}ld"
    );
}

#[test]
fn dvms_that_support_a_kind_announce_it_or_had_a_result_of_it() {
    let events = [
        &announcement(5, T, "x", &["5100"], ""),
        &event(5, T, 6100, json!([]), ""),
        &event(6, T + 60, 6100, json!([]), ""),
        &announcement(7, T, "x", &["5100", "5200"], ""),
    ];
    let naive = naive(&events);
    let row = naive.kinds(T, T + 60)[&5100].clone();
    let expected =
        json!({"kind": 5100, "dvms": 1, "announced_dvms": 2, "supporting_dvms": 3, "results": 1});
    assert_eq!(super::super::diff(&row, &expected, ""), [""; 0]);
    assert_eq!(
        naive.kinds(0, 1)[&5200]["supporting_dvms"],
        1,
        "announced only, and of all time"
    );
    let league = naive.kind_dvms(5100, T, T + 60);
    assert_eq!(league.len(), 3);
    let expected = json!({
        "announced": false, "observed": true, "results": 0,
        "first_seen": "2023-11-14T22:01:00Z", "last_seen": "2023-11-14T22:01:00Z"
    });
    assert_eq!(
        super::super::diff(&league[&pubkey(6)], &expected, ""),
        [""; 0]
    );
    assert_eq!(league[&pubkey(7)]["observed"], false);
    assert_eq!(
        naive.dvm_kinds(&pubkey(7), 0, NOW)[&5200],
        naive.kind_dvms(5200, 0, NOW)[&pubkey(7)]
    );
}

#[test]
fn a_dvm_is_seen_by_its_results_and_feedback_only() {
    let job = event(1, T, 5100, json!([["p", pubkey(5)]]), "");
    let events = [
        &job,
        &feedback(5, T + 60, &job, "processing"),
        &result(5, T + 3600, &job),
        &event(5, T + 7200, 0, json!([]), ""),
        &event(5, T + 7200, 5100, json!([]), ""),
    ];
    let row = dvm(&events, 5);
    assert_eq!(row["first_seen"], "2023-11-14T22:01:00Z");
    assert_eq!(row["last_seen"], "2023-11-14T23:00:00Z");
}

#[test]
fn a_dvm_is_up_for_a_day_stale_for_thirty_and_then_silent() {
    let status = |at: i64| naive(&[&event(5, at, 7000, json!([]), "")]).dvm_status(&pubkey(5));
    assert_eq!(status(NOW - 86_400), Some("up"));
    assert_eq!(status(NOW - 86_401), Some("stale"));
    assert_eq!(status(NOW - 30 * 86_400), Some("stale"));
    assert_eq!(status(NOW - 30 * 86_400 - 1), Some("silent"));
    let naive = naive(&[&announcement(5, NOW, "x", &["5100"], "")]);
    assert_eq!(naive.dvm_status(&pubkey(5)), Some("silent"));
    assert_eq!(naive.dvm_status(&pubkey(6)), None);
}
