//! Records as the kernel writes them, and the events they become.

use activity_proto::{json::to_json, v1::event::Payload};
use sensor_types::{
    credentials::{CredentialChange, Ids, LoginuidSet},
    file::{
        Change, DIRECTORY, FROM_KERNEL, FROM_KERNEL_COPY, FROM_USER, FileId, IO_URING, MOUNTED, Open,
        SYMBOLIC, UNCHANGED,
    },
    network::{DATAGRAM, Local, Socket},
    span::{UNREADABLE, WALKED},
    system::{ATTACH, Bpf, MAP, Module, PROGRAM, Ptrace, REQUEST},
};
use serde_json::{Value, json};
use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::*;
use crate::config::RedactionConfig;

const REGULAR: FileId = FileId { inode: 77, device: 254 << 20 | 1, mode: 0o100_644, links: 1, reserved: 0 };

fn decoder() -> Decoder {
    Decoder::new("b007", Arc::new(Redactor::new(&RedactionConfig::default()).unwrap()))
}

/// A fixed part of zeros, but for the act and what is unset.
fn zeroed<T: FromZeros>(header: impl Fn(&mut T) -> &mut Header, act: Act) -> T {
    let mut record = T::new_zeroed();
    let header = header(&mut record);
    (header.kind, header.pid, header.tid) = (act as u32, 7, 8);
    (header.loginuid, header.sessionid, header.session_loginuid) = (UNSET, UNSET, UNSET);
    record
}

/// A record under construction: strings go behind the fixed part.
struct Record {
    fixed: usize,
    strings: Vec<u8>,
}

impl Record {
    fn of<T>() -> Self {
        Self { fixed: size_of::<T>(), strings: Vec::new() }
    }

    fn string(&mut self, text: &[u8], flags: u32) -> Span {
        let offset = u32::try_from(self.fixed + self.strings.len()).unwrap();
        self.strings.extend_from_slice(text);
        Span { offset, length: u32::try_from(text.len()).unwrap(), full_length: 0, flags }
    }

    fn finish(self, fixed: &(impl IntoBytes + Immutable)) -> Vec<u8> {
        [fixed.as_bytes(), &self.strings].concat()
    }
}

fn decode(record: &[u8]) -> Event {
    match decoder().decode(record, 0).unwrap() {
        Decoded::Event(event) => *event,
        other => panic!("not an event: {other:?}"),
    }
}

/// Payload and outcome of a record as JSON.
fn shown(record: &[u8]) -> (Value, Value) {
    let event = to_json(&decode(record));
    let kind = event["type"].as_str().unwrap().to_owned();
    let mut key = String::new();
    for (index, word) in kind.split('_').enumerate() {
        key.push_str(&if index == 0 { word.to_owned() } else { word[..1].to_uppercase() + &word[1..] });
    }
    (event[key.as_str()].clone(), event["outcome"].clone())
}

fn open(act: Act, change: impl Fn(&mut Open, &mut Record)) -> Vec<u8> {
    let mut open: Open = zeroed(|open: &mut Open| &mut open.header, act);
    let mut record = Record::of::<Open>();
    change(&mut open, &mut record);
    record.finish(&open)
}

fn change(act: Act, fill: impl Fn(&mut Change, &mut Record)) -> Vec<u8> {
    let mut change: Change = zeroed(|change: &mut Change| &mut change.header, act);
    let mut record = Record::of::<Change>();
    fill(&mut change, &mut record);
    record.finish(&change)
}

fn socket(act: Act, fill: impl Fn(&mut Socket)) -> Vec<u8> {
    let mut socket: Socket = zeroed(|socket: &mut Socket| &mut socket.header, act);
    fill(&mut socket);
    socket.as_bytes().to_vec()
}

fn address(socket: &mut Socket, family: u16, bytes: &[u8], port: u16) {
    socket.destination.family = family;
    socket.destination.port = port;
    socket.destination.length = u32::try_from(bytes.len()).unwrap();
    socket.destination.address[..bytes.len()].copy_from_slice(bytes);
}

