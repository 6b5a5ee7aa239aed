//! A sensor that dials out to real collectors with mutual TLS.

use activity_tests::{EACH_OPEN, Machine, Person, Sensor, here};

use crate::{collectors::Home, numbered::Files};

#[test]
fn a_sensor_brings_all_to_the_collector_that_takes_it_and_to_the_next_when_that_is_killed() {
    let Some(_machine) = Machine::shared(here!()) else { return };
    let home = Home::new();
    let tls = home.enrol("sensor", "web-1");
    home.enrol("collector", "first");
    home.enrol("collector", "second");
    let (first, second) = (home.listen("first", 0), home.listen("second", 0));
    let sensor = Sensor::start(
        &format!(
            "[stream]\npush = [\"first@127.0.0.1:{}\", \"second@127.0.0.1:{}\"]\n[stream.tls]\n\
             certificate = \"{3}/certificate.pem\"\nkey = \"{3}/key.pem\"\nauthority = \"{3}/authority.pem\"\n{2}",
            first.port(),
            second.port(),
            EACH_OPEN,
            tls.display()
        ),
        &[],
    );
    let (person, files) = (Person::new(), Files::new());
    files.open(person, 0..50);
    files.await_stored(0..50, |sql| first.query(sql));
    assert!(files.stored(|sql| second.query(sql)).is_empty(), "one at a time");

    let port = first.port();
    first.kill();
    files.open(person, 50..100);
    // What the first had acknowledged as well: it knows nothing of that.
    files.await_stored(0..100, |sql| second.query(sql));

    let first = home.listen("first", port);
    second.kill();
    files.open(person, 100..150);
    files.await_stored(0..150, |sql| first.query(sql));
    let consumers = sensor.status().spool.unwrap().consumers;
    let names: Vec<_> = consumers.iter().map(|consumer| consumer.name.split('/').next().unwrap()).collect();
    assert_eq!(names, ["first", "second"], "each has a place of its own");
}
