//! Flags and environment of the roles, checked once, before any socket opens.
//!
//! Each flag's value is named after its variable, so that every message of the command line names the variable too.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use clap::Args;
use dvmdash_core::Rules;

/// A setting that cannot be used. The message names its variable and the remedy; the process ends with exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct Misconfigured {
    variable: &'static str,
    problem: String,
}

impl Misconfigured {
    /// Says what is wrong with the variable and how to mend it.
    pub fn new(variable: &'static str, problem: impl Into<String>) -> Self {
        Self {
            variable,
            problem: problem.into(),
        }
    }
}

/// The value itself, or the content of the file without the newline at its end.
fn secret(
    variable: &'static str,
    value: Option<&String>,
    file: Option<&PathBuf>,
) -> Result<String, Misconfigured> {
    match (value, file) {
        (Some(_), Some(_)) => Err(Misconfigured::new(
            variable,
            "give either the value or the file, not both",
        )),
        (Some(value), None) => Ok(value.clone()),
        (None, Some(file)) => read(variable, file),
        (None, None) => Err(Misconfigured::new(
            variable,
            "not set; give the value, or a file by the same name with _FILE",
        )),
    }
}

fn read(variable: &'static str, file: &Path) -> Result<String, Misconfigured> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| {
        Misconfigured::new(variable, format!("read {}: {error}", file.display()))
    })?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// The broker.
#[derive(Args, Clone, Debug)]
pub struct RabbitMqArgs {
    /// Like amqp://user:password@host:5672/vhost; an empty path or `/` means the vhost `/`
    #[arg(
        long,
        env = "DVMDASH_RABBITMQ_URI",
        value_name = "DVMDASH_RABBITMQ_URI",
        hide_env_values = true,
        required_unless_present = "rabbitmq_uri_file"
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

/// The archive.
#[derive(Args, Clone, Debug)]
pub struct MongoDbArgs {
    /// Like mongodb://user:password@host:27017/?tls=true
    #[arg(
        long,
        env = "DVMDASH_MONGODB_URI",
        value_name = "DVMDASH_MONGODB_URI",
        hide_env_values = true,
        required_unless_present = "mongodb_uri_file"
    )]
    pub mongodb_uri: Option<String>,
    /// File that holds the URI
    #[arg(
        long,
        env = "DVMDASH_MONGODB_URI_FILE",
        value_name = "DVMDASH_MONGODB_URI_FILE"
    )]
    pub mongodb_uri_file: Option<PathBuf>,
    /// The database; events are in its collection `events`
    #[arg(long, env = "DVMDASH_MONGODB_DATABASE", value_name = "DVMDASH_MONGODB_DATABASE", default_value = "dvmdash", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub mongodb_database: String,
    /// PEM of the authority that signed the server's certificate
    #[arg(
        long,
        env = "DVMDASH_MONGODB_CA_FILE",
        value_name = "DVMDASH_MONGODB_CA_FILE"
    )]
    pub mongodb_ca_file: Option<PathBuf>,
    /// PEM of our own certificate; its key may stand in the same file
    #[arg(
        long,
        env = "DVMDASH_MONGODB_CERT_FILE",
        value_name = "DVMDASH_MONGODB_CERT_FILE"
    )]
    pub mongodb_cert_file: Option<PathBuf>,
    /// PEM of its key
    #[arg(
        long,
        env = "DVMDASH_MONGODB_KEY_FILE",
        value_name = "DVMDASH_MONGODB_KEY_FILE",
        requires = "mongodb_cert_file"
    )]
    pub mongodb_key_file: Option<PathBuf>,
}

impl MongoDbArgs {
    /// The checked URI.
    ///
    /// # Errors
    /// Names the variable where it is no MongoDB URI.
    pub fn uri(&self) -> Result<String, Misconfigured> {
        let text = secret(
            "DVMDASH_MONGODB_URI",
            self.mongodb_uri.as_ref(),
            self.mongodb_uri_file.as_ref(),
        )?;
        // What the driver says is not shown: it may quote a password.
        match mongodb::options::ConnectionString::parse(&text) {
            Ok(_) => Ok(text),
            Err(_) => Err(Misconfigured::new(
                "DVMDASH_MONGODB_URI",
                "write mongodb://user:password@host:27017/",
            )),
        }
    }

