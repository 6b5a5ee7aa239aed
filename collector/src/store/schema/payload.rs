//! Fields that several payloads have, to be taken out and put back: those that `row.rs` shows.

use activity_proto::v1::event::Payload;
use bytes::Bytes;

/// The file, socket or place that was acted on.
pub fn path(payload: &mut Payload) -> Option<&mut Bytes> {
    Some(match payload {
        Payload::Exec(exec) => &mut exec.filename,
        Payload::Open(open) => &mut open.path,
        Payload::FileReceive(received) => &mut received.path,
        Payload::ExecMapping(mapping) => &mut mapping.path,
        Payload::Rename(rename) => &mut rename.path,
        Payload::Link(link) => &mut link.path,
        Payload::Unlink(unlink) => &mut unlink.path,
        Payload::Chmod(chmod) => &mut chmod.path,
        Payload::Chown(chown) => &mut chown.path,
        Payload::Mount(mount) => &mut mount.path,
        Payload::Connect(connect) => &mut connect.path,
        Payload::Listen(listen) => &mut listen.path,
        Payload::Accept(accept) => &mut accept.path,
        _ => return None,
    })
}

/// The second name of an act that has two.
pub fn new_path(payload: &mut Payload) -> Option<&mut Bytes> {
    Some(match payload {
        Payload::Rename(rename) => &mut rename.new_path,
        Payload::Link(link) => &mut link.new_path,
        _ => return None,
    })
}

/// The file's number on its disk.
pub fn inode(payload: &mut Payload) -> Option<&mut Option<u64>> {
    Some(match payload {
        Payload::Open(open) => &mut open.inode,
        Payload::FileReceive(received) => &mut received.inode,
        Payload::ExecMapping(mapping) => &mut mapping.inode,
        Payload::Rename(rename) => &mut rename.inode,
        Payload::Link(link) => &mut link.inode,
        Payload::Unlink(unlink) => &mut unlink.inode,
        Payload::Chmod(chmod) => &mut chmod.inode,
        Payload::Chown(chown) => &mut chown.inode,
        _ => return None,
    })
}

/// An address with its port.
pub type End<'a> = (&'a mut String, &'a mut Option<u32>);

/// The other end, or where it listens.
pub fn end(payload: &mut Payload) -> Option<End<'_>> {
    Some(match payload {
        Payload::Connect(connect) => (&mut connect.address, &mut connect.port),
        Payload::Listen(listen) => (&mut listen.address, &mut listen.port),
        Payload::Accept(accept) => (&mut accept.address, &mut accept.port),
        _ => return None,
    })
}

/// This end.
pub fn local_end(payload: &mut Payload) -> Option<End<'_>> {
    Some(match payload {
        Payload::Connect(connect) => (&mut connect.local_address, &mut connect.local_port),
        Payload::Accept(accept) => (&mut accept.local_address, &mut accept.local_port),
        _ => return None,
    })
}
