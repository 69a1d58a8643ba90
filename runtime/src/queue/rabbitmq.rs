//! The queue on RabbitMQ: durable quorum queues, persistent messages, publisher confirms.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::protocol::basic::AMQPProperties;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::sync::{Mutex, mpsc};

use super::{DeadLetter, Delivery, DeliveryReceipt, Depth, Message, Queue, wire};
use crate::settings::{Misconfigured, RabbitMqArgs};

/// Deliveries of one message until RabbitMQ would call it poison. A crash loop must not throw good events away; 3.10 takes -1 for zero
/// where 4 takes it for none, so it is the largest number that both understand.
const DELIVERY_LIMIT: i32 = i32::MAX;
/// How long a confirm may take. A blocked broker may take that long and longer; then the message is published twice and counted once.
const CONFIRM: Duration = Duration::from_secs(60);
/// Longest pause between two tries to reach the broker.
const PATIENCE: Duration = Duration::from_secs(5);

/// RabbitMQ 3.10 or newer.
pub struct RabbitMq {
    broker: Broker,
    queue: String,
    dead: String,
    publisher: Mutex<Option<(Connection, Channel)>>,
}

/// How to connect.
#[derive(Clone)]
struct Broker {
    uri: lapin::uri::AMQPUri,
    tls: lapin::tcp::OwnedTLSConfig,
}

impl Broker {
    async fn connect(&self) -> Result<(Connection, Channel)> {
        let properties = ConnectionProperties::default().with_connection_name("dvmdash".into());
        let runtime = lapin::runtime::default_runtime()?;
        let connecting = Connection::connect_uri_with_config(
            self.uri.clone(),
            properties,
            self.tls.clone(),
            runtime,
        );
        let connection = tokio::time::timeout(Duration::from_secs(20), connecting)
            .await
            .context("RabbitMQ does not answer")??;
        let channel = connection.create_channel().await?;
        Ok((connection, channel))
    }
}

impl RabbitMq {
    /// The queue of these settings. Connects when it is first used.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(args: &RabbitMqArgs) -> Result<Self, Misconfigured> {
        Ok(Self {
            broker: Broker {
                uri: args.uri()?,
                tls: args.tls()?,
            },
            queue: args.rabbitmq_queue.clone(),
            dead: format!("{}.dead-letters", args.rabbitmq_queue),
            publisher: Mutex::new(None),
        })
    }

    /// Fails when the broker cannot be reached or the queue is missing.
    ///
    /// # Errors
    /// Says which.
    pub async fn ping(&self) -> Result<()> {
        self.depth().await.map(|_| ())
    }

    /// A channel with confirms, shared by all publishes.
    async fn publisher(&self) -> Result<Channel> {
        let mut publisher = self.publisher.lock().await;
        Ok(self.connected(&mut publisher).await?.1.clone())
    }

    /// A new channel on the connection of the publishes.
    async fn look(&self) -> Result<Channel> {
        let mut publisher = self.publisher.lock().await;
        let (connection, _) = self.connected(&mut publisher).await?;
        connection.create_channel().await.context("open a channel")
    }

    async fn connected<'a>(
        &self,
        publisher: &'a mut Option<(Connection, Channel)>,
    ) -> Result<&'a (Connection, Channel)> {
        let works = publisher.as_ref().is_some_and(|(connection, channel)| {
            connection.status().connected() && channel.status().connected()
        });
        if !works {
            *publisher = None;
            let (connection, channel) =
                self.broker.connect().await.context("connect to RabbitMQ")?;
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await
                .context("ask for confirms")?;
            *publisher = Some((connection, channel));
        }
        publisher.as_ref().context("connect to RabbitMQ")
    }

    async fn send(&self, queue: &str, body: &[u8], properties: AMQPProperties) -> Result<()> {
        let channel = self.publisher().await?;
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let publish = async {
            let sent = channel.basic_publish("".into(), queue.into(), options, body, properties);
            sent.await?.await
        };
        // A queue without a leader confirms nothing and refuses nothing; on a new connection it may have one again.
        let Ok(confirm) = tokio::time::timeout(CONFIRM, publish).await else {
            *self.publisher.lock().await = None;
            bail!("RabbitMQ does not confirm");
        };
        let confirm = confirm?;
        if !confirm.is_ack() {
            bail!("RabbitMQ has not taken the message");
        }
        if confirm.take_message().is_some() {
            bail!("there is no queue {queue}; run `dvmdash migrate`");
        }
        Ok(())
    }

    /// Sends until the broker has confirmed. Whoever no longer wants it drops the future.
    async fn send_at_last(&self, queue: &str, body: &[u8], properties: &AMQPProperties) {
        let mut pause = Duration::from_millis(100);
        while let Err(error) = self.send(queue, body, properties.clone()).await {
            tracing::warn!(
                error = format!("{error:#}"),
                "a message is not confirmed and is published again"
            );
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PATIENCE);
        }
    }

    async fn declare_one(&self, name: &str) -> Result<()> {
        let (_connection, channel) = self.broker.connect().await.context("connect to RabbitMQ")?;
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        if channel
            .queue_declare(name.into(), passive, FieldTable::default())
            .await
            .is_ok()
        {
            return Ok(());
        }
        // The failed look has closed the channel.
        let (_connection, channel) = self.broker.connect().await.context("connect to RabbitMQ")?;
        let mut arguments = FieldTable::default();
        arguments.insert(
            "x-queue-type".into(),
            AMQPValue::LongString("quorum".into()),
        );
        arguments.insert(
            "x-delivery-limit".into(),
            AMQPValue::LongInt(DELIVERY_LIMIT),
        );
        let durable = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(name.into(), durable, arguments)
            .await
            .with_context(|| format!("declare the queue {name}"))?;
        Ok(())
    }
}

