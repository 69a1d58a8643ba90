//! The four servers, and a test's own names on them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::OnceCell;

use super::{Etcd, Mongod, Postgres, RabbitMq, folder};

/// The four servers of a pipeline.
pub struct Servers {
    /// The tables.
    pub postgres: Postgres,
    /// The archive.
    pub mongod: Mongod,
    /// The lock and the cursors.
    pub etcd: Etcd,
    /// The queue.
    pub rabbitmq: RabbitMq,
}

impl Servers {
    /// The one set that all tests of this process share. It cannot be killed or paused: that takes `&mut`.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Servers> = OnceCell::const_new();
        // Nobody pulls the plug on the shared set, so nothing is lost by not waiting for the disk.
        SHARED
            .get_or_init(|| Self::start_with(&["fsync=off", "full_page_writes=off"]))
            .await
    }

    /// Starts a set for one test, which may do with it as it likes.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// As [`Servers::start`], with these settings of PostgreSQL.
    pub async fn start_with(postgres: &[&str]) -> Self {
        let (postgres, mongod, etcd, rabbitmq) = tokio::join!(
            Postgres::start_with(postgres),
            Mongod::start(),
            Etcd::start(),
            RabbitMq::start()
        );
        Self {
            postgres,
            mongod,
            etcd,
            rabbitmq,
        }
    }

    /// An empty database, queue, lock and folder of a test's own. The name is made unique.
    pub async fn world(&self, name: &str) -> World {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let short: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(30)
            .collect::<String>()
            .to_ascii_lowercase();
        let name = format!("t{}_{short}", NUMBER.fetch_add(1, Ordering::Relaxed));
        World {
            postgres_uri: self.postgres.create_database(&name).await,
            mongodb_uri: self.mongod.uri(),
            mongodb_database: name.clone(),
            rabbitmq_uri: self.rabbitmq.uri(),
            queue: name.clone(),
            etcd_endpoints: self.etcd.endpoints(),
            etcd_prefix: format!("/{name}"),
            dir: folder(&name),
            name,
        }
    }
}

/// Where a test's processes find their servers, and the names that are theirs alone there. Change a field to put a proxy in between.
#[derive(Clone, Debug)]
pub struct World {
    /// The unique name that the others are made of.
    pub name: String,
    /// An empty database.
    pub postgres_uri: String,
    /// The MongoDB server.
    pub mongodb_uri: String,
    /// A database nobody else uses.
    pub mongodb_database: String,
    /// The RabbitMQ server.
    pub rabbitmq_uri: String,
    /// A queue nobody else uses; not declared yet.
    pub queue: String,
    /// The etcd server.
    pub etcd_endpoints: String,
    /// A prefix nobody else uses.
    pub etcd_prefix: String,
    /// An empty folder; the logs of the test's processes go there.
    pub dir: PathBuf,
}

impl World {
    /// The same with an empty database on another PostgreSQL.
    pub async fn with_postgres(self, server: &Postgres) -> Self {
        Self {
            postgres_uri: server.create_database(&self.name).await,
            ..self
        }
    }

    /// The same with another MongoDB.
    pub fn with_mongod(self, server: &Mongod) -> Self {
        Self {
            mongodb_uri: server.uri(),
            ..self
        }
    }

    /// The same with another RabbitMQ.
    pub fn with_rabbitmq(self, server: &RabbitMq) -> Self {
        Self {
            rabbitmq_uri: server.uri(),
            ..self
        }
    }

    /// The same with another etcd.
    pub fn with_etcd(self, server: &Etcd) -> Self {
        Self {
            etcd_endpoints: server.endpoints(),
            ..self
        }
    }

    /// The environment that leads the executable to these servers.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DVMDASH_POSTGRESQL_URI", self.postgres_uri.clone()),
            ("DVMDASH_MONGODB_URI", self.mongodb_uri.clone()),
            ("DVMDASH_MONGODB_DATABASE", self.mongodb_database.clone()),
            ("DVMDASH_RABBITMQ_URI", self.rabbitmq_uri.clone()),
            ("DVMDASH_RABBITMQ_QUEUE", self.queue.clone()),
            ("DVMDASH_ETCD_ENDPOINTS", self.etcd_endpoints.clone()),
            ("DVMDASH_ETCD_PREFIX", self.etcd_prefix.clone()),
        ]
    }

    /// A few connections to the tables.
    pub async fn postgres(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(4)
            .connect(&self.postgres_uri)
            .await
            .expect("connect to PostgreSQL")
    }

    /// The archive's database.
    pub async fn mongodb(&self) -> mongodb::Database {
        mongodb::Client::with_uri_str(&self.mongodb_uri)
            .await
            .expect("connect to MongoDB")
            .database(&self.mongodb_database)
    }

    /// A connection to the broker.
    pub async fn rabbitmq(&self) -> lapin::Connection {
        lapin::Connection::connect(&self.rabbitmq_uri, lapin::ConnectionProperties::default())
            .await
            .expect("connect to RabbitMQ")
    }

    /// A connection to etcd.
    pub async fn etcd(&self) -> etcd_client::Client {
        let endpoints: Vec<&str> = self.etcd_endpoints.split(',').collect();
        etcd_client::Client::connect(endpoints, None)
            .await
            .expect("connect to etcd")
    }
}
