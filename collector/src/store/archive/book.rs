//! `archive.jsonl`: which files are in the archive.
//!
//! One note a line, only ever added to and durable before it is relied on; rewritten without
//! what is over when the store is opened. `moving` is noted before a file is copied, so that a
//! kill leaves no object that nobody knows of; `kept` when it was read back and is as it was
//! sealed; `leaving` when its removal is sealed, before the object is deleted; `gone` after.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use activity_segments::{DiskFile as _, Machine, replace};
use serde::{Deserialize, Serialize};

use crate::{
    seal::{SealedFile, lines},
    store::{Archived, Layout, StoreError, StoredFile},
};

/// A file that is in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// As it was sealed.
    #[serde(flatten)]
    pub file: SealedFile,
    /// When it was stored, in nanoseconds since 1970.
    pub stored: i64,
}

impl Kept {
    /// The file, where the path is that of one.
    pub fn stored_file(&self, layout: &Layout) -> Option<StoredFile> {
        let archived = Archived { length: self.file.length, stored: self.stored };
        Some(StoredFile { archived: Some(archived), ..layout.stored(&self.file.path)? })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Note {
    Moving(String),
    Kept(Kept),
    Leaving(String),
    Gone(String),
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is to be copied, and may be there already. The local one counts.
    Moving,
    /// It is there. A local one, where there is one still, goes before it.
    Kept(Kept),
    /// It is to be deleted there.
    Leaving,
}

/// What is known of files by their paths within the store.
pub type States = BTreeMap<String, State>;

fn apply(states: &mut States, note: Note) {
    match note {
        Note::Moving(path) => _ = states.insert(path, State::Moving),
        Note::Kept(kept) => _ = states.insert(kept.file.path.clone(), State::Kept(kept)),
        Note::Leaving(path) => _ = states.insert(path, State::Leaving),
        Note::Gone(path) => _ = states.remove(&path),
    }
}

/// What a store's book says, and how it ends; nothing where there is none.
fn read(layout: &Layout) -> Result<(States, Extent), StoreError> {
    let (path, mut states, mut extent) = (layout.archive_book(), States::new(), Extent::default());
    let read = lines::each(&path, |line| {
        extent.lines += 1;
        match serde_json::from_slice(line) {
            Ok(note) => apply(&mut states, note),
            Err(_) => extent.strange += 1,
        }
    });
    match read {
        Ok(lines::Extent { cut, .. }) => extent.cut = cut,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(source) => return Err(StoreError::file("read", &path, source)),
    }
    Ok((states, extent))
}

#[derive(Default)]
struct Extent {
    lines: usize,
    strange: usize,
    cut: u64,
}

/// What a store's book says.
///
/// # Errors
/// When it cannot be read.
pub fn states(layout: &Layout) -> Result<States, StoreError> {
    read(layout).map(|(states, _)| states)
}

/// The one who writes into the book.
pub struct Book {
    path: PathBuf,
    /// Opened with the first note.
    file: Option<File>,
    length: u64,
    is_torn: bool,
    states: States,
}

impl Book {
    /// Opens it.
    ///
    /// # Errors
    /// When it cannot be read, or written anew.
    pub fn open(layout: &Layout) -> Result<Self, StoreError> {
        let path = layout.archive_book();
        let (states, Extent { lines, strange, cut }) = read(layout)?;
        if strange > 0 {
            tracing::error!(
                "{} has {strange} lines that are no notes: `activity-collector verify` tells what is missing",
                path.display()
            );
        }
        if cut > 0 || lines > states.len() {
            let text =
                states.iter().map(|(path, state)| line(&note(path, state))).collect::<Result<Vec<_>, _>>();
            let written = text.and_then(|text| replace(&Machine, &path, &text.concat()));
            written.map_err(|source| StoreError::file("write", &path, source))?;
        }
        Ok(Self { path, file: None, length: 0, is_torn: false, states })
    }

    /// What is known of files.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// Files that are there.
    pub fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.states.values().filter_map(|state| if let State::Kept(kept) = state { Some(kept) } else { None })
    }

    /// Whether a file is there.
    pub fn has(&self, path: &str) -> bool {
        matches!(self.states.get(path), Some(State::Kept(_)))
    }

    /// Notes that a file is about to be copied.
    pub fn moving(&mut self, path: &str) -> Result<(), StoreError> {
        self.note(Note::Moving(path.to_owned()))
    }

    /// Notes that a file is there.
    pub fn keep(&mut self, kept: Kept) -> Result<(), StoreError> {
        self.note(Note::Kept(kept))
    }

    /// Notes that a file is about to be deleted there.
    pub fn leaving(&mut self, path: &str) -> Result<(), StoreError> {
        self.note(Note::Leaving(path.to_owned()))
    }

    /// Notes that nothing of a file is there.
    pub fn gone(&mut self, path: &str) -> Result<(), StoreError> {
        self.note(Note::Gone(path.to_owned()))
    }

    fn note(&mut self, note: Note) -> Result<(), StoreError> {
        let written = line(&note).and_then(|line| self.write(&line));
        written.map_err(|source| StoreError::file("write", &self.path, source))?;
        apply(&mut self.states, note);
        Ok(())
    }

    /// Adds a line that is durable then. On failure the file is as it was before.
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let (file, torn) = match self.file.take() {
            Some(file) => (file, self.is_torn),
            None => {
                let file = open(&self.path)?;
                self.length = file.length()?;
                (file, false)
            }
        };
        let cut = if torn { file.truncate(self.length) } else { Ok(()) };
        let written = cut.and_then(|()| file.append(line)).and_then(|()| file.sync());
        self.is_torn = written.is_err() && file.truncate(self.length).is_err();
        self.length += if written.is_ok() { line.len() as u64 } else { 0 };
        self.file = Some(file);
        written
    }
}

fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let is_new = !path.try_exists()?;
    let file = File::options().append(true).create(true).mode(0o640).open(path)?;
    if let Some(directory) = path.parent().filter(|_| is_new) {
        File::open(directory)?.sync_all()?;
    }
    Ok(file)
}

fn note(path: &str, state: &State) -> Note {
    match state {
        State::Moving => Note::Moving(path.to_owned()),
        State::Kept(kept) => Note::Kept(kept.clone()),
        State::Leaving => Note::Leaving(path.to_owned()),
    }
}

fn line(note: &Note) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(note)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::Digest;

    fn kept(path: &str) -> Kept {
        let file = SealedFile { number: 7, path: path.into(), length: 5, digest: Digest::default() };
        Kept { file, stored: -3 }
    }

    #[test]
    fn what_was_noted_is_known_after_a_restart_and_what_is_over_goes() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().to_str().unwrap()).unwrap();
        assert!(states(&layout).unwrap().is_empty());
        let mut book = Book::open(&layout).unwrap();
        assert!(!layout.archive_book().exists(), "nothing to note, no file");
        ["a", "b", "c", "d"].iter().for_each(|path| book.moving(path).unwrap());
        book.keep(kept("b")).unwrap();
        book.keep(kept("c")).unwrap();
        book.leaving("c").unwrap();
        book.gone("d").unwrap();
        let expected = [("a", State::Moving), ("b", State::Kept(kept("b"))), ("c", State::Leaving)];
        let expected = expected.map(|(path, state)| (path.to_owned(), state));
        assert!(book.has("b") && !book.has("a") && !book.has("c"));
        assert_eq!(states(&layout).unwrap().into_iter().collect::<Vec<_>>(), expected);
        let before = std::fs::read(layout.archive_book()).unwrap().len();
        assert_eq!(Book::open(&layout).unwrap().states(), &states(&layout).unwrap());
        assert!(std::fs::read(layout.archive_book()).unwrap().len() < before);
        assert_eq!(states(&layout).unwrap().into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_note_that_was_cut_at_any_byte_never_was() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().to_str().unwrap()).unwrap();
        let mut book = Book::open(&layout).unwrap();
        book.keep(kept("a")).unwrap();
        let first = std::fs::read(layout.archive_book()).unwrap().len();
        book.keep(kept("b")).unwrap();
        let all = std::fs::read(layout.archive_book()).unwrap();
        for length in first..all.len() {
            std::fs::write(layout.archive_book(), &all[..length]).unwrap();
            let mut book = Book::open(&layout).unwrap();
            assert!(book.has("a") && !book.has("b"), "{length} bytes");
            book.keep(kept("c")).unwrap();
            assert_eq!(states(&layout).unwrap().len(), 2, "{length} bytes");
        }
    }
}
