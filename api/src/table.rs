//! Lists as JSON, as lines of JSON, or as CSV.

use axum::http::header;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::cached::Rendered;
use crate::moment::rfc3339;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::window::Window;

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
    Jsonl,
}

impl Format {
    pub(crate) fn read(parameters: &Parameters) -> Result<Self, Problem> {
        let choices = [
            ("json", Self::Json),
            ("csv", Self::Csv),
            ("jsonl", Self::Jsonl),
        ];
        Ok(parameters.choice("format", &choices)?.1)
    }
}

/// A page of a list.
pub(crate) struct List<'a, T> {
    pub(crate) window: Window,
    pub(crate) items: &'a [T],
    pub(crate) next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Page<'a, T> {
    from: String,
    to: String,
    items: &'a [T],
    next_cursor: Option<&'a str>,
}

impl<T: Serialize> List<'_, T> {
    /// Writes it; `sample` is any row, for the heads of the columns of a table without rows.
    ///
    /// Where the body is rows alone, headers carry what else a page says: `dvmdash-from`, `dvmdash-to`, `dvmdash-next-cursor`.
    pub(crate) fn render(&self, format: Format, sample: &T) -> Result<Rendered, Problem> {
        let (from, to) = (rfc3339(self.window.from), rfc3339(self.window.to));
        if format == Format::Json {
            return Rendered::json(&Page {
                from,
                to,
                items: self.items,
                next_cursor: self.next_cursor.as_deref(),
            });
        }
        let mut headers = vec![
            (header::HeaderName::from_static("dvmdash-from"), from),
            (header::HeaderName::from_static("dvmdash-to"), to),
        ];
        if let Some(cursor) = &self.next_cursor {
            let name = header::HeaderName::from_static("dvmdash-next-cursor");
            headers.push((name, cursor.clone()));
        }
        let (content_type, body) = match format {
            Format::Csv => ("text/csv; charset=utf-8", csv(self.items, sample)?),
            _ => ("application/jsonl", jsonl(self.items)?),
        };
        Ok(Rendered {
            content_type,
            body: body.into(),
            headers,
        })
    }
}

fn jsonl<T: Serialize>(items: &[T]) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::new();
    for item in items {
        serde_json::to_writer(&mut body, item)?;
        body.push(b'\n');
    }
    Ok(body)
}

fn csv<T: Serialize>(items: &[T], sample: &T) -> Result<Vec<u8>, Problem> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let heads = cells(sample)?.into_iter().map(|(head, _)| head);
    write(&mut writer, heads)?;
    for item in items {
        let row = cells(item)?.into_iter().map(|(_, cell)| cell);
        write(&mut writer, row)?;
    }
    writer.into_inner().map_err(|error| {
        tracing::error!(%error, "write a table");
        Problem::internal()
    })
}

fn write(
    writer: &mut csv::Writer<Vec<u8>>,
    cells: impl Iterator<Item = String>,
) -> Result<(), Problem> {
    writer.write_record(cells).map_err(|error| {
        tracing::error!(%error, "write a row of a table");
        Problem::internal()
    })
}

/// The cells of a row with the heads of their columns: objects are taken apart (`response_time.p50_s`), lists stay JSON, null is empty.
fn cells(row: &impl Serialize) -> Result<Vec<(String, String)>, Problem> {
    let text = serde_json::to_string(row)?;
    let mut cells = Vec::new();
    take_apart("", &text, &mut cells)?;
    Ok(cells)
}

fn take_apart(
    head: &str,
    json: &str,
    cells: &mut Vec<(String, String)>,
) -> Result<(), serde_json::Error> {
    if json.starts_with('{') {
        let Members(members) = serde_json::from_str(json)?;
        for (name, value) in members {
            let head = if head.is_empty() {
                name
            } else {
                format!("{head}.{name}")
            };
            take_apart(&head, value.get(), cells)?;
        }
        return Ok(());
    }
    let cell = if json == "null" {
        String::new()
    } else if json.starts_with('"') {
        guarded(serde_json::from_str(json)?)
    } else {
        json.to_owned()
    };
    cells.push((head.to_owned(), cell));
    Ok(())
}

/// A text that a spreadsheet would take for a formula begins with an apostrophe.
fn guarded(text: String) -> String {
    let formula = text.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]);
    if formula { format!("'{text}") } else { text }
}

/// An object's members in their order, unread.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row {
        name: Option<&'static str>,
        kinds: Vec<u16>,
        paid_msat: i128,
        response_time: Inner,
    }

    #[derive(Serialize)]
    struct Inner {
        p50_s: Option<f64>,
    }

    fn row(name: Option<&'static str>) -> Row {
        Row {
            name,
            kinds: vec![5050, 5100],
            paid_msat: 1 << 80,
            response_time: Inner { p50_s: None },
        }
    }

    fn written(items: &[Row]) -> String {
        String::from_utf8(csv(items, &row(None)).unwrap()).unwrap()
    }

    #[test]
    fn a_table_without_rows_has_its_heads() {
        assert_eq!(written(&[]), "name,kinds,paid_msat,response_time.p50_s\n");
    }

    #[test]
    fn cells_are_quoted_and_guarded_against_formulas() {
        let text = written(&[row(Some("=1+1")), row(Some("a\"b,\nc")), row(None)]);
        let lines = "name,kinds,paid_msat,response_time.p50_s\n\
            '=1+1,\"[5050,5100]\",1208925819614629174706176,\n\
            \"a\"\"b,\nc\",\"[5050,5100]\",1208925819614629174706176,\n\
            ,\"[5050,5100]\",1208925819614629174706176,\n";
        assert_eq!(text, lines);
    }

    #[test]
    fn every_sign_that_begins_a_formula_is_guarded() {
        for text in ["=1", "+1", "-1", "@a", "\t=1", "\r=1"] {
            assert_eq!(guarded(text.to_owned()), format!("'{text}"));
        }
        assert_eq!(guarded("a=1".to_owned()), "a=1");
    }
}
