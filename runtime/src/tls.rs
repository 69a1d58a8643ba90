//! One TLS provider for the whole process.

/// Makes ring the provider of every TLS connection; the first line of `main`. Two providers in one process panic at first use.
pub fn install() {
    // An error says that one is installed already, which then is ring too: no other is compiled in.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
