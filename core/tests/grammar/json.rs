use dvmdash_core::{Event, Refusal, parse, verify};

use crate::{data, signing};

fn sample() -> Event {
    signing::event(
        1,
        5100,
        1_700_000_000,
        &[&["i", "hello", "text"]],
        "content",
    )
}

/// The sample with one more member at its end.
fn with_member(name: &str, value: &str) -> String {
    let json = signing::json(&sample());
    format!(
        "{},\"{name}\":{value}}}",
        json.strip_suffix('}').expect("an object")
    )
}

/// The sample with its tags replaced.
fn with_tags(value: &str) -> String {
    let json = signing::json(&sample());
    json.replace(r#"[["i","hello","text"]]"#, value)
}

/// The sample with its `created_at` replaced.
fn with_time(value: &str) -> String {
    signing::json(&sample()).replace("1700000000", value)
}

#[test]
fn the_parsing_suite_holds_inside_an_event() {
    let Some(folder) = data::path("vectors/json-parsing/test_parsing") else {
        return;
    };
    let (mut valid, mut invalid) = (0, 0);
    for entry in std::fs::read_dir(folder).expect("the folder is readable") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        // What is not UTF-8 never reaches the parser.
        let Ok(text) = String::from_utf8(std::fs::read(entry.path()).expect("readable")) else {
            continue;
        };
        assert_eq!(parse(&text), Err(Refusal::Malformed), "{name} is no event");
        let member = parse(&with_member("extra", &text));
        let _ = parse(&with_tags(&text));
        let _ = parse(&with_tags(&format!("[{text}]")));
        match &name[..2] {
            "y_" => {
                assert_eq!(member, Ok(sample()), "{name} as a member beside");
                valid += 1;
            }
            "n_" => {
                assert_eq!(member, Err(Refusal::Malformed), "{name} as a member beside");
                assert_eq!(
                    parse(&with_tags(&text)),
                    Err(Refusal::Malformed),
                    "{name} as tags"
                );
                invalid += 1;
            }
            _ => {}
        }
    }
    assert!(
        valid > 80 && invalid > 150,
        "{valid} and {invalid} files were read"
    );
}

#[test]
fn strings_of_the_parsing_suite_come_back_from_tags() {
    let Some(folder) = data::path("vectors/json-parsing/test_parsing") else {
        return;
    };
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).expect("the folder is readable") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        let Ok(text) = std::fs::read_to_string(entry.path()) else {
            continue;
        };
        if name.starts_with("y_string") && text.trim().starts_with('[') {
            let event = parse(&with_tags(&format!("[{text}]"))).expect(&name);
            assert_eq!(parse(&signing::json(&event)), Ok(event), "{name}");
            checked += 1;
        } else if name.starts_with("i_string") && text.contains("\\u") {
            let lone = parse(&with_tags(&format!("[{text}]")));
            assert_eq!(lone, Err(Refusal::Malformed), "{name} is a lone surrogate");
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked} files were read");
}

#[test]
fn escapes_are_hashed_as_nip01_says() {
    let Some(text) = data::text("vectors/nip01/relay_tester_json_cases.json") else {
        return;
    };
    let cases: serde_json::Value = serde_json::from_str(&text).expect("the cases");
    for case in cases["cases"].as_array().expect("a list") {
        let name = case["name"].as_str().expect("a name");
        let body = case["raw_json_string_body"].as_str().map_or_else(
            || {
                let bytes = hex::decode(case["utf8_hex"].as_str().expect("hex")).expect("hex");
                String::from_utf8(bytes).expect("UTF-8")
            },
            str::to_owned,
        );
        // The slash is the one escape among them that the hashed form does not have.
        let event = signed_raw(&body, &body.replace("\\/", "/"));
        if name.contains("illegal") {
            assert_eq!(parse(&event), Err(Refusal::Malformed), "{name}");
        } else {
            let event = parse(&event).expect(name);
            assert_eq!(verify(&event, &Default::default()), Ok(()), "{name}");
        }
    }
}

