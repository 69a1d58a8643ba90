//! The report, as markdown.

use anyhow::Result;

use crate::Wanted;
use crate::floor::Floor;
use crate::pipeline::Run;

/// Says where and what.
pub fn head(wanted: &Wanted) -> Result<()> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let kb = memory
        .lines()
        .next()
        .and_then(|line| line.split_ascii_whitespace().nth(1));
    println!(
        "{} cores ({}), {} GiB; {} events, {} processors; PostgreSQL, mongod, RabbitMQ and etcd on the same machine\n",
        std::thread::available_parallelism()?,
        model
            .unwrap_or_default()
            .trim_start_matches([' ', '\t', ':']),
        kb.and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) >> 20,
        wanted.events,
        wanted.processors,
    );
    Ok(())
}

/// One run.
pub fn run(span: i64, run: &Run) {
    let [all, first, last] = run.rate;
    let events = run.counted as f64;
    println!("### Events spread over {}\n", words(span));
    println!("| from the queue to committed numbers | |\n|---|--:|");
    println!("| events counted | {} |", run.counted);
    println!("| events/s | {all:.0} |");
    println!("| events/s, first third | {first:.0} |");
    println!("| events/s, last third | {last:.0} |");
    println!("| last third ÷ first third | {:.2} |", last / first);
    println!(
        "| PostgreSQL's log, bytes an event | {:.0} |",
        run.wal as f64 / events
    );
    println!("\n| process | CPU seconds a million events | peak memory, MiB |\n|---|--:|--:|");
    let mut total = 0.0;
    for (name, usage) in &run.usage {
        if usage.cpu >= 0.05 {
            total += usage.cpu;
            println!(
                "| {name} | {:.1} | {:.0} |",
                usage.cpu * 1e6 / events,
                usage.memory
            );
        }
    }
    println!("| all of these | {:.1} | |", total * 1e6 / events);
    let (spent, idle) = run.machine;
    println!("| the whole machine | {:.1} | |", spent * 1e6 / events);
    println!("| idle | {:.1} | |", idle * 1e6 / events);
    println!("\n| table | rows an event |\n|---|--:|");
    for (name, rows) in run
        .rows
        .iter()
        .filter(|(_, rows)| *rows as f64 > events / 100.0)
    {
        println!("| {name} | {:.2} |", *rows as f64 / events);
    }
    println!();
}

fn words(span: i64) -> String {
    match span {
        days if days % 86_400 == 0 => format!("{} days", days / 86_400),
        hours if hours % 3600 == 0 => format!("{} h", hours / 3600),
        seconds => format!("{seconds} s"),
    }
}

/// The machine's own floor.
pub fn floor(floor: &Floor) {
    println!(
        "### The machine's floor\n\n| step, alone and one after the other | µs an event |\n|---|--:|"
    );
    for (step, micros) in floor {
        println!("| {step} | {micros:.1} |");
    }
}
