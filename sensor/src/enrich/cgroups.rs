//! Control groups by their id, and the container each belongs to.

use std::{
    collections::HashMap,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirEntryExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bytes::Bytes;

/// How soon after a walk over the tree the next one may follow.
const PAUSE: Duration = Duration::from_secs(1);
/// Control groups kept at most.
const MAX: usize = 64 * 1024;
/// Directories of the tree are followed at most this deep.
const DEPTH: u32 = 32;

/// A control group.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// From the root of the unified hierarchy.
    pub path: Bytes,
    /// Empty outside containers.
    pub container_id: String,
    /// docker, podman, containerd, crio or lxc, as far as the path tells.
    pub runtime: String,
}

/// The control groups of the unified hierarchy. An id is the inode number of
/// the group's directory.
pub struct Cgroups {
    mount: Option<PathBuf>,
    by_id: HashMap<u64, Cgroup>,
    walked: Option<Instant>,
}

impl Cgroups {
    /// Finds the hierarchy among this process's mounts.
    pub fn find() -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mount = mounts.lines().find_map(|line| {
            let mut fields = line.split(' ');
            let (_, path, kind) = (fields.next()?, fields.next()?, fields.next()?);
            (kind == "cgroup2").then(|| PathBuf::from(path))
        });
        Self { mount, by_id: HashMap::new(), walked: None }
    }

    /// No hierarchy.
    #[cfg(any(test, feature = "fuzz"))]
    pub fn none() -> Self {
        Self { mount: None, by_id: HashMap::new(), walked: None }
    }

    /// The group with this id. One that is not known yet is looked for in the
    /// tree, not more often than once a second.
    pub fn get(&mut self, id: u64) -> Option<&Cgroup> {
        let rested = self.walked.is_none_or(|walked| walked.elapsed() >= PAUSE);
        if !self.by_id.contains_key(&id) && rested {
            self.walk();
        }
        self.by_id.get(&id)
    }

    fn walk(&mut self) {
        let Some(mount) = self.mount.clone() else { return };
        self.by_id.clear();
        if let Ok(root) = fs::metadata(&mount) {
            self.by_id.insert(root.ino(), Cgroup { path: Bytes::from_static(b"/"), ..Cgroup::default() });
        }
        self.walk_below(&mount, &mount, DEPTH);
        self.walked = Some(Instant::now());
    }

    fn walk_below(&mut self, mount: &Path, directory: &Path, depth: u32) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries.flatten() {
            if depth == 0 || self.by_id.len() >= MAX {
                return;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let path = entry.path();
                self.by_id.insert(entry.ino(), cgroup(path.strip_prefix(mount).unwrap_or(&path)));
                self.walk_below(mount, &path, depth - 1);
            }
        }
    }
}

fn cgroup(path: &Path) -> Cgroup {
    let (container_id, runtime) = container(path).unwrap_or_default();
    let mut absolute = b"/".to_vec();
    absolute.extend_from_slice(path.as_os_str().as_bytes());
    Cgroup { path: absolute.into(), container_id, runtime }
}

/// Container runtimes put the 64 hexadecimal digits of the container's id into
/// the name of its group: bare, or as `docker-ID.scope`, `libpod-ID.scope`,
/// `cri-containerd-ID.scope`, `crio-ID.scope`.
fn container(path: &Path) -> Option<(String, String)> {
    path.iter().rev().find_map(|name| {
        let name = name.to_str()?;
        let name = name.strip_suffix(".scope").unwrap_or(name);
        let (prefix, id) = name.rsplit_once('-').unwrap_or(("", name));
        (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .then(|| (id.to_owned(), runtime(prefix, path).to_owned()))
    })
}

fn runtime(prefix: &str, path: &Path) -> &'static str {
    let below = |name: &str| path.iter().any(|part| part == name);
    match prefix {
        "docker" => "docker",
        "libpod" => "podman",
        "cri-containerd" => "containerd",
        "crio" => "crio",
        _ if below("docker") => "docker",
        _ if below("libpod_parent") => "podman",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn the_container_is_read_from_the_path() {
        let of = |path: String| container(Path::new(&path));
        let found = |runtime: &str| Some((ID.to_owned(), runtime.to_owned()));
        assert_eq!(of(format!("system.slice/docker-{ID}.scope")), found("docker"));
        assert_eq!(of(format!("docker/{ID}")), found("docker"));
        assert_eq!(of(format!("machine.slice/libpod-{ID}.scope/container")), found("podman"));
        assert_eq!(of(format!("kubepods.slice/pod1/cri-containerd-{ID}.scope")), found("containerd"));
        assert_eq!(of("user.slice/user-1000.slice/session-3.scope".to_owned()), None);
    }
}