/// An event whose content is written as `sent` and was hashed as `hashed`.
fn signed_raw(sent: &str, hashed: &str) -> String {
    use sha2::{Digest, Sha256};
    let pubkey = signing::pubkey(1);
    let serialized = format!(r#"[0,"{pubkey}",1700000000,7000,[["x","y"]],"{hashed}"]"#);
    let id = dvmdash_core::Hex32(Sha256::digest(serialized).into());
    let sig = hex::encode(signing::sign(1, id).0);
    format!(
        r#"{{"id":"{id}","pubkey":"{pubkey}","created_at":1700000000,"kind":7000,"tags":[["x","y"]],"content":"{sent}","sig":"{sig}"}}"#
    )
}

#[test]
fn delete_may_be_hashed_verbatim_or_escaped_but_everywhere_alike() {
    for (hashed, expected) in [
        ("a\u{7f}b\u{7f}", Ok(())),
        (r"a\u007fb\u007f", Ok(())),
        ("a\u{7f}b\\u007f", Err(Refusal::BadId)),
        (r"a\u007Fb\u007F", Err(Refusal::BadId)),
    ] {
        for sent in ["a\u{7f}b\u{7f}", r"a\u007fb\u007f"] {
            let event = parse(&signed_raw(sent, hashed)).expect("an event");
            assert_eq!(event.content, "a\u{7f}b\u{7f}");
            assert_eq!(verify(&event, &Default::default()), expected, "{hashed:?}");
        }
    }
}

#[test]
fn integers_are_written_without_fraction_or_exponent_and_in_range() {
    for good in ["0", "1700000000", "9223372036854775807"] {
        assert!(parse(&with_time(good)).is_ok(), "{good}");
    }
    for bad in [
        "-1",
        "-0",
        "1.0",
        "1e3",
        "1E3",
        "17e8",
        "01",
        "+1",
        "9223372036854775808",
        "18446744073709551616",
        "\"1700000000\"",
        "null",
        "true",
        "[]",
        "",
    ] {
        assert_eq!(parse(&with_time(bad)), Err(Refusal::Malformed), "{bad}");
    }
    let json = signing::json(&sample());
    assert!(parse(&json.replace("5100", "65535")).is_ok());
    for bad in ["65536", "-1", "5100.0", "51e2"] {
        assert_eq!(
            parse(&json.replace("5100", bad)),
            Err(Refusal::Malformed),
            "{bad}"
        );
    }
}

#[test]
fn members_are_needed_once_each_and_others_are_ignored() {
    let json = signing::json(&sample());
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&json).expect("an object");
    assert_eq!(object.len(), 7);
    for (name, value) in &object {
        let mut less = object.clone();
        less.remove(name);
        let less = serde_json::to_string(&less).expect("an object");
        assert_eq!(parse(&less), Err(Refusal::Malformed), "without {name}");
        let twice = with_member(name, &value.to_string());
        assert_eq!(parse(&twice), Err(Refusal::Malformed), "{name} twice");
    }
    assert_eq!(
        parse(&with_member("ots", "{\"a\":[1.5e300]}")),
        Ok(sample())
    );
    assert_eq!(parse(&format!(" \n{json}\t")), Ok(sample()));
    assert_eq!(parse(&format!("{json}{json}")), Err(Refusal::Malformed));
    assert_eq!(parse(&format!("\u{feff}{json}")), Err(Refusal::Malformed));
}

#[test]
fn the_fields_as_an_array_are_no_event() {
    let event = sample();
    let array = serde_json::json!([
        event.id,
        event.pubkey,
        event.created_at,
        event.kind,
        event.tags,
        event.content,
        event.sig
    ]);
    assert_eq!(parse(&array.to_string()), Err(Refusal::Malformed));
}

#[test]
fn names_are_lower_case_hex_of_the_right_length() {
    let event = sample();
    let json = signing::json(&event);
    for name in [
        event.id.to_string(),
        event.pubkey.to_string(),
        hex::encode(event.sig.0),
    ] {
        for bad in [
            name.to_uppercase(),
            name[1..].to_owned(),
            format!("{name}0"),
            format!("g{}", &name[1..]),
        ] {
            assert_eq!(
                parse(&json.replace(&name, &bad)),
                Err(Refusal::Malformed),
                "{bad}"
            );
        }
    }
}

#[test]
fn tags_are_arrays_of_strings() {
    for good in [
        "[]",
        "[[]]",
        r#"[["a"],[],["b","c","d"]]"#,
        r#"[["\u0000","\ud83d\ude00"]]"#,
    ] {
        assert!(parse(&with_tags(good)).is_ok(), "{good}");
    }
    for bad in [
        "null",
        "{}",
        "[\"e\"]",
        "[[1]]",
        "[[null]]",
        "[[[\"e\"]]]",
        "[[\"e\",1]]",
        r#"[["\ud800"]]"#,
        r#"[["\udc00\ud800"]]"#,
    ] {
        assert_eq!(parse(&with_tags(bad)), Err(Refusal::Malformed), "{bad}");
    }
}

#[test]
fn deep_nesting_does_not_end_the_process() {
    for depth in [200, 1_000_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(parse(&with_tags(&deep)), Err(Refusal::Malformed));
        assert_eq!(parse(&deep), Err(Refusal::Malformed));
        assert_eq!(parse(&with_member("extra", &deep)), Ok(sample()));
        let objects = "{\"a\":".repeat(depth);
        assert_eq!(parse(&objects), Err(Refusal::Malformed));
        assert_eq!(
            parse(&with_member("extra", &objects)),
            Err(Refusal::Malformed)
        );
    }
}
