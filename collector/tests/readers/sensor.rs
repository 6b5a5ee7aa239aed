//! A sensor that tells a certain set of events, once.

use std::path::Path;

use activity_proto::v1::{
    Access, Attribution, Connect, Credentials, Event, EventId, Exec, Exit, Family, Lane, Login, Open,
    Outcome, Process, Protocol, event::Payload,
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};

use crate::teller;

/// How many it tells.
pub const EVENTS: u64 = 5000;
const HUMANS: [&str; 5] = ["alice", "bob", "carol", "dörte", ""];
const COMMS: [&[u8]; 4] = [b"sh", b"a b", b"esc\x1b[31m", b"\xff\xfe"];

/// Serves it; needs the runtime of tokio.
pub fn serve(socket: &Path) {
    teller::serve(socket, || {
        let batches: Vec<_> =
            events().chunks(100).map(|events| teller::batch(events.iter().cloned())).collect();
        stream::iter(batches).chain(stream::pending())
    });
}

/// A number that looks like any other, and is the same each time.
fn draw(sequence: u64, of: u64, salt: u64) -> usize {
    let mixed = (sequence ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from((mixed >> 33) % of).unwrap()
}

fn payload(sequence: u64) -> (Lane, Payload) {
    let path: Bytes = format!("/srv/data/{}", draw(sequence, 30, 1)).into();
    match draw(sequence, 4, 2) {
        0 => (Lane::Process, Payload::Exec(Exec { filename: path, ..Exec::default() })),
        1 => (
            Lane::Process,
            Payload::Exit(Exit { code: sequence.is_multiple_of(3).then_some(0), ..Exit::default() }),
        ),
        2 => {
            let access = [&[Access::Read][..], &[Access::Write, Access::Create], &[]][draw(sequence, 3, 3)];
            let access = access.iter().map(|&access| access.into()).collect();
            (Lane::File, Payload::Open(Open { path, access, ..Open::default() }))
        }
        _ => {
            let (family, protocol) = (Family::Inet.into(), Protocol::Tcp.into());
            let address = format!("192.0.2.{}", draw(sequence, 9, 4));
            let connect = Connect { family, protocol, address, port: Some(443), ..Connect::default() };
            (Lane::Process, Payload::Connect(connect))
        }
    }
}

fn events() -> Vec<Event> {
    let mut last = [0; 3];
    let one = |number: u64| {
        let (lane, payload) = payload(number);
        let sequence = &mut last[lane as usize];
        *sequence += 1;
        let sensor_id = "sensor-1".to_owned();
        let id = EventId { sensor_id, boot_id: "b".into(), epoch: 1, lane: lane.into(), sequence: *sequence };
        let uid = 1000 + u32::try_from(draw(number, 5, 5)).unwrap();
        let human = HUMANS[draw(number, 5, 5)];
        let failed = draw(number, 7, 6) == 0;
        Event {
            id: Some(id),
            host: format!("web-{}", draw(number, 3, 7)),
            time: Some(prost_types::Timestamp { seconds: 1_767_225_600 + number as i64, nanos: 7 }),
            process: Some(Process {
                pid: 7,
                comm: Bytes::from_static(COMMS[draw(number, 4, 8)]),
                exe: format!("/usr/bin/p{}", draw(number, 6, 9)).into(),
                argv: vec!["p".into(), "".into(), Bytes::from_static(b"\xff")],
                ..Process::default()
            }),
            credentials: Some(Credentials {
                uid,
                euid: if draw(number, 11, 10) == 0 { 0 } else { uid },
                ..Credentials::default()
            }),
            login: (!human.is_empty()).then(|| Login { auid: Some(uid), ..Login::default() }),
            attribution: (!human.is_empty()).then(|| Attribution {
                user: human.into(),
                uid: Some(uid),
                ..Attribution::default()
            }),
            outcome: Some(Outcome { success: !failed, errno: failed.then_some(13) }),
            count: (draw(number, 13, 11) == 0).then_some(number),
            payload: Some(payload),
            ..Event::default()
        }
    };
    (1..=EVENTS).map(one).collect()
}
