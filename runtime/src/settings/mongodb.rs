//! Where the archive is.

use std::path::PathBuf;

use clap::Args;

use super::{Misconfigured, read, secret};

/// The archive.
#[derive(Args, Clone)]
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
