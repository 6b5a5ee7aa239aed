//! Processes that give themselves a login uid.

use activity_tests::{
    here,
    people::{ALICE, Human},
};

use crate::{
    expect::{Expect, PLAIN, Step},
    play::Play,
};

/// The session's person, whatever the thread says.
const REWRITTEN: Expect = Expect {
    method: &["session"],
    confidence: &["low", "medium"],
    reason: &["rewritten"],
    chain: &[ALICE, "root"],
    by: &["sudo"],
    ..PLAIN
};

const STEPS: &[Step] = &[
    Step { name: "before", line: "touch MARK", expect: PLAIN },
    Step {
        name: "rewritten",
        line: "sudo sh -c 'echo 424242 > /proc/self/loginuid; : > MARK'",
        expect: REWRITTEN,
    },
    // Only the subshell has another by then.
    Step {
        name: "rewritten-in-a-child",
        line: "sudo sh -c '(echo 424242 > /proc/self/loginuid; true); touch MARK'",
        expect: Expect { chain: &[ALICE, "root"], by: &["sudo"], ..PLAIN },
    },
    Step {
        name: "rewritten-as-bob",
        line: "sudo sh -c 'echo $(id -u act-bob) > /proc/self/loginuid; touch MARK'",
        expect: REWRITTEN,
    },
    Step {
        name: "unset",
        line: "sudo sh -c 'echo 4294967295 > /proc/self/loginuid; touch MARK'",
        expect: REWRITTEN,
    },
    Step {
        name: "in-namespace",
        line: "unshare -Ur sh -c 'echo 0 > /proc/self/loginuid; touch MARK' 2> /dev/null",
        expect: PLAIN,
    },
    Step { name: "after", line: "touch MARK", expect: PLAIN },
];

#[test]
fn a_login_uid_written_over_does_not_move_an_act_to_another_person() {
    let Some(mut play) = Play::begin(here!()) else { return };
    let mut alice = play.log_in(Human::Alice, ALICE);
    play.act(&mut alice, STEPS);
    play.log_out(&mut alice);
    play.end();
}
