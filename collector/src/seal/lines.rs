//! The lines of `seal.jsonl`.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
};

/// Far longer than any entry: what memory a damaged file can cost.
const LONGEST: u64 = 64 << 20;

/// How far the whole lines of a file go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Bytes of whole lines.
    pub whole: u64,
    /// Bytes behind them that make no line: a write that was cut, or is going on.
    pub cut: u64,
}

/// Gives `visit` every whole line of a file without its line break.
pub fn each(path: &Path, mut visit: impl FnMut(&[u8])) -> io::Result<Extent> {
    let mut reader = BufReader::new(File::open(path)?);
    let (mut extent, mut line) = (Extent::default(), Vec::new());
    loop {
        line.clear();
        let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)? as u64;
        match line.strip_suffix(b"\n") {
            Some(whole) => visit(whole),
            None if read == LONGEST => visit(&line),
            None => {
                extent.cut = read;
                return Ok(extent);
            }
        }
        extent.whole += read;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_up_to_the_one_that_is_cut() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lines");
        for (text, expected, whole, cut) in [
            ("", &[][..], 0, 0),
            ("a", &[], 0, 1),
            ("a\n\nbc\n", &["a", "", "bc"], 6, 0),
            ("a\nbc", &["a"], 2, 2),
        ] {
            std::fs::write(&path, text).unwrap();
            let mut lines = Vec::new();
            let extent = each(&path, |line| lines.push(String::from_utf8(line.to_vec()).unwrap())).unwrap();
            assert_eq!(lines, expected, "{text:?}");
            assert_eq!(extent, Extent { whole, cut }, "{text:?}");
        }
    }
}
