//! A tree as the archive that a kernel unpacks into its first file system.

use std::{
    fs::{self, DirEntry, File},
    io::{self, BufWriter, Write},
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::Path,
};

use anyhow::Context;
use cpio::newc::{Builder, ModeFileType, trailer};

use super::tree::{Node, Tree};
use crate::exit::Result;

/// Writes the archive. It is not compressed: unpacking is what an emulated
/// processor does slowly.
pub fn write(tree: &Tree, to: &Path) -> Result {
    let file = File::create(to).with_context(|| to.display().to_string())?;
    append(tree, file).with_context(|| to.display().to_string())
}

/// Writes the archive behind what is there: a kernel unpacks one after the
/// other.
pub fn append(tree: &Tree, file: File) -> Result {
    let mut archive = BufWriter::new(file);
    for (index, (path, node)) in tree.nodes().enumerate() {
        let name = path.strip_prefix("/").unwrap_or(path);
        let name = name.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
        let entry = Builder::new(name).ino(u32::try_from(index)?.saturating_add(1));
        match node {
            Node::Directory(mode) => put(&mut archive, entry.mode(*mode), ModeFileType::Directory, b"")?,
            Node::Link(to) => {
                put(&mut archive, entry.mode(0o777), ModeFileType::Symlink, to.as_os_str().as_bytes())?;
            }
            Node::Bytes(bytes, mode) => put(&mut archive, entry.mode(*mode), ModeFileType::Regular, bytes)?,
            Node::File(from, mode) => {
                let bytes = fs::read(from).with_context(|| from.display().to_string())?;
                put(&mut archive, entry.mode(*mode), ModeFileType::Regular, &bytes)?;
            }
        }
    }
    // The kernel opens it for the first process, before anything is mounted.
    let console = Builder::new("dev/console").mode(0o600).rdev_major(5).rdev_minor(1);
    put(&mut archive, console, ModeFileType::Char, b"")?;
    trailer(&mut archive)?;
    archive.flush()?;
    Ok(())
}

/// Writes a directory as the root of an archive, with owners and modes. Of what
/// is neither file, directory nor link there is nothing to keep.
pub fn pack(root: &Path, to: &Path) -> Result {
    let mut archive = BufWriter::new(File::create(to).with_context(|| to.display().to_string())?);
    let mut next = 1;
    descend(&mut archive, root, root, &mut next)?;
    trailer(&mut archive)?;
    archive.flush()?;
    Ok(())
}

fn descend(archive: &mut impl Write, root: &Path, dir: &Path, next: &mut u32) -> Result {
    let mut entries: Vec<_> =
        fs::read_dir(dir).with_context(|| dir.display().to_string())?.collect::<io::Result<_>>()?;
    entries.sort_by_key(DirEntry::file_name);
    for path in entries.iter().map(DirEntry::path) {
        let metadata = fs::symlink_metadata(&path).with_context(|| path.display().to_string())?;
        let name =
            path.strip_prefix(root)?.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
        let entry = Builder::new(name).ino(*next).mode(metadata.mode() & 0o7777);
        let entry = entry.uid(metadata.uid()).gid(metadata.gid());
        *next = next.saturating_add(1);
        if metadata.is_dir() {
            put(archive, entry, ModeFileType::Directory, b"")?;
            descend(archive, root, &path, next)?;
        } else if metadata.is_symlink() {
            put(archive, entry, ModeFileType::Symlink, fs::read_link(&path)?.as_os_str().as_bytes())?;
        } else if metadata.is_file() {
            put(archive, entry, ModeFileType::Regular, &fs::read(&path)?)?;
        }
    }
    Ok(())
}

fn put(archive: &mut impl Write, entry: Builder, kind: ModeFileType, bytes: &[u8]) -> Result {
    let mut writer = entry.set_mode_file_type(kind).write(archive, u32::try_from(bytes.len())?);
    writer.write_all(bytes)?;
    writer.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn directories_links_and_modes_are_in_the_archive() {
        let dir = tempfile::tempdir().unwrap();
        let mut tree = Tree::default();
        tree.bytes("/a/script", "#!/bin/sh\n", 0o4755);
        tree.link("/a/link", PathBuf::from("script"));
        tree.directory("/dev", 0o755);
        let archive = dir.path().join("archive");
        write(&tree, &archive).unwrap();
        let mut read = cpio::newc::Reader::new(File::open(&archive).unwrap()).unwrap();
        let mut found = Vec::new();
        while !read.entry().is_trailer() {
            found.push((read.entry().name().to_owned(), read.entry().mode()));
            read = cpio::newc::Reader::new(read.finish().unwrap()).unwrap();
        }
        let wanted = [
            ("a", 0o040_755),
            ("a/link", 0o120_777),
            ("a/script", 0o104_755),
            ("dev", 0o040_755),
            ("dev/console", 0o020_600),
        ];
        assert_eq!(found, wanted.map(|(name, mode)| (name.to_owned(), mode)));
    }
}
