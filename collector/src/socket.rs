//! The way to a relay: its addresses, checked; TLS, verified; a websocket with limits.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{self, Poll};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nostr_sdk::Url;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tokio_util::either::Either;

/// How long one of a relay's addresses may take, so that a dead one leaves time for the next.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(5);
/// Allocated at once for each connection; longer messages take more while they come.
const READ_BUFFER_BYTES: usize = 16 << 10;
/// What a relay does not read waits here, until the write fails.
const WRITE_BUFFER_BYTES: usize = 4 << 20;

/// An open websocket.
pub type Socket = WebSocketStream<Timed<Stream>>;

/// ws:// and wss://.
type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// From the look-up of the name to the end of the websocket's handshake. The addresses that are checked are the ones connected to; messages
/// longer than `longest` bytes will end the connection.
///
/// # Errors
/// When the name has no address or a private one that is not allowed, and when what answers is no relay.
pub async fn open(url: &Url, allow_private: bool, longest: usize) -> Result<Socket> {
    let host = url
        .host_str()
        .context("the relay's url names no host")?
        .trim_matches(['[', ']']);
    let addresses = look_up(host, url, allow_private).await?;
    let tcp = connect(&addresses).await.context("connect to the relay")?;
    // Subscriptions are short and wait for nothing.
    tcp.set_nodelay(true).context("connect to the relay")?;
    let stream = if url.scheme() == "wss" {
        let name = ServerName::try_from(host.to_owned()).context("read the relay's name")?;
        let connector = TlsConnector::from(TLS.clone());
        let tls = connector.connect(name, tcp).await;
        Either::Right(tls.context("agree on TLS with the relay")?)
    } else {
        Either::Left(tcp)
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES)
        .max_frame_size(Some(longest))
        .max_message_size(Some(longest));
    // Whatever is no 101 is an error, redirects among it.
    let (socket, _) = client_async_with_config(url.as_str(), Timed::new(stream), Some(config))
        .await
        .context("greet the relay")?;
    Ok(socket)
}

/// The certificates that browsers trust; what they do not vouch for is refused.
static TLS: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
});

/// The addresses of a relay. One that is not public is enough to refuse the name: no honest relay has both sorts.
async fn look_up(host: &str, url: &Url, allow_private: bool) -> Result<Vec<SocketAddr>> {
    let port = url.port_or_known_default().unwrap_or(443);
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .context("look up the relay's name")?
        .collect();
    let private = addresses.iter().find(|address| is_private(address.ip()));
    if let (Some(private), false) = (private, allow_private) {
        bail!(
            "the relay's address {} is private; DVMDASH_ALLOW_PRIVATE_RELAYS allows such",
            private.ip()
        );
    }
    Ok(addresses)
}

/// The first of these addresses that answers.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream> {
    let mut last = anyhow::anyhow!("its name has no address");
    for address in addresses {
        match timeout(ADDRESS_PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error.into(),
            Err(_) => last = anyhow::anyhow!("{} does not answer", address.ip()),
        }
    }
    Err(last)
}

/// A stream that knows when bytes came that no whole message has followed yet.
pub struct Timed<S> {
    inner: S,
    /// When the first of them came. Whoever reads a message takes it back.
    pub began: Option<Instant>,
}

impl<S> Timed<S> {
    fn new(inner: S) -> Self {
        Self { inner, began: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.began.get_or_insert_with(Instant::now);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// Whether an address is not one of the public internet.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_private_v4(ip),
        IpAddr::V6(ip) => match v4_within(ip) {
            Some(within) => is_private_v4(within),
            None => {
                ip.is_loopback()
                    || ip.is_unspecified()
                    || ip.is_multicast()
                    || ip.is_unique_local()
                    || ip.is_unicast_link_local()
                    // Site-local of old, and documentation.
                    || ip.segments()[0] & 0xffc0 == 0xfec0
                    || ip.segments()[..2] == [0x2001, 0xdb8]
            }
        },
    }
}

/// The address of version 4 that packets to this one end at: mapped, translated by NAT64 or tunnelled by 6to4.
fn v4_within(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let bytes = ip.octets();
    let at = match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => 12,
        [0x2002, ..] => 2,
        _ => return ip.to_ipv4_mapped(),
    };
    let [a, b, c, d] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    Some(Ipv4Addr::new(a, b, c, d))
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        // This network, shared by carriers, protocol assignments, benchmarks, reserved and broadcast.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

    /// A certificate for localhost that nobody vouches for, and its key, which opens nothing.
    const SELF_SIGNED: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4lniQbCYalCgwFA1\n\
        nCjoYjwyUwnZb2rAoBLvQQzP0r2hRANCAATiaYp1sPQBdD5i7cDYC7rqanIX6Ydt\n\
        QliwkqIsCdPLs8FXCAWlcRXEKjhUY5jBQok1+8Ip1tfd88/u3eyjci57\n\
        -----END PRIVATE KEY-----\n\
        -----BEGIN CERTIFICATE-----\n\
        MIIBkzCCATigAwIBAgIUHBRz6pG8fvxsQeE+RoqC2X8DDYswCgYIKoZIzj0EAwIw\n\
        FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyODExMzEyOVoYDzIxMjYxMTA0\n\
        MTEzMTI5WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO\n\
        PQMBBwNCAATiaYp1sPQBdD5i7cDYC7rqanIX6YdtQliwkqIsCdPLs8FXCAWlcRXE\n\
        KjhUY5jBQok1+8Ip1tfd88/u3eyjci57o2YwZDAdBgNVHQ4EFgQUNa0oq3j7kAgv\n\
        iAiHJqN0t9R0A1wwHwYDVR0jBBgwFoAUNa0oq3j7kAgviAiHJqN0t9R0A1wwFAYD\n\
        VR0RBA0wC4IJbG9jYWxob3N0MAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0EAwIDSQAw\n\
        RgIhAKYtnY7HMUv5W3gFgVwOygWd9uFWzy7m5b5AnbVWFtZYAiEA7MlJCAqZr1Vb\n\
        r7Mp88yy1fzCLGGvgz/qisWMwzMLGTI=\n\
        -----END CERTIFICATE-----\n";

    #[test]
    fn addresses_that_are_not_public_are_private() {
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::1",
            "fec0::1",
        ] {
            assert!(is_private(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "1.1.1.1",
            "100.128.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(!is_private(ip.parse().unwrap()), "{ip}");
        }
    }

    /// Why nothing can be read from what this server is.
    async fn refused<F>(scheme: &str, serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> String
    where
        F: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
        let url = Url::parse(&format!("{scheme}://localhost:{port}")).unwrap();
        format!("{:#}", open(&url, true, 1024).await.err().unwrap())
    }

    #[tokio::test]
    async fn a_certificate_that_nobody_vouches_for_is_refused() {
        let certificate = CertificateDer::from_pem_slice(SELF_SIGNED.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(SELF_SIGNED.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let error = refused("wss", |stream| async move {
            assert!(acceptor.accept(stream).await.is_err());
        })
        .await;
        assert!(error.contains("invalid peer certificate"), "{error}");
    }

    #[tokio::test]
    async fn a_redirect_is_an_error() {
        let error = refused("ws", |mut stream| async move {
            let answer = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
        })
        .await;
        assert!(error.contains("302"), "{error}");
    }
}
