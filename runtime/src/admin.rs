//! Probes and metrics, on a port of their own.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

type Answer = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Whether a dependency works; asked anew for every probe.
pub struct Check {
    name: &'static str,
    ask: Box<dyn Fn() -> Answer + Send + Sync>,
}

impl Check {
    /// A dependency by the name that a failing probe shows.
    pub fn new<F: Future<Output = Result<()>> + Send + 'static>(
        name: &'static str,
        ask: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            ask: Box::new(move || Box::pin(ask())),
        }
    }
}

struct Admin {
    checks: Vec<Check>,
    metrics: PrometheusHandle,
}

/// How long a dependency may take to answer a probe.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often the metrics are tidied up.
const UPKEEP: Duration = Duration::from_secs(5);

/// Answers `/livez`, `/readyz` and `/metrics` until `shutdown`.
///
/// `/readyz` is 503 when a dependency is gone and says which: `{"mongodb": "reach MongoDB: …"}`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    checks: Vec<Check>,
    metrics: PrometheusHandle,
    shutdown: CancellationToken,
) -> Result<()> {
    // Samples of histograms pile up until somebody asks for them.
    let (upkeep, done) = (metrics.clone(), shutdown.clone());
    tokio::spawn(done.run_until_cancelled_owned(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    }));
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route(
            "/metrics",
            get(async |State(admin): State<Arc<Admin>>| admin.metrics.render()),
        )
        .with_state(Arc::new(Admin { checks, metrics }));
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .context("serve probes and metrics")
}

async fn readyz(
    State(admin): State<Arc<Admin>>,
) -> (StatusCode, Json<BTreeMap<&'static str, String>>) {
    let answers = admin.checks.iter().map(async |check| {
        // Spawned, since some drivers must not have a question dropped half way.
        let asked = tokio::spawn((check.ask)());
        let said = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(Ok(()))) => "ok".to_owned(),
            Ok(Ok(Err(error))) => format!("{error:#}"),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "does not answer".to_owned(),
        };
        (check.name, said)
    });
    let answers: BTreeMap<_, _> = futures_util::future::join_all(answers)
        .await
        .into_iter()
        .collect();
    let ready = answers.values().all(|said| said == "ok");
    (
        if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        },
        Json(answers),
    )
}
