use super::*;
use sensor_types::policy::Offsets;

#[test]
fn bytes_that_are_not_btf_are_refused() {
    assert!(matches!(Btf::parse(b"nothing of the kind".to_vec()), Err(BtfError::Malformed(_))));
    assert!(matches!(Btf::parse(Vec::new()), Err(BtfError::Malformed(_))));
}

#[test]
fn every_cut_of_the_running_kernels_types_is_refused_or_read_without_a_panic() {
    let Ok(bytes) = fs::read(VMLINUX) else { return };
    for length in (0..64).chain([4096, bytes.len() / 2, bytes.len() - 1]) {
        let _ = Btf::parse(bytes.get(..length).unwrap().to_vec()).map(|btf| btf.offsets(Offsets::FIELDS));
    }
}

#[test]
fn every_field_is_found_in_the_running_kernel() {
    let Ok(btf) = Btf::read(Path::new(VMLINUX)) else { return };
    let offsets = btf.offsets(Offsets::FIELDS);
    let missing: Vec<_> = Offsets::FIELDS
        .iter()
        .zip(&offsets)
        .filter(|(_, offset)| offset.is_none())
        .map(|(field, _)| field)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_names_alone_give_the_same_ids() {
    let Ok(btf) = Btf::read(Path::new(VMLINUX)) else { return };
    let names = Btf::parse(btf.names()).unwrap();
    for (kind, wanted) in [(kind::FUNC, "vfs_truncate"), (kind::TYPEDEF, "btf_trace_sys_exit")] {
        let found = btf.find(kind, &[wanted]);
        assert!(found[0].is_some(), "{wanted}");
        assert_eq!(names.find(kind, &[wanted]), found, "{wanted}");
    }
    assert!(names.bytes.len() < btf.bytes.len());
    aya::Btf::parse(&names.bytes, aya::Endianness::default()).unwrap();
}

#[test]
fn functions_and_tracepoints_tell_their_parameters() {
    let Ok(btf) = Btf::read(Path::new(VMLINUX)) else { return };
    let found = btf.functions(&["vfs_truncate", "no_such_function"]);
    let types: Vec<_> = found[0].as_ref().unwrap().iter().map(|p| (p.name.as_str(), p.pointer)).collect();
    assert_eq!(types, [("path", true), ("loff_t", false)]);
    assert_eq!(found[1], None);
    let found = btf.tracepoints(&["sys_exit", "no_such_tracepoint"]);
    assert_eq!(found[0].as_ref().map(Vec::len), Some(2));
    assert_eq!(found[1], None);
}
