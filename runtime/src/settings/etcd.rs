//! Where the lock and the cursors are.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Misconfigured, read, secret};

/// The lock and the cursors.
#[derive(Args, Clone)]
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