#[test]
fn the_source_of_a_path_decides_whether_it_is_joined() {
    let asked = open(Act::Open, |open, record| {
        (open.result, open.source, open.marks) = (-2, FROM_KERNEL_COPY, IO_URING);
        open.path = record.string(b"./x", 0);
        open.base = record.string(b"a\0home\0", WALKED);
    });
    let (payload, outcome) = shown(&asked);
    assert_eq!(payload["path"], "/home/a/x");
    assert_eq!((&payload["pathSource"], &payload["ioUring"]), (&json!("kernel_copy"), &json!(true)));
    assert_eq!(outcome, json!({"success": false, "errno": 2, "error": "ENOENT"}));
    let opened = open(Act::Open, |open, record| {
        (open.file, open.source) = (REGULAR, FROM_KERNEL);
        open.path = record.string(b"x\0tmp\0", WALKED);
    });
    let (payload, _) = shown(&opened);
    assert_eq!((&payload["path"], &payload["pathSource"]), (&json!("/tmp/x"), &json!("kernel")));
    assert_eq!((&payload["device"], &payload["inode"]), (&json!("254:1"), &json!("77")));
}

#[test]
fn a_path_that_could_not_be_read_is_told_as_missing() {
    let record = open(Act::Open, |open, record| {
        (open.result, open.source) = (-14, FROM_USER);
        open.path = record.string(b"", UNREADABLE);
        open.base = record.string(b"a\0", WALKED | UNREADABLE);
    });
    let event = decode(&record);
    assert_eq!(event.truncated, [Truncation { field: "path".into(), full_length: None }]);
    let Some(Payload::Open(open)) = event.payload else { unreachable!() };
    assert!(open.path.is_empty());
}

#[test]
fn a_level_of_interpreters_is_no_event() {
    let record = open(Act::Interpreter, |open, record| {
        (open.file, open.source) = (REGULAR, FROM_KERNEL);
        open.path = record.string(b"x\0", WALKED);
    });
    let Ok(Decoded::Level(level)) = decoder().decode(&record, 0) else { panic!("not a level") };
    assert_eq!((level.pid, level.tid, level.interpreter.inode), (7, 8, Some(77)));
    assert_eq!(level.interpreter.path, "/x");
}

#[test]
fn received_and_mapped_files_say_which_they_are() {
    for (act, access) in [(Act::FileReceive, json!(["read"])), (Act::ExecMapping, Value::Null)] {
        let record = open(act, |open, record| {
            (open.file, open.file_mode, open.source) = (FileId { links: 0, ..REGULAR }, 1, FROM_KERNEL);
            open.path = record.string(b"x\0", WALKED);
        });
        let (payload, _) = shown(&record);
        assert_eq!((&payload["path"], &payload["deleted"]), (&json!("/x"), &json!(true)));
        assert_eq!((&payload["mode"], &payload["access"]), (&json!(0o100_644), &access));
    }
}

#[test]
fn both_names_of_a_rename_start_from_their_own_directories() {
    let record = change(Act::Rename, |change, record| {
        (change.flags, change.source) = (2, FROM_USER);
        change.path = record.string(b"x", 0);
        change.base = record.string(b"a\0", WALKED);
        change.other = record.string(b"/y", 0);
        change.other_base = record.string(b"b\0", WALKED);
    });
    let expected = json!({"path": "/a/x", "newPath": "/y", "pathSource": "user", "exchange": true});
    assert_eq!(shown(&record).0, expected);
}

#[test]
fn the_text_of_a_symbolic_link_stays_as_it_is() {
    let record = |flags| {
        change(Act::Link, |change, record| {
            (change.flags, change.source) = (flags, FROM_USER);
            change.path = record.string(b"../x", 0);
            change.base = record.string(b"a\0", WALKED);
            change.other = record.string(b"y", 0);
            change.other_base = record.string(b"b\0", WALKED);
        })
    };
    let (symbolic, hard) = (shown(&record(SYMBOLIC)).0, shown(&record(0)).0);
    assert_eq!((&symbolic["path"], &symbolic["newPath"]), (&json!("../x"), &json!("/b/y")));
    assert_eq!(hard["path"], "/a/../x");
}

