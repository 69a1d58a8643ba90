//! Questions to the API.

use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use serde_json::Value;

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
    /// The body as JSON; `null` where it is none.
    pub json: Value,
}

/// Gets a URL.
pub async fn get(url: &str) -> Answer {
    get_with(url, &[]).await
}

/// Gets a URL with request headers.
pub async fn get_with(url: &str, headers: &[(&str, &str)]) -> Answer {
    try_get(url, headers)
        .await
        .unwrap_or_else(|error| panic!("get {url}: {error}"))
}

/// Waits until `<api>/api/v1/status` says that everything is settled, and returns that status.
pub async fn wait_settled(api: &str) -> Value {
    let url = format!("{api}/api/v1/status");
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        // A server that a test has killed may be gone for a while.
        let answer = try_get(&url, &[]).await;
        if let Ok(answer) = &answer
            && answer.status == 200
            && answer.json["settled"] == true
        {
            return answer.json.clone();
        }
        assert!(Instant::now() < deadline, "not settled: {answer:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn try_get(url: &str, headers: &[(&str, &str)]) -> reqwest::Result<Answer> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A client for each question: its connections belong to the runtime, and so to the test, that made them.
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(60))
        .build()?;
    let mut request = client.get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await?;
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Answer {
        status,
        headers,
        text,
        json,
    })
}
