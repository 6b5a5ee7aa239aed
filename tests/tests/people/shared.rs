//! Two people on one account.

use activity_tests::{
    here,
    people::{Human, Log, POSTGRES, SHARED},
};

use crate::{
    expect::{Expect, PLAIN, Step},
    play::Play,
};

const AS_ROOT: Expect = Expect { chain: &[SHARED, "root"], by: &["sudo"], ..PLAIN };
const AS_POSTGRES: Expect = Expect { chain: &[SHARED, "root", POSTGRES], by: &["sudo", "su"], ..PLAIN };

const ALICES: &[Step] = &[
    Step { name: "alice-plain", line: "touch MARK", expect: PLAIN },
    Step { name: "alice-root", line: "sudo touch MARK", expect: AS_ROOT },
    Step { name: "alice-postgres", line: "sudo su act-postgres -c 'touch MARK'", expect: AS_POSTGRES },
];
const BOBS: &[Step] = &[
    Step { name: "bob-plain", line: "touch MARK", expect: PLAIN },
    Step { name: "bob-root", line: "sudo touch MARK", expect: AS_ROOT },
    Step { name: "bob-postgres", line: "sudo su act-postgres -c 'touch MARK'", expect: AS_POSTGRES },
];

fn both(test: &str, log: Log) {
    let Some(mut play) = Play::with(test, log, "") else { return };
    let mut alice = play.log_in(Human::Alice, SHARED);
    let mut bob = play.log_in(Human::Bob, SHARED);
    // By turns, so that what one does lies between what the other does.
    for (hers, his) in ALICES.iter().zip(BOBS) {
        play.act(&mut alice, std::slice::from_ref(hers));
        play.act(&mut bob, std::slice::from_ref(his));
    }
    play.log_out(&mut alice);
    play.act(&mut bob, &[Step { name: "bob-alone", line: "touch MARK", expect: PLAIN }]);
    play.log_out(&mut bob);
    play.end();
}

#[test]
fn two_people_on_one_account_are_told_apart_by_their_keys() {
    both(here!(), Log::of_this_machine());
}

#[test]
fn a_log_that_rsyslogd_writes_tells_the_keys_as_well() {
    both(here!(), Log::Syslog);
}
