//! Metrics over HTTP, and what strangers at that door can do.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use activity_tests::{EventExt as _, Machine, Person, Sensor, deadline, eventually, here, patience, skip};

fn sensor() -> (tempfile::TempDir, Sensor) {
    let directory = tempfile::tempdir().unwrap();
    let config = format!("[metrics]\nlisten = \"unix:{}\"\n", socket(&directory).display());
    let sensor = Sensor::start(&config, &[]);
    (directory, sensor)
}

fn socket(directory: &tempfile::TempDir) -> std::path::PathBuf {
    directory.path().join("metrics")
}

/// The whole answer to what is sent.
fn ask(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(deadline())).unwrap();
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn get(socket: &Path, path: &str) -> String {
    ask(socket, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

/// The number at a name with its labels.
fn number(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    assert!(line.is_some(), "{series} is not in\n{page}");
    line.unwrap().parse().unwrap()
}

#[test]
fn metrics_tell_what_became_of_acts_in_the_form_that_prometheus_reads() {
    const COUNT: u32 = 1000;
    let Some(_machine) = Machine::alone(here!()) else { return };
    let (directory, sensor) = sensor();
    let socket = socket(&directory);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    let hits = |page: &str| number(page, "activity_sensor_hook_hits_total{type=\"open\"}");
    let before = hits(&get(&socket, "/metrics"));
    Person::new().act(|| (0..COUNT).for_each(|_| drop(fs::File::open("/etc/hostname"))));
    let answer = eventually("the opens are counted", || {
        let answer = get(&socket, "/metrics");
        let error = number(&answer, "activity_sensor_conservation_error");
        (hits(&answer) >= before + f64::from(COUNT) && error == 0.0).then_some(answer)
    });
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let epoch = f64::from(u32::try_from(sensor.status().epoch).unwrap());
    assert_eq!(number(page, "activity_sensor_epoch"), epoch);
    assert!(number(page, "activity_sensor_resident_memory_bytes") > 1e6);
    assert!(get(&socket, "/healthz").ends_with("\r\n\r\nok\n"));

    let promtool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn();
    let Ok(mut promtool) = promtool else { return skip(here!(), "needs promtool of Prometheus") };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    assert!(promtool.wait().unwrap().success(), "{page}");
}

#[test]
fn what_strangers_send_is_refused_and_holds_up_nobody() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let (directory, sensor) = sensor();
    let socket = socket(&directory);
    let status = |request: &str| ask(&socket, request).split("\r\n").next().unwrap().to_owned();
    assert_eq!(status("GET /other HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 404 Not Found");
    let post = "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(status(post), "HTTP/1.1 405 Method Not Allowed");
    for header in [format!("x: {}\r\n", "x".repeat(64 * 1024)), "x: y\r\n".repeat(100)] {
        let large = format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{header}\r\n");
        assert_eq!(status(&large), "HTTP/1.1 431 Request Header Fields Too Large");
    }
    assert_eq!(status("\x16\x03\x01 no http at all\r\n\r\n"), "HTTP/1.1 400 Bad Request");

    // As many as may be connected, each of which says nothing: whoever comes after them
    // waits until they are shown out.
    let idle: Vec<_> = (0..20).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let begun = Instant::now();
    let person = Person::new();
    let mut stream = sensor.follow(&person);
    person.act(|| drop(fs::File::open("/etc/shadow")));
    stream.find("the open", |event| event.path() == b"/etc/shadow");
    println!("an event came {:?} after the door was full", begun.elapsed());
    assert!(begun.elapsed() < patience(Duration::from_secs(2)));
    assert!(get(&socket, "/healthz").ends_with("ok\n"));
    println!("{} idle connections were shown out in {:?}", idle.len(), begun.elapsed());
}
