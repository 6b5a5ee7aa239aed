//! The file tree of a guest: files of this machine at their own paths, and
//! texts of ours.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Component, Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::{
    exit,
    exit::{Result, failure},
    setup::on_path,
};

/// As many symbolic links as the kernel itself would follow.
const MOST_LINKS: usize = 40;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory with that mode.
    Directory(u32),
    /// A symbolic link to there.
    Link(PathBuf),
    /// The content of a file of this machine, with a mode.
    File(PathBuf, u32),
    /// Bytes of ours, with a mode.
    Bytes(Vec<u8>, u32),
}

/// A tree, by absolute path. A directory comes before what is in it.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<PathBuf, Node>,
    /// Programs whose libraries are still to be added.
    programs: BTreeSet<PathBuf>,
}

impl Tree {
    /// What is where.
    pub fn nodes(&self) -> impl Iterator<Item = (&Path, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_path(), node))
    }

    /// Whether something is there.
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        self.nodes.contains_key(path.as_ref())
    }

    /// A directory, and those above it.
    pub fn directory(&mut self, path: impl AsRef<Path>, mode: u32) {
        self.parents(path.as_ref());
        self.nodes.insert(path.as_ref().to_owned(), Node::Directory(mode));
    }

    /// A symbolic link.
    pub fn link(&mut self, path: impl AsRef<Path>, to: impl Into<PathBuf>) {
        self.parents(path.as_ref());
        self.nodes.insert(path.as_ref().to_owned(), Node::Link(to.into()));
    }

    /// A file with this content.
    pub fn bytes(&mut self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>, mode: u32) {
        self.parents(path.as_ref());
        self.nodes.insert(path.as_ref().to_owned(), Node::Bytes(bytes.into(), mode));
    }

    /// A file of this machine's at another path.
    pub fn file(&mut self, path: impl AsRef<Path>, from: &Path) -> Result {
        let metadata = fs::metadata(from).with_context(|| from.display().to_string())?;
        self.parents(path.as_ref());
        let mode = metadata.permissions().mode() & 0o7777;
        self.nodes.insert(path.as_ref().to_owned(), Node::File(from.to_owned(), mode));
        if mode & 0o111 != 0 {
            self.programs.insert(from.to_owned());
        }
        Ok(())
    }

    /// A file of this machine's at its own path, with the symbolic links on the
    /// way there.
    pub fn host(&mut self, path: &Path) -> Result {
        let mut current = PathBuf::from("/");
        let mut rest: VecDeque<OsString> = names(path).collect();
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                current.pop();
                continue;
            }
            let here = current.join(&name);
            let metadata = fs::symlink_metadata(&here).with_context(|| here.display().to_string())?;
            let mode = metadata.permissions().mode() & 0o7777;
            if metadata.is_symlink() {
                links += 1;
                if links > MOST_LINKS {
                    bail!("{} goes through too many symbolic links", path.display());
                }
                let to = fs::read_link(&here)?;
                if to.is_absolute() {
                    current = PathBuf::from("/");
                }
                names(&to).rev().for_each(|name| rest.push_front(name));
                self.nodes.insert(here, Node::Link(to));
            } else if metadata.is_dir() {
                self.nodes.entry(here.clone()).or_insert(Node::Directory(mode));
                current = here;
            } else {
                self.nodes.insert(here.clone(), Node::File(here.clone(), mode));
                current = here;
            }
        }
        Ok(())
    }

    /// A program of this machine's at its own path; its libraries follow with
    /// [`Self::libraries`].
    pub fn program(&mut self, path: &Path) -> Result {
        self.programs.insert(path.to_owned());
        self.host(path)
    }

    /// The first program of that name on the search path, if there is one.
    pub fn named_program(&mut self, name: &str) -> Result<bool> {
        match on_path(name) {
            Some(path) => self.program(&path).map(|()| true),
            None => Ok(false),
        }
    }

    /// Adds the shared libraries of all programs so far.
    pub fn libraries(&mut self) -> Result {
        let programs = std::mem::take(&mut self.programs);
        // It fails for those that need no library; what it says of the others
        // is complete all the same.
        let output = Command::new("ldd").args(&programs).env("LC_ALL", "C").output().context("ldd")?;
        let said = String::from_utf8_lossy(&output.stdout);
        if let Some(line) = said.lines().find(|line| line.ends_with("not found")) {
            return Err(failure(
                exit::MISSING,
                format!("a library is missing on this machine: {}", line.trim()),
            ));
        }
        for library in said.lines().filter_map(library).collect::<BTreeSet<_>>() {
            self.host(Path::new(library))?;
        }
        Ok(())
    }

    fn parents(&mut self, path: &Path) {
        for parent in path.ancestors().skip(1).filter(|parent| parent.parent().is_some()) {
            self.nodes.entry(parent.to_owned()).or_insert(Node::Directory(0o755));
        }
    }
}

/// The names in a path, without the root.
fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

/// The path in a line of `ldd`, `libc.so.6 => /lib/libc.so.6 (0x7f…)` or
/// `/lib64/ld-linux-x86-64.so.2 (0x7f…)`.
fn library(line: &str) -> Option<&str> {
    let line = line.strip_prefix('\t')?;
    let path = line.split_once(" => ").map_or(line, |(_, path)| path);
    path.split_once(" (0x").map(|(path, _)| path).filter(|path| path.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_on_the_way_to_a_file_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        fs::create_dir(dir.join("real")).unwrap();
        fs::write(dir.join("real/file"), "x").unwrap();
        std::os::unix::fs::symlink("real", dir.join("relative")).unwrap();
        std::os::unix::fs::symlink(dir.join("relative/../relative/file"), dir.join("name")).unwrap();
        let mut tree = Tree::default();
        tree.host(&dir.join("name")).unwrap();
        assert!(tree.has(dir.join("name")) && tree.has(dir.join("relative")) && tree.has(&dir));
        let file = tree.nodes().find(|(path, _)| *path == dir.join("real/file")).unwrap().1;
        assert!(matches!(file, Node::File(from, _) if *from == dir.join("real/file")));
    }

    #[test]
    fn a_circle_of_links_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("b", dir.path().join("a")).unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("b")).unwrap();
        assert!(Tree::default().host(&dir.path().join("a")).is_err());
    }

    #[test]
    fn libraries_are_read_from_ldd() {
        assert_eq!(library("\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f47)"), Some("/lib/x/libc.so.6"));
        assert_eq!(
            library("\t/lib64/ld-linux-x86-64.so.2 (0x00007f47)"),
            Some("/lib64/ld-linux-x86-64.so.2")
        );
        assert_eq!(library("\tlinux-vdso.so.1 (0x00007f47)"), None);
        assert_eq!(library("\tnot a dynamic executable"), None);
        assert_eq!(library("/usr/bin/ls:"), None);
    }
}