    /// PEM of our own certificate and key, one after the other.
    ///
    /// # Errors
    /// Names the variable whose file cannot be read.
    pub(crate) fn identity(&self) -> Result<Option<String>, Misconfigured> {
        let Some(cert) = &self.mongodb_cert_file else {
            return Ok(None);
        };
        let mut pem = read("DVMDASH_MONGODB_CERT_FILE", cert)?;
        if let Some(key) = &self.mongodb_key_file {
            pem.push('\n');
            pem.push_str(&read("DVMDASH_MONGODB_KEY_FILE", key)?);
        }
        Ok(Some(pem))
    }

    /// PEM of the authority that signed the server's certificate.
    ///
    /// # Errors
    /// Names the variable where the file cannot be read.
    pub(crate) fn authority(&self) -> Result<Option<PathBuf>, Misconfigured> {
        if let Some(file) = &self.mongodb_ca_file {
            read("DVMDASH_MONGODB_CA_FILE", file)?;
        }
        Ok(self.mongodb_ca_file.clone())
    }
}

/// The rollups.
#[derive(Args, Clone, Debug)]
pub struct PostgresArgs {
    /// Like postgres://user:password@host:5432/database
    #[arg(
        long,
        env = "DVMDASH_POSTGRESQL_URI",
        value_name = "DVMDASH_POSTGRESQL_URI",
        hide_env_values = true,
        required_unless_present = "postgresql_uri_file"
    )]
    pub postgresql_uri: Option<String>,
    /// File that holds the URI
    #[arg(
        long,
        env = "DVMDASH_POSTGRESQL_URI_FILE",
        value_name = "DVMDASH_POSTGRESQL_URI_FILE"
    )]
    pub postgresql_uri_file: Option<PathBuf>,
    /// PEM of the authority that signed the server's certificate
    #[arg(
        long,
        env = "DVMDASH_POSTGRESQL_CA_FILE",
        value_name = "DVMDASH_POSTGRESQL_CA_FILE"
    )]
    pub postgresql_ca_file: Option<PathBuf>,
    /// PEM of our own certificate
    #[arg(
        long,
        env = "DVMDASH_POSTGRESQL_CERT_FILE",
        value_name = "DVMDASH_POSTGRESQL_CERT_FILE"
    )]
    pub postgresql_cert_file: Option<PathBuf>,
    /// PEM of its key
    #[arg(
        long,
        env = "DVMDASH_POSTGRESQL_KEY_FILE",
        value_name = "DVMDASH_POSTGRESQL_KEY_FILE"
    )]
    pub postgresql_key_file: Option<PathBuf>,
}

impl PostgresArgs {
    /// How to connect.
    ///
    /// # Errors
    /// Names the variable where the URI is none.
    pub fn options(&self) -> Result<sqlx::postgres::PgConnectOptions, Misconfigured> {
        let text = secret(
            "DVMDASH_POSTGRESQL_URI",
            self.postgresql_uri.as_ref(),
            self.postgresql_uri_file.as_ref(),
        )?;
        let wrong = |problem: String| Misconfigured::new("DVMDASH_POSTGRESQL_URI", problem);
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(wrong(
                "write postgres://user:password@host:5432/database".to_owned(),
            ));
        }
        let mut options = sqlx::postgres::PgConnectOptions::from_str(&text)
            .map_err(|error| wrong(error.to_string()))?;
        if let Some(file) = &self.postgresql_ca_file {
            options = options
                .ssl_root_cert(file)
                .ssl_mode(sqlx::postgres::PgSslMode::VerifyFull);
        }
        if let Some(file) = &self.postgresql_cert_file {
            options = options.ssl_client_cert(file);
        }
        if let Some(file) = &self.postgresql_key_file {
            options = options.ssl_client_key(file);
        }
        Ok(options.application_name("dvmdash"))
    }
}

