//! Paths that were walked in the kernel.

use bytes::{BufMut as _, Bytes, BytesMut};
use sensor_types::span::{CUT, Span, UNREACHABLE, UNREADABLE, WALKED};

use super::{DecodeError, text};

/// A name in a record: an object's path as it was walked, or the caller's
/// words, made absolute by the directory they start from. Nothing when the
/// words could not be read.
pub fn named(record: &[u8], span: &Span, base: &Span) -> Result<Bytes, DecodeError> {
    let own = assemble(text(record, span)?, span);
    let base = assemble(text(record, base)?, base);
    let is_relative = span.flags & WALKED == 0 && !own.is_empty();
    Ok(if is_relative { join(&base, &own) } else { own })
}

/// Turns the names of a walk, innermost first and each ended by NUL, into a
/// path from the root. Without a leading slash where the walk did not reach a
/// root: the left part is missing, or there is none.
pub fn assemble(names: &[u8], span: &Span) -> Bytes {
    if span.flags & WALKED == 0 {
        return Bytes::copy_from_slice(names);
    }
    let rooted = span.flags & (CUT | UNREACHABLE | UNREADABLE) == 0;
    let mut path = BytesMut::with_capacity(names.len() + 1);
    let names = names.strip_suffix(b"\0").unwrap_or(names);
    if !names.is_empty() {
        for name in names.rsplit(|&byte| byte == 0) {
            if rooted || !path.is_empty() {
                path.put_u8(b'/');
            }
            path.put_slice(name);
        }
    } else if rooted {
        path.put_u8(b'/');
    }
    path.freeze()
}

/// Joins a path to the directory it starts from, without resolving `..`: only
/// the kernel knows what that leads to.
pub fn join(base: &Bytes, path: &[u8]) -> Bytes {
    if base.is_empty() || path.first() == Some(&b'/') {
        return Bytes::copy_from_slice(path);
    }
    let mut path = path;
    while let Some(rest) = path.strip_prefix(b"./") {
        path = rest.trim_ascii_start_slashes();
    }
    let mut joined = BytesMut::with_capacity(base.len() + 1 + path.len());
    joined.put_slice(base);
    if !path.is_empty() && path != b"." {
        if !base.ends_with(b"/") {
            joined.put_u8(b'/');
        }
        joined.put_slice(path);
    }
    joined.freeze()
}

/// `trim_start_matches('/')` for bytes.
trait TrimSlashes {
    fn trim_ascii_start_slashes(&self) -> &Self;
}

impl TrimSlashes for [u8] {
    fn trim_ascii_start_slashes(&self) -> &Self {
        let first = self.iter().position(|&byte| byte != b'/').unwrap_or(self.len());
        self.get(first..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(names: &[u8], flags: u32) -> Bytes {
        assemble(names, &Span { flags: WALKED | flags, ..Span::EMPTY })
    }

    #[test]
    fn names_become_a_path_from_the_root() {
        assert_eq!(walked(b"shadow\0etc\0", 0), "/etc/shadow");
        assert_eq!(walked(b"", 0), "/");
    }

    #[test]
    fn a_path_whose_left_part_is_missing_does_not_look_absolute() {
        assert_eq!(walked(b"b\0a\0", CUT), "a/b");
        assert_eq!(walked(b"b\0a\0", UNREADABLE), "a/b");
        assert_eq!(walked(b"memfd:x\0", UNREACHABLE), "memfd:x");
        assert_eq!(walked(b"\0", UNREACHABLE), "");
    }

    #[test]
    fn a_name_may_hold_any_byte_but_nul_and_slash() {
        assert_eq!(walked(b"\xff\x1b[31m\n\0tmp\0", 0), &b"/tmp/\xff\x1b[31m\n"[..]);
    }

    #[test]
    fn a_relative_path_starts_at_its_directory() {
        let join =
            |base: &'static str, path: &str| join(&Bytes::from_static(base.as_bytes()), path.as_bytes());
        assert_eq!(join("/home/a", "x"), "/home/a/x");
        assert_eq!(join("/home/a", "./x"), "/home/a/x");
        assert_eq!(join("/home/a", ".//x"), "/home/a/x");
        assert_eq!(join("/home/a", "../x"), "/home/a/../x");
        assert_eq!(join("/home/a", "."), "/home/a");
        assert_eq!(join("/", "x"), "/x");
        assert_eq!(join("/home/a", "/x"), "/x");
        assert_eq!(join("", "x"), "x");
    }
}
