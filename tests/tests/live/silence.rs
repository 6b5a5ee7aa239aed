//! Sensors that fall silent, as the collector tells of them.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use activity_proto::v1::EventType;
use activity_tests::{EventExt as _, Machine, Program, Sensor, collector, eventually, here, patience, run};
use rustix::process::Signal;
use serde_json::Value;

/// Within this the missing of a heartbeat is told.
const AT_MOST: Duration = Duration::from_secs(10);
const SENSOR: &str = "[sensor]\nheartbeat = 1\n";

fn address(sensor: &Sensor) -> String {
    format!("unix:{}", sensor.socket().display())
}

/// What was told of the sensor at this address: `late` is how long after the heartbeat
/// that did not come, in seconds.
fn silences(store: &std::path::Path, address: &str) -> Vec<Value> {
    let sql = format!(
        "SELECT silence_reason AS reason, host, sensor_id, silence_ended IS NOT NULL AS ended, \
         (CAST(arrow_cast(time, 'Int64') AS DOUBLE) - CAST(arrow_cast(silence_since, 'Int64') AS DOUBLE)) / 1e9 \
         AS late FROM events WHERE type = 'silence' AND address = '{address}' ORDER BY time"
    );
    let output =
        run(Command::new(collector()).args(["query", &sql, "--format", "json", "--store"]).arg(store));
    assert_eq!(output.code, Some(0), "{output:?}");
    let rows: Value = serde_json::from_str(&output.stdout).unwrap();
    rows.as_array().expect("an array").clone()
}

#[test]
fn a_sensor_that_falls_silent_is_told_within_ten_seconds_and_so_is_its_return() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let (frozen, mut killed, mut ended) =
        (Sensor::start(SENSOR, &[]), Sensor::start(SENSOR, &[]), Sensor::start(SENSOR, &[]));
    let absent = format!("unix:{}", frozen.path("nobody").display());
    let store = frozen.path("store");
    let mut command = Command::new(collector());
    command.arg("run").arg("--store").arg(&store).args(["--sensor", &absent]);
    for sensor in [&frozen, &killed, &ended] {
        command.args(["--sensor", &address(sensor)]);
    }
    let receiver = Program::start(&mut command);
    for sensor in [&frozen, &killed, &ended] {
        sensor.await_subscriber(receiver.pid());
        // Its own subscription makes a heartbeat come, which the collector hears as well.
        sensor.subscribe_to(EventType::Heartbeat).find("a heartbeat", |event| event.heartbeat().is_some());
    }
    let started = Instant::now();

    frozen.program.stop();
    killed.program.signal(Signal::KILL);
    killed.program.wait();
    ended.program.signal(Signal::TERM);
    ended.program.wait();

    for (what, address, reason) in [
        ("frozen", address(&frozen), "no_heartbeat"),
        ("killed", address(&killed), "disconnected"),
        ("ended", address(&ended), "stopped"),
        ("absent", absent, "never_reached"),
    ] {
        let row = eventually(what, || silences(&store, &address).into_iter().next());
        // A heartbeat is missing one second after the last thing that came.
        let late = row["late"].as_f64().unwrap() - if what == "absent" { 0.0 } else { 1.0 };
        println!("{what}: told {late:.2} s after it was due, reason {}", row["reason"]);
        assert_eq!((&row["reason"], &row["ended"]), (&reason.into(), &false.into()), "{row}");
        assert!(late > 0.0 && late < patience(AT_MOST).as_secs_f64(), "{row}");
        assert_eq!(row["sensor_id"].is_null(), what == "absent", "{row}");
    }
    println!("all told {:?} after the last was silent", started.elapsed());

    frozen.program.signal(Signal::CONT);
    let woken = Instant::now();
    let rows = eventually("it is back", || {
        let rows = silences(&store, &address(&frozen));
        (rows.len() > 1).then_some(rows)
    });
    println!("back {:?} after it went on", woken.elapsed());
    assert_eq!((rows.len(), &rows[1]["ended"]), (2, &true.into()), "{rows:?}");
    assert_eq!(silences(&store, &address(&killed)).len(), 1, "told once");
    let log = receiver.stderr();
    assert_eq!(log.lines().filter(|line| line.contains("silence: ")).count(), 4, "{log}");
    assert_eq!(log.lines().filter(|line| line.contains(" is back after ")).count(), 1, "{log}");
}
