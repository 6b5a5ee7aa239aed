//! A JSON object under construction, each way of adding with its rule for "not set".

use activity_proto::json::escape_bytes;
use serde_json::{Map, Value};

/// The fields of an object, in the order in which they were put.
#[derive(Clone, Debug, Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// An object without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// A value that is always there.
    pub fn put(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// A value that may be absent.
    pub fn some(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.put(key, value),
            None => self,
        }
    }

    /// Text or bytes, escaped; absent when empty.
    pub fn text(self, key: &str, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        if text.is_empty() { self } else { self.put(key, escape_bytes(text).into_owned()) }
    }

    /// A remark that is made only when it holds.
    pub fn flag(self, key: &str, flag: bool) -> Self {
        if flag { self.put(key, true) } else { self }
    }

    /// An object; absent when there is nothing in it.
    pub fn object(self, key: &str, object: Self) -> Self {
        if object.is_empty() { self } else { self.put(key, object) }
    }

    /// A list; absent when it is empty.
    pub fn list(self, key: &str, list: Vec<Value>) -> Self {
        if list.is_empty() { self } else { self.put(key, list) }
    }

    /// All fields of another object, instead of those that have their names here.
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// All but one.
    pub fn without(mut self, key: &str) -> Self {
        self.0.shift_remove(key);
        self
    }

    /// Whether one is there.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Fields> for Value {
    fn from(fields: Fields) -> Self {
        Self::Object(fields.0)
    }
}

impl From<Map<String, Value>> for Fields {
    fn from(map: Map<String, Value>) -> Self {
        Self(map)
    }
}

/// The last part of a path; the path itself where it has no parts.
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().filter(|name| !name.is_empty()).unwrap_or(path)
}

/// What a path is in; nothing for one without parts.
pub fn directory(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(0) => path.get(..1).filter(|_| path.len() > 1).unwrap_or_default(),
        Some(slash) => path.get(..slash).unwrap_or_default(),
        None => &[],
    }
}

/// Arguments as one line, as a shell would take them; escaped.
pub fn command_line(argv: &[impl AsRef<[u8]>]) -> String {
    let mut line = String::new();
    for word in argv {
        let word = escape_bytes(word.as_ref());
        if !line.is_empty() {
            line.push(' ');
        }
        if word.is_empty()
            || word.contains([' ', '\'', '"', '$', '`', '|', '&', ';', '<', '>', '(', ')', '*', '?', '#'])
        {
            line.push('\'');
            line.push_str(&word.replace('\'', r"'\''"));
            line.push('\'');
        } else {
            line.push_str(&word);
        }
    }
    line
}

/// A time in milliseconds since 1970; 0 where there is none, or none that fits.
pub fn milliseconds(time: Option<&prost_types::Timestamp>) -> i64 {
    let whole = |time: &prost_types::Timestamp| {
        time.seconds.checked_mul(1000)?.checked_add(i64::from(time.nanos) / 1_000_000)
    };
    time.and_then(whole).unwrap_or_default()
}