fn persistent(headers: FieldTable) -> AMQPProperties {
    AMQPProperties::default()
        .with_delivery_mode(2)
        .with_content_type("application/json".into())
        .with_headers(headers)
}

fn text(headers: Option<&FieldTable>, name: &str) -> Option<String> {
    match headers?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// A version that is no number is one that nobody knows.
fn version(headers: Option<&FieldTable>) -> Option<i64> {
    let value = headers?.inner().get("dvmdash-version")?;
    Some(match value {
        AMQPValue::ShortShortInt(v) => i64::from(*v),
        AMQPValue::ShortShortUInt(v) => i64::from(*v),
        AMQPValue::ShortInt(v) => i64::from(*v),
        AMQPValue::ShortUInt(v) => i64::from(*v),
        AMQPValue::LongInt(v) => i64::from(*v),
        AMQPValue::LongUInt(v) => i64::from(*v),
        AMQPValue::LongLongInt(v) => *v,
        AMQPValue::LongString(v) => v.to_string().parse().unwrap_or(-1),
        _ => -1,
    })
}

fn delivery(mut message: lapin::message::Delivery) -> Delivery {
    let headers = message.properties.headers().as_ref();
    Delivery {
        version: version(headers),
        refused: text(headers, "dvmdash-refused"),
        body: std::mem::take(&mut message.data),
        receipt: DeliveryReceipt::RabbitMq(Box::new(message)),
    }
}

/// Reads one consumer until it ends; `true` when nobody listens any more.
async fn consume_once(
    broker: &Broker,
    queue: &str,
    prefetch: u16,
    sender: &mpsc::Sender<Delivery>,
) -> Result<bool> {
    let (connection, channel) = broker.connect().await.context("connect to RabbitMQ")?;
    channel
        .basic_qos(prefetch, BasicQosOptions::default())
        .await
        .context("set the prefetch")?;
    let consumer = channel.basic_consume(
        queue.into(),
        "".into(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    let mut consumer = consumer.await.with_context(|| format!("consume {queue}"))?;
    loop {
        let next = tokio::select! {
            next = consumer.next() => next,
            () = sender.closed() => break,
        };
        match next {
            Some(message) => {
                if sender
                    .send(delivery(message.context("receive a message")?))
                    .await
                    .is_err()
                {
                    break;
                }
            }
            None => bail!("RabbitMQ has ended the consumer"),
        }
    }
    // What is in hand and unacknowledged goes back to the queue.
    connection
        .close(200, "done".into())
        .await
        .context("close the connection")?;
    Ok(true)
}

#[async_trait]
impl Queue for RabbitMq {
    async fn declare(&self) -> Result<()> {
        self.declare_one(&self.queue).await?;
        self.declare_one(&self.dead).await
    }

    async fn publish(&self, message: &Message) -> Result<()> {
        for (body, refused) in wire::bodies(message) {
            let mut headers = FieldTable::default();
            if message.verified {
                headers.insert(
                    "dvmdash-version".into(),
                    AMQPValue::LongLongInt(wire::VERSION),
                );
            }
            if let Some(refused) = refused {
                headers.insert(
                    "dvmdash-refused".into(),
                    AMQPValue::LongString(refused.into()),
                );
            }
            self.send_at_last(&self.queue, &body, &persistent(headers))
                .await;
        }
        Ok(())
    }

    async fn consume(&self, prefetch: u16) -> Result<mpsc::Receiver<Delivery>> {
        let (sender, receiver) = mpsc::channel(usize::from(prefetch.max(1)));
        let (broker, queue) = (self.broker.clone(), self.queue.clone());
        tokio::spawn(async move {
            let mut pause = Duration::from_millis(100);
            while !sender.is_closed() {
                let started = std::time::Instant::now();
                match consume_once(&broker, &queue, prefetch, &sender).await {
                    Ok(_) => return,
                    Err(error) => tracing::warn!(
                        error = format!("{error:#}"),
                        "the queue is gone; connecting again"
                    ),
                }
                if started.elapsed() > PATIENCE {
                    pause = Duration::from_millis(100);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PATIENCE);
            }
        });
        Ok(receiver)
    }

    async fn ack(&self, delivery: Delivery) -> Result<()> {
        if let DeliveryReceipt::RabbitMq(message) = delivery.receipt
            && let Err(error) = message.acker.ack(BasicAckOptions::default()).await
        {
            tracing::debug!(%error, "the message's channel is gone: it comes again and is counted once");
        }
        Ok(())
    }

    async fn dead_letter(&self, delivery: Delivery, reason: &str) -> Result<()> {
        let mut headers = FieldTable::default();
        headers.insert(
            "dvmdash-reason".into(),
            AMQPValue::LongString(reason.into()),
        );
        if let DeliveryReceipt::RabbitMq(message) = &delivery.receipt
            && let Some(original) = message.properties.headers()
        {
            for (name, value) in original.inner() {
                if name.as_str() != "dvmdash-reason" && name.as_str().starts_with("dvmdash-") {
                    headers.insert(name.clone(), value.clone());
                }
            }
        }
        self.send_at_last(&self.dead, &delivery.body, &persistent(headers))
            .await;
        self.ack(delivery).await
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>> {
        let (connection, channel) = self.broker.connect().await.context("connect to RabbitMQ")?;
        let mut letters = Vec::new();
        while letters.len() < limit {
            let next = channel
                .basic_get(self.dead.as_str().into(), BasicGetOptions::default())
                .await;
            let Some(message) = next.context("look at the dead letters")? else {
                break;
            };
            let reason =
                text(message.properties.headers().as_ref(), "dvmdash-reason").unwrap_or_default();
            letters.push(DeadLetter::new(&reason, &message.data));
        }
        // Nothing was acknowledged, so all of it stays.
        connection
            .close(200, "done".into())
            .await
            .context("close the connection")?;
        Ok(letters)
    }

    async fn replay_dead_letters(&self) -> Result<u64> {
        let (connection, channel) = self.broker.connect().await.context("connect to RabbitMQ")?;
        let mut replayed = 0;
        // Not more than there are now: what is poison still comes back at once.
        for _ in 0..self.depth().await?.dead_letters {
            let next = channel
                .basic_get(self.dead.as_str().into(), BasicGetOptions::default())
                .await;
            let Some(message) = next.context("take a dead letter")? else {
                break;
            };
            let mut headers = message.properties.headers().clone().unwrap_or_default();
            let kept = headers
                .inner()
                .iter()
                .filter(|(name, _)| name.as_str() != "dvmdash-reason");
            headers = FieldTable::from(
                kept.map(|(name, value)| (name.clone(), value.clone()))
                    .collect::<std::collections::BTreeMap<_, _>>(),
            );
            self.send_at_last(&self.queue, &message.data, &persistent(headers))
                .await;
            message
                .acker
                .ack(BasicAckOptions::default())
                .await
                .context("take a dead letter away")?;
            replayed += 1;
        }
        connection
            .close(200, "done".into())
            .await
            .context("close the connection")?;
        Ok(replayed)
    }

    async fn depth(&self) -> Result<Depth> {
        // A channel of its own: a queue that is missing closes it.
        let channel = self.look().await?;
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let mut count = [0; 2];
        for (count, name) in count.iter_mut().zip([&self.queue, &self.dead]) {
            let queue = channel
                .queue_declare(name.as_str().into(), passive, FieldTable::default())
                .await;
            *count = u64::from(
                queue
                    .with_context(|| format!("look at the queue {name}"))?
                    .message_count(),
            );
        }
        channel
            .close(200, "done".into())
            .await
            .context("close the channel")?;
        Ok(Depth {
            ready: count[0],
            dead_letters: count[1],
        })
    }
}
