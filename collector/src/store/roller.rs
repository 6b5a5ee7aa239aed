//! The thread that rolls every segment older than the one being written, compacts what
//! became of them, has it moved to the archive, and removes what need not be kept.

use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread::JoinHandle,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    StoreError,
    archive::Mover,
    compact::{Compactor, Zeal},
    layout::Layout,
    retain::{Keeper, Retention},
    roll::roll,
};
use crate::seal::Seal;

/// How long to wait before trying again what failed.
const RETRY: Duration = Duration::from_secs(10);
/// After how long without a new segment there is time to compact days that are over.
const CALM: Duration = Duration::from_secs(20);
/// How long to wait, when nothing is to be rolled, before looking what is too old.
const LOOK: Duration = Duration::from_secs(3600);

/// The thread that rolls.
pub struct Roller {
    wake: SyncSender<()>,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

struct Shared {
    /// The number of the segment that is being written.
    active: AtomicU64,
    stop: AtomicBool,
}

impl Shared {
    fn go_on(&self) -> Result<(), StoreError> {
        if self.stop.load(Ordering::Acquire) { Err(StoreError::Stopped) } else { Ok(()) }
    }
}

impl Roller {
    /// Starts the thread.
    pub fn start(
        layout: Layout,
        seal: Seal,
        retention: Retention,
        mut mover: Mover,
        active: u64,
    ) -> io::Result<Self> {
        // One wake-up that waits is enough: each looks at all there is.
        let (wake, woken) = mpsc::sync_channel(1);
        let shared = Arc::new(Shared { active: active.into(), stop: false.into() });
        let keeper = Keeper::new(retention);
        let superseded = seal.superseded().into_iter().chain(mover.left());
        let compactor = Compactor::new(superseded.collect());
        let arrived = wake.clone();
        mover.start(move || _ = arrived.try_send(()))?;
        let work = Work { layout, seal, keeper, compactor, mover, shared: shared.clone() };
        let thread = std::thread::Builder::new().name("roll".into()).spawn(move || work.run(woken))?;
        Ok(Self { wake, shared, thread })
    }

    /// Tells which segment is being written now: those before it are complete.
    pub fn advance(&self, active: u64) {
        self.shared.active.store(active, Ordering::Release);
        let _ = self.wake.try_send(());
    }

    /// Ends the thread, giving up a roll that is under way; the next start does it again.
    pub fn stop(self) {
        self.shared.stop.store(true, Ordering::Release);
        let _ = self.wake.try_send(());
        let _ = self.thread.join();
    }
}

/// What the thread works with.
struct Work {
    layout: Layout,
    seal: Seal,
    keeper: Keeper,
    compactor: Compactor,
    mover: Mover,
    shared: Arc<Shared>,
}

impl Work {
    fn run(mut self, woken: Receiver<()>) {
        let (mut failing, mut zeal) = (false, Zeal::Busy);
        while self.shared.go_on().is_ok() {
            let active = self.shared.active.load(Ordering::Acquire);
            let ended = self.round(zeal);
            if let Err(error) = &ended
                && !failing
                && !matches!(error, StoreError::Stopped)
            {
                tracing::error!("{error}; events stay where they are and it is tried again");
            }
            failing = ended.is_err();
            let wait = match ended {
                Err(_) => RETRY,
                // What was compacted may be compacted further.
                Ok(any) if any || zeal == Zeal::Busy => CALM,
                Ok(_) => LOOK,
            };
            let wait = self.mover.wait().map_or(wait, |soon| soon.min(wait));
            zeal = match woken.recv_timeout(wait) {
                // Files came into the archive, nothing else.
                Ok(()) if self.shared.active.load(Ordering::Acquire) == active => zeal,
                Ok(()) => Zeal::Busy,
                Err(RecvTimeoutError::Timeout) => Zeal::Idle,
                Err(RecvTimeoutError::Disconnected) => break,
            };
        }
    }

    /// Does what is due; whether there may be more.
    fn round(&mut self, zeal: Zeal) -> Result<bool, StoreError> {
        self.roll_all()?;
        let shared = &self.shared;
        let go_on = || shared.go_on();
        self.mover.take(&mut self.compactor, &mut |_| go_on())?;
        self.keeper.keep(&self.layout, &mut self.seal, self.mover.book(), Timestamp::now(), &go_on)?;
        if self.keeper.holds(&self.layout)? {
            return Ok(false);
        }
        let archive = self.mover.book().states();
        let any = self.compactor.compact(&self.layout, &mut self.seal, zeal, archive, &mut |_| go_on())?;
        self.mover.send(&self.seal, &mut self.compactor, zeal, &mut |_| go_on())?;
        Ok(any)
    }

    fn roll_all(&mut self) -> Result<(), StoreError> {
        let active = self.shared.active.load(Ordering::Acquire);
        for segment in self.layout.segments()?.into_iter().filter(|segment| segment.number < active) {
            if self.seal.is_complete(&self.layout, segment.number) {
                // A kill came between the seal and the removal of the segment.
                let path = self.layout.log().join(segment.to_string());
                fs::remove_file(&path).map_err(|source| StoreError::file("remove", &path, source))?;
                continue;
            }
            let shared = &self.shared;
            roll(&self.layout, segment, &mut self.seal, &mut |_| shared.go_on())?;
        }
        Ok(())
    }
}
