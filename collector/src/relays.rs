//! Which relays are read: settings, and the file that is read again when it changes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::relay::normalise;

/// Settings of a collector. Values are named after their variables, so that messages name them.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Relays to read, separated by commas: ws:// or wss:// urls
    #[arg(long, visible_alias = "relay", env = "DVMDASH_RELAYS", value_name = "DVMDASH_RELAYS", value_delimiter = ',', value_parser = normalise, required_unless_present = "relays_file")]
    pub relays: Vec<String>,
    /// A JSON list of {url, priority, enabled}, read again when it changes
    #[arg(long, env = "DVMDASH_RELAYS_FILE", value_name = "DVMDASH_RELAYS_FILE", value_parser = relays_file)]
    pub relays_file: Option<PathBuf>,
    /// How far back a relay without a cursor is read, in seconds
    #[arg(
        long,
        env = "DVMDASH_BACKFILL_SECONDS",
        value_name = "DVMDASH_BACKFILL_SECONDS",
        default_value_t = 1_728_000
    )]
    pub backfill_seconds: u32,
    /// Read relays at private, loopback and link-local addresses too
    #[arg(long, env = "DVMDASH_ALLOW_PRIVATE_RELAYS", value_name = "DVMDASH_ALLOW_PRIVATE_RELAYS", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub allow_private_relays: bool,
    /// Collectors that read each relay, where there are so many
    #[arg(long, env = "DVMDASH_RELAY_REDUNDANCY", value_name = "DVMDASH_RELAY_REDUNDANCY", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pub relay_redundancy: u16,
    /// Relays that a collector reads at once, at most; those of high priority first
    #[arg(long, env = "DVMDASH_MAX_RELAYS", value_name = "DVMDASH_MAX_RELAYS", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_relays: u16,
}

/// Which relay is read where there are more than may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum Priority {
    #[serde(alias = "high")]
    High,
    #[default]
    #[serde(alias = "normal", alias = "Medium", alias = "medium")]
    Normal,
    #[serde(alias = "low")]
    Low,
}

/// An element of the file.
#[derive(Debug, Deserialize)]
struct Entry {
    url: String,
    #[serde(default)]
    priority: Priority,
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

/// The relays to read now, normalised, each once, those of high priority first.
///
/// # Errors
/// When the file cannot be read or holds something else than relays.
pub fn relays(args: &Args) -> Result<Vec<String>> {
    let mut entries = Vec::new();
    for url in &args.relays {
        let url = normalise(url).map_err(anyhow::Error::msg)?;
        entries.push((Priority::Normal, url));
    }
    if let Some(file) = &args.relays_file {
        entries.extend(read_file(file)?);
    }
    entries.sort_by_key(|(priority, _)| *priority);
    let mut urls: Vec<String> = Vec::new();
    for (_, url) in entries {
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    Ok(urls)
}

fn read_file(file: &Path) -> Result<Vec<(Priority, String)>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("read the relays of {}", file.display()))?;
    read_entries(&text).with_context(|| format!("read the relays of {}", file.display()))
}

fn read_entries(text: &str) -> Result<Vec<(Priority, String)>> {
    let entries: Vec<Entry> = serde_json::from_str(text)?;
    entries
        .into_iter()
        .filter(|entry| entry.enabled)
        .map(|entry| {
            let url = normalise(&entry.url).map_err(anyhow::Error::msg)?;
            Ok((entry.priority, url))
        })
        .collect()
}

fn relays_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match read_file(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(format!("{error:#}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn parse(arguments: &[&str]) -> Result<Args, clap::Error> {
        let arguments = std::iter::once("collect").chain(arguments.iter().copied());
        Command::try_parse_from(arguments).map(|command| command.args)
    }

    #[test]
    fn relays_are_normalised_and_named_once() {
        let args = parse(&[
            "--relays",
            "wss://A.example/,wss://b.example,wss://a.example:443",
        ]);
        let args = args.unwrap();
        assert_eq!(
            relays(&args).unwrap(),
            ["wss://a.example", "wss://b.example"]
        );
        assert_eq!(args.backfill_seconds, 1_728_000);
        assert!(!args.allow_private_relays);
    }

    #[test]
    fn a_wrong_setting_ends_with_2_and_names_its_variable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("relays.json");
        std::fs::write(&file, r#"[{"url": "http://a.example"}]"#).unwrap();
        let cases = [
            (vec!["--relays", "http://a.example"], "DVMDASH_RELAYS"),
            (
                vec!["--relays-file", file.to_str().unwrap()],
                "DVMDASH_RELAYS_FILE",
            ),
            (
                vec!["--relays-file", "/nowhere.json"],
                "DVMDASH_RELAYS_FILE",
            ),
            (
                vec!["--relays", "ws://a.example", "--max-relays", "0"],
                "DVMDASH_MAX_RELAYS",
            ),
            (vec![], "DVMDASH_RELAYS"),
        ];
        for (arguments, name) in cases {
            let error = parse(&arguments).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn the_file_is_ordered_by_priority_and_leaves_out_what_is_disabled() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("relays.json");
        let text = r#"[{"url": "wss://low.example", "priority": "Low"}, {"url": "wss://plain.example"},
            {"url": "wss://off.example", "enabled": false}, {"url": "wss://high.example/", "priority": "High", "enabled": true}]"#;
        std::fs::write(&file, text).unwrap();
        let arguments = ["--relays-file", file.to_str().unwrap()];
        assert_eq!(
            relays(&parse(&arguments).unwrap()).unwrap(),
            [
                "wss://high.example",
                "wss://plain.example",
                "wss://low.example"
            ]
        );
    }
}
