//! Ways through `sshd` that are no shell of the person's.

use std::{
    fs,
    net::{TcpListener, TcpStream},
};

use activity_tests::{
    Program, eventually, here,
    people::{ALICE, Arrival, Human, SHARED},
};

use crate::{
    expect::{PLAIN, Step},
    facts::fact,
    judge,
    play::{Mark, Play, path},
};

#[test]
fn ssh_to_this_machine_is_a_new_session_that_tells_where_it_came_from() {
    let Some(mut play) = Play::begin(here!()) else { return };
    let mut alice = play.log_in(Human::Alice, ALICE);
    play.act(&mut alice, &[Step { name: "first", line: "touch MARK", expect: PLAIN }]);
    // From her shell, with her key; the inner shell waits for the test.
    let (note, inner) = (play.stage.mark("note"), play.stage.mark("inner.mark"));
    let go = inner.with_extension("go");
    alice.type_in(&format!(
        "echo '{tell} > {note}; until test -e {go}; do sleep 0.05; done; touch {inner}' | \
         ssh {options} -i ~/id_ed25519 -p {door} {SHARED}@127.0.0.1 bash -s &",
        tell = Arrival::TELL,
        note = note.display(),
        go = go.display(),
        inner = inner.display(),
        options = activity_tests::people::CLIENT_OPTIONS.join(" "),
        door = play.stage.port(),
    ));
    let inside = eventually("the inner login", || {
        Arrival::read(&fs::read_to_string(&note).ok()?, Human::Alice, SHARED)
    });
    assert_eq!(inside.address, "127.0.0.1");
    play.came(&inside);
    Play::go(&inner);
    play.await_mark("inner", &inner, &alice);
    play.note("inner", path(&inner), Some(&inside), PLAIN);

    let events = play.all_events();
    let outer = judge::ids(&alice.arrival, &events).into_iter().next();
    let outer = outer.unwrap_or_else(|| "that of the outer session".to_owned());
    let mut wrong = judge::differences(&play, &events);
    // The inner login ends by itself, before or after this.
    wrong.retain(|line| !line.contains("session_end"));
    for event in events.iter().filter(|event| judge::is_mark(event, &path(&inner))) {
        let origin = fact(event, "session.originId");
        if origin != outer {
            wrong.push(format!("inner: session.originId is {origin}, wanted {outer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Somebody who comes without a shell, so that nothing there can tell.
fn unseen(play: &Play) -> Arrival {
    Arrival {
        human: Human::Alice,
        account: ALICE,
        address: Human::Alice.address().to_owned(),
        port: None,
        audit_session: None,
        login_uid: play.stage.uid(ALICE),
    }
}

#[test]
fn a_file_put_by_sftp_is_the_persons() {
    let Some(mut play) = Play::begin(here!()) else { return };
    let mark = play.stage.mark("sftp.mark");
    let (batch, content) = (play.stage.path("batch"), play.stage.path("content"));
    fs::write(&content, "content").unwrap();
    // What the log says of her is known a moment after she has come.
    let wait = format!("!until test -e {}; do sleep 0.05; done", mark.with_extension("go").display());
    fs::write(&batch, format!("{wait}\nput {} {}\n", content.display(), mark.display())).unwrap();
    let mut sftp = play.stage.client("sftp", Human::Alice);
    let mut sftp = Program::start(sftp.arg("-b").arg(&batch).arg(format!("{ALICE}@127.0.0.1")));
    assert!(play.soon(|event| event["type"] == "session_start"), "{}", sftp.stderr());
    Play::go(&mark);
    eventually("the file is there", || {
        let ended = sftp.ended();
        assert!(mark.exists() || ended.is_none(), "{ended:?}: {}", sftp.stderr());
        mark.exists().then_some(())
    });
    let alice = unseen(&play);
    play.note("sftp", path(&mark), Some(&alice), PLAIN);
    play.end();
}

#[test]
fn a_connection_through_a_forwarded_port_is_the_persons() {
    let Some(mut play) = Play::begin(here!()) else { return };
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = target.local_addr().unwrap().port();
    // Known only when the client has taken it; so a socket of the file system.
    let local = play.stage.path("forward");
    let mut ssh = play.stage.client("ssh", Human::Alice);
    ssh.arg("-N").arg("-L").arg(format!("{}:127.0.0.1:{port}", local.display()));
    let mut client = Program::start(ssh.arg(format!("{ALICE}@127.0.0.1")));
    let through = eventually("the forwarded port", || {
        let ended = client.ended();
        assert!(ended.is_none(), "{ended:?}: {}", client.stderr());
        std::os::unix::net::UnixStream::connect(&local).ok()
    });
    target.set_nonblocking(true).unwrap();
    let taken: TcpStream = eventually("sshd connects", || target.accept().ok()).0;
    drop((through, taken));
    let alice = unseen(&play);
    play.note("forward", Mark::Port(port), Some(&alice), PLAIN);
    play.end();
}
