//! Many sensors at one collector: the real program, which replays a recording.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use activity_tests::{Machine, Program, eventually, here, sensor_program};
use serde_json::Value;

use crate::collectors::Home;

const SENSORS: usize = 200;
/// Connections on which nothing is said, from another address.
const HALF_OPEN: usize = 50;
/// Events a second of each.
const RATE: u64 = 10;
const SECONDS: u64 = 25;

fn start_sensor(home: &Home, number: usize, tls: &Path, port: u16) -> Program {
    let config = home.path(&format!("{number}.toml"));
    let text = format!(
        "[stream]\npush = [\"main@127.0.0.1:{port}\"]\n[stream.tls]\ncertificate = \"{0}/certificate.pem\"\n\
         key = \"{0}/key.pem\"\nauthority = \"{0}/authority.pem\"\n\
         [spool]\nprocess_bytes = 4194304\nfile_bytes = 4194304\n[log]\nlevel = \"error\"\n",
        tls.display()
    );
    fs::write(&config, text).unwrap();
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sensor/testdata/login.records");
    let mut command = Command::new(sensor_program());
    command.arg("replay").arg(recording).arg("--config").arg(config);
    command.arg("--state").arg(home.path(&format!("state-{number}")));
    command.args(["--rate", &RATE.to_string(), "--seconds", &SECONDS.to_string()]);
    Program::start(&mut command)
}

/// Connections from 127.0.0.2 that never say anything.
fn half_open(port: u16) -> Vec<TcpStream> {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let from: SocketAddr = "127.0.0.2:0".parse().unwrap();
    let to: SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    let one = || {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &from).unwrap();
        connect(&socket, &to).unwrap();
        socket.into()
    };
    std::iter::repeat_with(one).take(HALF_OPEN).collect()
}

#[test]
fn two_hundred_sensors_that_come_back_at_once_are_all_served() {
    let Some(_machine) = Machine::alone(here!()) else { return };
    let home = Home::new();
    home.enrol("collector", "main");
    let collector = home.listen("main", 0);
    // Certificates first: all sensors have to be there when the collector is killed.
    let tls: Vec<_> = (0..SENSORS).map(|number| home.enrol("sensor", &format!("s-{number}"))).collect();
    let port = collector.port();
    let start = |(number, tls): (usize, &PathBuf)| start_sensor(&home, number, tls, port);
    let sensors: Vec<_> = tls.iter().enumerate().map(start).collect();
    let delivering = |program: &Program| program.stderr().matches(" delivers").count();
    eventually("all deliver", || (delivering(&collector.program) >= SENSORS).then_some(()));

    collector.kill();
    let begun = Instant::now();
    let collector = home.listen("main", port);
    let _silent = half_open(port);
    eventually("all deliver again", || (delivering(&collector.program) >= SENSORS).then_some(()));
    let back = begun.elapsed();

    let mut told = Vec::new();
    for mut sensor in sensors {
        let ended = eventually("a sensor ends", || sensor.ended());
        assert!(ended.success(), "{}", sensor.stderr());
        told.push(
            sensor.stdout_until("what became of it", |bytes| serde_json::from_slice::<Value>(bytes).ok()),
        );
    }
    let sum = |key: &str| told.iter().map(|one| one[key].as_u64().unwrap()).sum::<u64>();
    let worst = |key: &str| told.iter().map(|one| one[key].as_u64().unwrap()).max().unwrap();
    println!(
        "{SENSORS} sensors, {} events: all back {back:?} after the collector's start; from an event to its \
         acknowledgement at worst {} ms at the median, {} ms for 99 of 100, {} ms at most",
        sum("events"),
        worst("medianMs"),
        worst("p99Ms"),
        worst("longestMs")
    );
    assert_eq!(sum("events"), sum("acknowledged"));
    let sql = "SELECT count(*) AS n, count(DISTINCT concat_ws(' ', sensor_id, lane, sequence)) AS one FROM events \
               WHERE sequence > 0";
    let stored = &collector.query(sql)[0];
    assert_eq!((stored["n"].as_u64(), stored["one"].as_u64()), (Some(sum("events")), Some(sum("events"))));
    // Until the collector is back nothing can be acknowledged.
    assert!(Duration::from_millis(worst("medianMs")) < Duration::from_secs(2));
    assert!(back < Duration::from_secs(10), "{back:?}");
    collector.end();
}
