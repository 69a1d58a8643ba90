//! Name, about and picture in a content (METRICS.md section 9).

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::Card;

/// Reads the content of a profile (NIP-01) or of an announcement (NIP-89). Content that is not a JSON object is flagged `malformed`.
pub fn card(content: &str) -> Card {
    // Members stay raw until asked for, so that a strange one (deeply nested, of another type) spoils only itself.
    let Ok(members) = serde_json::from_str::<HashMap<String, &RawValue>>(content) else {
        return Card {
            malformed: true,
            ..Card::default()
        };
    };
    let text = |name: &str| {
        let raw = members.get(name)?.get();
        serde_json::from_str::<String>(raw)
            .ok()
            .filter(|text| !text.is_empty())
    };
    Card {
        name: text("name").or_else(|| text("display_name")),
        about: text("about"),
        picture: text("picture").or_else(|| text("image")),
        malformed: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_names_stand_in_where_the_first_are_empty_or_no_text() {
        let read = card(
            r#"{"name":"","display_name":"Ann","about":"a\u0000b","picture":7,"image":"https://x/y.png"}"#,
        );
        assert_eq!(read.name.as_deref(), Some("Ann"));
        assert_eq!(read.about.as_deref(), Some("a\0b"));
        assert_eq!(read.picture.as_deref(), Some("https://x/y.png"));
        assert!(!read.malformed);
    }

    #[test]
    fn first_names_win() {
        let read = card(r#"{"image":"i","picture":"p","display_name":"d","name":"n"}"#);
        assert_eq!(read.name.as_deref(), Some("n"));
        assert_eq!(read.picture.as_deref(), Some("p"));
    }

    #[test]
    fn content_that_is_no_object_is_flagged() {
        for content in [
            "",
            " ",
            "null",
            "[]",
            "\"name\"",
            "{",
            "{\"name\":\"a\"} x",
            "hello",
        ] {
            let read = card(content);
            assert!(read.malformed, "{content:?}");
            assert_eq!((read.name, read.about, read.picture), (None, None, None));
        }
    }

    #[test]
    fn a_strange_member_spoils_only_itself() {
        let deep = format!(
            r#"{{"x":{}{},"name":"\ud800","display_name":null,"about":"fine"}}"#,
            "[".repeat(50_000),
            "]".repeat(50_000)
        );
        let read = card(&deep);
        assert!(!read.malformed);
        assert_eq!(read.name, None);
        assert_eq!(read.about.as_deref(), Some("fine"));
    }
}
