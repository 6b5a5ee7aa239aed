//! The columns of the view `events`, each with the way to it from an event.
//!
//! NULL is unset, never 0 or an empty string. What a user can name is bytes on
//! the wire and becomes text that is escaped as in the JSON form of an event.

use std::{borrow::Cow, sync::Arc};

use activity_proto::{
    json::{errno_name, escape_bytes, to_json},
    v1::{
        Access, Attribution, Confidence, Connect, Credentials, Event, EventId, Exec, Exit, Family, Gap,
        GapReason, Lane, Login, Method, Open, Outcome, PathSource, Place, Process, Protocol, Session,
        event::Payload,
    },
};
use bytes::Bytes;
use datafusion::arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, ListBuilder, RecordBatch, StringArray, StringBuilder,
        TimestampNanosecondArray, UInt32Array, UInt64Array,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    error::ArrowError,
};
use prost::Message as _;

/// Position of `time` among the columns.
pub const TIME: usize = 0;

/// An event with the bytes it came as.
pub struct Row {
    raw: Bytes,
    event: Event,
}

impl Row {
    /// An event that cannot be decoded is kept: a row with nothing but its bytes.
    pub fn new(raw: Bytes) -> Self {
        let event = Event::decode(raw.clone()).unwrap_or_default();
        Self { raw, event }
    }

    /// Wall clock of the act in nanoseconds since 1970.
    pub fn time(&self) -> Option<i64> {
        let time = self.event.time.as_ref()?;
        time.seconds.checked_mul(1_000_000_000)?.checked_add(time.nanos.into())
    }

    fn id(&self) -> Option<&EventId> {
        self.event.id.as_ref()
    }

    fn process(&self) -> Option<&Process> {
        self.event.process.as_ref()
    }

    fn credentials(&self) -> Option<&Credentials> {
        self.event.credentials.as_ref()
    }

    fn login(&self) -> Option<&Login> {
        self.event.login.as_ref()
    }

    fn session(&self) -> Option<&Session> {
        self.event.session.as_ref()
    }

    fn attribution(&self) -> Option<&Attribution> {
        self.event.attribution.as_ref()
    }

    fn place(&self) -> Option<&Place> {
        self.event.place.as_ref()
    }

    fn outcome(&self) -> Option<&Outcome> {
        self.event.outcome.as_ref()
    }

    fn exec(&self) -> Option<&Exec> {
        if let Some(Payload::Exec(exec)) = &self.event.payload { Some(exec) } else { None }
    }

    fn exit(&self) -> Option<&Exit> {
        if let Some(Payload::Exit(exit)) = &self.event.payload { Some(exit) } else { None }
    }

    fn open(&self) -> Option<&Open> {
        if let Some(Payload::Open(open)) = &self.event.payload { Some(open) } else { None }
    }

    fn connect(&self) -> Option<&Connect> {
        if let Some(Payload::Connect(connect)) = &self.event.payload { Some(connect) } else { None }
    }

    fn gap(&self) -> Option<&Gap> {
        if let Some(Payload::Gap(gap)) = &self.event.payload { Some(gap) } else { None }
    }

    fn path(&self) -> Option<&[u8]> {
        let paths = (self.exec().map(|exec| &exec.filename))
            .or_else(|| self.open().map(|open| &open.path))
            .or_else(|| self.connect().map(|connect| &connect.path));
        paths.map(AsRef::as_ref).filter(|path: &&[u8]| !path.is_empty())
    }

    fn path_source(&self) -> Option<i32> {
        (self.open().map(|open| open.path_source))
            .or_else(|| self.connect().map(|connect| connect.address_source))
    }

    fn gap_counts(&self) -> Option<String> {
        self.gap()?;
        to_json(&self.event).get("gap")?.get("counts").map(ToString::to_string)
    }
}

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
    Bool(fn(&Row) -> Option<bool>),
    Time(fn(&Row) -> Option<i64>),
    Bytes(fn(&Row) -> &[u8]),
}

