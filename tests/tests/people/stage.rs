//! The stage itself: that what is compared elsewhere really happens.

use activity_tests::{
    eventually, here,
    people::{ALICE, Human, Log, POSTGRES, SHARED},
};

use crate::{
    expect::{PLAIN, Step},
    facts::fact,
    judge,
    play::Play,
};

/// Everything that keeps the login uid.
const STEPS: &[Step] = &[
    Step { name: "plain", line: "touch MARK", expect: PLAIN },
    Step { name: "connect", line: ": < /dev/tcp/127.0.0.1/PORT", expect: PLAIN },
    Step { name: "sudo", line: "sudo -u act-postgres touch MARK", expect: PLAIN },
    Step { name: "su", line: "sudo su - act-postgres -c 'touch MARK'", expect: PLAIN },
    Step { name: "namespace", line: "unshare -Ur touch MARK", expect: PLAIN },
];

fn works(test: &str, log: Log) {
    let Some(mut play) = Play::with(test, log, "") else { return };
    let mut alice = play.log_in(Human::Alice, ALICE);
    let mut bob = play.stage.log_in(Human::Bob, SHARED);
    assert_eq!((alice.arrival.address.as_str(), bob.arrival.address.as_str()), ("127.0.0.2", "127.0.0.3"));
    assert_eq!(alice.arrival.login_uid, play.stage.uid(ALICE), "pam_loginuid");
    assert_eq!(bob.arrival.login_uid, play.stage.uid(SHARED), "pam_loginuid");
    assert_ne!(play.stage.uid(POSTGRES), play.stage.uid(SHARED));
    play.act(&mut alice, STEPS);
    let events = play.all_events();
    for done in &play.done {
        let mut of_mark = events.iter().filter(|event| judge::is_mark(event, &done.mark)).peekable();
        assert!(of_mark.peek().is_some(), "no event of {done:?}");
        for event in of_mark {
            assert_eq!(fact(event, "login.auid"), alice.arrival.login_uid.to_string(), "{event}");
        }
    }
    for human in [Human::Alice, Human::Bob] {
        let key = play.stage.fingerprint(human).to_owned();
        eventually("the log tells the key", || {
            let log = play.stage.log();
            log.lines().any(|line| line.contains("Accepted publickey") && line.ends_with(&key)).then_some(())
        });
    }
    alice.log_out();
    bob.log_out();
}

#[test]
fn every_act_of_a_login_has_its_login_uid() {
    works(here!(), Log::of_this_machine());
}

#[test]
fn every_act_of_a_login_has_its_login_uid_with_a_log_of_rsyslogds() {
    works(here!(), Log::Syslog);
}
