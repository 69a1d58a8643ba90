//! The house rules that a program can check: arrows between packages, absences, names.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The stages: they meet in the queue and in the tables, never in code.
const STAGES: [&str; 3] = ["collector", "processor", "api"];

struct Package {
    /// Without the prefix `dvmdash-`; the executable is called `dvmdash`.
    name: String,
    folder: PathBuf,
    /// Every dependency: normal, for tests and for builds.
    dependencies: Vec<String>,
}

impl Package {
    /// Our own packages among its dependencies, without the prefix.
    fn ours(&self) -> Vec<&str> {
        let dependencies = self.dependencies.iter();
        dependencies
            .filter_map(|name| name.strip_prefix("dvmdash-"))
            .collect()
    }
}

static PACKAGES: LazyLock<Vec<Package>> = LazyLock::new(|| {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(package)
        .collect()
});

fn package(package: &Value) -> Package {
    let name = package["name"].as_str().unwrap();
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    Package {
        name: name.strip_prefix("dvmdash-").unwrap_or(name).to_owned(),
        folder: manifest.parent().unwrap().to_owned(),
        dependencies: dependencies
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect(),
    }
}

fn named(name: &str) -> &'static Package {
    PACKAGES
        .iter()
        .find(|package| package.name == name)
        .unwrap_or_else(|| panic!("there is a package {name}"))
}

/// The names of the packages that depend on `crate_name`, the tests aside.
fn users_of(crate_name: &str) -> Vec<&'static str> {
    let mut users: Vec<&str> = PACKAGES
        .iter()
        .filter(|package| package.dependencies.iter().any(|name| name == crate_name))
        .map(|package| package.name.as_str())
        .filter(|name| *name != "tests")
        .collect();
    users.sort_unstable();
    users
}

/// Every file below a folder whose name ends in `.<extension>`.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

/// A source file without comments and white space, so that no line break hides a path.
fn squeezed(source: &Path) -> String {
    let text = std::fs::read_to_string(source).unwrap();
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(str::chars)
        .filter(|character| !character.is_whitespace())
        .collect()
}

/// What stands after `use std::` in this code, groups taken apart at their first level.
fn used_of_std(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for rest in code.split("std::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => {
                let mut depth = 0;
                let mut name = String::new();
                for character in group.chars() {
                    match character {
                        '}' if depth == 0 => break,
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => used.push(std::mem::take(&mut name)),
                        _ if depth == 0 => name.push(character),
                        _ => {}
                    }
                }
                used.push(name);
            }
            None => used.push(rest.chars().take(40).collect()),
        }
    }
    used
}

#[test]
fn core_depends_on_nothing_of_ours_and_on_no_product() {
    let core = named("core");
    assert_eq!(core.ours(), Vec::<&str>::new());
    let outside = [
        "tokio",
        "axum",
        "sqlx",
        "mongodb",
        "lapin",
        "etcd-client",
        "nostr-sdk",
        "kube",
        "tracing",
        "metrics",
    ];
    for name in outside {
        assert!(
            !core.dependencies.iter().any(|found| found == name),
            "core depends on {name}"
        );
    }
}

#[test]
fn runtime_depends_on_core_alone_and_the_simulator_on_nothing_of_ours() {
    assert_eq!(named("runtime").ours(), ["core"]);
    assert!(named("simulator").ours().is_empty());
}

#[test]
fn stages_never_depend_on_each_other() {
    for stage in STAGES {
        for ours in named(stage).ours() {
            assert!(
                ["core", "runtime"].contains(&ours),
                "{stage} depends on {ours}"
            );
        }
    }
}

#[test]
fn only_the_executable_and_the_tests_know_all_stages() {
    for stage in STAGES {
        assert_eq!(users_of(&format!("dvmdash-{stage}")), ["dvmdash"]);
    }
}

#[test]
fn every_product_has_its_rooms() {
    assert_eq!(users_of("lapin"), ["runtime"]);
    assert_eq!(users_of("mongodb"), ["runtime"]);
    assert_eq!(users_of("etcd-client"), ["runtime"]);
    assert_eq!(users_of("sqlx"), ["api", "processor", "runtime"]);
    assert_eq!(users_of("tokio-tungstenite"), ["collector"]);
    assert_eq!(users_of("postgresql_embedded"), ["dvmdash"]);
    // `import` and `simulate` may speak to a relay, a stage other than the collector may not.
    for user in users_of("nostr-sdk") {
        assert!(
            ["collector", "dvmdash"].contains(&user),
            "{user} depends on nostr-sdk"
        );
    }
    for user in users_of("kube") {
        assert_eq!(user, "operator");
    }
}

