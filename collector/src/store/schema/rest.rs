//! What no column carries: an event is taken apart into columns and a rest, and put
//! together again.
//!
//! The rest is the event, encoded, without the fields that differ from event to event and
//! that columns show without loss. What is the same for many events of a process or a
//! session stays in it: it takes no room when it repeats. An event with something that
//! this build does not know has no rest: it is kept whole.

use activity_proto::{
    json::unescape,
    v1::{Event, Process, event::Payload},
};
use bytes::{Buf as _, Bytes};
use datafusion::arrow::{
    array::{
        Array, AsArray as _, BinaryArray, ListArray, RecordBatch, StringArray, TimestampNanosecondArray,
        UInt32Array, UInt64Array,
    },
    datatypes::{TimestampNanosecondType, UInt32Type, UInt64Type},
    error::ArrowError,
};
use prost::{
    Message as _,
    encoding::{DecodeContext, decode_key, skip_field},
};

use super::{
    payload::{end, inode, local_end, new_path, path},
    row::nanoseconds,
};

const SECOND: i64 = 1_000_000_000;
/// Fields of an event that may come more than once.
const REPEATED: [u32; 2] = [13, 15];

/// The rest of an event that came as `raw` and is `encoded` in the order of its fields; `None`
/// where it has to be kept whole.
pub fn rest(raw: &Bytes, event: &Event, encoded: &Bytes) -> Option<Vec<u8>> {
    // Without a start of its own it would get that of its uid.
    let has_start = |process: &Process| process.start_boottime_ns > 0 || start_of(&process.uid).is_none();
    let is_known = || raw == encoded || is_known(raw);
    (event.process.as_ref().is_none_or(has_start) && is_known()).then(|| {
        let mut rest = event.clone();
        clear(&mut rest);
        rest.encode_to_vec()
    })
}

/// Whether an event has nothing but what this build knows. A sensor puts what all its
/// events share before each of them, so one is a row of encoded events that are one
/// together; each must be what its decoded form encodes to.
fn is_known(raw: &Bytes) -> bool {
    let mut left = raw.clone();
    while !left.is_empty() {
        let Some(length) = first_part(&left) else { return false };
        let part = left.split_to(length);
        let is_same = |event: Event| event.encoded_len() == part.len() && event.encode_to_vec() == part;
        if !Event::decode(part.clone()).is_ok_and(is_same) {
            return false;
        }
    }
    true
}

/// How far fields go on in their order.
fn first_part(bytes: &Bytes) -> Option<usize> {
    let (mut left, mut last) = (bytes.clone(), 0);
    while !left.is_empty() {
        let at = bytes.len() - left.len();
        let (field, wire) = decode_key(&mut left).ok()?;
        if field < last || (field == last && !REPEATED.contains(&field)) {
            return Some(at);
        }
        last = field;
        let before = left.remaining();
        skip_field(wire, field, &mut left, DecodeContext::default()).ok()?;
        (left.remaining() <= before).then_some(())?;
    }
    Some(bytes.len())
}

fn timestamp(nanoseconds: i64) -> prost_types::Timestamp {
    let nanos = i32::try_from(nanoseconds.rem_euclid(SECOND)).unwrap_or_default();
    prost_types::Timestamp { seconds: nanoseconds.div_euclid(SECOND), nanos }
}

/// When a process began, as its uid ends with it.
fn start_of(uid: &str) -> Option<u64> {
    let digits = uid.rsplit_once('-')?.1;
    let start: u64 = digits.parse().ok()?;
    (start.to_string() == digits).then_some(start)
}

/// Removes what columns carry.
fn clear(event: &mut Event) {
    if let Some(time) = nanoseconds(event.time.as_ref())
        && event.time == Some(timestamp(time))
    {
        event.time = None;
    }
    event.boottime_ns = 0;
    event.count = None;
    event.host.clear();
    if let Some(id) = &mut event.id {
        id.sensor_id.clear();
        id.boot_id.clear();
        id.sequence = 0;
    }
    if let Some(process) = &mut event.process {
        clear_process(process);
    }
    let is_failed = is_failed(event);
    if let Some(session) = &mut event.session {
        session.id.clear();
    }
    if let Some(session) = event.session.as_mut().filter(|_| !is_failed) {
        session.remote_address.clear();
        session.key_fingerprint.clear();
        session.remote_port = None;
    }
    let Some(payload) = &mut event.payload else { return };
    if let Some(path) = path(payload) {
        path.clear();
    }
    if let Some(new_path) = new_path(payload) {
        new_path.clear();
    }
    if let Some(inode) = inode(payload) {
        *inode = None;
    }
    if let Some((address, port)) = end(payload) {
        address.clear();
        *port = None;
    }
    if let Some((address, port)) = local_end(payload) {
        address.clear();
        *port = None;
    }
    if let Payload::Exit(exit) = payload {
        exit.duration_ns = 0;
    }
}

