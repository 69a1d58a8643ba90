//! One connection to a relay: the only module that names the Nostr SDK.
//!
//! Its types and its websocket transport are used, not its client: the client drops expired events, remembers ids before the broker has
//! confirmed them, rejects events whose id fits the other form of DEL, and loses events when its channel lags.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use async_wsocket::Message as Frame;
use dvmdash_core::{Event, Pubkey, Refusal, parse};
use futures_util::{SinkExt, StreamExt};
use nostr_relay_pool::ConnectionMode;
use nostr_relay_pool::transport::websocket::{
    DefaultWebsocketTransport, WebSocketSink, WebSocketStream, WebSocketTransport,
};
use nostr_sdk::{
    Alphabet, ClientMessage, Filter, JsonUtil, Kind, PublicKey, SingleLetterTag, SubscriptionId,
    Timestamp, Url,
};
use serde_json::value::RawValue;

use crate::selection::Query;

/// How long a connect or a write may take.
const PATIENCE: Duration = Duration::from_secs(20);

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
    sink: WebSocketSink,
    stream: WebSocketStream,
    heard: Instant,
}

impl Connection {
    /// Connects to a normalised url. Addresses that are not public are refused unless `allow_private`.
    ///
    /// # Errors
    /// When the name does not resolve or resolves to a private address, and when the relay does not answer.
    pub async fn open(url: &str, allow_private: bool) -> Result<Self> {
        let url = Url::parse(url).context("read the relay's url")?;
        if !allow_private {
            refuse_private(&url).await?;
        }
        let (sink, stream) = DefaultWebsocketTransport
            .connect(&url, &ConnectionMode::direct(), PATIENCE)
            .await
            .context("connect to the relay")?;
        Ok(Self {
            sink,
            stream,
            heard: Instant::now(),
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
        self.write(Frame::Ping(Vec::new())).await
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
    /// When the connection has ended.
    pub async fn next(&mut self) -> Result<Heard> {
        let frame = self
            .stream
            .next()
            .await
            .context("the relay has ended the connection")?
            .context("read from the relay")?;
        self.heard = Instant::now();
        Ok(match frame {
            Frame::Text(text) => read_message(&text),
            Frame::Close(_) => bail!("the relay closes the connection"),
            _ => Heard::Other,
        })
    }

    async fn send(&mut self, message: ClientMessage<'_>) -> Result<()> {
        self.write(Frame::Text(message.as_json())).await
    }

    async fn write(&mut self, frame: Frame) -> Result<()> {
        tokio::time::timeout(PATIENCE, self.sink.send(frame))
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

async fn refuse_private(url: &Url) -> Result<()> {
    let host = url
        .host_str()
        .context("the relay's url names no host")?
        .trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(443);
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .context("look up the relay's name")?;
    for address in addresses {
        ensure!(
            !is_private(address.ip()),
            "the relay's address {} is private; DVMDASH_ALLOW_PRIVATE_RELAYS allows such",
            address.ip()
        );
    }
    Ok(())
}

/// Whether an address is not one of the public internet.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_private_v4(ip),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(mapped) => is_private_v4(mapped),
            None => {
                ip.is_loopback()
                    || ip.is_unspecified()
                    || ip.is_multicast()
                    || ip.is_unique_local()
                    || ip.is_unicast_link_local()
            }
        },
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        // This network, shared by carriers, protocol assignments, benchmarks, reserved and broadcast.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240
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
        (Some("CLOSED"), _) => {
            Heard::Closed(word(1).unwrap_or_default(), word(2).unwrap_or_default())
        }
        (Some("NOTICE"), _) => Heard::Notice(word(1).unwrap_or_default()),
        _ => Heard::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::Selection;
    use dvmdash_core::Hex32;

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

    #[test]
    fn addresses_that_are_not_public_are_private() {
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "1.1.1.1",
            "100.128.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
        ] {
            assert!(!is_private(ip.parse().unwrap()), "{ip}");
        }
    }

    #[tokio::test]
    async fn a_relay_at_a_private_address_is_refused_before_a_socket_opens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            let error = Connection::open(&format!("ws://{host}:{port}"), false)
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
