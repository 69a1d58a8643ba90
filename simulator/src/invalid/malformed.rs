//! What is no NIP-01 event object, in every way.

use super::{Fields, object};

pub(super) fn malformed(valid: &Fields) -> Vec<String> {
    let mut lines = no_json(valid);
    for (name, _) in valid.named() {
        lines.push(object(
            valid
                .named()
                .into_iter()
                .filter(|(other, _)| *other != name),
        ));
    }
    for kind in [
        "5300.0",
        "53e2",
        "5.3e3",
        "\"5300\"",
        "null",
        "true",
        "[5300]",
        "-5300",
        "-60236",
        "65536",
        "70836",
        "4294972596",
        "18446744073709556916",
        "530000000000000000000000000000000000000000",
        "1e400",
    ] {
        lines.push(valid.with(|fields| fields.kind = kind.to_owned()));
    }
    for time in [
        "-1",
        "9223372036854775808",
        "18446744073709551616",
        "123456789012345678901234567890123456789012345678",
        "1e9",
        "1735689600.0",
        "1735689600.5",
        "\"1735689600\"",
        "null",
        "false",
        "{}",
    ] {
        lines.push(valid.with(|fields| fields.created_at = time.to_owned()));
    }
    for tags in [
        "null",
        "{}",
        "\"[]\"",
        "5",
        "[\"e\"]",
        "[[1]]",
        "[[null]]",
        "[[\"e\",[\"nested\"]]]",
        "[[\"e\",true]]",
        "[[\"e\",{}]]",
        "[[\"p\",1.5]]",
        "[[],null]",
        "[[\"e\",\"\\ud800\"]]",
    ] {
        lines.push(valid.with(|fields| fields.tags = tags.to_owned()));
    }
    for content in [
        "null",
        "5",
        "[]",
        "{}",
        "true", // no string
        "\"\\ud800\"",
        "\"\\udc00 last\"",
        "\"\\ud83d\\u0041\"",
        "\"\\ud83d\"", // lone surrogates
        "\"\0\"",
        "\"\\0\"",
        "\"\\x00\"",
        "\"\\u00\"",
        "\"\u{1}\"",
        "\"a\ttab\"", // NUL and others, not as JSON has them
        "\"open",
        "'single'",
    ] {
        lines.push(valid.with(|fields| fields.content = content.to_owned()));
    }
    lines.extend(malformed_hex(valid));
    lines
}

fn no_json(valid: &Fields) -> Vec<String> {
    let line = valid.line();
    let values: Vec<&str> = valid.named().map(|(_, value)| value).to_vec();
    vec![
        "no JSON at all".to_owned(),
        "null".to_owned(),
        "42".to_owned(),
        "\"text\"".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        "{".to_owned(),
        "\0".to_owned(),
        "[".repeat(10_000),
        "{\"id\":".repeat(5_000),
        format!("[{}]", values.join(",")),
        format!("[{line}]"),
        format!("[\"EVENT\",{line}]"),
        line[..line.len() - 1].to_owned(),
        line[..line.len() / 2].to_owned(),
        format!("{},}}", &line[..line.len() - 1]),
        format!("{line}}}"),
        format!("{line}{line}"),
        line.replace('"', "'"),
        line.replacen("\"id\"", "id", 1),
        line.replacen("5300", "05300", 1),
        line.replacen("5300", "NaN", 1),
        line.replacen("\"kind\"", "\"Kind\"", 1),
    ]
}

/// The three hex fields, each in every wrong form.
fn malformed_hex(valid: &Fields) -> Vec<String> {
    let mut lines = Vec::new();
    for field in 0..3 {
        let right = [&valid.id, &valid.pubkey, &valid.sig][field]
            .trim_matches('"')
            .to_owned();
        let forms = [
            format!("\"{}\"", right.to_uppercase()),
            format!("\"{}\"", &right[1..]),
            format!("\"{right}0\""),
            format!("\"{}\"", &right[..right.len() - 2]),
            format!("\"{}g\"", &right[1..]),
            format!("\" {}\"", &right[1..]),
            format!("\"0x{}\"", &right[2..]),
            format!("\"\\u0000{}\"", &right[1..]),
            // As many bytes, or as many characters, as there should be digits.
            format!("\"{}\"", "é".repeat(right.len() / 2)),
            format!("\"{}\"", "１".repeat(right.len())),
            "\"\"".to_owned(),
            "null".to_owned(),
            "7".to_owned(),
        ];
        lines.extend(forms.into_iter().map(|form| {
            valid
                .with(|fields| *[&mut fields.id, &mut fields.pubkey, &mut fields.sig][field] = form)
        }));
    }
    lines
}
