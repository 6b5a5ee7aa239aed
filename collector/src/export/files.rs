//! Standard output, and files.

use std::{
    fs::File,
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use async_trait::async_trait;

use super::{ExportError, Exporter, Line};

/// Standard output, a line for each event.
pub struct Stdout;

#[async_trait]
impl Exporter for Stdout {
    async fn send(&mut self, lines: &[Line]) -> Result<(), ExportError> {
        let text = text(lines);
        let written = blocking(move || {
            let mut out = io::stdout().lock();
            out.write_all(&text)?;
            out.flush()
        });
        written.await.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => ExportError::Closed,
            _ => ExportError::Unreachable { place: "standard output".into(), why: error.to_string() },
        })
    }
}

/// Lines at the end of a file, durable when they are sent. It is opened anew each time, so it
/// may be rotated.
pub struct Lines {
    path: PathBuf,
}

impl Lines {
    /// At a path.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

#[async_trait]
impl Exporter for Lines {
    async fn send(&mut self, lines: &[Line]) -> Result<(), ExportError> {
        let (text, path) = (text(lines), self.path.clone());
        let written = blocking(move || {
            let mut file = File::options().read(true).append(true).create(true).mode(0o640).open(&path)?;
            cut_torn_line(&mut file)?;
            file.write_all(&text)?;
            file.sync_data()
        });
        written.await.map_err(|error| ExportError::Unreachable {
            place: format!("the file {}", self.path.display()),
            why: error.to_string(),
        })
    }
}

/// Removes what a kill left of a line: all of it comes again.
fn cut_torn_line(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut end = length;
    let mut block = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let part = usize::try_from(end - start).unwrap_or(block.len());
        let Some(part) = block.get_mut(..part) else { break };
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(newline) = part.iter().rposition(|&byte| byte == b'\n') {
            end = start + newline as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length { file.set_len(end) } else { Ok(()) }
}

fn text(lines: &[Line]) -> Vec<u8> {
    let mut text = Vec::with_capacity(lines.iter().map(|line| line.text.len() + 1).sum());
    for line in lines {
        text.extend_from_slice(&line.text);
        text.push(b'\n');
    }
    text
}

async fn blocking(write: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(write).await.map_err(io::Error::other)?
}
