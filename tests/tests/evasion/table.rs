//! The table: every way, what the sensor makes of it, and what the control.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
};

use activity_tests::{Machine, here};

use crate::{
    judge::{Glimpse, Verdict},
    rows::ROWS,
    stage::{Outcome, Stage},
};

struct Line {
    way: &'static str,
    outcome: Outcome,
}

/// Fewer ways past the control would mean that it is not what it should be.
const MISSED_BY_THE_CONTROL: usize = 10;

#[test]
fn every_way_around_a_sensor_is_reported_or_counted_and_none_misleads() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let mut stage = Stage::new();
    let (plan, kernel) = stage.plan();
    let lines: Vec<_> = ROWS.iter().map(|row| Line { way: row.way, outcome: stage.play(row) }).collect();
    drop(stage);

    let table = markdown(&plan, &kernel, &lines);
    // Not by println, which the harness keeps to itself when a test passes.
    io::stdout().write_all(table.as_bytes()).unwrap();
    for line in &lines {
        match &line.outcome.sensor {
            Verdict::Missed(what) | Verdict::NotCovered(what) => println!("{}: {what}", line.way),
            _ => {}
        }
    }
    if let Some(file) = env::var_os("ACTIVITY_EVASION_TABLE") {
        fs::write(file, table).unwrap();
    }
    let ways = |wanted: fn(&Outcome) -> bool| {
        lines.iter().filter(|line| wanted(&line.outcome)).map(|line| line.way).collect::<Vec<_>>()
    };
    let wrong = ways(|outcome| matches!(outcome.sensor, Verdict::Wrong(_)));
    assert!(wrong.is_empty(), "an event names another object or person: {wrong:?}");
    let past = ways(|outcome| matches!(outcome.sensor, Verdict::Missed(_) | Verdict::NotCovered(_)));
    assert!(past.is_empty() || plan == "tracepoint", "ways past the {plan} plan: {past:?}");
    let missed = ways(|outcome| ran(outcome) && outcome.control == Glimpse::Nothing);
    assert!(missed.len() >= MISSED_BY_THE_CONTROL, "the control missed only {missed:?}");
}

fn ran(outcome: &Outcome) -> bool {
    !matches!(outcome.sensor, Verdict::CannotRun(_))
}

fn markdown(plan: &str, kernel: &str, lines: &[Line]) -> String {
    let mut table =
        format!("\n### Kernel {kernel}, {plan} plan\n\n| way | sensor | control |\n|---|---|---|\n");
    for Line { way, outcome } in lines {
        let control = if ran(outcome) { outcome.control.to_string() } else { String::new() };
        let cell = |text: String| text.replace('|', "\\|");
        writeln!(table, "| {way} | {} | {} |", cell(outcome.sensor.to_string()), cell(control)).unwrap();
    }
    let ran: Vec<_> = lines.iter().map(|line| &line.outcome).filter(|outcome| ran(outcome)).collect();
    let sensor = |wanted: fn(&Verdict) -> bool| ran.iter().filter(|outcome| wanted(&outcome.sensor)).count();
    let control =
        |wanted: fn(&Glimpse) -> bool| ran.iter().filter(|outcome| wanted(&outcome.control)).count();
    writeln!(
        table,
        "\nOf {} ways the sensor reported {}, counted {}, named {} as not covered and missed {}; \
         the control saw {}, was led to something else by {} and saw nothing of {}.",
        ran.len(),
        sensor(|verdict| *verdict == Verdict::Reported),
        sensor(|verdict| matches!(verdict, Verdict::Counted(_))),
        sensor(|verdict| matches!(verdict, Verdict::NotCovered(_))),
        sensor(|verdict| matches!(verdict, Verdict::Missed(_))),
        control(|glimpse| *glimpse == Glimpse::True),
        control(|glimpse| matches!(glimpse, Glimpse::Other(_))),
        control(|glimpse| *glimpse == Glimpse::Nothing),
    )
    .unwrap();
    table
}
