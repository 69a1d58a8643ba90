//! Where the queue is.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::Args;

use super::{Misconfigured, read, secret};

/// The broker.
#[derive(Args, Clone)]
pub struct RabbitMqArgs {
    /// Like amqp://user:password@host:5672/vhost; an empty path or `/` means the vhost `/`
    #[arg(
        long,
        env = "DVMDASH_RABBITMQ_URI",
        value_name = "DVMDASH_RABBITMQ_URI",
        hide_env_values = true
    )]
    pub rabbitmq_uri: Option<String>,
    /// File that holds the URI
    #[arg(
        long,
        env = "DVMDASH_RABBITMQ_URI_FILE",
        value_name = "DVMDASH_RABBITMQ_URI_FILE"
    )]
    pub rabbitmq_uri_file: Option<PathBuf>,
    /// The queue; its dead letters are in the queue of this name with `.dead-letters`
    #[arg(long, env = "DVMDASH_RABBITMQ_QUEUE", value_name = "DVMDASH_RABBITMQ_QUEUE", default_value = "dvm-events", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub rabbitmq_queue: String,
    /// PEM of the authority that signed the broker's certificate
    #[arg(
        long,
        env = "DVMDASH_RABBITMQ_CA_FILE",
        value_name = "DVMDASH_RABBITMQ_CA_FILE"
    )]
    pub rabbitmq_ca_file: Option<PathBuf>,
    /// PEM of our own certificate
    #[arg(
        long,
        env = "DVMDASH_RABBITMQ_CERT_FILE",
        value_name = "DVMDASH_RABBITMQ_CERT_FILE",
        requires = "rabbitmq_key_file"
    )]
    pub rabbitmq_cert_file: Option<PathBuf>,
    /// PEM of its key
    #[arg(
        long,
        env = "DVMDASH_RABBITMQ_KEY_FILE",
        value_name = "DVMDASH_RABBITMQ_KEY_FILE",
        requires = "rabbitmq_cert_file"
    )]
    pub rabbitmq_key_file: Option<PathBuf>,
}

impl RabbitMqArgs {
    /// The parsed URI.
    ///
    /// # Errors
    /// Names the variable where the URI is none.
    pub fn uri(&self) -> Result<lapin::uri::AMQPUri, Misconfigured> {
        let text = secret(
            "DVMDASH_RABBITMQ_URI",
            self.rabbitmq_uri.as_ref(),
            self.rabbitmq_uri_file.as_ref(),
        )?;
        // What the parser says is not shown: it may quote a password.
        let mut uri = lapin::uri::AMQPUri::from_str(&text).map_err(|_| {
            Misconfigured::new(
                "DVMDASH_RABBITMQ_URI",
                "write amqp://user:password@host:5672/vhost",
            )
        })?;
        if uri.vhost.is_empty() {
            uri.vhost = "/".to_owned();
        }
        Ok(uri)
    }

    /// Certificates for `amqps`.
    ///
    /// # Errors
    /// Names the variable whose file cannot be read.
    pub fn tls(&self) -> Result<lapin::tcp::OwnedTLSConfig, Misconfigured> {
        let pem = |variable, file: &Option<PathBuf>| {
            file.as_ref().map(|file| read(variable, file)).transpose()
        };
        let cert_chain = pem("DVMDASH_RABBITMQ_CA_FILE", &self.rabbitmq_ca_file)?;
        let cert = pem("DVMDASH_RABBITMQ_CERT_FILE", &self.rabbitmq_cert_file)?;
        let key = pem("DVMDASH_RABBITMQ_KEY_FILE", &self.rabbitmq_key_file)?;
        let identity = cert
            .zip(key)
            .map(|(cert, key)| lapin::tcp::OwnedIdentity::PKCS8 {
                pem: cert.into_bytes(),
                key: key.into_bytes(),
            });
        Ok(lapin::tcp::OwnedTLSConfig {
            identity,
            cert_chain,
        })
    }
}