use Get::{Bool, Text, Texts as List, Time, U32, U64};

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
    ("human_uid", U32(|row| Some(row.attribution()?.uid))),
    ("confidence", Text(|row| name(row.attribution()?.confidence, Confidence::short_name))),
    ("method", Text(|row| name(row.attribution()?.method, Method::short_name))),
    ("chain", List(|row| row.attribution().map_or_else(Vec::new, |attribution| texts(&attribution.chain)))),
    ("user", Text(|row| text(row.credentials()?.user.as_bytes()))),
    ("effective_user", Text(|row| text(row.credentials()?.effective_user.as_bytes()))),
    ("comm", Text(|row| text(&row.process()?.comm))),
    ("exe", Text(|row| text(&row.process()?.exe))),
    ("argv", List(|row| row.process().map_or_else(Vec::new, |process| texts(&process.argv)))),
    ("cwd", Text(|row| text(&row.process()?.cwd))),
    ("path", Text(|row| text(row.path()?))),
    ("path_source", Text(|row| name(row.path_source()?, PathSource::short_name))),
    (
        "access",
        List(|row| {
            let access = row.open().map_or(&[][..], |open| &open.access);
            access.iter().filter_map(|&access| name(access, Access::short_name)).collect()
        }),
    ),
    ("flags", U32(|row| Some(row.open()?.flags))),
    ("inode", U64(|row| row.open()?.inode)),
    ("family", Text(|row| name(row.connect()?.family, Family::short_name))),
    ("protocol", Text(|row| name(row.connect()?.protocol, Protocol::short_name))),
    ("address", Text(|row| text(row.connect()?.address.as_bytes()))),
    ("port", U32(|row| row.connect()?.port)),
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
    ("uid", U32(|row| Some(row.credentials()?.uid))),
    ("euid", U32(|row| Some(row.credentials()?.euid))),
    ("gid", U32(|row| Some(row.credentials()?.gid))),
    ("egid", U32(|row| Some(row.credentials()?.egid))),
    ("auid", U32(|row| row.login()?.auid)),
    ("audit_session", U32(|row| row.login()?.session_id)),
    ("tty", Text(|row| text(&row.login()?.tty))),
    ("login_user", Text(|row| text(row.login()?.user.as_bytes()))),
    ("session", Text(|row| text(row.session()?.id.as_bytes()))),
    ("session_kind", Text(|row| text(row.session()?.kind.as_bytes()))),
    ("remote_address", Text(|row| text(row.session()?.remote_address.as_bytes()))),
    ("remote_port", U32(|row| row.session()?.remote_port)),
    ("auth_method", Text(|row| text(row.session()?.auth_method.as_bytes()))),
    ("key_fingerprint", Text(|row| text(row.session()?.key_fingerprint.as_bytes()))),
    ("container_id", Text(|row| text(row.place()?.container_id.as_bytes()))),
    ("cgroup_path", Text(|row| text(&row.place()?.cgroup_path))),
    ("gap_reason", Text(|row| name(row.gap()?.reason, GapReason::short_name))),
    ("gap_from", U64(|row| Some(row.gap()?.from_sequence))),
    ("gap_to", U64(|row| Some(row.gap()?.to_sequence))),
    ("gap_counts", Text(|row| row.gap_counts().map(Cow::Owned))),
    ("sensor_id", Text(|row| text(row.id()?.sensor_id.as_bytes()))),
    ("boot_id", Text(|row| text(row.id()?.boot_id.as_bytes()))),
    ("epoch", U64(|row| Some(row.id()?.epoch))),
    ("lane", Text(|row| name(row.gap().map_or(row.id()?.lane, |gap| gap.lane), Lane::short_name))),
    ("sequence", U64(|row| Some(row.id()?.sequence).filter(|&sequence| sequence != 0))),
    ("boottime_ns", U64(|row| Some(row.event.boottime_ns).filter(|&time| time != 0))),
    ("event", Get::Bytes(|row| &row.raw)),
];

