//! Stores that are as they should be in themselves, and are not the ones that were.

use super::*;

#[test]
fn an_older_copy_of_the_whole_store_is_found_from_a_checkpoint() {
    let (_directory, layout) = rolled(FILES);
    let (_copy, older) = copied(&layout);
    let early = checkpoint(&layout);
    roll_more(&layout, FILES..FILES + 2);
    let late = checkpoint(&layout);
    assert!(found_with(&layout, None, &[early.clone(), late.clone()]).is_fine());

    assert!(found(&older).is_fine(), "of itself it cannot be known");
    let report = found_with(&older, None, &[early.clone(), late.clone()]);
    let problem = only(&report, Kind::Rollback);
    assert_eq!(problem.place.entry, Some(late.entry));

    // It goes on, and has other entries in the place of those that were.
    roll_more(&older, FILES..FILES + 4);
    assert!(found(&older).is_fine());
    let report = found_with(&older, None, &[early, late.clone()]);
    assert_eq!(only(&report, Kind::Fork).place.entry, Some(late.entry));
}

#[test]
fn a_store_from_which_every_trace_of_its_end_was_removed_is_found_from_a_checkpoint() {
    let (_directory, layout) = rolled(FILES);
    let checkpoint = checkpoint(&layout);
    change_lines(&layout, |lines| _ = lines.pop());
    fs::remove_file(file(&layout, 4).path).unwrap();
    let log = layout.log().join(layout.segments().unwrap()[0].to_string());
    let name = log.file_name().unwrap().to_str().unwrap().replacen("000000000006", "000000000005", 1);
    fs::rename(&log, log.with_file_name(name)).unwrap();
    assert!(found(&layout).is_fine(), "of itself it cannot be known");
    assert_eq!(only(&found_with(&layout, None, &[checkpoint]), Kind::Rollback).place.entry, Some(FILES));
}

#[test]
fn two_histories_in_one_seal_are_found() {
    let (_directory, layout) = rolled(FILES);
    let (_copy, other) = copied(&layout);
    roll_more(&layout, FILES..FILES + 1);
    roll_more(&other, FILES..FILES + 1);
    let foreign = lines(&other).pop().unwrap();
    change_lines(&layout, |lines| lines.push(foreign));
    assert_eq!(only(&found(&layout), Kind::Fork).place.entry, Some(FILES + 2));
}

/// The key of a store, as somebody copied it elsewhere.
fn key(layout: &Layout) -> PublicKey {
    PublicKey::read(&fs::read(layout.seal_public()).unwrap()).unwrap()
}

#[test]
fn a_seal_that_goes_on_with_another_key_is_found() {
    let (_directory, layout) = rolled(FILES);
    let key = key(&layout);
    assert!(found_with(&layout, Some(key), &[]).is_fine());
    fs::remove_file(layout.seal_key()).unwrap();
    roll_more(&layout, FILES..FILES + 1);
    // The public key that was there is still there.
    for key in [Some(key), None] {
        let report = found_with(&layout, key, &[]);
        assert_eq!(only(&report, Kind::Signature).place.entry, Some(FILES + 1));
    }
    fs::remove_file(layout.seal_public()).unwrap();
    roll_more(&layout, FILES + 1..FILES + 2);
    let report = found_with(&layout, Some(key), &[]);
    assert_eq!(kinds(&report), [Kind::Key, Kind::Signature]);
    assert_eq!(report.problems[&Kind::Key].place.file.as_deref(), Some("seal.pub"));
    assert_eq!(report.problems[&Kind::Signature].place.entry, Some(FILES + 1));
    let report = found(&layout);
    assert_eq!(kinds(&report), [Kind::Key, Kind::Signature]);
    assert_eq!(report.problems[&Kind::Signature].place.entry, Some(0));
}

#[test]
fn a_store_that_was_sealed_anew_is_found_from_the_key_and_from_a_checkpoint() {
    let (_directory, layout) = rolled(FILES);
    let (key, checkpoint) = (key(&layout), checkpoint(&layout));
    let path = file(&layout, 2).path;
    fs::write(&path, fs::read(file(&layout, 1).path).unwrap()).unwrap();
    for path in [layout.seal(), layout.seal_key(), layout.seal_public()] {
        fs::remove_file(path).unwrap();
    }
    roll_more(&layout, FILES..FILES + 1);
    assert!(found(&layout).is_fine(), "of itself it cannot be known");
    let report = found_with(&layout, Some(key), &[]);
    assert_eq!(kinds(&report), [Kind::Key, Kind::Signature]);
    assert_eq!(report.problems[&Kind::Signature].place.entry, Some(0));
    let report = found_with(&layout, None, &[checkpoint]);
    assert_eq!(only(&report, Kind::Fork).place.entry, Some(FILES));
}

#[test]
fn a_store_without_a_seal_is_found() {
    let report = after(|layout| fs::remove_file(layout.seal()).unwrap());
    assert_eq!(kinds(&report), [Kind::Truncated, Kind::Added], "{:?}", report.problems);
    let report = after(|layout| fs::remove_file(layout.seal_public()).unwrap());
    assert_eq!(only(&report, Kind::Key).place.file.as_deref(), Some("seal.pub"));
}
