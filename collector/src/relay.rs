//! One connection to a relay, in messages of NIP-01. But for a url's type, no other module names the Nostr SDK.
//!
//! Its types are used, not its client and not its websocket: the client drops expired events, remembers ids before the broker has confirmed
//! them, rejects events whose id fits the other form of DEL, and loses events when its channel lags; the websocket looks the name up by
//! itself, after us, and takes messages of any length.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use dvmdash_core::{Event, Pubkey, Refusal, parse};
use futures_util::{SinkExt, StreamExt};
use nostr_sdk::{
    Alphabet, ClientMessage, Filter, JsonUtil, Kind, PublicKey, SingleLetterTag, SubscriptionId,
    Timestamp, Url,
};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::selection::Query;
use crate::socket::{Socket, open};

/// How long a relay may take from its name's look-up to the end of the handshake, and to take a message.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a message may take from its first byte to its last: a relay that dribbles must not look alive.
const MESSAGE_PATIENCE: Duration = Duration::from_secs(30);
/// What a message may hold beside an event, in bytes.
const ENVELOPE_BYTES: usize = 64 << 10;

/// What is kept of a text for people.
const SPEECH_CHARACTERS: usize = 200;

/// The longest message that is read, in bytes, where events of `max_event_bytes` count. That is the length of what is hashed; relays that
/// escape everything outside ASCII send up to three times as much.
fn message_bytes(max_event_bytes: usize) -> usize {
    max_event_bytes
        .saturating_mul(4)
        .saturating_add(ENVELOPE_BYTES)
}

/// What a relay said.
#[derive(Debug)]
pub enum Heard {
    /// An event for a subscription; its shape is checked, nothing else.
    Event {
        /// The subscription's id.
        subscription: String,
        /// The event, or why it is none.
        event: Result<Event, Refusal>,
    },
    /// All stored events of this subscription have been sent.
    Eose(String),
    /// The relay has ended this subscription, with its reason.
    Closed(String, String),
    /// Something for people to read.
    Notice(String),
    /// Nothing that matters here.
    Other,
}

/// An open connection.
pub struct Connection {
    socket: Socket,
    heard: Instant,
    message_patience: Duration,
}

impl Connection {
    /// Connects to a normalised url. A name with any address that is not public is refused unless `allow_private`; the addresses that were
    /// looked at are the ones connected to, and no redirect is followed. Messages much longer than `max_event_bytes` are not read.
    ///
    /// # Errors
    /// When the name does not resolve or resolves to a private address, and when the relay does not answer as a relay in time.
    pub async fn open(url: &str, allow_private: bool, max_event_bytes: usize) -> Result<Self> {
        let url = Url::parse(url).context("read the relay's url")?;
        let opening = open(&url, allow_private, message_bytes(max_event_bytes));
        let socket = timeout(PATIENCE, opening)
            .await
            .context("the relay does not answer in time")??;
        Ok(Self {
            socket,
            heard: Instant::now(),
            message_patience: MESSAGE_PATIENCE,
        })
    }

    /// Opens a subscription, or replaces the one of this id (NIP-01 REQ).
    ///
    /// # Errors
    /// When the connection is gone or does not take the message.
    pub async fn subscribe(&mut self, id: &str, queries: &[Query]) -> Result<()> {
        let filters: Vec<Filter> = queries.iter().map(filter).collect();
        self.send(ClientMessage::req(SubscriptionId::new(id), filters))
            .await
    }

