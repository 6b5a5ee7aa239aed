//! Writing and reading one Parquet file of events.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use datafusion::{
    arrow::{array::RecordBatch, error::ArrowError},
    parquet::{
        arrow::{
            ArrowWriter,
            arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
        },
        basic::{Compression, Encoding, ZstdLevel},
        errors::ParquetError,
        file::properties::{EnabledStatistics, WriterProperties},
    },
};

use super::{
    Layout, StoreError, StoredFile,
    archive::fetch,
    schema::{self, Row},
    sum::Sum,
};
use crate::seal::Digest;

/// Events decoded at a time: what bounds the memory of writing.
const BATCH_ROWS: usize = 4096;
/// Rows that are compressed, and can be left out of a query, together.
const GROUP_ROWS: usize = 128 * 1024;
/// What the different values of a column may take before each is written out.
const DICTIONARY_BYTES: usize = 4 << 20;

/// How hard to compress.
#[derive(Clone, Copy, Debug)]
pub enum Effort {
    /// What will be compacted.
    Little,
    /// What stays.
    Much,
}

impl Effort {
    fn level(self) -> i32 {
        match self {
            Self::Little => 3,
            Self::Much => 11,
        }
    }
}

/// What is known of a file that was written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Written {
    /// The earliest and the latest time among its events.
    pub times: Option<(i64, i64)>,
    /// Its rows.
    pub rows: u64,
    /// The sum of its events as they are read from it.
    pub sum: Sum,
    /// Its length in bytes.
    pub length: u64,
    /// BLAKE3 of its content.
    pub digest: Digest,
}

impl Written {
    fn note(&mut self, row: &Row) {
        self.rows += 1;
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

/// Writes events in their order, each of which `look` sees. `gate` is asked after every part.
pub fn write(
    file: &File,
    path: &Path,
    events: impl IntoIterator<Item = Bytes>,
    effort: Effort,
    look: &mut dyn FnMut(&Row),
    gate: &mut dyn FnMut() -> Result<(), StoreError>,
) -> Result<Written, StoreError> {
    let failed = |source: ParquetError| StoreError::file("write", path, io::Error::other(source));
    let properties = properties(effort).map_err(failed)?;
    let mut out = Hashing { file, hasher: blake3::Hasher::new() };
    let mut writer = ArrowWriter::try_new(&mut out, schema::schema(), Some(properties)).map_err(failed)?;
    let mut written = Written::default();
    let mut events = events.into_iter();
    loop {
        let rows: Vec<Row> = events.by_ref().take(BATCH_ROWS).map(Row::new).collect();
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            written.note(row);
            look(row);
        }
        let (batch, events) = complete(rows).map_err(|error| failed(error.into()))?;
        events.iter().for_each(|event| written.sum.add(event));
        writer.write(&batch).map_err(failed)?;
        gate()?;
    }
    writer.close().map_err(failed)?;
    Ok(Written { length: out.hasher.count(), digest: out.hasher.finalize().into(), ..written })
}

/// Rows as a batch, with the events that are read from it: all that there were. What this
/// build could not put together again it keeps whole.
fn complete(rows: Vec<Row>) -> Result<(RecordBatch, Vec<Bytes>), ArrowError> {
    let batch = schema::batch(&rows, None)?;
    let expected: Vec<Bytes> = rows.iter().map(Row::encoded).collect();
    let read = schema::events(&batch).unwrap_or_default();
    if read == expected {
        return Ok((batch, expected));
    }
    let mut read = read.into_iter();
    let checked = rows
        .into_iter()
        .zip(&expected)
        .map(|(row, event)| if read.next().as_ref() == Some(event) { row } else { row.into_whole() });
    let rows: Vec<Row> = checked.collect();
    tracing::warn!("some of {} events are kept whole: their columns would not give them back", rows.len());
    Ok((schema::batch(&rows, None)?, rows.iter().map(Row::encoded).collect()))
}

fn properties(effort: Effort) -> Result<WriterProperties, ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(effort.level())?))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        // Those of pages would take more room than many small files' rows.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(Some(GROUP_ROWS));
    // Nearly every value is another, and most are a little above the one before.
    for rising in ["time", "sequence", "boottime_ns"] {
        properties = properties
            .set_column_dictionary_enabled(rising.into(), false)
            .set_column_encoding(rising.into(), Encoding::DELTA_BINARY_PACKED);
    }
    properties = properties
        .set_column_dictionary_enabled("event".into(), false)
        .set_column_dictionary_enabled("duration_ns".into(), false);
    for text in ["process_uid", "parent_uid"] {
        // Behind what does not fit into the dictionary.
        properties = properties.set_column_encoding(text.into(), Encoding::DELTA_BYTE_ARRAY);
    }
    for bytes in ["event", "rest"] {
        properties = properties.set_column_statistics_enabled(bytes.into(), EnabledStatistics::None);
    }
    Ok(properties.build())
}

/// Rows of a file, and the bytes that they have in memory without compression.
pub fn size(path: &Path) -> Result<(u64, u64), StoreError> {
    let reader = open(path)?;
    let metadata = reader.metadata();
    let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default();
    let bytes =
        metadata.row_groups().iter().map(|group| u64::try_from(group.total_byte_size()).unwrap_or_default());
    Ok((rows, bytes.sum()))
}

/// Gives `visit` every event of a file, encoded, a part at a time.
pub fn read(
    path: &Path,
    visit: &mut dyn FnMut(Vec<Bytes>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    Parts::open(path, 0)?.try_for_each(|part| visit(part?))
}

/// The events of a file, encoded, a part at a time.
pub struct Parts {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
}

impl Parts {
    /// Those from a row on, the first being 0.
    ///
    /// # Errors
    /// When it is not there or no such file.
    pub fn open(path: &Path, row: u64) -> Result<Self, StoreError> {
        Self::new(path, open(path)?, row)
    }

    /// Those of a file that may be in the archive; then a copy of it is fetched whole.
    ///
    /// # Errors
    /// As [`Parts::open`], and when the archive does not answer.
    pub fn of(layout: &Layout, file: &StoredFile, row: u64) -> Result<Self, StoreError> {
        if file.archived.is_none() {
            return Self::open(&file.path, row);
        }
        Self::new(&file.path, builder(&file.path, fetch(layout, file)?)?, row)
    }

    fn new(path: &Path, file: ParquetRecordBatchReaderBuilder<File>, row: u64) -> Result<Self, StoreError> {
        let rows = usize::try_from(row).unwrap_or(usize::MAX);
        let batches = file.with_batch_size(BATCH_ROWS).with_offset(rows).build();
        let batches = batches.map_err(|error| StoreError::file("read", path, io::Error::other(error)))?;
        Ok(Self { path: path.to_owned(), batches })
    }
}

impl Iterator for Parts {
    type Item = Result<Vec<Bytes>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let events = self.batches.next()?.and_then(|batch| schema::events(&batch));
        Some(events.map_err(|error| StoreError::file("read", &self.path, io::Error::other(error))))
    }
}

fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, StoreError> {
    builder(path, File::open(path).map_err(|source| StoreError::file("read", path, source))?)
}

fn builder(path: &Path, file: File) -> Result<ParquetRecordBatchReaderBuilder<File>, StoreError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file);
    reader.map_err(|error| StoreError::file("read", path, io::Error::other(error)))
}