impl Get {
    fn data_type(&self) -> DataType {
        match self {
            Self::Text(_) => DataType::Utf8,
            Self::Texts(_) => DataType::new_list(DataType::Utf8, true),
            Self::U32(_) => DataType::UInt32,
            Self::U64(_) => DataType::UInt64,
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
            Self::Bool(get) => Arc::new(rows.iter().map(get).collect::<BooleanArray>()),
            Self::Time(get) => {
                Arc::new(rows.iter().map(get).collect::<TimestampNanosecondArray>().with_timezone("UTC"))
            }
            Self::Bytes(get) => Arc::new(BinaryArray::from_iter_values(rows.iter().map(get))),
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

#[cfg(test)]
pub mod tests {
    use activity_proto::v1::{EventType, Truncation, TypeCount};
    use datafusion::arrow::json::writer::{LineDelimited, WriterBuilder};
    use serde_json::{Value, json};

    use super::*;

    fn with(payload: Payload) -> Event {
        Event { payload: Some(payload), ..Event::default() }
    }

    fn open() -> Event {
        Event {
            time: Some(prost_types::Timestamp { seconds: 1, nanos: 5 }),
            process: Some(Process {
                pid: 7,
                comm: Bytes::from_static(b"a\x1b[31m"),
                argv: vec![Bytes::from_static(b"ls"), Bytes::new(), Bytes::from_static(b"\xff\\")],
                ..Process::default()
            }),
            credentials: Some(Credentials { euid: 1000, ..Credentials::default() }),
            login: Some(Login { auid: Some(0), ..Login::default() }),
            outcome: Some(Outcome { success: false, errno: Some(13) }),
            truncated: vec![Truncation { field: "argv".into(), full_length: None }],
            ..with(Payload::Open(Open {
                path: Bytes::from_static("/tmp/ä\n".as_bytes()),
                path_source: PathSource::User.into(),
                access: vec![Access::Read.into(), Access::Create.into(), 99],
                ..Open::default()
            }))
        }
    }

    fn gap() -> Event {
        let counts = vec![TypeCount { r#type: EventType::Open.into(), count: 4 }];
        let reason = GapReason::SlowSubscriber.into();
        let lane = Lane::File.into();
        with(Payload::Gap(Gap { lane, from_sequence: 3, to_sequence: 6, reason, counts }))
    }

    /// Events of every payload, with odd bytes, and one that cannot be decoded.
    pub fn every_kind() -> Vec<Bytes> {
        let events = [
            open(),
            gap(),
            with(Payload::Exec(Exec { filename: "/bin/x".into(), ..Exec::default() })),
            with(Payload::Exit(Exit { code: Some(0), ..Exit::default() })),
            with(Payload::Connect(Connect {
                family: Family::Inet6.into(),
                address: "::1".into(),
                port: Some(0),
                ..Connect::default()
            })),
            with(Payload::Status(Default::default())),
            Event::default(),
        ];
        let mut encoded: Vec<Bytes> = events.iter().map(|event| event.encode_to_vec().into()).collect();
        encoded.push(Bytes::from_static(b"\xff\xff"));
        // A payload of a newer sensor, in field 99.
        encoded.push(Bytes::from_static(b"\x12\x01h\x9a\x06\x01x"));
        encoded
    }

    /// A row as JSON, without what is NULL.
    fn row(event: impl Into<Bytes>) -> Value {
        let batch = batch(&[Row::new(event.into())], None).unwrap();
        let mut out = Vec::new();
        let mut writer = WriterBuilder::new().build::<_, LineDelimited>(&mut out);
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        let mut row: Value = serde_json::from_slice(&out).unwrap();
        row.as_object_mut().unwrap().remove("event");
        row
    }

    #[test]
    fn what_is_set_is_there_and_what_a_user_named_is_escaped() {
        let expected = json!({
            "time": "1970-01-01T00:00:01.000000005Z", "type": "open",
            "comm": "a\\x1b[31m", "argv": ["ls", "", "\\xff\\\\"], "pid": 7,
            "path": "/tmp/ä\\x0a", "path_source": "user", "access": ["read", "create", "99"], "flags": 0,
            "success": false, "error": "EACCES", "errno": 13, "truncated": ["argv"],
            "uid": 0, "euid": 1000, "gid": 0, "egid": 0, "auid": 0,
        });
        assert_eq!(row(open().encode_to_vec()), expected);
    }

    #[test]
    fn what_is_unset_is_null() {
        assert_eq!(row(Event::default().encode_to_vec()), json!({}));
        let exit = with(Payload::Exit(Exit { code: Some(0), ..Exit::default() }));
        assert_eq!(row(exit.encode_to_vec()), json!({"type": "exit", "exit_code": 0, "duration_ns": 0}));
    }

    #[test]
    fn a_gap_says_where_why_and_how_many() {
        let expected = json!({
            "type": "gap", "lane": "file", "gap_reason": "slow_subscriber",
            "gap_from": 3, "gap_to": 6, "gap_counts": "{\"open\":4}",
        });
        let mut event = gap();
        event.id = Some(EventId { lane: Lane::File.into(), ..EventId::default() });
        let mut row = row(event.encode_to_vec());
        row.as_object_mut().unwrap().remove("epoch");
        assert_eq!(row, expected);
    }

    #[test]
    fn what_a_newer_sensor_sent_is_kept_as_it_came() {
        for event in every_kind() {
            let batch = batch(&[Row::new(event.clone())], None).unwrap();
            let raw = batch.column_by_name("event").unwrap();
            assert_eq!(raw.as_any().downcast_ref::<BinaryArray>().unwrap().value(0), event);
        }
        assert_eq!(row(Bytes::from_static(b"\x12\x01h\x9a\x06\x01x")), json!({"host": "h"}));
    }

    #[test]
    fn a_projection_has_the_columns_asked_for_in_their_order() {
        let rows = [Row::new(Bytes::new())];
        let batch = batch(&rows, Some(&[3, TIME])).unwrap();
        assert_eq!(batch.schema().field(0).name(), COLUMNS[3].0);
        assert_eq!(batch.schema().field(1).name(), "time");
        // `count(*)` asks for no column, and rows all the same.
        assert_eq!(super::batch(&rows, Some(&[])).unwrap().num_rows(), 1);
    }
}
