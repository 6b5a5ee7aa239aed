use super::*;

#[test]
fn each_plan_has_its_own_counts_and_a_guest_that_dies_fails_what_is_left() {
    let mut tables = Tables::default();
    let mut results = Results::new(Kernel::V6_1.to_string(), io::sink(), &mut tables);
    let output = "#guest-plan tracepoint\ntest a ... ok\ntest result: ok. 1 passed; 0 failed\n\
        #guest-ended 0 /t/live\n#guest-plan trampoline\ntest a ... FAI";
    for part in output.as_bytes().chunks(7) {
        results.hear(&Said::Out(part.to_vec())).unwrap();
    }
    results.finish();
    results.lost(&[Plan::Tracepoint, Plan::Trampoline], 1);
    let lines: Vec<_> = results.done.iter().map(|of| (of.plan.as_str(), of.tally.line())).collect();
    let wanted =
        [("tracepoint", "1 passed, 0 failed, 0 skipped"), ("trampoline", "0 passed, 1 failed, 0 skipped")];
    assert_eq!(lines, wanted.map(|(plan, line)| (plan, line.to_owned())));
}

#[test]
fn what_a_plan_has_found_is_kept_when_the_guest_dies_in_the_next() {
    let mut tables = Tables::default();
    let mut results = Results::new(Kernel::V6_1.to_string(), io::sink(), &mut tables);
    let output = "#guest-plan tracepoint\ntest a ... ok\n#guest-ended 0 /t/live\n\
        #guest-plan trampoline\ntest a ... ok\ntest b ... FAI";
    results.hear(&Said::Out(output.as_bytes().to_vec())).unwrap();
    results.finish();
    let left = results.keep_whole(&[Plan::Tracepoint, Plan::Trampoline], 1);
    assert_eq!(left, [Plan::Trampoline]);
    let kept: Vec<_> = results.done.iter().map(|of| of.plan.as_str()).collect();
    assert_eq!(kept, ["tracepoint"]);
}

#[test]
fn a_test_program_that_dies_is_a_failure() {
    let mut tables = Tables::default();
    let mut results = Results::new(Kernel::Newest.to_string(), io::sink(), &mut tables);
    let output = b"#guest-plan auto\n#guest-ended -1 /t/live\n#guest-ended 101 /t/evasion\n";
    results.hear(&Said::Out(output.to_vec())).unwrap();
    assert_eq!(results.done[0].tally.failed, ["/t/live (status -1)"]);
}