/// The lock and the cursors.
#[derive(Args, Clone, Debug)]
pub struct EtcdArgs {
    /// Comma-separated, like `http://host:2379`
    #[arg(long, env = "DVMDASH_ETCD_ENDPOINTS", value_name = "DVMDASH_ETCD_ENDPOINTS", value_delimiter = ',', required = true, value_parser = endpoint)]
    pub etcd_endpoints: Vec<String>,
    /// All keys begin with it
    #[arg(long, env = "DVMDASH_ETCD_PREFIX", value_name = "DVMDASH_ETCD_PREFIX", default_value = "/dvmdash", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub etcd_prefix: String,
    /// User, where etcd asks for one
    #[arg(
        long,
        env = "DVMDASH_ETCD_USERNAME",
        value_name = "DVMDASH_ETCD_USERNAME"
    )]
    pub etcd_username: Option<String>,
    /// Their password
    #[arg(
        long,
        env = "DVMDASH_ETCD_PASSWORD",
        value_name = "DVMDASH_ETCD_PASSWORD",
        hide_env_values = true
    )]
    pub etcd_password: Option<String>,
    /// File that holds the password
    #[arg(
        long,
        env = "DVMDASH_ETCD_PASSWORD_FILE",
        value_name = "DVMDASH_ETCD_PASSWORD_FILE"
    )]
    pub etcd_password_file: Option<PathBuf>,
    /// PEM of the authority that signed etcd's certificate
    #[arg(
        long,
        env = "DVMDASH_ETCD_CA_FILE",
        value_name = "DVMDASH_ETCD_CA_FILE"
    )]
    pub etcd_ca_file: Option<PathBuf>,
    /// PEM of our own certificate
    #[arg(
        long,
        env = "DVMDASH_ETCD_CERT_FILE",
        value_name = "DVMDASH_ETCD_CERT_FILE",
        requires = "etcd_key_file"
    )]
    pub etcd_cert_file: Option<PathBuf>,
    /// PEM of its key
    #[arg(
        long,
        env = "DVMDASH_ETCD_KEY_FILE",
        value_name = "DVMDASH_ETCD_KEY_FILE",
        requires = "etcd_cert_file"
    )]
    pub etcd_key_file: Option<PathBuf>,
}

fn endpoint(text: &str) -> Result<String, String> {
    if (text.starts_with("http://") || text.starts_with("https://"))
        && text.len() > "https://".len()
    {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err("write http://host:2379 or https://host:2379".to_owned())
}

impl EtcdArgs {
    /// How to connect.
    ///
    /// # Errors
    /// Names the variable whose file cannot be read.
    pub fn options(&self) -> Result<etcd_client::ConnectOptions, Misconfigured> {
        let mut options = etcd_client::ConnectOptions::new()
            .with_connect_timeout(Duration::from_secs(5))
            .with_keep_alive(Duration::from_secs(5), Duration::from_secs(5))
            .with_keep_alive_while_idle(true);
        if let Some(user) = &self.etcd_username {
            let password = secret(
                "DVMDASH_ETCD_PASSWORD",
                self.etcd_password.as_ref(),
                self.etcd_password_file.as_ref(),
            )?;
            options = options.with_user(user, password);
        }
        let mut tls = etcd_client::TlsOptions::new();
        if let Some(file) = &self.etcd_ca_file {
            tls = tls.ca_certificate(etcd_client::Certificate::from_pem(read(
                "DVMDASH_ETCD_CA_FILE",
                file,
            )?));
        }
        if let (Some(cert), Some(key)) = (&self.etcd_cert_file, &self.etcd_key_file) {
            let identity = etcd_client::Identity::from_pem(
                read("DVMDASH_ETCD_CERT_FILE", cert)?,
                read("DVMDASH_ETCD_KEY_FILE", key)?,
            );
            tls = tls.identity(identity);
        }
        let secure = self
            .etcd_endpoints
            .iter()
            .any(|endpoint| endpoint.starts_with("https://"));
        Ok(if secure {
            options.with_tls(tls)
        } else {
            options
        })
    }
}

/// Which events count.
#[derive(Args, Clone, Debug)]
pub struct KindsArgs {
    /// Request kinds and ranges of them, within 5000-5999
    #[arg(
        long,
        env = "DVMDASH_REQUEST_KINDS",
        value_name = "DVMDASH_REQUEST_KINDS",
        default_value = "5000-5999"
    )]
    pub request_kinds: String,
    /// Request kinds that are none
    #[arg(
        long,
        env = "DVMDASH_EXCLUDED_KINDS",
        value_name = "DVMDASH_EXCLUDED_KINDS",
        default_value = "5128,5666,5969"
    )]
    pub excluded_kinds: String,
    /// Largest event, in bytes of its NIP-01 serialization
    #[arg(long, env = "DVMDASH_MAX_EVENT_BYTES", value_name = "DVMDASH_MAX_EVENT_BYTES", default_value_t = 131_072, value_parser = clap::value_parser!(u32).range(1024..=8_388_608))]
    pub max_event_bytes: u32,
}

