//! One terminal multiplexer, two people.

use std::os::unix::fs::PermissionsExt as _;

use activity_tests::{
    eventually, here,
    people::{ALICE, BOB, Human, absent},
    skip,
};

use crate::{
    expect::{Expect, PLAIN, Step, Whom, Whose},
    play::{Play, path},
};

/// In one's own multiplexer: oneself, however that is known.
const OWN: Expect = Expect { method: &[], confidence: &[], reason: &[], detached: &[], ..PLAIN };
/// In Alice's multiplexer, at Bob's word.
const HIS_IN_HERS: Expect = Expect {
    // Where he came from and with which key; hers is among the others.
    session: Whose::Own,
    human: Whom::User(BOB),
    method: &["inferred"],
    confidence: &["low"],
    reason: &[],
    chain: &[BOB, ALICE],
    by: &[],
    detached: &[],
    others: &[(ALICE, "owner")],
};

const HERS: &[Step] = &[
    Step { name: "own-start", line: "tmux -f /dev/null -S SOCKET new-session -d; touch MARK", expect: PLAIN },
    Step { name: "own-window", line: "tmux -S SOCKET new-window 'touch MARK'", expect: OWN },
    Step { name: "own-keys", line: "tmux -S SOCKET send-keys 'touch MARK' Enter", expect: OWN },
    // Both the file and the server have to let him in.
    Step {
        name: "own-invite",
        line: "chmod 666 SOCKET; tmux -S SOCKET server-access -a act-bob; touch MARK",
        expect: PLAIN,
    },
];
const HIS: &[Step] = &[
    Step { name: "other-before", line: "touch MARK", expect: PLAIN },
    Step { name: "other-window", line: "tmux -S SOCKET new-window 'touch MARK'", expect: HIS_IN_HERS },
    Step { name: "other-keys", line: "tmux -S SOCKET send-keys 'touch MARK' Enter", expect: HIS_IN_HERS },
    Step { name: "other-after", line: "touch MARK", expect: PLAIN },
];

#[test]
fn in_ones_own_screen_it_is_oneself() {
    let Some(mut play) = Play::begin(here!()) else { return };
    if let Some(reason) = absent("screen", "screen") {
        return skip(here!(), &reason);
    }
    // Where Debian's build keeps its sockets; its service makes it.
    if !std::path::Path::new("/run/screen").exists() {
        std::fs::create_dir("/run/screen").unwrap();
        std::fs::set_permissions("/run/screen", std::fs::Permissions::from_mode(0o1777)).unwrap();
    }
    let mut alice = play.log_in(Human::Alice, ALICE);
    let own = |name, line| Step { name, line, expect: OWN };
    play.act(
        &mut alice,
        &[
            own("start", "screen -dmS act sh -c 'touch MARK; exec sleep 100'"),
            own("window", "screen -S act -X screen touch MARK"),
            own("end", "screen -S act -X quit; touch MARK"),
        ],
    );
    play.end();
}

#[test]
fn in_another_ones_tmux_it_is_the_one_who_types() {
    let Some(mut play) = Play::begin(here!()) else { return };
    let socket = play.stage.mark("tmux").display().to_string();
    play.words.push(("SOCKET", socket));
    let mut alice = play.log_in(Human::Alice, ALICE);
    let mut bob = play.log_in(Human::Bob, BOB);
    play.act(&mut alice, HERS);
    play.act(&mut bob, HIS);

    // Attached, with a terminal, as people do it.
    let [mark, go, out] = ["mark", "go", "out"].map(|end| play.stage.mark(&format!("other-attached.{end}")));
    bob.type_in(&format!(
        "(until test -e {go}; do sleep 0.05; done; echo; echo 'touch {mark}'; \
         until test -e {mark}; do sleep 0.05; done) \
         | TERM=xterm script -qc 'tmux -S {socket} attach' /dev/null > {out}",
        go = go.display(),
        mark = mark.display(),
        socket = play.stage.mark("tmux").display(),
        out = out.display(),
    ));
    eventually("tmux shows itself", || {
        std::fs::read(&out).is_ok_and(|out| out.windows(7).any(|part| part == b"\x1b[?1049")).then_some(())
    });
    Play::go(&mark);
    play.await_mark("other-attached", &mark, &bob);
    play.note("other-attached", path(&mark), Some(&bob.arrival), HIS_IN_HERS);

    play.act(&mut alice, &[Step { name: "own-after", line: "touch MARK", expect: PLAIN }]);
    play.log_out(&mut bob);
    play.end();
}
