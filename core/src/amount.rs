//! The grammar of the `amount` tag (METRICS.md section 7).

/// The largest amount that is believed: 10 BTC in millisats.
pub const MAX_MSAT: i64 = 1_000_000_000_000;

const MAX_CHARACTERS: usize = 40;

/// Millisats out of an `amount` tag's value: digits, among which `_`, `,` and spaces may stand, 1 ..= [`MAX_MSAT`].
/// Anything else is no amount.
pub fn amount_msat(text: &str) -> Option<i64> {
    if text.chars().nth(MAX_CHARACTERS).is_some() {
        return None;
    }
    let mut msat = 0_i64;
    for character in text.chars() {
        match character {
            '_' | ',' | ' ' => {}
            '0'..='9' => {
                msat = msat * 10 + (character as i64 - '0' as i64);
                // Digits only ever make it larger, and this keeps the product far from overflow.
                if msat > MAX_MSAT {
                    return None;
                }
            }
            _ => return None,
        }
    }
    (msat >= 1).then_some(msat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_with_separators_are_an_amount() {
        for (text, msat) in [
            ("1", 1),
            ("100_000", 100_000),
            ("1,000,000", 1_000_000),
            (" 21 000 ", 21_000),
            ("0000000000000000000000000000000000000007", 7),
            ("1000000000000", MAX_MSAT),
        ] {
            assert_eq!(amount_msat(text), Some(msat), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_no_amount() {
        for text in [
            "",
            "0",
            "_",
            "-1",
            "+1",
            "1.0",
            "1e3",
            "1000000000001",
            "99999999999999999999999999",
            "00000000000000000000000000000000000000007",
            "1\u{a0}000",
            "1\t000",
            "١٢٣",
            "1\0",
            "someone@wallet.example",
        ] {
            assert_eq!(amount_msat(text), None, "{text:?}");
        }
    }
}
