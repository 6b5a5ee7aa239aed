//! A bare program on the way out of system calls.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use aya::{Btf, Ebpf, include_bytes_aligned, maps::RingBuf, programs::BtfTracePoint};
use serde_json::json;

use crate::{
    Result,
    talk::{hear, say},
};

static OBJECT: &[u8] = include_bytes_aligned!(env!("FLOOR_EBPF_OBJECT"));

/// How often the ring is emptied: as often as the sensor does when much happens.
const ROUND: Duration = Duration::from_millis(1);

/// `bench floor nothing|record`.
pub fn run(arguments: &[String]) -> Result {
    let [name] = arguments else { return Err("usage: bench floor nothing|record".into()) };
    let mut object = Ebpf::load(OBJECT)?;
    let program = object.program_mut(name).ok_or_else(|| format!("there is no program {name}"))?;
    let program: &mut BtfTracePoint = program.try_into()?;
    program.load("sys_exit", &Btf::from_sys_fs()?)?;
    program.attach()?;
    let ring = object.take_map("RECORDS").ok_or("the object has no ring")?;
    let mut ring = RingBuf::try_from(ring)?;

    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let records = scope.spawn(|| {
            let mut records = 0_u64;
            // Nothing comes into the ring of a program that writes nothing, and
            // looking would cost what this floor is not about.
            while name == "record" && !over.load(Ordering::Relaxed) {
                while ring.next().is_some() {
                    records += 1;
                }
                thread::sleep(ROUND);
            }
            records
        });
        say(&json!({"ready": true}))?;
        let heard = hear();
        over.store(true, Ordering::Relaxed);
        let records = records.join().map_err(|_| "the reader of the ring panicked")?;
        heard?;
        say(&json!({"records": records}))
    })
}
