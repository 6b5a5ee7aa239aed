//! Jobs that a scheduler runs for people.

use std::{
    thread,
    time::{Duration, Instant},
};

use activity_tests::{
    here, patience,
    people::{ALICE, Human},
};

use crate::{
    expect::{Expect, PLAIN, Step, Whom, Whose},
    play::Play,
};

const JOB: Expect = Expect {
    session: Whose::Kind("cron"),
    human: Whom::User(ALICE),
    method: &["kernel"],
    confidence: &["medium", "low"],
    reason: &["batch"],
    ..PLAIN
};

#[test]
fn a_job_of_cron_is_its_owners_and_said_to_be_batch() {
    let Some(mut play) = Play::begin(here!()) else { return };
    play.stage.have_batch();
    let mut alice = play.log_in(Human::Alice, ALICE);
    let step = Step { name: "cron", line: "echo '* * * * * touch MARK' | crontab -", expect: JOB };
    let mark = play.type_in(&mut alice, &step);
    play.act(&mut alice, &[Step { name: "beside", line: "touch MARK", expect: PLAIN }]);
    play.log_out(&mut alice);
    // It comes at the full minute, and not at that in which the table is new.
    let begun = Instant::now();
    while !mark.exists() {
        assert!(begun.elapsed() < patience(Duration::from_secs(130)), "cron does not run the job");
        thread::sleep(Duration::from_millis(50));
    }
    play.end();
}
