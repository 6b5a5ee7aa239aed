//! What systemd starts for people: as a service of the machine's, as one of
//! their own, by run0 and by at. Only where systemd is the first process.

mod service;

use activity_tests::{
    here,
    people::{ALICE, Human, Log, POSTGRES, Polkit, SHARED, has_systemd},
    skip,
};

use crate::{
    expect::{ABSENT, Expect, PLAIN, Step, Whom, Whose},
    facts::fact,
    judge,
    play::Play,
};

/// Asked for by the one who types, but started by systemd.
/// What they became on the way is not systemd's to tell.
const ASKED: Expect =
    Expect { method: &["inferred"], confidence: &["low"], reason: &[], chain: &[ABSENT], ..PLAIN };

/// Run by a service manager of the user's own.
const OWN_MANAGER: Expect = Expect {
    session: Whose::Kind("systemd"),
    human: Whom::User(ALICE),
    confidence: &["medium", "low"],
    reason: &[],
    method: &[],
    ..PLAIN
};

const JOB: Expect = Expect {
    session: Whose::Kind("at"),
    human: Whom::User(ALICE),
    confidence: &["medium", "low"],
    reason: &["batch"],
    ..PLAIN
};

fn begin(test: &str) -> Option<Play> {
    if !has_systemd() {
        skip(test, "systemd is not the first process of this machine");
        return None;
    }
    // By default, of what nobody logged in for, only programs are recorded.
    Play::with(test, Log::of_this_machine(), "[policy]\nscope = \"everything\"\n")
}

#[test]
fn what_somebody_has_systemd_run_as_root_is_theirs_with_low_confidence() {
    let Some(mut play) = begin(here!()) else { return };
    let mut alice = play.log_in(Human::Alice, ALICE);
    let mut bob = play.log_in(Human::Bob, SHARED);
    play.act(&mut bob, &[Step { name: "beside", line: "touch MARK", expect: PLAIN }]);
    play.act(
        &mut alice,
        &[
            Step { name: "service", line: "sudo systemd-run --quiet touch MARK", expect: ASKED },
            Step {
                name: "as",
                line: "sudo systemd-run --quiet --uid=act-postgres touch MARK",
                expect: ASKED,
            },
            Step {
                name: "waited",
                line: "sudo systemd-run --quiet --wait --pipe touch MARK < /dev/null",
                expect: ASKED,
            },
        ],
    );
    play.end();
}

#[test]
fn what_run0_starts_is_theirs_with_low_confidence() {
    let Some(mut play) = begin(here!()) else { return };
    let mut alice = play.log_in(Human::Alice, ALICE);
    play.act(
        &mut alice,
        &[
            Step { name: "root", line: "sudo run0 touch MARK < /dev/null", expect: ASKED },
            Step {
                name: "user",
                line: "sudo run0 --user=act-postgres touch MARK < /dev/null",
                expect: ASKED,
            },
        ],
    );
    assert_ne!(play.stage.uid(POSTGRES), play.stage.uid(ALICE));
    play.end();
}

#[test]
fn who_is_let_by_polkit_is_still_the_one_who_logged_in() {
    let Some(mut play) = begin(here!()) else { return };
    let _polkit = match Polkit::allow(ALICE) {
        Ok(polkit) => polkit,
        Err(reason) => return skip(here!(), &reason),
    };
    let mut alice = play.log_in(Human::Alice, ALICE);
    let by_pkexec = |chain| Expect { chain, by: &["pkexec"], ..PLAIN };
    play.act(
        &mut alice,
        &[
            Step { name: "pkexec", line: "pkexec touch MARK", expect: by_pkexec(&[ALICE, "root"]) },
            Step {
                name: "pkexec-user",
                line: "pkexec --user act-postgres touch MARK",
                expect: by_pkexec(&[ALICE, POSTGRES]),
            },
            Step { name: "run0", line: "run0 touch MARK < /dev/null", expect: ASKED },
        ],
    );
    play.end();
}

#[test]
fn a_users_own_service_manager_works_for_its_user() {
    let Some(mut play) = begin(here!()) else { return };
    let mut alice = play.log_in(Human::Alice, ALICE);
    let own = |name, line| Step { name, line, expect: OWN_MANAGER };
    play.act(&mut alice, &[own("own", "systemd-run --user --quiet touch MARK")]);
    play.end();
}

#[test]
fn a_job_of_at_is_its_owners_and_said_to_be_batch() {
    let Some(mut play) = begin(here!()) else { return };
    let mut alice = play.log_in(Human::Alice, ALICE);
    play.act(&mut alice, &[Step { name: "at", line: "echo touch MARK | at now", expect: JOB }]);
    play.end();
}

#[test]
fn a_login_is_a_session_of_logind_too() {
    let Some(mut play) = begin(here!()) else { return };
    let mut alice = play.log_in(Human::Alice, ALICE);
    play.act(&mut alice, &[Step { name: "plain", line: "touch MARK", expect: PLAIN }]);
    let arrival = alice.arrival.clone();
    let known = |event: &serde_json::Value| {
        judge::is_of(event, &arrival) && fact(event, "session.logindId") != ABSENT
    };
    assert!(play.soon(known), "no event tells logind's session");
    play.end();
}
