//! Paths, and what is done around every answer.

use std::any::Any;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{Any as Anybody, CorsLayer};

use crate::problem::Problem;
use crate::{State, dvm, dvms, events, global, kind, kinds, page, relays, series, status, users};

pub(crate) fn router(state: State) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(Anybody)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers(Anybody)
        .expose_headers([
            header::ETAG,
            HeaderName::from_static("dvmdash-from"),
            HeaderName::from_static("dvmdash-to"),
            HeaderName::from_static("dvmdash-next-cursor"),
        ]);
    Router::new()
        .route("/", get(page::start))
        .route("/api/openapi.json", get(page::openapi))
        .route("/api/v1/stats/global", get(global::get))
        .route("/api/v1/stats/global/series", get(series::global))
        .route("/api/v1/dvms", get(dvms::get))
        .route("/api/v1/dvms/{pubkey}", get(dvm::get))
        .route("/api/v1/dvms/{pubkey}/series", get(series::dvm))
        .route("/api/v1/kinds", get(kinds::get))
        .route("/api/v1/kinds/{kind}", get(kind::get))
        .route("/api/v1/kinds/{kind}/series", get(series::kind))
        .route("/api/v1/users", get(users::list))
        .route("/api/v1/users/{pubkey}", get(users::one))
        .route("/api/v1/events", get(events::list))
        .route("/api/v1/events/{id}", get(events::one))
        .route("/api/v1/relays", get(relays::get))
        .route("/api/v1/status", get(status::get))
        .fallback(async || {
            Problem::not_found("there is no such path; /api/openapi.json lists those there are")
        })
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(CompressionLayer::new())
        .layer(cors)
        // Outermost, so that all of the time is measured; a route's pattern and no more is a label.
        .layer(middleware::from_fn(measured))
        .with_state(state)
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(
        panic = said.unwrap_or("of unknown type"),
        "answer a question"
    );
    Problem::internal().into_response()
}

async fn measured(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::counter!("dvmdash_api_requests_total", "route" => route.clone(), "status" => status)
        .increment(1);
    metrics::histogram!("dvmdash_api_request_seconds", "route" => route).record(began.elapsed());
    response
}