#[test]
fn a_change_tells_the_new_values_and_of_the_old_what_is_known() {
    let record = |act, flags, first, second| {
        change(act, |change, record| {
            (change.flags, change.first, change.second) = (flags, first, second);
            (change.file, change.source) = (REGULAR, FROM_KERNEL);
            change.path = record.string(b"x\0", WALKED);
        })
    };
    let (chmod, _) = shown(&record(Act::Chmod, 0, 0o4755, UNCHANGED));
    assert_eq!((&chmod["mode"], &chmod["oldMode"]), (&json!(0o4755), &json!(0o644)));
    let (chown, _) = shown(&record(Act::Chown, 0, UNCHANGED, 0));
    assert_eq!((chown.get("uid"), &chown["gid"]), (None, &json!(0)));
    let (unlink, outcome) = shown(&record(Act::Unlink, DIRECTORY, UNCHANGED, UNCHANGED));
    assert_eq!((&unlink["directory"], &outcome["success"]), (&json!(true), &json!(true)));
}

#[test]
fn a_mount_says_what_is_mounted_where() {
    let record = change(Act::Mount, |change, record| {
        (change.first, change.flags, change.source) = (MOUNTED, 0x1000, FROM_KERNEL);
        change.path = record.string(b"mnt\0", WALKED);
        change.other = record.string(b"tmpfs", 0);
        change.filesystem[..5].copy_from_slice(b"tmpfs");
    });
    let expected = json!({
        "operation": "mount", "path": "/mnt", "pathSource": "kernel", "source": "tmpfs",
        "filesystem": "tmpfs", "flags": 0x1000,
    });
    assert_eq!(shown(&record).0, expected);
}

#[test]
fn a_datagram_has_both_ends() {
    let record = socket(Act::Connect, |socket| {
        address(socket, 2, &[192, 0, 2, 53], 53);
        (socket.marks, socket.socket_type, socket.protocol) = (DATAGRAM, 2, 17);
        socket.local = Local { address: [0; 16], port: 50_000, family: 2 };
        socket.local.address[..4].copy_from_slice(&[192, 0, 2, 1]);
        socket.result = 12;
    });
    let (payload, outcome) = shown(&record);
    assert_eq!(outcome, json!({"success": true}));
    let expected = json!({
        "family": "inet", "protocol": "udp", "address": "192.0.2.53", "port": 53, "addressSource": "user",
        "localAddress": "192.0.2.1", "localPort": 50_000, "datagram": true,
    });
    assert_eq!(payload, expected);
}

#[test]
fn this_end_is_absent_while_the_socket_has_none() {
    let record = socket(Act::Connect, |socket| {
        address(socket, 10, &[0; 16], 1);
        socket.local = Local { address: [0; 16], port: 0, family: 10 };
    });
    let (payload, _) = shown(&record);
    assert_eq!((payload.get("localAddress"), payload.get("localPort")), (None, None));
    assert_eq!((&payload["address"], &payload["port"]), (&json!("::"), &json!(1)));
}

#[test]
fn every_family_has_its_own_form_of_address() {
    let vsock = socket(Act::Connect, |socket| {
        address(socket, 40, &[9999_u32.to_ne_bytes(), 2_u32.to_ne_bytes()].concat(), 0);
        socket.socket_type = 1;
    });
    let (vsock, _) = shown(&vsock);
    let of = |payload: &Value| [&payload["family"], &payload["address"], &payload["port"]].map(Value::clone);
    assert_eq!(of(&vsock), [json!("vsock"), json!("2"), json!(9999)]);
    let netlink = socket(Act::Connect, |socket| address(socket, 16, b"", 0));
    assert_eq!(of(&shown(&netlink).0), [json!("netlink"), Value::Null, Value::Null]);
    let abstract_name = socket(Act::Accept, |socket| address(socket, 1, b"\0bus", 0));
    assert_eq!(shown(&abstract_name).0["path"], r"\x00bus");
    let listening = socket(Act::Listen, |socket| {
        address(socket, 2, &[0; 4], 22);
        (socket.socket_type, socket.protocol) = (1, 6);
    });
    let expected = json!({"family": "inet", "protocol": "tcp", "address": "0.0.0.0", "port": 22});
    assert_eq!(shown(&listening).0, expected);
}

#[test]
fn a_socket_for_other_peoples_packets_says_of_which_protocol() {
    let made = |family, kind, protocol| {
        socket(Act::Socket, |socket| {
            socket.destination.family = family;
            (socket.socket_type, socket.protocol) = (kind, protocol);
            socket.result = -1;
        })
    };
    let (raw, outcome) = shown(&made(2, 3, 6));
    assert_eq!(raw, json!({"family": "inet", "protocol": "raw", "protocolNumber": 6}));
    assert_eq!(outcome["error"], "EPERM");
    let (packet, _) = shown(&made(17, 3, 3));
    assert_eq!(packet, json!({"family": "packet", "protocol": "packet", "protocolNumber": 3}));
}

