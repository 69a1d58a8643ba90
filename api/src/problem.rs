//! Answers that say what went wrong (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What went wrong, as `application/problem+json`. `type` is stable; `detail` is for people.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'static str>,
}

impl Problem {
    /// A parameter that cannot be used; `remedy` says what can.
    pub(crate) fn parameter(name: &'static str, remedy: impl Into<String>) -> Self {
        Self {
            kind: "/problems/bad-parameter",
            title: "A parameter cannot be used",
            status: 400,
            detail: format!("{name}: {}", remedy.into()),
            parameter: Some(name),
        }
    }

    /// Something that is not there.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self {
            kind: "/problems/not-found",
            title: "Not found",
            status: 404,
            detail: detail.into(),
            parameter: None,
        }
    }

    /// Anything but GET.
    pub(crate) fn method_not_allowed() -> Self {
        Self {
            kind: "/problems/method-not-allowed",
            title: "Method not allowed",
            status: 405,
            detail: "everything here is read with GET".to_owned(),
            parameter: None,
        }
    }

    /// A dependency that does not answer.
    fn unavailable() -> Self {
        Self {
            kind: "/problems/unavailable",
            title: "Unavailable",
            status: 503,
            detail: "a store that this answer needs cannot be reached; try again".to_owned(),
            parameter: None,
        }
    }

    /// A mistake of ours; the log says which.
    pub(crate) fn internal() -> Self {
        Self {
            kind: "/problems/internal",
            title: "Internal error",
            status: 500,
            detail: "this is a mistake of the server; its log says more".to_owned(),
            parameter: None,
        }
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        // A server that shuts down or starts up says so with these classes of codes.
        let gone = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed => true,
            sqlx::Error::Database(error) => error
                .code()
                .is_some_and(|code| code.starts_with("57P") || code.starts_with("08")),
            _ => false,
        };
        tracing::error!(%error, "ask PostgreSQL");
        if gone {
            Self::unavailable()
        } else {
            Self::internal()
        }
    }
}

/// Of archive and queue: they fail where they cannot be reached.
impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!(error = format!("{error:#}"), "answer a question");
        Self::unavailable()
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        tracing::error!(%error, "write an answer");
        Self::internal()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.status {
            405 => headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD")),
            503 => headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5")),
            _ => None,
        };
        response
    }
}