/// Whether the columns of a session show the way of a login that was refused.
fn is_failed(event: &Event) -> bool {
    matches!(event.payload, Some(Payload::LoginFailed(_)))
}

fn clear_process(process: &mut Process) {
    if start_of(&process.uid) == Some(process.start_boottime_ns) {
        process.start_boottime_ns = 0;
    }
    (process.pid, process.tid, process.ppid) = (0, 0, 0);
    process.uid.clear();
    process.parent_uid.clear();
    process.comm.clear();
    process.exe.clear();
    process.argv.clear();
    process.cwd.clear();
}

/// The columns that events are put together from.
pub struct Parts<'a> {
    batch: &'a RecordBatch,
    whole: &'a BinaryArray,
    rest: Option<&'a BinaryArray>,
    time: &'a TimestampNanosecondArray,
    argv: &'a ListArray,
    texts: [&'a StringArray; TEXTS.len()],
    u32s: [&'a UInt32Array; U32S.len()],
    u64s: [&'a UInt64Array; U64S.len()],
}

const TEXTS: [&str; 15] = [
    "host",
    "sensor_id",
    "boot_id",
    "process_uid",
    "parent_uid",
    "comm",
    "exe",
    "cwd",
    "path",
    "new_path",
    "address",
    "local_address",
    "session",
    "remote_address",
    "key_fingerprint",
];
const U32S: [&str; 6] = ["pid", "tid", "ppid", "port", "local_port", "remote_port"];
const U64S: [&str; 5] = ["boottime_ns", "count", "sequence", "inode", "duration_ns"];

fn missing(name: &str) -> ArrowError {
    ArrowError::SchemaError(format!("the column {name} is not there as it is stored"))
}

impl<'a> Parts<'a> {
    /// The columns of a batch of all columns.
    pub fn new(batch: &'a RecordBatch) -> Result<Self, ArrowError> {
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| missing(name));
        let text = |name: &str| column(name)?.as_string_opt::<i32>().ok_or_else(|| missing(name));
        let u32 = |name: &str| column(name)?.as_primitive_opt::<UInt32Type>().ok_or_else(|| missing(name));
        let u64 = |name: &str| column(name)?.as_primitive_opt::<UInt64Type>().ok_or_else(|| missing(name));
        let time = column("time")?.as_primitive_opt::<TimestampNanosecondType>();
        Ok(Self {
            batch,
            whole: column("event")?.as_binary_opt::<i32>().ok_or_else(|| missing("event"))?,
            rest: batch.column_by_name("rest").and_then(|rest| rest.as_binary_opt::<i32>()),
            time: time.ok_or_else(|| missing("time"))?,
            argv: column("argv")?.as_list_opt::<i32>().ok_or_else(|| missing("argv"))?,
            texts: all(TEXTS, text)?,
            u32s: all(U32S, u32)?,
            u64s: all(U64S, u64)?,
        })
    }

    /// Every event, encoded.
    pub fn events(&self) -> Result<Vec<Bytes>, ArrowError> {
        (0..self.batch.num_rows()).map(|row| self.event(row)).collect()
    }

    fn event(&self, row: usize) -> Result<Bytes, ArrowError> {
        if self.whole.is_valid(row) {
            return Ok(Bytes::copy_from_slice(self.whole.value(row)));
        }
        let rest = self.rest.filter(|rest| rest.is_valid(row)).ok_or_else(|| missing("rest"))?;
        let wrong = |what: &str| ArrowError::ParseError(format!("the {what} of an event cannot be read"));
        let mut event = Event::decode(rest.value(row)).map_err(|_| wrong("rest"))?;
        self.fill(&mut event, row).ok_or_else(|| wrong("text"))?;
        Ok(event.encode_to_vec().into())
    }

    fn bytes(&self, column: &StringArray, row: usize) -> Option<Bytes> {
        if column.is_null(row) {
            return Some(Bytes::new());
        }
        unescaped(column.value(row))
    }

    fn text(&self, column: &StringArray, row: usize) -> Option<String> {
        String::from_utf8(self.bytes(column, row)?.into()).ok()
    }

    /// Puts back what was cleared; `None` where a text is none.
    fn fill(&self, event: &mut Event, row: usize) -> Option<()> {
        let [
            host,
            sensor,
            boot,
            uid,
            parent,
            comm,
            exe,
            cwd,
            path,
            new_path,
            address,
            local,
            session,
            from,
            key,
        ] = self.texts;
        let [pid, tid, ppid, port, local_port, remote_port] = self.u32s;
        let [boottime, count, sequence, inode, duration] = self.u64s;
        let number = |column: &UInt32Array| column.is_valid(row).then(|| column.value(row));
        let large = |column: &UInt64Array| column.is_valid(row).then(|| column.value(row));
        if event.time.is_none() && self.time.is_valid(row) {
            event.time = Some(timestamp(self.time.value(row)));
        }
        event.boottime_ns = large(boottime).unwrap_or_default();
        event.count = large(count);
        event.host = self.text(host, row)?;
        if let Some(id) = &mut event.id {
            id.sensor_id = self.text(sensor, row)?;
            id.boot_id = self.text(boot, row)?;
            id.sequence = large(sequence).unwrap_or_default();
        }
        if let Some(process) = &mut event.process {
            process.pid = number(pid).unwrap_or_default();
            process.tid = number(tid).unwrap_or_default();
            process.ppid = number(ppid).unwrap_or_default();
            process.uid = self.text(uid, row)?;
            process.parent_uid = self.text(parent, row)?;
            process.comm = self.bytes(comm, row)?;
            process.exe = self.bytes(exe, row)?;
            process.cwd = self.bytes(cwd, row)?;
            process.argv = self.argv(row)?;
            if process.start_boottime_ns == 0 {
                process.start_boottime_ns = start_of(&process.uid).unwrap_or_default();
            }
        }
        let is_failed = is_failed(event);
        if let Some(of) = &mut event.session {
            of.id = self.text(session, row)?;
        }
        if let Some(of) = event.session.as_mut().filter(|_| !is_failed) {
            of.remote_address = self.text(from, row)?;
            of.key_fingerprint = self.text(key, row)?;
            of.remote_port = number(remote_port);
        }
        let Some(payload) = &mut event.payload else { return Some(()) };
        if let Some(of) = super::payload::path(payload) {
            *of = self.bytes(path, row)?;
        }
        if let Some(of) = super::payload::new_path(payload) {
            *of = self.bytes(new_path, row)?;
        }
        if let Some(of) = super::payload::inode(payload) {
            *of = large(inode);
        }
        if let Some(end) = end(payload) {
            (*end.0, *end.1) = (self.text(address, row)?, number(port));
        }
        if let Some(end) = local_end(payload) {
            (*end.0, *end.1) = (self.text(local, row)?, number(local_port));
        }
        if let Payload::Exit(exit) = payload {
            exit.duration_ns = large(duration).unwrap_or_default();
        }
        Some(())
    }

    fn argv(&self, row: usize) -> Option<Vec<Bytes>> {
        if self.argv.is_null(row) {
            return Some(Vec::new());
        }
        let words = self.argv.value(row);
        words.as_string_opt::<i32>()?.iter().map(|word| unescaped(word.unwrap_or_default())).collect()
    }
}

fn unescaped(text: &str) -> Option<Bytes> {
    if text.contains('\\') {
        unescape(text).map(Bytes::from)
    } else {
        Some(Bytes::copy_from_slice(text.as_bytes()))
    }
}

/// All columns of one kind.
fn all<const N: usize, T>(
    names: [&'static str; N],
    column: impl Fn(&str) -> Result<T, ArrowError>,
) -> Result<[T; N], ArrowError> {
    let columns: Vec<T> = names.into_iter().map(column).collect::<Result<_, _>>()?;
    columns.try_into().map_err(|_| missing("event"))
}
