//! Workloads of whole programs.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::Work;
use crate::Result;

/// Starts `true` and waits for it.
pub fn exec() -> Work {
    Work::Each(Box::new(|_| {
        let status = Command::new("/bin/true").status()?;
        if status.success() { Ok(()) } else { Err(format!("/bin/true failed ({status})").into()) }
    }))
}

/// `make -j2` of that many small C files.
pub fn build(count: u64, directory: &Path) -> Result<Work> {
    let directory = directory.join("build");
    write_sources(count, &directory)?;
    Ok(Work::Whole(Box::new(move |_| {
        let mut make = Command::new("make");
        make.args(["-s", "-j2", "-C"]).arg(&directory).stdout(Stdio::null());
        let status = make.status()?;
        if status.success() { Ok(()) } else { Err(format!("make failed ({status})").into()) }
    })))
}

/// Writes them anew each time, which also takes away what was built.
fn write_sources(count: u64, directory: &Path) -> Result {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir(directory)?;
    let mut objects = String::new();
    for number in 0..count {
        let source = format!(
            "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\
             int f{number}(const char *s) {{ char b[64]; snprintf(b, sizeof b, \"%s {number}\", s); \
             return atoi(b) + (int)strlen(b); }}\n"
        );
        fs::write(directory.join(format!("f{number}.c")), source)?;
        write!(objects, " f{number}.o")?;
    }
    let makefile: PathBuf = directory.join("Makefile");
    fs::write(makefile, format!("all:{objects}\n%.o: %.c\n\tcc -O1 -c -o $@ $<\n"))?;
    Ok(())
}
