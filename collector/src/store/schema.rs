//! The columns of the view `events`, each with the way to it from an event.
//!
//! NULL is unset, never 0 or an empty string. What a user can name is bytes on
//! the wire and becomes text that is escaped as in the JSON form of an event.
//!
//! `rest` has what no column carries; `event` is the event as it came, where this build
//! does not know all of it, and in files of older builds. [`events`] gives the events.

mod payload;
mod rest;
mod row;
#[cfg(test)]
pub mod tests;

use std::{borrow::Cow, sync::Arc};

use activity_proto::{
    json::{errno_name, escape_bytes},
    v1::{
        Access, Confidence, Family, GapReason, Heartbeat, Lane, Method, PathSource, Protocol, Reason,
        SilenceReason,
    },
};
use bytes::Bytes;
use datafusion::arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Int64Array, ListBuilder, RecordBatch, StringArray,
        StringBuilder, TimestampNanosecondArray, UInt32Array, UInt64Array,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    error::ArrowError,
};

pub use row::{Row, nanoseconds};

/// Position of `time` among the columns.
pub const TIME: usize = 0;
/// The name of the column that says of which type an event is.
pub const TYPE: &str = "type";

/// Text of a field in which empty means unset.
fn text(field: &[u8]) -> Option<Cow<'_, str>> {
    if field.is_empty() { None } else { Some(escape_bytes(field)) }
}

/// A number in which 0 means unset.
fn set(number: u32) -> Option<u32> {
    (number != 0).then_some(number)
}

/// The name of an enumeration's value: its number where a newer sensor knows
/// one that this build does not, nothing where it is unspecified.
fn name<E: TryFrom<i32>>(value: i32, short_name: fn(E) -> &'static str) -> Option<Cow<'static, str>> {
    match E::try_from(value) {
        Ok(value) => Some(short_name(value)).filter(|name| !name.is_empty()).map(Cow::Borrowed),
        Err(_) => Some(Cow::Owned(value.to_string())),
    }
}

type Texts<'a> = Vec<Cow<'a, str>>;

fn texts(fields: &[impl AsRef<[u8]>]) -> Texts<'_> {
    fields.iter().map(|field| escape_bytes(field.as_ref())).collect()
}

/// How a column is read from a row, which also says its type.
enum Get {
    Text(for<'a> fn(&'a Row) -> Option<Cow<'a, str>>),
    /// An empty list is NULL.
    Texts(for<'a> fn(&'a Row) -> Texts<'a>),
    U32(fn(&Row) -> Option<u32>),
    U64(fn(&Row) -> Option<u64>),
    I64(fn(&Row) -> Option<i64>),
    Bool(fn(&Row) -> Option<bool>),
    Time(fn(&Row) -> Option<i64>),
    Bytes(fn(&Row) -> Option<&[u8]>),
}

use Get::{Bool, I64, Text, Texts as List, Time, U32, U64};