#[test]
fn core_does_no_io_and_reads_no_clock() {
    const OUTSIDE: [&str; 6] = ["fs", "net", "os", "env", "process", "thread"];
    let sources = files(&named("core").folder.join("src"), "rs");
    assert!(!sources.is_empty());
    for source in sources {
        let code = squeezed(&source);
        for used in used_of_std(&code) {
            // `time::Duration` is a number, and `io` has traits; the rest of the outside is a module.
            let module = used
                .split(|next: char| !next.is_alphanumeric() && next != '_')
                .next();
            assert!(
                !OUTSIDE.contains(&module.unwrap()),
                "{} uses std::{used}",
                source.display()
            );
        }
        for outside in ["SystemTime", "Instant", "tokio", "println!"] {
            assert!(
                !code.contains(outside),
                "{} names {outside}",
                source.display()
            );
        }
    }
}

#[test]
fn the_checker_sees_through_groups() {
    assert_eq!(
        used_of_std("usestd::{fs,collections::{HashMap,HashSet},io};"),
        ["fs", "collections::", "io"]
    );
    assert_eq!(used_of_std("letx=std::fs::read(p);")[0], "fs::read(p);");
}

#[test]
fn the_api_writes_no_table() {
    let api = named("api").folder.join("src");
    let mut sources = files(&api, "rs");
    sources.extend(files(&api, "sql"));
    for source in sources {
        let text = std::fs::read_to_string(&source)
            .unwrap()
            .to_ascii_lowercase();
        for statement in [
            "insert into ",
            "delete from ",
            "truncate ",
            "create table ",
            "alter table ",
        ] {
            assert!(
                !text.contains(statement),
                "{} says {statement}",
                source.display()
            );
        }
    }
}

#[test]
fn every_package_inherits_the_lints() {
    for package in PACKAGES.iter() {
        let manifest = std::fs::read_to_string(package.folder.join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{} has lints of its own",
            package.name
        );
    }
}

#[test]
fn every_version_stands_in_the_workspace() {
    for package in PACKAGES.iter() {
        let manifest = std::fs::read_to_string(package.folder.join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("dependencies]").skip(1);
        let lines = dependencies.flat_map(|section| {
            section
                .lines()
                .skip(1)
                .take_while(|line| !line.starts_with('['))
        });
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            assert!(
                line.contains("workspace = true"),
                "{}: {line}",
                package.name
            );
        }
    }
}

#[test]
fn there_is_one_tls_provider() {
    let lock = std::fs::read_to_string(Path::new(ROOT).join("Cargo.lock")).unwrap();
    assert!(lock.contains("name = \"ring\""));
    for other in [
        "aws-lc-rs",
        "aws-lc-sys",
        "openssl",
        "openssl-sys",
        "native-tls",
    ] {
        assert!(
            !lock.contains(&format!("name = \"{other}\"")),
            "{other} is in Cargo.lock"
        );
    }
}

#[test]
fn traits_are_the_four_with_two_implementations() {
    const ALLOWED: [&str; 4] = ["Archive", "Cursors", "Lock", "Queue"];
    for package in PACKAGES.iter() {
        for source in files(&package.folder.join("src"), "rs") {
            let text = std::fs::read_to_string(&source).unwrap();
            for line in text.lines().map(str::trim_start) {
                let declared = line.strip_prefix("pub ").unwrap_or(line);
                let Some(declared) = declared.strip_prefix("trait ") else {
                    continue;
                };
                let name: String = declared
                    .chars()
                    .take_while(|next| next.is_alphanumeric())
                    .collect();
                assert!(
                    ALLOWED.contains(&name.as_str()),
                    "{}: trait {name}",
                    source.display()
                );
            }
        }
    }
}

#[test]
fn files_are_named_after_their_subject() {
    for package in PACKAGES.iter() {
        for source in files(&package.folder, "rs") {
            let name = source.file_stem().unwrap().to_str().unwrap();
            for empty in [
                "util", "utils", "common", "helper", "helpers", "manager", "service",
            ] {
                assert_ne!(name, empty, "{}", source.display());
            }
        }
    }
}

#[test]
fn main_parses_and_calls() {
    let main = std::fs::read_to_string(named("dvmdash").folder.join("src/main.rs")).unwrap();
    assert!(
        main.lines().count() <= 25,
        "dvmdash/src/main.rs has more than 25 lines"
    );
}
