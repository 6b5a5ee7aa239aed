//! 1001 File System Activity.

use activity_proto::v1::{
    Access, Chmod, Chown, FileReceive, Link, Mount, MountOperation, Open, Rename, Unlink,
};

use super::{
    Act, Class,
    objects::{file, file_type},
};
use crate::fields::Fields;

const UNKNOWN: u32 = 0;
const FOLDER: u32 = 2;
const SYMBOLIC_LINK: u32 = 7;

fn act(activity: u32, name: &'static str, file: Fields) -> Act {
    Act::new(Class::File, activity, name, Fields::new().put("file", file))
}

pub fn open(open: &Open) -> Act {
    let object = file(&open.path, file_type(open.mode), open.device.as_ref(), open.inode)
        .flag("is_deleted", open.deleted);
    let has = |access: Access| open.access.contains(&access.into());
    let (activity, name) = if has(Access::Create) {
        (1, "Create")
    } else if has(Access::Truncate) {
        (3, "Update")
    } else {
        (14, "Open")
    };
    act(activity, name, object)
}

pub fn receive(received: &FileReceive) -> Act {
    let object = file(&received.path, file_type(received.mode), received.device.as_ref(), received.inode)
        .flag("is_deleted", received.deleted);
    act(14, "Open", object)
}

pub fn rename(rename: &Rename) -> Act {
    let [old, new] = [&rename.path, &rename.new_path]
        .map(|path| file(path, UNKNOWN, rename.device.as_ref(), rename.inode));
    let mut act = act(5, "Rename", old);
    act.body = act.body.put("file_result", new);
    act
}

/// The new name is the file that was made; what it leads to is in `unmapped`.
pub fn link(link: &Link) -> Act {
    let kind = if link.symbolic { SYMBOLIC_LINK } else { UNKNOWN };
    act(1, "Create", file(&link.new_path, kind, link.device.as_ref(), link.inode))
}

pub fn unlink(unlink: &Unlink) -> Act {
    let kind = if unlink.directory { FOLDER } else { UNKNOWN };
    act(4, "Delete", file(&unlink.path, kind, unlink.device.as_ref(), unlink.inode))
}

pub fn chmod(chmod: &Chmod) -> Act {
    act(7, "Set Security", file(&chmod.path, file_type(Some(chmod.mode)), chmod.device.as_ref(), chmod.inode))
}

pub fn chown(chown: &Chown) -> Act {
    act(7, "Set Security", file(&chown.path, UNKNOWN, chown.device.as_ref(), chown.inode))
}

/// The file is the place in the tree.
pub fn mount(mount: &Mount) -> Act {
    let (activity, name) = match MountOperation::try_from(mount.operation) {
        Ok(MountOperation::Unmount) => (13, "Unmount"),
        Ok(MountOperation::Move) => (99, "Move Mount"),
        Ok(MountOperation::Mount | MountOperation::Unspecified) | Err(_) => (12, "Mount"),
    };
    act(activity, name, file(&mount.path, FOLDER, None, None))
}