/// Every column, in the order of `SELECT *`. Files of an older build lack
/// those that were added since and read as NULL there.
const COLUMNS: &[(&str, Get)] = &[
    ("time", Time(Row::time)),
    (
        "type",
        Text(|row| Some(row.event.event_type().short_name().into()).filter(|name: &Cow<_>| !name.is_empty())),
    ),
    ("host", Text(|row| text(row.event.host.as_bytes()))),
    ("tenant", Text(|row| text(row.event.tenant.as_ref()?.as_bytes()))),
    ("human", Text(|row| text(row.attribution()?.user.as_bytes()))),
    ("human_uid", U32(|row| row.attribution()?.uid)),
    ("confidence", Text(|row| name(row.attribution()?.confidence, Confidence::short_name))),
    ("method", Text(|row| name(row.attribution()?.method, Method::short_name))),
    ("reason", Text(|row| name(row.attribution()?.reason, Reason::short_name))),
    ("detached", Bool(|row| Some(row.attribution()?.detached))),
    ("chain", List(|row| row.attribution().map_or_else(Vec::new, |attribution| texts(&attribution.chain)))),
    ("user", Text(|row| text(row.credentials()?.user.as_bytes()))),
    ("effective_user", Text(|row| text(row.credentials()?.effective_user.as_bytes()))),
    ("comm", Text(|row| text(&row.process()?.comm))),
    ("exe", Text(|row| text(&row.process()?.exe))),
    ("argv", List(|row| row.process().map_or_else(Vec::new, |process| texts(&process.argv)))),
    ("cwd", Text(|row| text(&row.process()?.cwd))),
    ("path", Text(|row| text(row.path()?))),
    ("path_source", Text(|row| name(row.path_source()?, PathSource::short_name))),
    ("new_path", Text(|row| text(row.new_path()?))),
    (
        "access",
        List(|row| row.access().iter().filter_map(|&access| name(access, Access::short_name)).collect()),
    ),
    ("flags", U32(|row| Some(row.open()?.flags))),
    ("inode", U64(Row::inode)),
    ("mode", U32(Row::mode)),
    ("family", Text(|row| name(row.socket()?.0, Family::short_name))),
    ("protocol", Text(|row| name(row.socket()?.1, Protocol::short_name))),
    ("address", Text(|row| text(row.end()?.0.as_bytes()))),
    ("port", U32(|row| row.end()?.1)),
    ("local_address", Text(|row| text(row.local_end()?.0.as_bytes()))),
    ("local_port", U32(|row| row.local_end()?.1)),
    ("operation", Text(Row::operation)),
    ("object", Text(|row| text(row.object()?))),
    ("target_pid", U32(|row| set(row.target()?.pid))),
    ("target_exe", Text(|row| text(&row.target()?.exe))),
    ("new_auid", U32(Row::new_auid)),
    ("new_euid", U32(Row::new_euid)),
    ("success", Bool(|row| Some(row.outcome()?.success))),
    ("error", Text(|row| Some(errno_name(row.outcome()?.errno?)?.into()))),
    ("errno", U32(|row| row.outcome()?.errno)),
    ("exit_code", U32(|row| row.exit()?.code)),
    ("signal", U32(|row| row.exit()?.signal)),
    ("duration_ns", U64(|row| Some(row.exit()?.duration_ns))),
    ("count", U64(|row| row.event.count)),
    (
        "truncated",
        List(|row| row.event.truncated.iter().map(|cut| escape_bytes(cut.field.as_bytes())).collect()),
    ),
    ("redacted", List(|row| texts(&row.event.redacted))),
    ("pid", U32(|row| set(row.process()?.pid))),
    ("tid", U32(|row| set(row.process()?.tid))),
    ("ppid", U32(|row| set(row.process()?.ppid))),
    ("process_uid", Text(|row| text(row.process()?.uid.as_bytes()))),
    ("parent_uid", Text(|row| text(row.process()?.parent_uid.as_bytes()))),
    ("script", Text(|row| text(&row.exec()?.script))),
    ("preload", List(|row| row.exec().map_or_else(Vec::new, |exec| texts(&exec.preload)))),
    ("uid", U32(|row| Some(row.credentials()?.uid))),
    ("euid", U32(|row| Some(row.credentials()?.euid))),
    ("gid", U32(|row| Some(row.credentials()?.gid))),
    ("egid", U32(|row| Some(row.credentials()?.egid))),
    ("auid", U32(|row| row.login()?.auid)),
    ("audit_session", U32(|row| row.login()?.session_id)),
    ("tty", Text(|row| text(&row.login()?.tty))),
    ("first_auid", U32(|row| row.login()?.first_auid)),
    ("login_user", Text(|row| text(row.login()?.user.as_bytes()))),
    ("session", Text(|row| text(row.session()?.id.as_bytes()))),
    ("session_kind", Text(|row| text(row.session()?.kind.as_bytes()))),
    ("remote_address", Text(|row| text(row.login_way()?.0.as_bytes()))),
    ("remote_port", U32(|row| row.login_way()?.1)),
    ("auth_method", Text(|row| text(row.login_way()?.2.as_bytes()))),
    ("key_fingerprint", Text(|row| text(row.login_way()?.3.as_bytes()))),
    ("container_id", Text(|row| text(row.place()?.container_id.as_bytes()))),
    ("cgroup_path", Text(|row| text(&row.place()?.cgroup_path))),
    ("gap_reason", Text(|row| name(row.gap()?.reason, GapReason::short_name))),
    ("gap_from", U64(|row| Some(row.gap()?.from_sequence))),
    ("gap_to", U64(|row| Some(row.gap()?.to_sequence))),
    ("gap_counts", Text(|row| row.gap_counts().map(Cow::Owned))),
    ("silence_reason", Text(|row| name(row.silence()?.reason, SilenceReason::short_name))),
    ("silence_since", Time(|row| row::nanoseconds(row.silence()?.since.as_ref()))),
    ("silence_ended", Time(|row| row::nanoseconds(row.silence()?.ended.as_ref()))),
    ("conservation_error", I64(|row| row.heartbeat().map(Heartbeat::conservation_error))),
    ("sensor_id", Text(|row| text(row.id()?.sensor_id.as_bytes()))),
    ("boot_id", Text(|row| text(row.id()?.boot_id.as_bytes()))),
    ("epoch", U64(|row| Some(row.id()?.epoch))),
    ("lane", Text(|row| name(row.gap().map_or(row.id()?.lane, |gap| gap.lane), Lane::short_name))),
    ("sequence", U64(|row| Some(row.id()?.sequence).filter(|&sequence| sequence != 0))),
    ("boottime_ns", U64(|row| Some(row.event.boottime_ns).filter(|&time| time != 0))),
    ("sampled", U32(|row| row.event.sampled)),
    ("session_account", Text(|row| text(row.session()?.user.as_bytes()))),
    ("session_start", Time(|row| row::nanoseconds(row.session()?.start.as_ref()))),
    ("from_user", Text(|row| text(row.switch()?.from.as_bytes()))),
    ("to_user", Text(|row| text(row.to_user()?.as_bytes()))),
    ("switched_by", Text(|row| text(row.switch()?.by.as_bytes()))),
    ("switch_command", List(|row| row.switch().map_or_else(Vec::new, |switch| texts(&switch.command)))),
    ("old_euid", U32(Row::old_euid)),
    ("gap_missing", U64(Row::gap_missing)),
    ("invalid_user", Bool(|row| Some(row.login_failed()?.invalid_user))),
    ("event", Get::Bytes(Row::whole)),
    ("rest", Get::Bytes(Row::rest)),
];