    /// Ends a subscription (NIP-01 CLOSE).
    ///
    /// # Errors
    /// When the connection is gone or does not take the message.
    pub async fn unsubscribe(&mut self, id: &str) -> Result<()> {
        self.send(ClientMessage::close(SubscriptionId::new(id)))
            .await
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// When the connection is gone or does not take the message.
    pub async fn ping(&mut self) -> Result<()> {
        self.write(Frame::Ping(Vec::new().into())).await
    }

    /// How long nothing has been heard, pongs included.
    pub fn silence(&self) -> Duration {
        self.heard.elapsed()
    }

    /// Takes time off the silence in which nobody listened.
    pub fn excuse(&mut self, time: Duration) {
        self.heard += time;
    }

    /// What the relay says next. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When the connection has ended, a message is too long, or one that has begun does not end.
    pub async fn next(&mut self) -> Result<Heard> {
        let frame = loop {
            let began = self.socket.get_ref().began;
            let deadline = began.unwrap_or_else(Instant::now) + self.message_patience;
            match timeout_at(deadline, self.socket.next()).await {
                Ok(frame) => break frame,
                Err(_) => ensure!(
                    began.is_none(),
                    "the relay begins a message and does not end it"
                ),
            }
        };
        let frame = frame
            .context("the relay has ended the connection")?
            .context("read from the relay")?;
        self.socket.get_mut().began = None;
        self.heard = Instant::now();
        Ok(match frame {
            Frame::Text(text) => read_message(&text),
            Frame::Close(_) => bail!("the relay closes the connection"),
            _ => Heard::Other,
        })
    }

    async fn send(&mut self, message: ClientMessage<'_>) -> Result<()> {
        self.write(Frame::Text(message.as_json().into())).await
    }

    async fn write(&mut self, frame: Frame) -> Result<()> {
        timeout(PATIENCE, self.socket.send(frame))
            .await
            .context("the relay takes no messages")?
            .context("write to the relay")
    }
}

/// A relay's url in the one form that names it: lower case, no default port, no trailing slash after the host.
///
/// # Errors
/// A message for people when it is no ws:// or wss:// url, or carries credentials or a fragment.
pub fn normalise(text: &str) -> Result<String, String> {
    let wrong = |why: &str| format!("`{text}` is no url of a relay: {why}");
    let url = Url::parse(text.trim()).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "ws" | "wss") {
        return Err(wrong("it does not begin with ws:// or wss://"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("it names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("a relay's url carries a user, a password or a fragment".to_owned());
    }
    let text = String::from(url.as_str());
    Ok(if url.path() == "/" && url.query().is_none() {
        text.trim_end_matches('/').to_owned()
    } else {
        text
    })
}

fn filter(query: &Query) -> Filter {
    let key = |pubkey: &Pubkey| PublicKey::from_byte_array(pubkey.0);
    let selection = &query.selection;
    let mut filter = Filter::new()
        .kinds(selection.kinds.iter().map(|&kind| Kind::from_u16(kind)))
        .limit(query.limit);
    if !selection.authors.is_empty() {
        filter = filter.authors(selection.authors.iter().map(key));
    }
    if !selection.named.is_empty() {
        filter = filter.custom_tags(
            SingleLetterTag::lowercase(Alphabet::P),
            selection.named.iter().map(ToString::to_string),
        );
    }
    if let Ok(since @ 1..) = u64::try_from(query.since) {
        filter = filter.since(Timestamp::from_secs(since));
    }
    if let Some(until) = query.until {
        filter = filter.until(Timestamp::from_secs(until.try_into().unwrap_or(0)));
    }
    filter
}

/// What a relay says to people, short enough for logs.
fn speech(text: Option<String>) -> String {
    text.unwrap_or_default()
        .chars()
        .filter(|character| !character.is_control())
        .take(SPEECH_CHARACTERS)
        .collect()
}

/// Reads a message of NIP-01. The event keeps its text until our own reader has it, since the SDK's would change or refuse some.
fn read_message(text: &str) -> Heard {
    let Ok(parts) = serde_json::from_str::<Vec<&RawValue>>(text) else {
        return Heard::Other;
    };
    let word =
        |index: usize| -> Option<String> { serde_json::from_str(parts.get(index)?.get()).ok() };
    match (word(0).as_deref(), parts.get(2)) {
        (Some("EVENT"), Some(event)) => Heard::Event {
            subscription: word(1).unwrap_or_default(),
            event: parse(event.get()),
        },
        (Some("EOSE"), _) => Heard::Eose(word(1).unwrap_or_default()),
        (Some("CLOSED"), _) => Heard::Closed(word(1).unwrap_or_default(), speech(word(2))),
        (Some("NOTICE"), _) => Heard::Notice(speech(word(1))),
        _ => Heard::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::Selection;
    use dvmdash_core::Hex32;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio_tungstenite::{WebSocketStream, accept_async};

    #[test]
    fn urls_of_one_relay_are_normalised_to_one_form() {
        for text in [
            "wss://relay.example",
            " WSS://Relay.Example/ ",
            "wss://relay.example:443",
        ] {
            assert_eq!(normalise(text).unwrap(), "wss://relay.example", "{text}");
        }
        assert_eq!(
            normalise("ws://relay.example:7777/nostr").unwrap(),
            "ws://relay.example:7777/nostr"
        );
    }

    #[test]
    fn what_is_no_relays_url_is_refused() {
        for text in [
            "",
            "relay.example",
            "https://relay.example",
            "wss://",
            "wss://me:secret@relay.example",
            "wss://relay.example/#x",
        ] {
            let error = normalise(text).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_relay_at_a_private_address_is_refused_before_a_socket_opens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            let error = Connection::open(&format!("ws://{host}:{port}"), false, 1024)
                .await
                .err()
                .unwrap();
            assert!(error.to_string().contains("is private"), "{error}");
        }
        assert_eq!(
            listener.accept().unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock
        );
    }

    /// A connection to a relay that takes events of 1024 bytes, and the relay's side of it.
    async fn connected() -> (Connection, WebSocketStream<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let relay = async { accept_async(listener.accept().await.unwrap().0).await };
        let (connection, relay) = tokio::join!(Connection::open(&url, true, 1024), relay);
        (connection.unwrap(), relay.unwrap())
    }

    #[tokio::test]
    async fn a_message_longer_than_the_limit_ends_the_connection() {
        let (mut connection, mut relay) = connected().await;
        let longest = message_bytes(1024);
        relay.send(Frame::text("x".repeat(longest))).await.unwrap();
        assert!(matches!(connection.next().await.unwrap(), Heard::Other));
        let long = Frame::text("x".repeat(longest + 1));
        let (error, _) = tokio::join!(connection.next(), relay.send(long));
        let error = format!("{:#}", error.unwrap_err());
        assert!(error.contains("too long"), "{error}");
    }

    #[tokio::test]
    async fn a_message_that_comes_byte_by_byte_and_does_not_end_ends_the_connection() {
        let (mut connection, mut relay) = connected().await;
        relay.send(Frame::text("[]")).await.unwrap();
        connection.message_patience = Duration::from_millis(200);
        assert!(matches!(connection.next().await.unwrap(), Heard::Other));
        let dribble = async {
            // The begin of a text of 65,535 bytes.
            let raw = relay.get_mut();
            raw.write_all(&[0x81, 126, 0xff, 0xff]).await.unwrap();
            while raw.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let error = tokio::select! {
            heard = connection.next() => heard.unwrap_err().to_string(),
            () = dribble => panic!("the relay was left alone"),
        };
        assert!(error.contains("does not end"), "{error}");
    }

    #[test]
    fn a_query_becomes_the_filter_of_nip_01() {
        let people = [Hex32([1; 32])];
        let query = |selection, since, until| Query {
            selection,
            since,
            until,
            limit: 500,
        };
        let by = filter(&query(Selection::by(&people, &[0, 5]), 0, None));
        let one = "01".repeat(32);
        assert_eq!(
            serde_json::to_value(by).unwrap(),
            serde_json::json!({"authors": [one], "kinds": [0, 5], "limit": 500})
        );
        let naming = filter(&query(Selection::naming(&people, &[9735]), 7, Some(9)));
        assert_eq!(
            serde_json::to_value(naming).unwrap(),
            serde_json::json!({"#p": [one], "kinds": [9735], "since": 7, "until": 9, "limit": 500})
        );
    }

    #[test]
    fn messages_of_relays_are_read_and_odd_ones_passed_over() {
        assert!(matches!(read_message(r#"["EOSE","a"]"#), Heard::Eose(id) if id == "a"));
        assert!(
            matches!(read_message(r#"["CLOSED","a","error: no"]"#), Heard::Closed(id, why) if id == "a" && why == "error: no")
        );
        assert!(
            matches!(read_message(r#"["NOTICE","hello"]"#), Heard::Notice(text) if text == "hello")
        );
        let long = format!(r#"["NOTICE","a\nb{}"]"#, "x".repeat(1000));
        assert!(
            matches!(read_message(&long), Heard::Notice(text) if text.len() == 200 && text.starts_with("abx"))
        );
        for event in ["7", "{}", r#"{"id":"\ud800"}"#, "[]"] {
            let heard = read_message(&format!(r#"["EVENT","a",{event}]"#));
            assert!(
                matches!(
                    heard,
                    Heard::Event {
                        event: Err(Refusal::Malformed),
                        ..
                    }
                ),
                "{event}"
            );
        }
        for text in [
            "",
            "{}",
            "[",
            r#"["EVENT"]"#,
            r#"["OK","a",true,""]"#,
            "[1,2]",
        ] {
            assert!(matches!(read_message(text), Heard::Other), "{text}");
        }
    }
}
