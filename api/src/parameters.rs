//! What stands in the query and in the path of a question.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;

use crate::problem::Problem;

/// The parameters of a question's query. An empty one is as good as none; one that no answer knows is
/// an error, since it is a known one misspelt.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

/// All that any answer knows.
const KNOWN: [&str; 15] = [
    "cursor",
    "e",
    "format",
    "from",
    "kind",
    "limit",
    "p",
    "pubkey",
    "q",
    "since",
    "sort",
    "step",
    "timeRange",
    "to",
    "until",
];

impl Parameters {
    /// A parameter that may be given once.
    pub(crate) fn get(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        let mut given = self.all(name);
        let first = given.next();
        match given.next() {
            Some(_) => Err(Problem::parameter(name, "give it once")),
            None => Ok(first),
        }
    }

    /// A parameter that may repeat.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(given, value)| given == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// `limit`, 1..=1000, 100 where it is not given.
    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        let Some(text) = self.get("limit")? else {
            return Ok(100);
        };
        text.parse()
            .ok()
            .filter(|limit| (1..=1000).contains(limit))
            .ok_or_else(|| Problem::parameter("limit", "write a number from 1 to 1000"))
    }

    /// A request kind, if given.
    pub(crate) fn kind(&self) -> Result<Option<i32>, Problem> {
        self.get("kind")?.map(request_kind).transpose()
    }

    /// One of several words, by default the first.
    pub(crate) fn choice<T: Copy>(
        &self,
        name: &'static str,
        choices: &[(&'static str, T)],
    ) -> Result<(&'static str, T), Problem> {
        let Some(text) = self.get(name)? else {
            return Ok(choices[0]);
        };
        let found = choices.iter().find(|(word, _)| *word == text);
        found.copied().ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            Problem::parameter(name, format!("write one of {}", words.join(", ")))
        })
    }

    /// These parameters in one way of writing, for the key of a cache.
    pub(crate) fn key(&self, names: &[&'static str]) -> String {
        let mut key = String::new();
        for name in names {
            for value in self.all(name) {
                key.push('&');
                key.push_str(name);
                key.push('=');
                // Lengths keep values apart, whatever stands in them.
                key.push_str(&format!("{}:{value}", value.len()));
            }
        }
        key
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Problem::parameter("query", "write name=value pairs in UTF-8"))?;
        let unknown = pairs
            .iter()
            .find(|(name, _)| !KNOWN.contains(&name.as_str()));
        if let Some((name, _)) = unknown {
            let name: String = name.chars().take(40).collect();
            return Err(Problem::parameter(
                "query",
                format!(
                    "no parameter is called `{name}`; there are {}",
                    KNOWN.join(", ")
                ),
            ));
        }
        Ok(Self(pairs))
    }
}

/// The name at the end of a path: a pubkey, an id, a kind.
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name))
            .map_err(|_| Problem::parameter("path", "write it in UTF-8"))
    }
}

/// Reads a request kind.
pub(crate) fn request_kind(text: &str) -> Result<i32, Problem> {
    text.parse()
        .ok()
        .filter(|kind| (5000..=5999).contains(kind))
        .ok_or_else(|| Problem::parameter("kind", "write a request kind from 5000 to 5999"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Parameters(pairs.iter().map(own).collect())
    }

    #[test]
    fn limits_beyond_the_range_are_refused() {
        assert_eq!(parameters(&[]).limit().unwrap(), 100);
        assert_eq!(parameters(&[("limit", "1000")]).limit().unwrap(), 1000);
        for text in ["0", "1001", "-1", "x", "1e2"] {
            assert!(parameters(&[("limit", text)]).limit().is_err(), "{text}");
        }
    }

    #[test]
    fn what_may_be_given_once_is_refused_twice() {
        assert!(
            parameters(&[("limit", "1"), ("limit", "2")])
                .limit()
                .is_err()
        );
        assert_eq!(
            parameters(&[("kind", "5050"), ("kind", "")])
                .kind()
                .unwrap(),
            Some(5050)
        );
    }

    #[test]
    fn keys_tell_different_values_apart() {
        let one = parameters(&[("kind", "1&q=2")]);
        let two = parameters(&[("kind", "1"), ("q", "2")]);
        assert_ne!(one.key(&["kind", "q"]), two.key(&["kind", "q"]));
        assert_eq!(two.key(&["q"]), "&q=1:2");
    }
}
