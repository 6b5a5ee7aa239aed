//! Rolling: a full segment of the log becomes a Parquet file.
//!
//! The file is written under a temporary name, made durable, renamed and its
//! directory made durable; then it is sealed, and only then the segment goes. Both
//! hold the same events and have the same number, and whoever sees both reads the
//! file, so a kill at any moment loses nothing and doubles nothing: what was not
//! sealed is made again in the same place.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use bytes::Bytes;
use datafusion::parquet::{
    arrow::ArrowWriter,
    basic::{Compression, Encoding, ZstdLevel},
    errors::ParquetError,
    file::properties::WriterProperties,
    schema::types::ColumnPath,
};

use super::{
    StoreError,
    layout::{Layout, StoredFile},
    log::Segment,
    schema::{self, Row},
};
use crate::seal::{Digest, Ranges, Rolled, Seal, SealedFile};

/// Events decoded at a time: what bounds the memory of rolling.
const BATCH_ROWS: usize = 4096;
/// Rows that are compressed, and can be left out of a query, together.
const GROUP_ROWS: usize = 64 * 1024;

/// A point of a roll, in their order; each leaves the store readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A part of the events is in the temporary file.
    Part,
    /// All events are in the temporary file.
    Written,
    /// The temporary file is durable.
    Synced,
    /// The file has its name.
    Renamed,
    /// The name is durable.
    Named,
    /// What is in the file is sealed, durably.
    Sealed,
    /// The segment is gone.
    Removed,
}

/// Turns a segment into a Parquet file. `gate` is asked at every step and ends
/// the roll there with its error, leaving things as a kill would.
pub fn roll(
    layout: &Layout,
    segment: Segment,
    seal: &mut Seal,
    gate: &mut dyn FnMut(Step) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let path = layout.log().join(segment.to_string());
    let bytes = fs::read(&path).map_err(|source| StoreError::file("read", &path, source))?;
    let scan = segment.scan(bytes.into());
    let damaged = scan.damaged;
    if damaged > 0 {
        tracing::warn!("{} has {damaged} damaged places; what was there is lost", path.display());
    }
    let events: Vec<Bytes> = scan.records.into_iter().flat_map(|record| record.events).collect();
    let made = (!events.is_empty()).then(|| make_file(layout, segment, events, gate)).transpose()?;
    // One that is sealed already had lost its file.
    if segment.number > seal.last() {
        match made {
            Some(made) => seal.file(made, damaged)?,
            None => seal.empty(segment.number, damaged)?,
        }
        gate(Step::Sealed)?;
    }
    fs::remove_file(&path).map_err(|source| StoreError::file("remove", &path, source))?;
    gate(Step::Removed)?;
    sync_directory(&layout.log())
}

fn make_file(
    layout: &Layout,
    segment: Segment,
    events: Vec<Bytes>,
    gate: &mut dyn FnMut(Step) -> Result<(), StoreError>,
) -> Result<Rolled, StoreError> {
    let directory = layout.day(segment.day);
    fs::create_dir_all(&directory)
        .map_err(|source| StoreError::file("create the directory", &directory, source))?;
    let temporary = directory.join(format!(".{:012}.tmp", segment.number));
    let file = File::options().write(true).create(true).truncate(true).mode(0o640).open(&temporary);
    let file = file.map_err(|source| StoreError::file("create", &temporary, source))?;
    let written = write_parquet(&file, &temporary, events, gate)?;
    gate(Step::Written)?;
    file.sync_all().map_err(|source| StoreError::file("make durable", &temporary, source))?;
    gate(Step::Synced)?;
    let (from, to) = written.times.unwrap_or_default();
    let path = directory.join(StoredFile::name(segment.number, from, to));
    fs::rename(&temporary, &path).map_err(|source| StoreError::file("rename", &temporary, source))?;
    gate(Step::Renamed)?;
    sync_directory(&directory)?;
    sync_directory(&layout.events())?;
    gate(Step::Named)?;
    let (length, digest) = (written.length, written.digest);
    let file = SealedFile { number: segment.number, path: layout.relative(&path), length, digest };
    Ok(Rolled { file, rows: written.rows, ranges: written.ranges })
}

/// What is known of a file that was written.
#[derive(Default)]
struct Written {
    /// The earliest and the latest time among its events.
    times: Option<(i64, i64)>,
    rows: u64,
    ranges: Ranges,
    length: u64,
    digest: Digest,
}

impl Written {
    fn note(&mut self, row: &Row) {
        self.rows += 1;
        self.ranges.note(&row.event);
        if let Some(time) = row.time() {
            let (from, to) = self.times.unwrap_or((time, time));
            self.times = Some((from.min(time), to.max(time)));
        }
    }
}

/// Hashes what is written as it goes: what is sealed is what was meant, whatever the
/// disk makes of it.
struct Hashing<'a> {
    file: &'a File,
    hasher: blake3::Hasher,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn write_parquet(
    file: &File,
    path: &Path,
    events: Vec<Bytes>,
    gate: &mut dyn FnMut(Step) -> Result<(), StoreError>,
) -> Result<Written, StoreError> {
    let failed = |source: ParquetError| StoreError::file("write", path, io::Error::other(source));
    let properties = properties().map_err(failed)?;
    let mut out = Hashing { file, hasher: blake3::Hasher::new() };
    let mut writer = ArrowWriter::try_new(&mut out, schema::schema(), Some(properties)).map_err(failed)?;
    let mut written = Written::default();
    let mut events = events.into_iter();
    loop {
        let rows: Vec<Row> = events.by_ref().take(BATCH_ROWS).map(Row::new).collect();
        if rows.is_empty() {
            break;
        }
        rows.iter().for_each(|row| written.note(row));
        let batch = schema::batch(&rows, None).map_err(|error| failed(error.into()))?;
        writer.write(&batch).map_err(failed)?;
        gate(Step::Part)?;
    }
    writer.close().map_err(failed)?;
    Ok(Written { length: out.hasher.count(), digest: out.hasher.finalize().into(), ..written })
}

fn properties() -> Result<WriterProperties, ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(Some(GROUP_ROWS));
    // Nearly every value is another, and most are a little above the one before.
    for rising in ["time", "sequence", "boottime_ns"] {
        properties = properties
            .set_column_dictionary_enabled(rising.into(), false)
            .set_column_encoding(rising.into(), Encoding::DELTA_BINARY_PACKED);
    }
    let raw = ColumnPath::from("event");
    properties = properties.set_column_dictionary_enabled(raw, false);
    Ok(properties.build())
}

/// Makes durable which files a directory has.
pub fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| StoreError::file("make durable", directory, source))
}
