//! Where the rollups are.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::Args;

use super::{Misconfigured, read, secret};

/// The rollups.
#[derive(Args, Clone)]
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
        let wrong = || {
            let remedy = "write postgres://user:password@host:5432/database";
            Misconfigured::new("DVMDASH_POSTGRESQL_URI", remedy)
        };
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(wrong());
        }
        // What the parser says is not shown: it may quote a password.
        let mut options = sqlx::postgres::PgConnectOptions::from_str(&text).map_err(|_| wrong())?;
        if let Some(file) = &self.postgresql_ca_file {
            read("DVMDASH_POSTGRESQL_CA_FILE", file)?;
            options = options
                .ssl_root_cert(file)
                .ssl_mode(sqlx::postgres::PgSslMode::VerifyFull);
        }
        if let Some(file) = &self.postgresql_cert_file {
            read("DVMDASH_POSTGRESQL_CERT_FILE", file)?;
            options = options.ssl_client_cert(file);
        }
        if let Some(file) = &self.postgresql_key_file {
            read("DVMDASH_POSTGRESQL_KEY_FILE", file)?;
            options = options.ssl_client_key(file);
        }
        Ok(options.application_name("dvmdash"))
    }
}
