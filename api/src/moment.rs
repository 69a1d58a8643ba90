//! Moments as text: RFC 3339, unix seconds, or relative to now.

use jiff::Timestamp;

/// The last second that RFC 3339 can write.
pub(crate) const LAST: i64 = 253_402_207_200;

/// Unix seconds as `2024-01-01T00:00:00Z`. A year past 9999 is written as the last moment that can be.
pub(crate) fn rfc3339(seconds: i64) -> String {
    let seconds = seconds.clamp(0, LAST);
    Timestamp::from_second(seconds).map_or_else(|_| String::new(), |at| at.to_string())
}

/// Unix milliseconds as `2024-01-01T00:00:00.250Z`.
pub(crate) fn rfc3339_ms(milliseconds: i64) -> String {
    let milliseconds = milliseconds.clamp(0, LAST * 1000);
    Timestamp::from_millisecond(milliseconds).map_or_else(|_| String::new(), |at| at.to_string())
}

/// The server's clock, unix seconds.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Reads unix seconds, RFC 3339, `now`, or `now-15m` (s, m, h, d, w); a fraction of a second is cut off. `None` for anything else.
pub(crate) fn read(text: &str, now: i64) -> Option<i64> {
    let at = if let Some(rest) = text.strip_prefix("now") {
        if rest.is_empty() {
            now
        } else {
            now.checked_sub(span(rest.strip_prefix('-')?)?)?
        }
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()?
    } else {
        // A plus sign that was not escaped arrives as a space.
        let text = text.replace(' ', "+");
        // Only with an offset: a local time names no moment.
        text.parse::<Timestamp>().ok()?.as_second()
    };
    (0..=LAST).contains(&at).then_some(at)
}

/// Seconds of `15m`.
pub(crate) fn span(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let digits = text.strip_suffix(unit)?;
    let count: i64 = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())??;
    count.checked_mul(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_a_moment_are_read() {
        let now = 1_700_000_000;
        for (text, expected) in [
            ("1700000000", Some(now)),
            ("0", Some(0)),
            ("now", Some(now)),
            ("now-15m", Some(now - 900)),
            ("now-24h", Some(now - 86_400)),
            ("now-7d", Some(now - 7 * 86_400)),
            ("2024-01-01T00:00:00Z", Some(1_704_067_200)),
            ("2024-01-01T00:00:00.9Z", Some(1_704_067_200)),
            ("2024-01-01T02:00:00+02:00", Some(1_704_067_200)),
            ("2024-01-01T02:00:00 02:00", Some(1_704_067_200)),
        ] {
            assert_eq!(read(text, now), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "yesterday",
            "now-",
            "now+1h",
            "now-h",
            "now-1y",
            "now-99999999999999999999d",
            "now-9223372036854775807w",
            "99999999999999999999",
            "-1",
            "1e9",
            "2024-01-01",
            "2024-01-01T00:00:00",
            "now-60d ",
            "now-1\u{e9}",
        ] {
            assert_eq!(read(text, 1_700_000_000), None, "{text}");
        }
    }

    #[test]
    fn whole_seconds_are_written_without_a_fraction() {
        assert_eq!(rfc3339(1_704_067_200), "2024-01-01T00:00:00Z");
        assert_eq!(rfc3339_ms(1_704_067_200_250), "2024-01-01T00:00:00.25Z");
        assert_eq!(rfc3339(i64::MAX), rfc3339(LAST));
    }
}
