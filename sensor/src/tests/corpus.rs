//! What fuzzers have found once stays found.

use std::fs;

use crate::fuzz;

/// Its name, and what takes the bytes.
type Target = (&'static str, fn(&[u8]));

#[test]
fn every_input_of_the_corpora_is_understood_or_refused() {
    let targets: [Target; 6] = [
        ("configuration", fuzz::configuration),
        ("filter", fuzz::filter),
        ("login", fuzz::login),
        ("record", fuzz::record),
        ("request", fuzz::request),
        ("spool", fuzz::spool),
    ];
    for (name, target) in targets {
        let directory = format!("{}/../fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
        let files: Vec<_> = fs::read_dir(&directory).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(!files.is_empty(), "{directory} is empty");
        for file in files {
            println!("{}", file.display());
            target(&fs::read(file).unwrap());
        }
    }
}
