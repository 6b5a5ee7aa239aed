//! One person as several users.

use activity_tests::{
    here,
    people::{ALICE, BOB, Doas, Human, POSTGRES},
    skip,
};

use crate::{
    expect::{Expect, PLAIN, Step},
    play::Play,
};

pub const fn switched(chain: &'static [&'static str], by: &'static [&'static str]) -> Expect {
    Expect { chain, by, ..PLAIN }
}

const AS_ROOT: Expect = switched(&[ALICE, "root"], &["sudo"]);
const AS_POSTGRES: Expect = switched(&[ALICE, POSTGRES], &["sudo"]);
const THROUGH_ROOT: Expect = switched(&[ALICE, "root", POSTGRES], &["sudo", "su"]);
const TO_A_THIRD: Expect = switched(&[ALICE, POSTGRES, "root", BOB], &["sudo", "sudo", "su"]);

const STEPS: &[Step] = &[
    Step { name: "plain-shell", line: ": > MARK", expect: PLAIN },
    Step { name: "plain-program", line: "touch MARK", expect: PLAIN },
    Step { name: "pipe", line: "echo x | cat | tee MARK > /dev/null", expect: PLAIN },
    Step { name: "connect", line: ": < /dev/tcp/127.0.0.1/PORT", expect: PLAIN },
    Step { name: "namespace", line: "unshare -Ur sh -c ': > MARK'", expect: PLAIN },
    Step { name: "new-session", line: "setsid --wait touch MARK", expect: PLAIN },
    Step { name: "sudo", line: "sudo touch MARK", expect: AS_ROOT },
    Step { name: "sudo-shell", line: "sudo sh -c 'true; sh -c \": > MARK\"'", expect: AS_ROOT },
    Step { name: "sudo-login", line: "sudo -i touch MARK", expect: AS_ROOT },
    Step { name: "sudo-s", line: "echo ': > MARK' | sudo -s", expect: AS_ROOT },
    Step { name: "sudo-connect", line: "sudo bash -c ': < /dev/tcp/127.0.0.1/PORT'", expect: AS_ROOT },
    Step { name: "sudo-user", line: "sudo -u act-postgres touch MARK", expect: AS_POSTGRES },
    Step { name: "sudo-user-i", line: "sudo -iu act-postgres touch MARK", expect: AS_POSTGRES },
    Step { name: "sudo-su", line: "sudo su - act-postgres -c 'touch MARK'", expect: THROUGH_ROOT },
    Step { name: "sudo-su-plain", line: "sudo su act-postgres -c ': > MARK'", expect: THROUGH_ROOT },
    Step {
        name: "three",
        line: "sudo -u act-postgres sh -c 'sudo su act-bob -c \"touch MARK\"'",
        expect: TO_A_THIRD,
    },
    Step { name: "after", line: "touch MARK", expect: PLAIN },
];

#[test]
fn after_sudo_and_su_it_is_still_the_one_who_logged_in() {
    let Some(mut play) = Play::begin(here!()) else { return };
    let mut alice = play.log_in(Human::Alice, ALICE);
    play.act(&mut alice, STEPS);
    play.log_out(&mut alice);
    play.end();
}

#[test]
fn after_runuser_it_is_still_the_one_who_logged_in() {
    let Some(mut play) = Play::begin(here!()) else { return };
    let mut alice = play.log_in(Human::Alice, ALICE);
    let through = switched(&[ALICE, "root", POSTGRES], &["sudo", "runuser"]);
    play.act(
        &mut alice,
        &[
            Step { name: "as", line: "sudo runuser -u act-postgres -- touch MARK", expect: through },
            Step { name: "login", line: "sudo runuser - act-postgres -c 'touch MARK'", expect: through },
        ],
    );
    play.end();
}

#[test]
fn after_doas_it_is_still_the_one_who_logged_in() {
    let Some(mut play) = Play::begin(here!()) else { return };
    let _doas = match Doas::allow(ALICE) {
        Ok(doas) => doas,
        Err(reason) => return skip(here!(), &reason),
    };
    let mut alice = play.log_in(Human::Alice, ALICE);
    let nested = switched(&[ALICE, "root", BOB], &["doas", "su"]);
    play.act(
        &mut alice,
        &[
            Step { name: "root", line: "doas touch MARK", expect: switched(&[ALICE, "root"], &["doas"]) },
            Step {
                name: "user",
                line: "doas -u act-postgres touch MARK",
                expect: switched(&[ALICE, POSTGRES], &["doas"]),
            },
            Step { name: "nested", line: "doas su act-bob -c 'touch MARK'", expect: nested },
        ],
    );
    play.end();
}

#[test]
fn each_step_to_another_user_is_an_event_with_its_command() {
    let Some(mut play) = Play::begin(here!()) else { return };
    let mut alice = play.log_in(Human::Alice, ALICE);
    play.act(
        &mut alice,
        &[Step { name: "switch", line: "sudo su act-postgres -c 'touch MARK'", expect: THROUGH_ROOT }],
    );
    for (from, to, by, command) in
        [(ALICE, "root", "sudo", "sudo su act-postgres"), ("root", POSTGRES, "su", "su act-postgres -c")]
    {
        let came = play.soon(|event| {
            let switch = &event["accountSwitch"];
            let said: Vec<_> =
                switch["command"].as_array().into_iter().flatten().filter_map(|a| a.as_str()).collect();
            switch["from"] == from
                && switch["to"] == to
                && switch["by"] == by
                && said.join(" ").starts_with(command)
        });
        assert!(came, "no account_switch from {from} to {to} by {by} with {command}");
    }
    play.log_out(&mut alice);
    play.end();
}
