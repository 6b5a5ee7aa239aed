//! What goes on after the logout.

use activity_tests::{
    here,
    people::{ALICE, Human},
};

use crate::{
    expect::{Expect, PLAIN, Step},
    play::Play,
};

const DETACHED: Expect = Expect {
    method: &["inherited"],
    confidence: &["low"],
    reason: &["detached"],
    detached: &[true],
    ..PLAIN
};

const LATER: &[Step] = &[
    Step {
        name: "nohup",
        line: "nohup sh -c 'until test -e GO; do sleep 0.05; done; touch MARK' > /dev/null 2>&1 < /dev/null &",
        expect: DETACHED,
    },
    Step {
        name: "daemon",
        line: "sudo setsid -f sh -c 'until test -e GO; do sleep 0.05; done; touch MARK' > /dev/null 2>&1 < /dev/null",
        expect: Expect { chain: &[ALICE, "root"], by: &["sudo"], ..DETACHED },
    },
];

#[test]
fn what_outlives_a_login_keeps_its_person_and_is_said_to_be_detached() {
    let Some(mut play) = Play::begin(here!()) else { return };
    let mut alice = play.log_in(Human::Alice, ALICE);
    let later: Vec<_> = LATER.iter().map(|step| (step.name, play.type_in(&mut alice, step))).collect();
    play.act(&mut alice, &[Step { name: "before", line: "touch MARK", expect: PLAIN }]);
    play.log_out(&mut alice);
    let over = alice.arrival.clone();
    let _ = play.soon(|event| event["type"] == "session_end" && crate::judge::is_of(event, &over));
    for (name, mark) in later {
        Play::go(&mark);
        play.await_mark(name, &mark, &alice);
    }
    play.end();
}
