//! Acts that change who may do what, and acts on names and sockets.

use activity_proto::v1::{
    Accept, Access, BpfLoad, Chmod, Chown, Connect, CredentialChange, Event, Exec, ExecMapping, Family,
    FileReceive, Identity, Link, Listen, LoginuidSet, ModuleLoad, Mount, MountOperation, Open, PathSource,
    Process, Protocol, Ptrace, PtraceOperation, Rename, Socket, Tamper, TamperObject, Unlink, event::Payload,
};
use bytes::Bytes;

use super::scene::{act, as_root, exec, failed};

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn kernel() -> i32 {
    PathSource::Kernel.into()
}

fn rename(path: &str, new_path: &str, exchange: bool) -> Payload {
    let (path, new_path) = (bytes(path), bytes(new_path));
    Payload::Rename(Rename { path, new_path, exchange, path_source: kernel(), ..Rename::default() })
}

fn link(path: &str, new_path: &str, symbolic: bool) -> Payload {
    let (path, new_path) = (bytes(path), bytes(new_path));
    Payload::Link(Link { path, new_path, symbolic, path_source: PathSource::User.into(), ..Link::default() })
}

fn unlink(path: &str, directory: bool) -> Payload {
    Payload::Unlink(Unlink { path: bytes(path), directory, path_source: kernel(), ..Unlink::default() })
}

fn chmod(path: &str, old_mode: Option<u32>, mode: u32) -> Payload {
    Payload::Chmod(Chmod { path: bytes(path), mode, old_mode, path_source: kernel(), ..Chmod::default() })
}

fn chown(path: &str, uid: Option<u32>, gid: Option<u32>) -> Payload {
    Payload::Chown(Chown { path: bytes(path), uid, gid, path_source: kernel(), ..Chown::default() })
}

fn mount(operation: MountOperation, source: &str, path: &str, filesystem: &str) -> Payload {
    Payload::Mount(Mount {
        operation: operation.into(),
        path: bytes(path),
        path_source: kernel(),
        source: bytes(source),
        filesystem: bytes(filesystem),
        flags: 0,
    })
}

fn listen(family: Family, protocol: Protocol, address: &str, port: Option<u32>, path: &str) -> Payload {
    let (family, protocol) = (family.into(), protocol.into());
    Payload::Listen(Listen { family, protocol, address: address.into(), port, path: bytes(path) })
}

fn files() -> Vec<Event> {
    let vi = "/usr/bin/vim.basic";
    vec![
        act(0, 50, "/usr/bin/mv", rename("/home/alice/a", "/home/alice/b c", false)),
        act(1, 51, "/usr/bin/exch", rename("/srv/new", "/srv/old", true)),
        act(2, 52, "/usr/bin/ln", link("../secret", "./here", true)),
        failed(act(3, 53, "/usr/bin/ln", link("/etc/shadow", "/home/alice/s", false)), 1),
        act(4, 54, "/usr/bin/rm", unlink("/home/alice/a", false)),
        act(5, 55, "/usr/bin/rmdir", unlink("/home/alice/d", true)),
        act(6, 56, "/usr/bin/chmod", chmod("/home/alice/run", Some(0o644), 0o4755)),
        failed(act(7, 57, "/usr/bin/chmod", chmod("/etc/passwd", None, 0o666)), 1),
        as_root(act(8, 58, "/usr/bin/chown", chown("/home/alice/run", Some(0), Some(0)))),
        as_root(act(9, 59, "/usr/bin/chgrp", chown("/home/alice/run", None, Some(27)))),
        as_root(act(10, 60, "/usr/bin/mount", mount(MountOperation::Mount, "/dev/sdb1", "/mnt", "ext4"))),
        as_root(act(11, 61, "/usr/bin/mount", mount(MountOperation::Move, "/mnt", "/srv", ""))),
        as_root(act(12, 62, "/usr/bin/umount", mount(MountOperation::Unmount, "", "/srv", ""))),
        act(
            13,
            63,
            vi,
            Payload::FileReceive(FileReceive {
                path: bytes("/etc/shadow"),
                path_source: kernel(),
                access: vec![Access::Read.into()],
                ..FileReceive::default()
            }),
        ),
        act(
            14,
            64,
            vi,
            Payload::ExecMapping(ExecMapping {
                path: bytes("/tmp/x.so"),
                path_source: kernel(),
                deleted: true,
                ..ExecMapping::default()
            }),
        ),
        act(15, 65, vi, Payload::Open(Open { path: bytes("/tmp/ring"), io_uring: true, ..Open::default() })),
    ]
}

