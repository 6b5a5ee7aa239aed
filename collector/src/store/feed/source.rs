//! Where events are read from: a segment of the log, or all files behind a position.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom},
};

use bytes::Bytes;

use super::{Position, Span};
use crate::store::{Layout, StoreError, log::Segment, parquet::Parts, reader::reading, stored::StoredFile};

/// Where events are read from.
pub enum Source {
    /// A segment of the log.
    Log(Log),
    /// Files.
    Files(Files),
}

/// What comes next.
pub enum Found {
    /// An event.
    Event(Bytes),
    /// Nothing at present.
    Nothing,
    /// Nothing any more; so many places could not be read.
    End { unreadable: u64 },
    /// It is not there any more: files were merged, or removed.
    Gone,
}

impl Source {
    /// The first one behind a position. Of a segment and its files the segment.
    pub fn after(layout: &Layout, position: &mut Position, span: Span) -> Result<Option<Self>, StoreError> {
        if !layout.events().is_dir() {
            return Err(layout.why_missing());
        }
        let lock = reading(layout)?;
        loop {
            // First the log, then the files: what is rolled meanwhile is seen in one of them.
            let log = layout.segments()?.into_iter().find(|log| log.number > position.segment());
            let files = layout.all_files()?;
            let is_behind = |file: &&StoredFile| {
                file.number > position.segment() && log.as_ref().is_none_or(|log| file.number < log.number)
            };
            let newest = files.iter().filter(is_behind).map(|file| file.number).max();
            // Also where it was begun before: what there was may be part of newer files now.
            if let Some(newest) = newest {
                position.reach_for(newest);
            }
            if let Some(through) = position.through() {
                let behind = position.segment() + 1..=through;
                let stretch = files.into_iter().filter(|file| behind.contains(&file.number));
                return Ok(Some(Self::Files(Files::new(layout, stretch, position, span, lock))));
            }
            let Some(segment) = log else { return Ok(None) };
            if let Some(log) = Log::open(layout, segment)? {
                return Ok(Some(Self::Log(log)));
            }
        }
    }

    /// The next event.
    pub fn next(&mut self, position: &mut Position) -> Result<Found, StoreError> {
        match self {
            Self::Log(log) => log.next(),
            Self::Files(files) => files.next(position),
        }
    }

    /// Says that all has been read; gives how many events were not there.
    pub fn finish(&self, position: &mut Position) -> u64 {
        match self {
            Self::Log(log) => {
                position.finish_segment(log.segment.number);
                0
            }
            Self::Files(_) => position.finish_files(),
        }
    }
}

/// A segment of the log. It stays readable when it is rolled and gone.
pub struct Log {
    layout: Layout,
    segment: Segment,
    file: File,
    /// Bytes of it that have been read.
    offset: u64,
    pending: VecDeque<Bytes>,
    unreadable: u64,
    is_whole: bool,
}

impl Log {
    /// `None` where it is gone already.
    fn open(layout: &Layout, segment: Segment) -> Result<Option<Self>, StoreError> {
        let path = layout.log().join(segment.to_string());
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::file("read", &path, source)),
        };
        let (layout, pending) = (layout.clone(), VecDeque::new());
        Ok(Some(Self { layout, segment, file, offset: 0, pending, unreadable: 0, is_whole: false }))
    }

    fn next(&mut self) -> Result<Found, StoreError> {
        if self.pending.is_empty() && !self.is_whole {
            self.fill()?;
        }
        Ok(match self.pending.pop_front() {
            Some(event) => Found::Event(event),
            None if self.is_whole => Found::End { unreadable: self.unreadable },
            None => Found::Nothing,
        })
    }

    fn fill(&mut self) -> Result<(), StoreError> {
        // Before it is read: then what is in it by now is all that comes to it.
        let is_last = is_last(&self.layout, self.segment.number)?;
        let bytes = tail(&mut self.file, self.offset).map_err(|source| {
            StoreError::file("read", &self.layout.log().join(self.segment.to_string()), source)
        })?;
        let length = bytes.len();
        let scan = self.segment.scan(bytes.into());
        self.unreadable += scan.damaged + u64::from(!is_last && scan.torn > 0);
        self.offset += length.saturating_sub(scan.torn) as u64;
        self.pending.extend(scan.records.into_iter().flat_map(|record| record.events));
        self.is_whole = !is_last;
        Ok(())
    }
}

/// Whether a segment is the one that is being written.
fn is_last(layout: &Layout, number: u64) -> Result<bool, StoreError> {
    let is_later = |other: u64| other > number;
    Ok(!layout.segments()?.iter().any(|segment| is_later(segment.number))
        && !layout.files()?.iter().any(|file| is_later(file.number)))
}

/// What a file has from an offset on.
fn tail(file: &mut File, offset: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// All files of a stretch of segments.
pub struct Files {
    layout: Layout,
    /// Those that are still to be read, the next one last.
    left: Vec<StoredFile>,
    current: Option<Current>,
    /// While it is there, compaction removes none of them.
    _lock: Option<File>,
}

struct Current {
    /// Its path within the store.
    name: String,
    parts: Parts,
    pending: VecDeque<Bytes>,
}

impl Files {
    fn new(
        layout: &Layout,
        stretch: impl Iterator<Item = StoredFile>,
        position: &mut Position,
        span: Span,
        lock: Option<File>,
    ) -> Self {
        let (mut left, over): (Vec<_>, Vec<_>) = stretch.partition(|file| span.overlaps(file.from, file.to));
        if !over.is_empty() {
            position.pass_over();
        }
        left.reverse();
        Self { layout: layout.clone(), left, current: None, _lock: lock }
    }

    fn next(&mut self, position: &mut Position) -> Result<Found, StoreError> {
        loop {
            if let Some(current) = &mut self.current {
                if let Some(event) = current.pending.pop_front() {
                    position.row(&current.name);
                    return Ok(Found::Event(event));
                }
                if let Some(part) = current.parts.next() {
                    current.pending = part?.into();
                    continue;
                }
                self.current = None;
            }
            let Some(file) = self.left.pop() else { return Ok(Found::End { unreadable: 0 }) };
            let name = self.layout.relative(&file.path);
            match Parts::of(&self.layout, &file, position.rows(&name)) {
                Ok(parts) => self.current = Some(Current { name, parts, pending: VecDeque::new() }),
                Err(error) if error.kind() == Some(ErrorKind::NotFound) => return Ok(Found::Gone),
                Err(error) => return Err(error),
            }
        }
    }
}
