//! A TCP proxy that can cut connections.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A proxy on a loopback port; it ends when it is dropped.
pub struct Proxy {
    address: String,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy, Default)]
struct State {
    cuts: u64,
    refusing: bool,
}

impl Proxy {
    /// Starts one before `upstream`, a `host:port`.
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("listen on loopback");
        let address = listener
            .local_addr()
            .expect("a listener has an address")
            .to_string();
        let (state, watching) = watch::channel(State::default());
        let task = tokio::spawn(accept(listener, upstream.to_owned(), watching));
        Self {
            address,
            state,
            task,
        }
    }

    /// Its own `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A URI that leads through the proxy: the upstream's, its `host:port` replaced.
    pub fn uri(&self, uri: &str, upstream: &str) -> String {
        assert!(uri.contains(upstream), "{uri} leads to {upstream}");
        uri.replace(upstream, &self.address)
    }

    /// Resets all connections; new ones are accepted.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Resets all connections, and new ones as they come.
    pub fn refuse(&self) {
        self.state.send_modify(|state| {
            state.cuts += 1;
            state.refusing = true;
        });
    }

    /// Accepts connections again.
    pub fn accept(&self) {
        self.state.send_modify(|state| state.refusing = false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, upstream: String, state: watch::Receiver<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let mut state = state.clone();
        let seen = *state.borrow_and_update();
        if seen.refusing {
            let _ = client.set_zero_linger();
            continue;
        }
        tokio::spawn(carry(client, upstream.clone(), state, seen.cuts));
    }
}

async fn carry(
    mut client: TcpStream,
    upstream: String,
    mut state: watch::Receiver<State>,
    cuts: u64,
) {
    let Ok(mut server) = TcpStream::connect(&upstream).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        // Cut, or the proxy is gone.
        _ = state.wait_for(|state| state.cuts != cuts) => {
            let _ = client.set_zero_linger();
            let _ = server.set_zero_linger();
        }
    }
}