#[test]
fn what_was_before_is_absent_where_it_is_not_known() {
    let mut change: CredentialChange =
        zeroed(|change: &mut CredentialChange| &mut change.header, Act::CredentialChange);
    change.new = Ids { uid: 1, capabilities: u64::MAX, ..Ids::default() };
    let (payload, _) = shown(change.as_bytes());
    assert_eq!(payload.get("old"), None);
    assert_eq!(payload["new"]["effectiveCapabilities"], u64::MAX.to_string());
    change.old_known = 1;
    assert_eq!(shown(change.as_bytes()).0["old"]["uid"], 0);
}

#[test]
fn a_login_uid_that_was_unset_is_absent() {
    let mut set: LoginuidSet = zeroed(|set: &mut LoginuidSet| &mut set.header, Act::LoginuidSet);
    (set.old_loginuid, set.old_sessionid, set.new_loginuid, set.new_sessionid) = (UNSET, UNSET, 1001, 7);
    set.header.session_loginuid = 1000;
    set.header.loginuid = 1001;
    set.header.session_start_ns = 5;
    assert_eq!(shown(set.as_bytes()).0, json!({"newAuid": 1001, "newSessionId": 7}));
    let login = decode(set.as_bytes()).login.unwrap();
    assert_eq!((login.first_auid, login.since_boottime_ns), (Some(1000), Some(5)));
    set.header.session_loginuid = 1001;
    assert_eq!(decode(set.as_bytes()).login.unwrap().first_auid, None);
}

#[test]
fn the_other_process_is_told_by_what_is_known_of_it() {
    let mut ptrace: Ptrace = zeroed(|ptrace: &mut Ptrace| &mut ptrace.header, Act::Ptrace);
    (ptrace.operation, ptrace.target_pid, ptrace.target_start_ns) = (ATTACH, 9, 3);
    ptrace.target_comm[..4].copy_from_slice(b"bash");
    let target = json!({"pid": 9, "uid": "b007-9-3", "startBoottimeNs": "3", "comm": "bash"});
    assert_eq!(shown(ptrace.as_bytes()).0, json!({"operation": "attach", "target": target}));
    (ptrace.operation, ptrace.request, ptrace.target_start_ns) = (REQUEST, 16, 0);
    let target = json!({"pid": 9, "comm": "bash"});
    let expected = json!({"operation": "request", "target": target, "request": 16});
    assert_eq!(shown(ptrace.as_bytes()).0, expected);
}

#[test]
fn bpf_is_a_load_or_tampering_or_nothing() {
    let mut bpf: Bpf = zeroed(|bpf: &mut Bpf| &mut bpf.header, Act::Bpf);
    (bpf.command, bpf.object, bpf.id, bpf.program_type) = (bpf_command::PROG_LOAD, PROGRAM, 12, 2);
    bpf.name[..4].copy_from_slice(b"name");
    assert_eq!(shown(bpf.as_bytes()).0, json!({"name": "name", "programType": 2, "programId": 12}));
    (bpf.command, bpf.object, bpf.ours) = (2, MAP, 1);
    let expected = json!({"command": "BPF_MAP_UPDATE_ELEM", "object": "map", "objectId": 12, "name": "name"});
    assert_eq!(shown(bpf.as_bytes()).0, expected);
    bpf.ours = 0;
    assert_eq!(decoder().decode(bpf.as_bytes(), 0).unwrap_err(), DecodeError::NotRecorded);
}

#[test]
fn a_module_was_loaded() {
    let mut module: Module = zeroed(|module: &mut Module| &mut module.header, Act::ModuleLoad);
    module.name[..5].copy_from_slice(b"dummy");
    assert_eq!(shown(module.as_bytes()), (json!({"name": "dummy"}), json!({"success": true})));
}

#[test]
fn every_cut_of_every_record_is_decoded_or_refused() {
    let decoder = decoder();
    for act in Act::ALL {
        let mut record = vec![0xff; 1024];
        record[..4].copy_from_slice(&(*act as u32).to_ne_bytes());
        for length in 0..record.len() {
            let _ = decoder.decode(&record[..length], 0);
        }
    }
}
