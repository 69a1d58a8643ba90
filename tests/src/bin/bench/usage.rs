//! What processes have used, from `/proc`: these servers were started by this process, so they are found below it.

use std::collections::BTreeMap;

/// Clock ticks a second in `/proc/<pid>/stat`; fixed by Linux's ABI on every platform that Rust knows.
const TICKS: f64 = 100.0;

/// What the processes of one name have used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU seconds, of children that have ended as well.
    pub cpu: f64,
    /// Most memory at a time in MiB: of each process its own, and what they share once.
    pub memory: f64,
}

/// By name of the executable, of all processes below this one.
pub fn below() -> BTreeMap<String, Usage> {
    let mut by_name: BTreeMap<String, (Usage, f64)> = BTreeMap::new();
    for (name, id, cpu) in descendants() {
        let (own, shared) = memory(id);
        let (usage, most_shared) = by_name.entry(name).or_default();
        usage.cpu += cpu;
        usage.memory += own;
        *most_shared = most_shared.max(shared);
    }
    let total = |(name, (usage, shared)): (String, (Usage, f64))| {
        let memory = usage.memory + shared;
        (name, Usage { memory, ..usage })
    };
    by_name.into_iter().map(total).collect()
}

/// Name, id and CPU seconds of each process below this one.
fn descendants() -> Vec<(String, u32, f64)> {
    let ids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let all: Vec<(u32, u32, String, f64)> = ids
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|id| {
            let (parent, name, cpu) = stat(id)?;
            Some((id, parent, name, cpu))
        })
        .collect();
    let mut found = vec![std::process::id()];
    let mut next = 0;
    while next < found.len() {
        let children = all.iter().filter(|(_, parent, ..)| *parent == found[next]);
        found.extend(children.map(|(id, ..)| *id).collect::<Vec<_>>());
        next += 1;
    }
    all.into_iter()
        .filter(|(id, ..)| found[1..].contains(id))
        .map(|(id, _, name, cpu)| (name, id, cpu))
        .collect()
}

/// Parent, name and CPU seconds of a process, its ended children included.
fn stat(id: u32) -> Option<(u32, String, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (start, end) = (stat.find('(')?, stat.rfind(')')?);
    let fields: Vec<&str> = stat[end + 1..].split_ascii_whitespace().collect();
    let ticks = fields.get(11..15)?.iter();
    let ticks: f64 = ticks.filter_map(|field| field.parse::<f64>().ok()).sum();
    let name = stat[start + 1..end].to_owned();
    Some((fields.get(1)?.parse().ok()?, name, ticks / TICKS))
}

/// MiB: the peak of what is the process's own, and what it shares now.
fn memory(id: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let field = |name: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_ascii_whitespace().next());
        number.and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    };
    let shared = field("RssShmem:");
    ((field("VmHWM:") - shared).max(0.0), shared)
}

/// CPU seconds that the machine has spent in all since it started, and idle ones, waiting for disks included.
pub fn machine() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = fields
        .split_ascii_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect();
    let idle = ticks.iter().skip(3).take(2).sum::<f64>();
    let all = ticks.iter().take(8).sum::<f64>();
    ((all - idle) / TICKS, idle / TICKS)
}
