//! Flags and environment of the roles, checked once, before any socket opens.
//!
//! Each flag's value is named after its variable, so that every message of the command line names the variable too. What may hold a
//! password has no `Debug`, lest it be logged.

mod etcd;
mod mongodb;
mod postgresql;
mod rabbitmq;
#[cfg(test)]
mod tests;
mod work;

use std::path::{Path, PathBuf};

pub use self::etcd::EtcdArgs;
pub use self::mongodb::MongoDbArgs;
pub use self::postgresql::PostgresArgs;
pub use self::rabbitmq::RabbitMqArgs;
pub use self::work::{
    AdminArgs, BatchArgs, KindsArgs, LockArgs, LogArgs, PublishArgs, RetentionArgs,
};

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
