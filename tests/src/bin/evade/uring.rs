//! Acts that an io_uring does for the process.

use std::{
    fs::{self, File},
    mem,
    net::{TcpListener, UdpSocket},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use io_uring::{IoUring, opcode, squeue, types};
use rustix::net::{AddressFamily, SocketType, socket};

use serde_json::{Value, json};

use crate::{Act, Scene, network::Address, opens::c_path, tell};

pub const ACTS: &[(&str, Act)] = &[
    ("uring-open", |scene| open(scene, squeue::Flags::empty())),
    ("uring-open-async", |scene| open(scene, squeue::Flags::ASYNC)),
    ("uring-connect", |scene| connect(scene, squeue::Flags::empty())),
    ("uring-connect-async", |scene| connect(scene, squeue::Flags::ASYNC)),
    ("uring-sendmsg", sendmsg),
];

/// Has one operation done and returns its result.
fn perform(entry: squeue::Entry, flags: squeue::Flags) -> i32 {
    let mut ring = match IoUring::new(2) {
        Ok(ring) => ring,
        Err(error) => tell::cannot(format_args!("io_uring_setup: {error}")),
    };
    // SAFETY: what the entry points to outlives this call, which waits for the
    // operation's end.
    unsafe { ring.submission().push(&entry.flags(flags)) }.unwrap();
    ring.submit_and_wait(1).unwrap();
    ring.completion().next().unwrap().result()
}

/// Of this process, or, where the kernel has a thread of its own do it (before
/// 5.12), of the same person.
fn expect(scene: &Scene, event: Value) {
    let mut of_a_worker = event.clone();
    of_a_worker["process"] = json!({ "pid": {} });
    of_a_worker["login"] = json!({ "auid": scene.login_uid });
    tell::expect_one_of(vec![event, of_a_worker]);
}

fn open(scene: &Scene, flags: squeue::Flags) {
    let file = scene.file("secret");
    // So that it is known and the ring need not wait for a disk.
    drop(fs::metadata(&file));
    let path = c_path(&file);
    let entry = opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), path.as_ptr()).build();
    let descriptor = perform(entry, flags);
    assert!(descriptor >= 0, "{descriptor}");
    // SAFETY: the ring has just made it for us.
    let opened = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let metadata = File::from(opened).metadata().unwrap();
    expect(scene, tell::opened(&file, &metadata));
    tell::named(&file, &metadata);
    tell::truth(&tell::text(&file));
}

fn connect(scene: &Scene, flags: squeue::Flags) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let address = Address::from(to);
    let socket = types::Fd(socket.as_raw_fd());
    let entry = opcode::Connect::new(socket, address.pointer(), address.length()).build();
    assert_eq!(perform(entry, flags), 0);
    expect(scene, crate::network::connected("tcp", to));
    tell::truth(&to.to_string());
}

fn sendmsg(scene: &Scene) {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = receiver.local_addr().unwrap();
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
    let address = Address::from(to);
    let mut part = libc::iovec { iov_base: c"x".as_ptr().cast_mut().cast(), iov_len: 1 };
    // SAFETY: a message of zeros is an empty one.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_name = address.pointer().cast_mut().cast();
    message.msg_namelen = address.length();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    let entry = opcode::SendMsg::new(types::Fd(socket.as_raw_fd()), &raw const message).build();
    match perform(entry, squeue::Flags::empty()) {
        1 => {}
        error => {
            tell::cannot(format_args!("io_uring sendmsg: {}", std::io::Error::from_raw_os_error(-error)))
        }
    }
    expect(scene, crate::network::connected("udp", to));
    tell::truth(&to.to_string());
}
