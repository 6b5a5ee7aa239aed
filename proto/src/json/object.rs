//! Writing the fields of a message, each with its rule for "not set".

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use super::escape_bytes;

/// Bytes that a user chose, as escaped text.
pub(super) struct Escaped<'a>(pub &'a [u8]);

impl Serialize for Escaped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&escape_bytes(self.0))
    }
}

struct EscapedList<'a, B>(&'a [B]);

impl<B: AsRef<[u8]>> Serialize for EscapedList<'_, B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for bytes in self.0 {
            list.serialize_element(&Escaped(bytes.as_ref()))?;
        }
        list.end()
    }
}

/// A 64-bit number, which JSON readers would round beyond 2^53.
struct Long(u64);

impl Serialize for Long {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A value of an enumeration: its short name, or its number where this build
/// has no name for it.
pub(super) struct Name(pub Result<&'static str, i32>);

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Ok(name) => serializer.serialize_str(name),
            Err(number) => serializer.serialize_i32(number),
        }
    }
}

/// The [`Name`] of the number of an enumeration of `v1`.
macro_rules! name {
    ($enum:ident, $number:expr) => {
        Name(crate::v1::$enum::try_from($number).map(crate::v1::$enum::short_name).map_err(|_| $number))
    };
}
pub(super) use name;

/// A JSON object under construction; keys appear in the order of the calls.
pub(super) struct Object<M>(M);

impl<M: SerializeMap> Object<M> {
    /// Writes one object with the fields that `fields` puts into it.
    pub fn write<S: Serializer<SerializeMap = M, Ok = M::Ok, Error = M::Error>>(
        serializer: S,
        fields: impl FnOnce(&mut Self) -> Result<(), M::Error>,
    ) -> Result<M::Ok, M::Error> {
        let mut object = Self(serializer.serialize_map(None)?);
        fields(&mut object)?;
        object.0.end()
    }

    /// A value that is always set.
    pub fn put(&mut self, key: &str, value: impl Serialize) -> Result<(), M::Error> {
        self.0.serialize_entry(key, &value)
    }

    /// A value that may be absent.
    pub fn some(&mut self, key: &str, value: Option<impl Serialize>) -> Result<(), M::Error> {
        value.map_or(Ok(()), |value| self.put(key, value))
    }

    /// Messages; absent when there is none.
    pub fn messages(&mut self, key: &str, messages: &[impl Serialize]) -> Result<(), M::Error> {
        if messages.is_empty() { Ok(()) } else { self.put(key, messages) }
    }

    /// Text; empty means not set.
    pub fn text(&mut self, key: &str, text: &str) -> Result<(), M::Error> {
        self.bytes(key, text.as_bytes())
    }

    /// Texts; absent when there is none.
    pub fn texts(&mut self, key: &str, texts: &[impl AsRef<[u8]>]) -> Result<(), M::Error> {
        if texts.is_empty() { Ok(()) } else { self.put(key, EscapedList(texts)) }
    }

    /// Bytes; empty means not set.
    pub fn bytes(&mut self, key: &str, bytes: &[u8]) -> Result<(), M::Error> {
        if bytes.is_empty() { Ok(()) } else { self.put(key, Escaped(bytes)) }
    }

    /// A number of which 0 means not set.
    pub fn number(&mut self, key: &str, number: u32) -> Result<(), M::Error> {
        if number == 0 { Ok(()) } else { self.put(key, number) }
    }

    /// A number that can pass 2^53.
    pub fn long(&mut self, key: &str, number: u64) -> Result<(), M::Error> {
        self.put(key, Long(number))
    }

    /// A number that can pass 2^53 and may be absent.
    pub fn some_long(&mut self, key: &str, number: Option<u64>) -> Result<(), M::Error> {
        self.some(key, number.map(Long))
    }

    /// A remark that is made only when it holds.
    pub fn flag(&mut self, key: &str, flag: bool) -> Result<(), M::Error> {
        if flag { self.put(key, true) } else { Ok(()) }
    }

    /// A value of an enumeration; the unspecified one is not set.
    pub fn name(&mut self, key: &str, name: Name) -> Result<(), M::Error> {
        if name.0 == Ok("") { Ok(()) } else { self.put(key, name) }
    }
}
