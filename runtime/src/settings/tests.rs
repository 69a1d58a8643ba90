use clap::{Args, FromArgMatches};

use super::*;

/// What the command line makes of these flags, or what it says about them.
fn read_flags<T: Args + FromArgMatches>(flags: &[&str]) -> Result<T, String> {
    let command = T::augment_args(clap::Command::new("dvmdash"));
    let flags = std::iter::once("dvmdash").chain(flags.iter().copied());
    let matches = command.try_get_matches_from(flags);
    let matches = matches.map_err(|error| {
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    })?;
    T::from_arg_matches(&matches).map_err(|error| error.to_string())
}

fn said<T>(read: Result<T, impl ToString>) -> String {
    read.err().expect("it is refused").to_string()
}

#[test]
fn a_wrong_or_missing_value_names_its_variable() {
    let zero = read_flags::<BatchArgs>(&["--batch-max-events", "0"]);
    assert!(said(zero).contains("DVMDASH_BATCH_MAX_EVENTS"));
    let text = read_flags::<PublishArgs>(&["--publish-max-wait-ms", "soon"]);
    assert!(said(text).contains("DVMDASH_PUBLISH_MAX_WAIT_MS"));
    let missing = read_flags::<RabbitMqArgs>(&[]).map(|args| args.uri().err());
    assert!(format!("{missing:?}").contains("DVMDASH_RABBITMQ_URI"));
    let missing = read_flags::<MongoDbArgs>(&[]).map(|args| args.uri().err());
    assert!(format!("{missing:?}").contains("DVMDASH_MONGODB_URI"));
    let missing = read_flags::<PostgresArgs>(&[]).map(|args| args.options().err());
    assert!(format!("{missing:?}").contains("DVMDASH_POSTGRESQL_URI"));
    let missing = read_flags::<EtcdArgs>(&[]);
    assert!(said(missing).contains("DVMDASH_ETCD_ENDPOINTS"));
    let filter = read_flags::<LogArgs>(&["--log", "info,x=loud"]);
    assert!(said(filter).contains("DVMDASH_LOG"));
    let listen = read_flags::<AdminArgs>(&["--admin-listen", "here"]);
    assert!(said(listen).contains("DVMDASH_ADMIN_LISTEN"));
    let kinds = read_flags::<KindsArgs>(&["--request-kinds", "4999-5100"]).expect("a text");
    assert!(said(kinds.rules()).contains("DVMDASH_REQUEST_KINDS"));
    let lease = ["--lock-lease-seconds", "5", "--lock-renew-seconds", "5"];
    let lease = read_flags::<LockArgs>(&lease).expect("two numbers");
    assert!(said(lease.check()).contains("DVMDASH_LOCK_RENEW_SECONDS"));
}

#[test]
fn an_empty_path_is_the_vhost_of_that_name() {
    for (uri, vhost) in [
        ("amqp://host", "/"),
        ("amqp://host/", "/"),
        ("amqp://host/%2f", "/"),
        ("amqp://user:password@host:5672/mine", "mine"),
    ] {
        let args = read_flags::<RabbitMqArgs>(&["--rabbitmq-uri", uri]).expect("a text");
        assert_eq!(args.uri().expect("a URI").vhost, vhost, "{uri}");
    }
}

#[test]
fn a_uri_that_is_none_is_refused_by_its_variable_and_its_password_is_not_shown() {
    for uri in [
        "",
        "user:hunter2@host",
        "http://user:hunter2@host/",
        "amqp:user:hunter2@host",
        "amqp://user:hunter2@host:port/",
    ] {
        let args = read_flags::<RabbitMqArgs>(&["--rabbitmq-uri", uri]).expect("a text");
        let said = said(args.uri());
        assert!(
            said.contains("DVMDASH_RABBITMQ_URI") && !said.contains("hunter2"),
            "{said}"
        );
    }
    for uri in [
        "",
        "user:hunter2@host",
        "http://user:hunter2@host/",
        "mongodb://user:hunter2@host:port/",
        "mongodb://u:hunter2@x@y",
    ] {
        let args = read_flags::<MongoDbArgs>(&["--mongodb-uri", uri]).expect("a text");
        let said = said(args.uri());
        assert!(
            said.contains("DVMDASH_MONGODB_URI") && !said.contains("hunter2"),
            "{said}"
        );
    }
    for uri in [
        "",
        "user:hunter2@host",
        "http://user:hunter2@host/",
        "postgres://user:hunter2@host:port/",
    ] {
        let args = read_flags::<PostgresArgs>(&["--postgresql-uri", uri]).expect("a text");
        let said = said(args.options());
        assert!(
            said.contains("DVMDASH_POSTGRESQL_URI") && !said.contains("hunter2"),
            "{said}"
        );
    }
    for endpoint in ["host:2379", "http://"] {
        let said = said(read_flags::<EtcdArgs>(&["--etcd-endpoints", endpoint]));
        assert!(said.contains("DVMDASH_ETCD_ENDPOINTS"), "{said}");
    }
}

#[test]
fn a_secret_may_lie_in_a_file_but_not_in_both_places() {
    let file = std::env::temp_dir().join(format!("dvmdash-settings-{}", std::process::id()));
    std::fs::write(&file, "amqp://host/mine\n").expect("write a file");
    let path = file.to_str().expect("a path");
    let args = read_flags::<RabbitMqArgs>(&["--rabbitmq-uri-file", path]).expect("a path");
    assert_eq!(args.uri().expect("a URI").vhost, "mine");
    let both = ["--rabbitmq-uri", "amqp://host", "--rabbitmq-uri-file", path];
    let both = read_flags::<RabbitMqArgs>(&both).expect("both");
    assert!(said(both.uri()).contains("not both"));
    std::fs::remove_file(&file).expect("remove the file");
    assert!(said(args.uri()).contains("DVMDASH_RABBITMQ_URI"));
    let no_authority = ["--mongodb-uri", "mongodb://host", "--mongodb-ca-file", path];
    let args = read_flags::<MongoDbArgs>(&no_authority).expect("a path");
    assert!(said(args.authority()).contains("DVMDASH_MONGODB_CA_FILE"));
}