impl Get {
    fn data_type(&self) -> DataType {
        match self {
            Self::Text(_) => DataType::Utf8,
            Self::Texts(_) => DataType::new_list(DataType::Utf8, true),
            Self::U32(_) => DataType::UInt32,
            Self::U64(_) => DataType::UInt64,
            Self::I64(_) => DataType::Int64,
            Self::Bool(_) => DataType::Boolean,
            Self::Time(_) => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            Self::Bytes(_) => DataType::Binary,
        }
    }

    fn array(&self, rows: &[Row]) -> ArrayRef {
        match self {
            Self::Text(get) => Arc::new(rows.iter().map(get).collect::<StringArray>()),
            Self::Texts(get) => list(rows.iter().map(get)),
            Self::U32(get) => Arc::new(rows.iter().map(get).collect::<UInt32Array>()),
            Self::U64(get) => Arc::new(rows.iter().map(get).collect::<UInt64Array>()),
            Self::I64(get) => Arc::new(rows.iter().map(get).collect::<Int64Array>()),
            Self::Bool(get) => Arc::new(rows.iter().map(get).collect::<BooleanArray>()),
            Self::Time(get) => {
                Arc::new(rows.iter().map(get).collect::<TimestampNanosecondArray>().with_timezone("UTC"))
            }
            Self::Bytes(get) => Arc::new(rows.iter().map(get).collect::<BinaryArray>()),
        }
    }
}

fn list<'a>(rows: impl Iterator<Item = Texts<'a>>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for texts in rows {
        let is_set = !texts.is_empty();
        texts.iter().for_each(|text| builder.values().append_value(text));
        builder.append(is_set);
    }
    Arc::new(builder.finish())
}

/// The schema of `events`.
pub fn schema() -> SchemaRef {
    let fields: Vec<Field> =
        COLUMNS.iter().map(|(name, get)| Field::new(*name, get.data_type(), true)).collect();
    Arc::new(Schema::new(fields))
}

/// The events of a batch of all columns, encoded: those that a newer sensor made as they
/// came, the others in the order of their fields.
pub fn events(batch: &RecordBatch) -> Result<Vec<Bytes>, ArrowError> {
    rest::Parts::new(batch)?.events()
}

/// Rows as a batch of the columns in `projection`, or of all.
pub fn batch(rows: &[Row], projection: Option<&[usize]>) -> Result<RecordBatch, ArrowError> {
    let mut schema = schema();
    if let Some(projection) = projection {
        schema = Arc::new(schema.project(projection)?);
    }
    let names = schema.fields().iter().map(|field| field.name());
    let getters = names.filter_map(|name| COLUMNS.iter().find(|(column, _)| column == name));
    let arrays = getters.map(|(_, get)| get.array(rows)).collect();
    let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(schema, arrays, &options)
}
