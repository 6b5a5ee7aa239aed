//! Bytes that a user chose, as text that is safe to show, and back.

use std::{borrow::Cow, fmt::Write as _};

/// Bytes as text for a terminal, a log or JSON: valid UTF-8 stays as it is,
/// everything else becomes `\xNN`, a backslash becomes two.
///
/// Besides invalid UTF-8 this escapes what would act on the reader's screen
/// rather than appear there: control characters, line and paragraph
/// separators, marks that turn the direction of writing, and characters
/// without width. [`unescape`] gives the bytes back.
#[must_use]
pub fn escape_bytes(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.chars().any(needs_escape)
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str(r"\\"),
                c if needs_escape(c) => push_hex(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => text.push(c),
            }
        }
        push_hex(&mut text, chunk.invalid());
    }
    Cow::Owned(text)
}

/// The bytes that [`escape_bytes`] made this text of; none when a backslash
/// begins neither `\\` nor `\xNN`.
#[must_use]
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('\\');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    while let Some(part) = parts.next() {
        if let Some(escaped) = part.strip_prefix('x') {
            let (digits, rest) = escaped.split_at_checked(2)?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            bytes.extend_from_slice(rest.as_bytes());
        } else if part.is_empty() {
            // Two backslashes in a row: the next part is plain text.
            bytes.push(b'\\');
            bytes.extend_from_slice(parts.next()?.as_bytes());
        } else {
            return None;
        }
    }
    Some(bytes)
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, r"\x{byte:02x}");
    }
}

fn needs_escape(character: char) -> bool {
    match character {
        '\\' => true,
        ' '..='~' => false,
        c => c.is_control() || is_invisible(c),
    }
}

/// Separators and format characters that leave no mark of their own.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}'                     // soft hyphen
        | '\u{61c}'                  // Arabic letter mark
        | '\u{180e}'                 // Mongolian vowel separator
        | '\u{200b}'..='\u{200f}'    // zero-width space and joiners, direction marks
        | '\u{2028}'..='\u{202e}'    // line and paragraph separators, direction embeddings
        | '\u{2060}'..='\u{206f}'    // word joiner, invisible operators, direction isolates
        | '\u{feff}'                 // byte order mark
        | '\u{fff9}'..='\u{fffb}'    // interlinear annotation
        | '\u{e0000}'..='\u{e007f}'  // tags
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn readable_text_stays_as_it_is() {
        for text in ["", "/usr/bin/true", "with space", "Привет", "日本語", "🦀", "e\u{301}"] {
            assert!(matches!(escape_bytes(text.as_bytes()), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn what_would_act_on_the_screen_is_escaped() {
        for (bytes, shown) in [
            (&b"a\nb"[..], r"a\x0ab"),
            (b"\x1b[31mred", r"\x1b[31mred"),
            (b"\x7f\0", r"\x7f\x00"),
            ("\u{9b}31m".as_bytes(), r"\xc2\x9b31m"),
            (b"\x9b", r"\x9b"),
            ("txt\u{202e}exe".as_bytes(), r"txt\xe2\x80\xaeexe"),
            ("\u{2066}\u{feff}\u{2028}".as_bytes(), r"\xe2\x81\xa6\xef\xbb\xbf\xe2\x80\xa8"),
            (b"a\\x0a", r"a\\x0a"),
            (b"caf\xe9", r"caf\xe9"),
            (b"\xf0\x9f\xa6", r"\xf0\x9f\xa6"),
        ] {
            assert_eq!(escape_bytes(bytes), shown);
        }
    }

    #[test]
    fn text_with_an_unfinished_escape_has_no_bytes() {
        for text in [r"\", r"a\", r"\x", r"\x0", r"\xzz", r"\x+1", r"\n", r"\\\", r"\xä"] {
            assert_eq!(unescape(text), None, "{text}");
        }
    }

    /// Any bytes, and characters that matter joined with any others.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..64),
            proptest::collection::vec(any::<char>(), 0..32)
                .prop_map(|all| String::from_iter(all).into_bytes()),
            "[\\\\xaf0-9\u{1b}\u{202e}é]{0,32}".prop_map(String::into_bytes),
        ]
    }

    proptest! {
        #[test]
        fn unescaping_gives_the_bytes_back(bytes in bytes()) {
            prop_assert_eq!(unescape(&escape_bytes(&bytes)), Some(bytes));
        }

        #[test]
        fn escaped_text_neither_controls_nor_hides(bytes in bytes()) {
            let text = escape_bytes(&bytes);
            prop_assert!(!text.chars().any(|c| c.is_control() || is_invisible(c)), "{:?}", text);
        }
    }
}
