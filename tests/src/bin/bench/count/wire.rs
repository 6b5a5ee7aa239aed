//! The few fields that are counted by, read without decoding the rest.

/// A field's number and what it holds.
pub type Field<'a> = (u64, Value<'a>);

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message in their order; it ends where the form is wrong.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Bytes(self.bytes(8)?),
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.bytes(length)?)
            }
            5 => Value::Bytes(self.bytes(4)?),
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn bytes(&mut self, length: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }
}

/// What is looked at in an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen<'a> {
    pub time: u64,
    pub process: u32,
    pub parent: u32,
    /// Field number and content of the payload.
    pub payload: (u64, &'a [u8]),
}

impl<'a> Seen<'a> {
    /// Reads an encoded event. Numbers are those of event.proto.
    pub fn of(event: &'a [u8]) -> Self {
        let mut seen = Self::default();
        for field in Fields(event) {
            match field {
                (4, Value::Number(time)) => seen.time = time,
                (5, Value::Bytes(process)) => seen.read_process(process),
                (number @ 20.., Value::Bytes(payload)) => seen.payload = (number, payload),
                _ => {}
            }
        }
        seen
    }

    fn read_process(&mut self, process: &[u8]) {
        for field in Fields(process) {
            match field {
                (1, Value::Number(id)) => self.process = u32::try_from(id).unwrap_or_default(),
                (5, Value::Number(id)) => self.parent = u32::try_from(id).unwrap_or_default(),
                // What follows is large and of no use here.
                (6.., _) => return,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use activity_proto::v1::{Event, Open, Process, event::Payload};
    use prost::Message as _;

    use super::*;

    #[test]
    fn an_event_is_counted_by_what_it_says() {
        let process = Process { pid: 4242, ppid: 7, exe: "/bin/cat".into(), ..Process::default() };
        let payload = Some(Payload::Open(Open { path: "/etc/passwd".into(), ..Open::default() }));
        let event = Event { boottime_ns: 1 << 60, process: Some(process), payload, ..Event::default() };
        let bytes = event.encode_to_vec();
        let seen = Seen::of(&bytes);
        assert_eq!((seen.time, seen.process, seen.parent, seen.payload.0), (1 << 60, 4242, 7, 22));
        let open = Open::decode(seen.payload.1).unwrap();
        assert_eq!(open.path, "/etc/passwd");
    }

    #[test]
    fn what_is_cut_ends_the_fields() {
        assert_eq!(Fields(&[0x0a, 5, b'x']).next(), None);
        assert_eq!(Fields(&[0xff; 12]).next(), None);
    }
}
