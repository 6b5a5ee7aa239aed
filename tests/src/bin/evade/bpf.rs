//! Hands on the sensor itself. The argument is its process id.

use std::{
    fs, io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use serde_json::json;

use crate::{Act, Scene, sys, tell};

pub const ACTS: &[(&str, Act)] = &[("map-edit", map_edit), ("link-detach", link_detach)];

// enum bpf_cmd
const MAP_UPDATE_ELEM: usize = 2;
const MAP_GET_FD_BY_ID: usize = 14;
const OBJ_GET_INFO_BY_FD: usize = 15;
const LINK_GET_FD_BY_ID: usize = 30;
const LINK_DETACH: usize = 34;
/// `BPF_MAP_TYPE_LRU_HASH`, of which an entry more does no harm.
const LRU_HASH: u32 = 9;

/// A command with its attributes as 32-bit words.
fn bpf(command: usize, attributes: &mut [u32; 32]) -> io::Result<usize> {
    let arguments = [command, attributes.as_mut_ptr().addr(), size_of_val(attributes)];
    // SAFETY: the attributes are larger than any command's; what they point
    // to is valid for as long as the command has it.
    unsafe { sys::call(libc::SYS_bpf, &arguments) }
}

fn by_id(command: usize, id: u32) -> io::Result<OwnedFd> {
    let mut attributes = [0; 32];
    attributes[0] = id;
    let descriptor = bpf(command, &mut attributes)?;
    // SAFETY: the call has just made it for us.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(i32::try_from(descriptor).unwrap()) })
}

/// What /proc says of the sensor's descriptors under this name.
fn ids(scene: &Scene, name: &str) -> Vec<u32> {
    let descriptors = format!("/proc/{}/fdinfo", scene.number(0));
    let infos = fs::read_dir(descriptors).unwrap().flatten();
    let infos = infos.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let id = |info: String| info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    let mut ids: Vec<u32> = infos.filter_map(id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Type, size of a key and size of a value.
fn shape(map: &OwnedFd) -> io::Result<[u32; 3]> {
    let mut info = [0_u32; 64];
    let pointer = info.as_mut_ptr().addr() as u64;
    let mut attributes = [0; 32];
    attributes[0] = map.as_raw_fd() as u32;
    attributes[1] = size_of_val(&info) as u32;
    [attributes[2], attributes[3]] = halves(pointer);
    bpf(OBJ_GET_INFO_BY_FD, &mut attributes)?;
    Ok([info[0], info[2], info[3]])
}

fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

fn tampered(what: &str, result: &io::Result<usize>) {
    tell::expect(json!({ "type": "tamper" }));
    tell::truth(&format!("{what}: {result:?}"));
}

/// Writes into one of its maps.
fn map_edit(scene: &Scene) {
    let maps = ids(scene, "map_id:");
    tell::begin();
    for id in maps {
        let Ok(map) = by_id(MAP_GET_FD_BY_ID, id) else { continue };
        let [kind, key, value] = shape(&map).unwrap();
        if kind != LRU_HASH {
            continue;
        }
        let (key, value) = (vec![0xff_u8; key as usize], vec![0_u8; value as usize]);
        let mut attributes = [0; 32];
        attributes[0] = map.as_raw_fd() as u32;
        [attributes[2], attributes[3]] = halves(key.as_ptr().addr() as u64);
        [attributes[4], attributes[5]] = halves(value.as_ptr().addr() as u64);
        return tampered("an entry in a map", &bpf(MAP_UPDATE_ELEM, &mut attributes));
    }
    // Not even a look was possible, which is an attempt all the same.
    tampered("no map", &Ok(0));
}

/// Takes one of its hooks off.
fn link_detach(scene: &Scene) {
    let links = ids(scene, "link_id:");
    tell::begin();
    let Some(&id) = links.first() else { tell::cannot("the sensor has no links") };
    let mut attributes = [0; 32];
    let detached = by_id(LINK_GET_FD_BY_ID, id).and_then(|link| {
        attributes[0] = link.as_raw_fd() as u32;
        bpf(LINK_DETACH, &mut attributes)
    });
    tampered("a link", &detached);
}
