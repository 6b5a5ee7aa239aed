use std::io::Write as _;

use super::*;
use crate::OBJECTS;

/// No object may be larger: it is embedded, hashed and loaded at every start.
const MOST_BYTES: u64 = 1024 * 1024;

/// What an object is made of, in another place.
fn copy_of(checkout: &Path, to: &Path) {
    for source in crate::SOURCES {
        let (from, to) = (checkout.join(source), to.join(source));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        copy(&from, &to);
    }
    symlink("../sensor-types/src", to.join("sensor-ebpf/types")).unwrap();
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

/// Written past the test harness's capture, for `cargo xtask test` to count.
fn skip(test: &str, reason: &dyn fmt::Display) {
    let line = format!("skipped: {test}: {reason}\n");
    io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

#[test]
fn an_object_is_small_and_the_same_bytes_wherever_it_is_built() {
    let toolchain = match Toolchain::find() {
        Ok(toolchain) => toolchain,
        Err(missing) => {
            let test = "compile::tests::an_object_is_small_and_the_same_bytes_wherever_it_is_built";
            return skip(test, &missing);
        }
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("a checkout/with a longer path");
    copy_of(&here, &copy);
    // A cache of its own, since what another checkout has built is not built again.
    let cache = elsewhere.path().join("cache");

    for name in OBJECTS {
        let [first, second] = ["first", "second"].map(|build| elsewhere.path().join(build));
        build(&toolchain, &here, name, &first).unwrap_or_else(|error| panic!("{error}"));
        build_in(&cache, &toolchain, &copy, name, &second).unwrap_or_else(|error| panic!("{error}"));
        let size = fs::metadata(&first).unwrap().len();
        assert!(size < MOST_BYTES, "{name} has {size} bytes");
        assert!(fs::read(first).unwrap() == fs::read(second).unwrap(), "{name} differs between directories");
    }
}
