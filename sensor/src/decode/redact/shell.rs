//! Command lines inside an argument: split as a shell would, redacted word by
//! word, and put back in place.

use std::{borrow::Cow, mem, ops::Range};

use super::{Found, Rules, command};

/// A word: where it stands, with its quotes, and what it means without them.
struct Word {
    raw: Range<usize>,
    value: Vec<u8>,
}

/// Redacts the command lines in `text`. `separators`: the text is a shell's,
/// so that `;` and the like end a command rather than belong to a word.
pub fn redact(rules: &Rules, text: &mut Cow<'_, [u8]>, separators: bool, depth: usize, found: &mut Found) {
    let mut edits = Vec::new();
    for words in split(text, separators) {
        let mut values: Vec<Cow<'_, [u8]>> =
            words.iter().map(|word| Cow::Borrowed(word.value.as_slice())).collect();
        command::redact(rules, b"", &mut values, depth, found);
        for (word, value) in words.iter().zip(values) {
            if let Cow::Owned(changed) = value {
                edits.push((word.raw.clone(), quoted(changed)));
            }
        }
    }
    let mut redacted = Vec::with_capacity(text.len());
    let mut copied = 0;
    for (range, value) in &edits {
        redacted.extend_from_slice(text.get(copied..range.start).unwrap_or_default());
        redacted.extend_from_slice(value);
        copied = range.end;
    }
    if !edits.is_empty() {
        redacted.extend_from_slice(text.get(copied..).unwrap_or_default());
        *text = Cow::Owned(redacted);
    }
}

/// The commands of a text and their words. A quote that is never closed runs
/// to the end: the argument may have been cut.
fn split(text: &[u8], separators: bool) -> Vec<Vec<Word>> {
    let mut commands = Vec::new();
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote = None;
    let mut bytes = text.iter().copied().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let ends_command = separators && b";|&()`\n".contains(&byte);
        if quote.is_none() && (byte.is_ascii_whitespace() || ends_command) {
            words.extend(word.take());
            if ends_command {
                commands.push(mem::take(&mut words));
            }
            continue;
        }
        let word = word.get_or_insert_with(|| Word { raw: at..at, value: Vec::new() });
        word.raw.end = at + 1;
        match (byte, quote) {
            (b'\\', None | Some(b'"')) => {
                // Within double quotes a backslash is itself before most bytes.
                let escaped = bytes.next_if(|(_, next)| quote.is_none() || b"\"\\$`\n".contains(next));
                word.raw.end = escaped.map_or(at, |(at, _)| at) + 1;
                word.value.push(escaped.map_or(b'\\', |(_, escaped)| escaped));
            }
            (b'\'' | b'"', None) => quote = Some(byte),
            (_, Some(open)) if open == byte => quote = None,
            _ => word.value.push(byte),
        }
    }
    words.extend(word);
    commands.push(words);
    commands
}

/// A changed word with the quotes it needs to stay one word.
fn quoted(word: Vec<u8>) -> Vec<u8> {
    let special = |byte: &u8| byte.is_ascii_whitespace() || b"'\"\\;|&()`".contains(byte);
    if !word.iter().any(special) {
        return word;
    }
    if !word.contains(&b'\'') {
        return [b"'", word.as_slice(), b"'"].concat();
    }
    let mut quoted = vec![b'"'];
    for byte in word {
        if b"\"\\$`".contains(&byte) {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted.push(b'"');
    quoted
}
