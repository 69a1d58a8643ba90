//! Answers that were rendered already, by what was asked and by the revision of the rollups.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use moka::future::Cache;

use crate::problem::Problem;

/// Memory for rendered answers, in bytes.
const CAPACITY: u64 = 64 << 20;

/// An answer's body and what its headers say.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// Further headers.
    pub(crate) headers: Vec<(header::HeaderName, String)>,
}

impl Rendered {
    /// A body of JSON.
    pub(crate) fn json(value: &impl serde::Serialize) -> Result<Self, Problem> {
        Ok(Self {
            content_type: "application/json",
            body: serde_json::to_vec(value)?.into(),
            headers: Vec::new(),
        })
    }

    fn response(&self) -> Response {
        let mut response = self.body.clone().into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(self.content_type),
        );
        for (name, value) in &self.headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name.clone(), value);
            }
        }
        response
    }

    /// An answer that no revision stands for.
    pub(crate) fn uncached(&self) -> Response {
        let mut response = self.response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

/// Rendered answers. A revision is never asked for again once the next is there, so old ones simply fall out.
pub(crate) struct Answers(Cache<String, Arc<Rendered>>);

impl Answers {
    pub(crate) fn new() -> Self {
        let weigh = |key: &String, answer: &Arc<Rendered>| {
            u32::try_from(key.len() + answer.body.len() + 200).unwrap_or(u32::MAX)
        };
        Self(
            Cache::builder()
                .max_capacity(CAPACITY)
                .weigher(weigh)
                .build(),
        )
    }

    /// Answers from the cache, with 304 where the client has it already, or renders; those who ask the same at once wait for one rendering.
    pub(crate) async fn answer(
        &self,
        asked: &HeaderMap,
        revision: i64,
        question: String,
        render: impl Future<Output = Result<Rendered, Problem>>,
    ) -> Result<Response, Problem> {
        let key = format!("{revision} {question}");
        let etag = etag(&key, revision);
        let known = asked
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .any(|value| value.to_str().is_ok_and(|value| names(value, &etag)));
        let mut response = if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let rendered = self
                .0
                .try_get_with(key, async { render.await.map(Arc::new) })
                .await;
            let rendered = rendered.map_err(|problem| Problem::clone(&problem))?;
            rendered.response()
        };
        let headers = response.headers_mut();
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            headers.insert(header::ETAG, etag);
        }
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=5"),
        );
        Ok(response)
    }
}

/// Weak, because the body may go out compressed.
fn etag(key: &str, revision: i64) -> String {
    let mut hasher = DefaultHasher::new();
    // Another version may write the same numbers in another shape.
    (env!("CARGO_PKG_VERSION"), key).hash(&mut hasher);
    format!("W/\"{revision}-{:016x}\"", hasher.finish())
}

/// Whether an `If-None-Match` names this tag.
fn names(value: &str, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    value
        .split(',')
        .any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_tags_is_looked_through() {
        assert!(names("W/\"a\", \"b\"", "W/\"b\""));
        assert!(names("*", "W/\"b\""));
        assert!(!names("W/\"a\"", "W/\"b\""));
    }

    #[test]
    fn tags_differ_by_question_and_revision() {
        assert_ne!(etag("1 a", 1), etag("1 b", 1));
        assert_ne!(etag("1 a", 1), etag("2 a", 2));
        assert_eq!(etag("1 a", 1), etag("1 a", 1));
    }
}
