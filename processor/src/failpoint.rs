//! Named places where a processor may be made to crash, for the tests of what a crash costs.

use std::sync::LazyLock;

/// `DVMDASH_FAILPOINT=place` ends the process there at once; `DVMDASH_FAILPOINT=stop@place` stops it there (SIGSTOP), once.
static WANTED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("DVMDASH_FAILPOINT").ok());

/// Crashes or stops here if the environment asks for it.
pub(crate) fn reach(place: &str) {
    let Some(wanted) = WANTED.as_deref() else {
        return;
    };
    if wanted == place {
        eprintln!("failpoint {place}: abort");
        std::process::abort();
    }
    if wanted.strip_prefix("stop@") == Some(place) {
        eprintln!("failpoint {place}: stop");
        let pid = std::process::id().to_string();
        // Only once a process: whoever continues it wants to see it go on.
        static STOPPED: std::sync::Once = std::sync::Once::new();
        STOPPED.call_once(|| {
            let _ = std::process::Command::new("kill")
                .args(["-STOP", &pid])
                .status();
        });
    }
}
