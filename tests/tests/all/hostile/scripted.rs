//! A relay that does what its script says, and what a script may answer.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use nostr_relay_builder::prelude::Event;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::collector::PATIENCE;

/// A relay that does what its script says.
#[derive(Clone, Default)]
pub struct Hostile {
    pub url: String,
    connections: Arc<AtomicUsize>,
    /// Requests (NIP-01 REQ) that it has been sent.
    asked: Arc<AtomicUsize>,
}

impl Hostile {
    /// One that answers each request, given by its id and its filters, with these messages.
    pub async fn answering(
        script: impl Fn(&Value, &[Value]) -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        let script = Arc::new(script);
        Self::serving(move |stream, relay| relay.answer(stream, script.clone())).await
    }

    /// One that does this with a connection.
    pub async fn serving<F>(serve: impl Fn(TcpStream, Self) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Self {
            url: format!("ws://{}", listener.local_addr().unwrap()),
            ..Self::default()
        };
        let serving = relay.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, serving.clone()));
            }
        });
        relay
    }

    async fn answer(
        self,
        stream: TcpStream,
        script: Arc<impl Fn(&Value, &[Value]) -> Vec<String>>,
    ) {
        let Ok(mut socket) = accept_async(stream).await else {
            return;
        };
        while let Some(request) = self.request(&mut socket).await {
            for answer in script(&request[1], &request[2..]) {
                if socket.send(Frame::text(answer)).await.is_err() {
                    return;
                }
            }
        }
    }

    /// The next request on this connection.
    pub async fn request(&self, socket: &mut WebSocketStream<TcpStream>) -> Option<Vec<Value>> {
        while let Some(Ok(frame)) = socket.next().await {
            let Frame::Text(text) = frame else {
                continue;
            };
            let message: Vec<Value> = serde_json::from_str(&text).unwrap();
            if message[0] == "REQ" {
                self.asked.fetch_add(1, Ordering::Relaxed);
                return Some(message);
            }
        }
        None
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Waits for so many requests.
    pub async fn is_asked(&self, times: usize) {
        wait(&format!("{times} requests"), || {
            self.asked.load(Ordering::Relaxed) >= times
        })
        .await;
    }

    /// Waits for so many connections.
    pub async fn is_connected(&self, times: usize) {
        wait(&format!("{times} connections"), || {
            self.connections() >= times
        })
        .await;
    }
}

async fn wait(what: &str, there: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !there() {
        assert!(Instant::now() < deadline, "there are never {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn object(event: &Event) -> Value {
    serde_json::to_value(event).unwrap()
}

pub fn sent(id: &Value, event: &Value) -> String {
    json!(["EVENT", id, event]).to_string()
}

pub fn eose(id: &Value) -> String {
    json!(["EOSE", id]).to_string()
}

/// The event with one digit of this field changed.
pub fn forged(event: &Event, field: &str) -> Value {
    let mut object = object(event);
    let text = object[field].as_str().unwrap();
    let digit = if text.starts_with('0') { "1" } else { "0" };
    object[field] = format!("{digit}{}", &text[1..]).into();
    object
}

/// How a relay answers that keeps to NIP-01 more or less.
#[derive(Clone, Copy)]
pub struct Manners {
    pub clamp: usize,
    pub exclusive: bool,
    /// In rising order; and the oldest where the answer is cut.
    pub rising: bool,
    pub keeps_oldest: bool,
}

pub const GOOD: Manners = Manners {
    clamp: 500,
    exclusive: false,
    rising: false,
    keeps_oldest: false,
};

/// The events that belong to one of these filters, each filter cut to its limit.
fn found(held: &[Event], filters: &[Value], manners: Manners) -> Vec<Value> {
    let mut all = Vec::new();
    for filter in filters {
        let mut found: Vec<&Event> = held
            .iter()
            .filter(|event| {
                let at = event.created_at.as_secs();
                let kind = event.kind.as_u16();
                let until = filter["until"].as_u64().unwrap_or(u64::MAX);
                filter["kinds"].as_array().unwrap().contains(&kind.into())
                    && filter["authors"].is_null()
                    && filter["#p"].is_null()
                    && filter["since"].as_u64().is_none_or(|since| at >= since)
                    && (at < until || (at == until && !manners.exclusive))
            })
            .collect();
        found.sort_by_key(|event| event.created_at);
        if !manners.keeps_oldest {
            found.reverse();
        }
        let limit = usize::try_from(filter["limit"].as_u64().unwrap()).unwrap();
        found.truncate(limit.min(manners.clamp));
        if manners.rising {
            found.sort_by_key(|event| event.created_at);
        }
        all.extend(found.into_iter().map(object));
    }
    all
}

pub fn answer(held: &[Event], id: &Value, filters: &[Value], manners: Manners) -> Vec<String> {
    let found = found(held, filters, manners);
    let events = found.iter().map(|event| sent(id, event));
    events.chain([eose(id)]).collect()
}

/// Reads a handshake's request and answers the first bytes of this, `KEY` replaced by what the client waits for.
pub async fn greet(mut stream: TcpStream, answer: &str, bytes: usize) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .unwrap();
    let answer = answer.replace("KEY", &derive_accept_key(key.as_bytes()));
    let end = bytes.min(answer.len());
    // It may be gone already: that is its right.
    let _ = stream.write_all(&answer.as_bytes()[..end]).await;
    let _ = stream.shutdown().await;
}
