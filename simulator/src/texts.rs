//! Words to fill events with: several languages and scripts, quotes, line breaks, control characters.

use crate::rng::Rng;

const TEXTS: [&str; 16] = [
    "Which notes did I miss this week?",
    "Summarise the discussion about relays and outbox models in five sentences, please.",
    "こんにちは、データ自動販売機さん。今日のおすすめは？",
    "A lighthouse at dusk, oil on canvas, heavy brush strokes, cinematic light --ar 16:9",
    "¿Qué se dice hoy de Bitcoin en la red?",
    "He said: \"zaps > likes\" \\o/\nand then\tleft.",
    "🤖⚡️ gm, pura vida 🫂👨‍👩‍👧‍👦",
    "Übersetze mir das bitte ins Schwäbische, gell.",
    "في أي ساعة يبدأ البث؟",
    "<script>alert('not today')</script> & other entities &amp;",
    "=HYPERLINK(\"https://example.com\",\"formula\")",
    "https://example.com/media/talk.mp3",
    "Продолжи: жили-были старик со старухой",
    "e\u{301}galite\u{301} \u{202e}drawkcab\u{202c} \u{200b}zero\u{feff}",
    "{\"json\": [\"inside\", \"a\", \"string\"], \"n\": 1e3}",
    "What is a data vending machine?",
];

/// Rarely seen, and always legal in a signed event.
pub(crate) const ODD_TEXTS: [&str; 5] = [
    "nul \0 inside",
    "\u{8}\u{c}\r\n\t\u{1f}",
    "del \u{7f} verbatim",
    "\u{ffff}\u{10ffff}",
    "",
];

pub(crate) const RELAYS: [&str; 10] = [
    "wss://relay.example.com",
    "wss://nostr.example.org/",
    "wss://nos.example.net",
    "wss://relay.primary.example",
    "wss://bostr.example.com/",
    "wss://purple.example.org",
    "wss://offchain.example.net/",
    "wss://relay.dvm.example",
    "wss://nostr.example.social/",
    "wss://mom.example.org",
];

pub(crate) fn text(rng: &mut Rng) -> &'static str {
    rng.pick(&TEXTS)
}

/// `["relays", …]` with so many of them.
pub(crate) fn relays(rng: &mut Rng, count: usize) -> Vec<&'static str> {
    let first = rng.below(RELAYS.len() as u64) as usize;
    ["relays"]
        .into_iter()
        .chain((0..count).map(|at| RELAYS[(first + at * 3) % RELAYS.len()]))
        .collect()
}

/// Looks like a NIP-04 cipher text of about `blocks` × 43 bytes. Nobody can read it.
pub(crate) fn cipher(rng: &mut Rng, blocks: u64) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut base64 = |length: u64| -> String {
        (0..length)
            .map(|_| char::from(ALPHABET[rng.below(64) as usize]))
            .collect()
    };
    format!("{}=?iv={}==", base64(blocks * 43), base64(22))
}
