//! One act among very many.

use std::{
    fs::File,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

use crate::{Act, Scene, tell};

pub const ACTS: &[(&str, Act)] = &[("flood", flood)];

/// Every processor opens files as fast as it can; in the midst of it one thread
/// opens the one that matters. Argument: opens for each processor.
fn flood(scene: &Scene) {
    let opens = scene.number(0);
    let noise: Vec<PathBuf> = (0..64).map(|number| scene.file(&format!("noise-{number}"))).collect();
    let secret = scene.file("secret");
    let threads = thread::available_parallelism().unwrap().get();
    let under_way = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for number in 0..opens {
                    drop(File::open(&noise[number % noise.len()]).unwrap());
                    if number == opens / 2 {
                        under_way.fetch_add(1, Relaxed);
                    }
                }
            });
        }
        while under_way.load(Relaxed) < threads {
            thread::yield_now();
        }
        tell::open_of(&secret, &File::open(&secret).unwrap());
    });
}
