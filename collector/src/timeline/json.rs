//! One object a line, for machines.

use std::io;

use serde::Serialize;

use super::{
    Who,
    act::Section,
    flow::{Show, Told},
    fold::Folded,
    notice::Notice,
};

/// Writes objects.
pub struct Json<'a, Out> {
    pub out: Out,
    pub who: &'a Who,
}

/// An act with whose it is.
#[derive(Serialize)]
struct Line<'a> {
    human: String,
    #[serde(flatten)]
    folded: &'a Folded,
}

impl<Out: io::Write> Json<'_, Out> {
    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value)?;
        self.out.write_all(b"\n")
    }
}

impl<Out: io::Write> Show for Json<'_, Out> {
    fn section(&mut self, _: &Section) -> io::Result<()> {
        // Every act says which one it is of.
        Ok(())
    }

    fn act(&mut self, folded: &Folded) -> io::Result<()> {
        let human = match self.who {
            Who::Name(name) => name.clone(),
            Who::Uid(uid) => uid.to_string(),
        };
        self.line(&Line { human, folded })
    }

    fn notice(&mut self, notice: &Notice, _: bool) -> io::Result<()> {
        self.line(notice)
    }

    fn end(&mut self, _: &Told) -> io::Result<()> {
        self.out.flush()
    }
}