fn sockets() -> Vec<Event> {
    let connect = Connect {
        family: Family::Inet.into(),
        protocol: Protocol::Udp.into(),
        address: "192.0.2.53".into(),
        port: Some(53),
        datagram: true,
        ..Connect::default()
    };
    let vsock = Connect {
        family: Family::Vsock.into(),
        protocol: Protocol::Stream.into(),
        address: "2".into(),
        port: Some(9999),
        ..Connect::default()
    };
    let netlink = Connect { family: Family::Netlink.into(), ..Connect::default() };
    let accept = Accept {
        family: Family::Inet6.into(),
        protocol: Protocol::Tcp.into(),
        address: "2001:db8::7".into(),
        port: Some(50_000),
        local_address: "2001:db8::1".into(),
        local_port: Some(8080),
        ..Accept::default()
    };
    let made = |family: Family, protocol: Protocol, protocol_number| {
        Payload::Socket(Socket { family: family.into(), protocol: protocol.into(), protocol_number })
    };
    let nc = "/usr/bin/nc";
    vec![
        act(20, 70, nc, listen(Family::Inet6, Protocol::Tcp, "::", Some(8080), "")),
        act(21, 70, nc, listen(Family::Unix, Protocol::Stream, "", None, "chat")),
        act(22, 70, nc, Payload::Accept(accept)),
        act(23, 71, "/usr/bin/dig", Payload::Connect(connect)),
        act(24, 72, nc, Payload::Connect(vsock)),
        act(25, 72, "/usr/sbin/ip", Payload::Connect(netlink)),
        failed(act(26, 73, "/usr/bin/nmap", made(Family::Inet, Protocol::Raw, 255)), 1),
        as_root(act(27, 74, "/usr/bin/tcpdump", made(Family::Packet, Protocol::Packet, 3))),
    ]
}

fn powers() -> Vec<Event> {
    let alice = Identity { uid: 1001, euid: 1001, suid: 1001, fsuid: 1001, ..Identity::default() };
    let root = Identity { effective_capabilities: 0x1ff_ffff_ffff, ..Identity::default() };
    let change = |old, new| Payload::CredentialChange(CredentialChange { old, new: Some(new) });
    let target =
        Process { pid: 900, comm: bytes("sshd"), exe: bytes("/usr/sbin/sshd"), ..Process::default() };
    let ptrace = |operation: PtraceOperation, request| {
        let target = Some(target.clone());
        Payload::Ptrace(Ptrace { operation: operation.into(), target, request })
    };
    let login = LoginuidSet { new_auid: Some(1001), new_session_id: Some(7), ..LoginuidSet::default() };
    let noticed = LoginuidSet { old_auid: Some(1001), noticed: true, ..LoginuidSet::default() };
    let tamper = Tamper {
        command: "BPF_MAP_UPDATE_ELEM".into(),
        object: TamperObject::Map.into(),
        object_id: 12,
        name: bytes("SETTINGS"),
    };
    let mut preloaded = exec(46, 95, "/usr/bin/id", &[b"id"]);
    preloaded.payload = Some(Payload::Exec(Exec {
        preload: vec![bytes("LD_LIBRARY_PATH=/opt/lib"), bytes("LD_PRELOAD=/tmp/x y.so")],
        ..Exec::default()
    }));
    let load = BpfLoad { name: bytes("spy"), program_type: 2, program_id: Some(77) };
    vec![
        act(30, 80, "/usr/bin/sudo", change(Some(alice), root)),
        failed(act(31, 81, "/usr/bin/x", change(Some(alice), alice)), 1),
        act(32, 82, "/usr/bin/x", change(None, root)),
        as_root(act(33, 83, "/usr/sbin/sshd", Payload::LoginuidSet(login))),
        as_root(act(34, 84, "/usr/sbin/sshd", Payload::LoginuidSet(noticed))),
        failed(act(40, 90, "/usr/bin/gdb", ptrace(PtraceOperation::Attach, None)), 1),
        as_root(act(41, 91, "/usr/bin/strace", ptrace(PtraceOperation::Request, Some(0x4206)))),
        as_root(act(42, 92, "/usr/bin/x", ptrace(PtraceOperation::MemoryWrite, None))),
        as_root(act(43, 93, "/usr/bin/bpftrace", Payload::BpfLoad(load))),
        as_root(act(44, 94, "/usr/bin/kmod", Payload::ModuleLoad(ModuleLoad { name: bytes("dummy") }))),
        as_root(act(45, 94, "/usr/bin/x", Payload::Tamper(tamper))),
        preloaded,
    ]
}

/// One of each, and some that went wrong.
pub fn acts() -> Vec<Event> {
    [files(), sockets(), powers()].concat()
}
