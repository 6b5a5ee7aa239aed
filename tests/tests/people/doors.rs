//! Who comes to the door, and who is turned away.

use activity_tests::{
    here,
    people::{ALICE, Human, Log},
    run,
};
use serde_json::Value;

use crate::play::Play;

/// A name that no machine has.
const UNKNOWN: &str = "act-unknown";

fn turned_away(test: &str, log: Log) {
    let Some(mut play) = Play::with(test, log, "") else { return };
    for account in [ALICE, UNKNOWN] {
        let mut client = play.stage.client("ssh", Human::Bob);
        let output = run(client.arg(format!("{account}@127.0.0.1")).arg("true"));
        assert_eq!(output.code, Some(255), "{output:?}");
    }
    let mut wrong = Vec::new();
    for (account, unknown) in [(ALICE, false), (UNKNOWN, true)] {
        let failed = |event: &Value| {
            let failed = &event["loginFailed"];
            event["type"] == "login_failed"
                && failed["user"] == account
                && failed["remoteAddress"] == Human::Bob.address()
                && failed["remotePort"].is_u64()
                && (failed["invalidUser"] == true) == unknown
        };
        if !play.soon(failed) {
            wrong.push(format!("no login_failed of {account} from {}", Human::Bob.address()));
        }
    }
    let started = play
        .events()
        .iter()
        .any(|event| event["type"] == "session_start" && event["session"]["kind"] == "ssh");
    if started {
        wrong.push("session_start though nobody came in".to_owned());
    }
    assert!(wrong.is_empty(), "{}\nthe log:\n{}", wrong.join("\n"), play.stage.log());
}

#[test]
fn a_refused_login_is_an_event() {
    turned_away(here!(), Log::of_this_machine());
}

#[test]
fn a_refused_login_in_rsyslogds_log_is_an_event() {
    turned_away(here!(), Log::Syslog);
}