impl KindsArgs {
    /// The rules they make.
    ///
    /// # Errors
    /// Names the variable and the part that is no kind.
    pub fn rules(&self) -> Result<Rules, Misconfigured> {
        Rules::new(
            &self.request_kinds,
            &self.excluded_kinds,
            self.max_event_bytes as usize,
        )
        .map_err(|problem| {
            Misconfigured::new("DVMDASH_REQUEST_KINDS and DVMDASH_EXCLUDED_KINDS", problem)
        })
    }
}

/// Probes and metrics.
#[derive(Args, Clone, Debug)]
pub struct AdminArgs {
    /// Where /livez, /readyz and /metrics answer; port 0 picks a free one
    #[arg(
        long,
        env = "DVMDASH_ADMIN_LISTEN",
        value_name = "DVMDASH_ADMIN_LISTEN",
        default_value = "0.0.0.0:9090"
    )]
    pub admin_listen: std::net::SocketAddr,
}

/// Logs.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Like `info` or `info,dvmdash_collector=debug`; JSON lines unless on a terminal
    #[arg(long, env = "DVMDASH_LOG", value_name = "DVMDASH_LOG", default_value = "info", value_parser = filter)]
    pub log: String,
}

fn filter(text: &str) -> Result<String, String> {
    tracing_subscriber::EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

/// How batches are cut.
#[derive(Args, Clone, Debug)]
pub struct BatchArgs {
    /// Events in a batch, about
    #[arg(long, env = "DVMDASH_BATCH_MAX_EVENTS", value_name = "DVMDASH_BATCH_MAX_EVENTS", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub batch_max_events: u32,
    /// How long the first event of a batch waits for more, in milliseconds
    #[arg(long, env = "DVMDASH_BATCH_MAX_WAIT_MS", value_name = "DVMDASH_BATCH_MAX_WAIT_MS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub batch_max_wait_ms: u32,
    /// Messages in hand and unacknowledged, at most
    #[arg(long, env = "DVMDASH_PREFETCH_MESSAGES", value_name = "DVMDASH_PREFETCH_MESSAGES", default_value_t = 40, value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub prefetch_messages: u16,
}

/// How messages are packed.
#[derive(Args, Clone, Debug)]
pub struct PublishArgs {
    /// Events in a message, at most
    #[arg(long, env = "DVMDASH_PUBLISH_MAX_EVENTS", value_name = "DVMDASH_PUBLISH_MAX_EVENTS", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub publish_max_events: u32,
    /// How long an event waits for others of its message, in milliseconds
    #[arg(long, env = "DVMDASH_PUBLISH_MAX_WAIT_MS", value_name = "DVMDASH_PUBLISH_MAX_WAIT_MS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub publish_max_wait_ms: u32,
}

/// Turns.
#[derive(Args, Clone, Debug)]
pub struct LockArgs {
    /// How long a turn outlives a holder that is gone
    #[arg(long, env = "DVMDASH_LOCK_LEASE_SECONDS", value_name = "DVMDASH_LOCK_LEASE_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u32).range(2..=600))]
    pub lock_lease_seconds: u32,
    /// How often a holder renews its lease
    #[arg(long, env = "DVMDASH_LOCK_RENEW_SECONDS", value_name = "DVMDASH_LOCK_RENEW_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub lock_renew_seconds: u32,
    /// How long to wait after the lock server was gone
    #[arg(long, env = "DVMDASH_LOCK_RETRY_SECONDS", value_name = "DVMDASH_LOCK_RETRY_SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub lock_retry_seconds: u32,
}

impl LockArgs {
    /// Checks them against each other.
    ///
    /// # Errors
    /// When a lease would run out before it is renewed.
    pub fn check(&self) -> Result<(), Misconfigured> {
        if self.lock_renew_seconds < self.lock_lease_seconds {
            return Ok(());
        }
        let problem = "must be less than DVMDASH_LOCK_LEASE_SECONDS, or the lease runs out before it is renewed";
        Err(Misconfigured::new("DVMDASH_LOCK_RENEW_SECONDS", problem))
    }
}

/// How long fine buckets are kept; days are kept for ever.
#[derive(Args, Clone, Debug)]
pub struct RetentionArgs {
    /// Days for which minutes are kept
    #[arg(long, env = "DVMDASH_MINUTE_BUCKET_DAYS", value_name = "DVMDASH_MINUTE_BUCKET_DAYS", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub minute_bucket_days: u32,
    /// Days for which hours are kept
    #[arg(long, env = "DVMDASH_HOUR_BUCKET_DAYS", value_name = "DVMDASH_HOUR_BUCKET_DAYS", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub hour_bucket_days: u32,
}
