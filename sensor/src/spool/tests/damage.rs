//! Whatever happens to a segment: what is whole is delivered, what is not is counted.

use super::*;

/// A run in one segment of 64 KiB and more, in frames of ten events.
fn one_segment() -> (Rig, PathBuf, Vec<u8>, u64) {
    let limits = PerLane { process: 64 * KIB, file: 64 * 1024 * KIB };
    let mut rig = Rig::new(Settings { limits, ..settings() });
    let mut last = 0;
    while rig.spool.locked().index.file.bytes() < 64 * KIB {
        rig.write(Lane::File, last + 1..=last + 10);
        last += 10;
    }
    let settings = rig.spool.settings.clone();
    let rig = Rig::open(rig.end(), settings, 2);
    rig.disk.remove(&rig.spool.directory.join(CONSUMERS)).unwrap();
    let [path] = rig.segments(Lane::File).try_into().unwrap();
    let bytes = rig.disk.content(&path).unwrap();
    (rig, path, bytes, last)
}

/// What a reader gets, frame by frame.
fn chunks(rig: &Rig) -> Vec<Chunk> {
    let mut reader = Reader::new(Arc::clone(&rig.spool), Lane::File, place(0, 0));
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

#[test]
fn a_flip_of_any_bit_costs_one_frame_and_is_told() {
    let (rig, path, bytes, last) = one_segment();
    let whole = chunks(&rig);
    assert_eq!(whole.iter().map(|chunk| chunk.count).sum::<u64>(), last);
    let mut damaged = bytes.clone();
    for bit in 0..bytes.len() * 8 {
        damaged[bit / 8] ^= 1 << (bit % 8);
        rig.disk.damage(&path, damaged.clone());
        let left = chunks(&rig);
        assert_eq!(left.len(), whole.len(), "bit {bit}");
        let is_same = |(a, b): &(&Chunk, &Chunk)| a.place == b.place && a.events == b.events;
        let others: Vec<_> = left.iter().zip(&whole).filter(|both| !is_same(both)).collect();
        match others.as_slice() {
            // It is told in the place of the ten events that are missing, and no more.
            [(gap, lost)] => assert_eq!((gap.missed, gap.place), (10, lost.place), "bit {bit}"),
            // The last frame says only that the run has ended.
            [] => assert!(bit / 8 > bytes.len() - 40, "bit {bit}"),
            more => panic!("bit {bit} costs {} frames", more.len()),
        }
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
    println!("{} flips in a segment of {} bytes: each cost one frame, told", bytes.len() * 8, bytes.len());
}

#[test]
fn a_cut_at_any_byte_costs_what_is_behind_it_and_is_told() {
    let (rig, path, bytes, last) = one_segment();
    let settings = rig.spool.settings.clone();
    for cut in 0..bytes.len() {
        rig.disk.damage(&path, bytes[..cut].to_vec());
        let mut next = Rig::open(rig.disk.after_kill(), settings.clone(), 3);
        // What is behind the cut nobody knows any more but by this.
        let unclean: Vec<u64> = next.unclean.iter().map(|gap| gap.to_sequence).collect();
        assert!(
            unclean.len() == 1 && unclean[0].is_multiple_of(10) && unclean[0] <= last,
            "cut at {cut}: {unclean:?}"
        );
        let whole = unclean[0];
        next.write(Lane::File, 1..=1);
        let seen = next.read(Lane::File, place(0, 0));
        let is_told = |one: &&Seen| matches!(one, Seen::Gap { reason: GapReason::SpoolDamaged, .. });
        let others: Vec<Seen> = seen.iter().filter(|one| !is_told(one)).cloned().collect();
        let expected = [events(1, 1..=whole), events(3, 1..=1)].concat();
        assert_eq!(others, expected, "cut at {cut}");
    }
    println!("{} cuts of a segment: all whole frames delivered", bytes.len());
}

#[test]
fn damage_at_the_end_of_a_run_is_told_before_the_next() {
    let (rig, path, mut bytes, last) = one_segment();
    let at = bytes.len() - 3;
    bytes[at] ^= 1;
    rig.disk.damage(&path, bytes);
    let settings = rig.spool.settings.clone();
    let mut next = Rig::open(rig.disk.after_kill(), settings, 3);
    next.write(Lane::File, 1..=2);
    let seen = next.read(Lane::File, place(1, last - 1));
    let unknown = Seen::Gap { epoch: 1, from: last + 1, to: last, reason: GapReason::SpoolDamaged, count: 0 };
    assert_eq!(seen, [events(1, last..=last), vec![unknown], events(3, 1..=2)].concat());
}
