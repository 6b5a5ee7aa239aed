//! The end-to-end tests in guests.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use anyhow::Context;

use super::{
    base,
    boot::{MISPATCHED, Machine, Processors, STOPPED, Said},
    debian, initramfs,
    job::{Job, MARK_ENDED, MARK_PLAN, SuiteJob},
    kernel::{self, Fetched, Kernel},
    modules,
    plan::Plan,
    rootfs::Rootfs,
    table::Tables,
    targets::{self, Targets},
    tree::Tree,
};
use crate::{
    checkout,
    exit::{self, Result},
    step::elapsed,
    tally::Tally,
};

/// How many times slower than a machine a guest is: the tests wait that much
/// longer before they give up.
const SLOWER: u32 = 10;
/// How long a single test may take; the slowest ones count a hundred thousand
/// events.
const PATIENCE: Duration = Duration::from_secs(900);
/// And one of those that take long: a million races took five minutes on an
/// idle machine.
const LONG_PATIENCE: Duration = Duration::from_secs(3600);
/// What guests are booted for: the tests in which the kernel has a say. The
/// others are the same on every kernel, and starting the sensor takes half a
/// minute there.
const OF_THE_KERNEL: &[&str] = &[
    "acceptance::what_a_person_does_is_in_the_stream",
    "connects::",
    "ends::a_killed_sensor",
    "ends::the_sensor_never_reports_itself",
    "errors::doctor",
    "files::",
    "images::",
    "names::a_path",
    "names::a_symbolic_link",
    "names::a_working_directory",
    "names::an_argv",
    "names::the_bytes",
    "policy::by_default",
    "policy::every_act",
    "processes::",
    "race::",
    "reuse::",
    "table::",
];

/// The test program for a whole system.
const OF_THE_SYSTEM: &str = "people";

/// Whether cargo built this file from that target.
fn is_named(program: &Path, target: &str) -> bool {
    let name = program.file_name().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once('-'));
    name.is_some_and(|(name, _)| name == target)
}

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// In which system.
    pub rootfs: Rootfs,
    /// Parts of tests' names; none for those [`OF_THE_KERNEL`], or with `long` or
    /// in a whole system for all.
    pub filters: Vec<String>,
    /// Also tests that take long.
    pub long: bool,
}

impl Selection {
    fn filters(&self) -> Vec<String> {
        if self.filters.is_empty() && !self.long && self.rootfs == Rootfs::Minimal {
            return OF_THE_KERNEL.iter().copied().map(str::to_owned).collect();
        }
        self.filters.clone()
    }
}

/// Everything that is booted, built once for all kernels.
pub struct Suite {
    sensor: PathBuf,
    targets: Targets,
    selection: Selection,
}

impl Suite {
    /// Builds what is needed.
    pub fn build(selection: Selection) -> Result<Self> {
        let sensor = targets::sensor()?;
        Self::of_these(sensor, selection)
    }

    /// What `cargo test` has built of the whole workspace.
    pub fn of_built(selection: Selection) -> Result<Self> {
        Self::of_these(targets::built_sensor(), selection)
    }

    fn of_these(sensor: PathBuf, selection: Selection) -> Result<Self> {
        let mut targets = targets::tests()?;
        if selection.rootfs == Rootfs::Debian {
            targets.tests.retain(|program| is_named(program, OF_THE_SYSTEM));
        }
        Ok(Self { sensor, targets, selection })
    }

    /// Runs the tests on that kernel with each of the plans, in one boot. What
    /// came of it is added to the tally, under names such as
    /// `guest 6.1 tracepoint: files::…`, and what was printed of ways around the
    /// sensor to the tables.
    pub fn run(
        &self,
        kernel: Kernel,
        plans: &[Plan],
        signals: &Receiver<i32>,
        tally: &mut Tally,
        tables: &mut Tables,
    ) -> Result {
        let (known, unknown): (Vec<Plan>, _) =
            plans.iter().partition(|plan| targets::knows_plan(&self.sensor, plan.name()));
        for plan in unknown {
            tally.skip(&format!("guest {kernel} {plan}"), "this sensor has no such plan");
        }
        if known.is_empty() {
            return Ok(());
        }
        let fetched = match kernel::fetch(kernel) {
            Ok(fetched) => fetched,
            Err(error) => {
                tally.skip(&format!("guest {kernel}"), &format!("{error:#}"));
                return Ok(());
            }
        };
        let begun = Instant::now();
        let place = self.selection.rootfs.of(kernel);
        println!("guest {place}: Linux {}", fetched.release);
        let mut results = Results::new(place.clone(), io::stdout(), tables);
        let mut ended = self.boot(&fetched, &place, &known, Processors::Parallel, signals, &mut results);
        if let Err(error) = &ended
            && exit::code(error) == MISPATCHED
        {
            let left = results.keep_whole(&known, self.targets.tests.len());
            eprintln!("vm: {error:#}; what is left once more, one processor at a time");
            ended = self.boot(&fetched, &place, &left, Processors::InTurn, signals, &mut results);
        }
        match ended {
            Err(error) if exit::code(&error) == STOPPED => return Err(error),
            // Where a whole Debian cannot be made.
            Err(error) if [exit::NOT_PERMITTED, exit::MISSING].contains(&exit::code(&error)) => {
                tally.skip(&format!("guest {place}"), &format!("{error:#}"));
                return Ok(());
            }
            Err(error) => {
                eprintln!("vm: {error:#}");
                results.lost(&known, self.targets.tests.len());
            }
            Ok(_) => {}
        }
        for Of { plan, tally: of_plan, .. } in results.done {
            println!("guest {place} {plan}: {}", of_plan.line());
            tally.add(&format!("guest {place} {plan}"), of_plan);
        }
        println!("guest {place}: took {}", elapsed(begun.elapsed()));
        Ok(())
    }

    /// Boots a guest for those plans, and reads what its tests print.
    fn boot<W: Write>(
        &self,
        kernel: &Fetched,
        place: &str,
        plans: &[Plan],
        processors: Processors,
        signals: &Receiver<i32>,
        results: &mut Results<'_, W>,
    ) -> Result<i32> {
        let private = tempfile::Builder::new().prefix("activity-vm-").tempdir()?;
        let archive = private.path().join("initramfs");
        self.write(plans, &kernel.modules, &archive)?;
        let machine = Machine {
            name: place.to_owned(),
            kernel,
            initramfs: &archive,
            memory: self.selection.rootfs.memory(),
            processors,
            patience: Some(if self.selection.long { LONG_PATIENCE } else { PATIENCE }),
        };
        let ended = machine.run(signals, |said| results.hear(&said));
        results.finish();
        ended
    }

    /// Writes the guest's files.
    fn write(&self, plans: &[Plan], kernels_modules: &Path, archive: &Path) -> Result {
        let job = self.job(plans)?;
        if self.selection.rootfs == Rootfs::Debian {
            let mut tree = debian::above(&job, Some(&self.sensor))?;
            for program in self.programs() {
                tree.file(self.inside(program), program)?;
            }
            modules::add(kernels_modules, &mut tree)?;
            return debian::write(&tree, archive);
        }
        let mut tree = self.tree(&job)?;
        modules::add(kernels_modules, &mut tree)?;
        initramfs::write(&tree, archive)
    }

    /// Everything that is started there.
    fn programs(&self) -> impl Iterator<Item = &PathBuf> {
        self.targets.tests.iter().chain(&self.targets.helpers).chain([&self.sensor])
    }

    /// A program's path in the guest. A whole system has file systems of its own
    /// where this machine may have the checkout, such as /tmp.
    fn inside(&self, program: &Path) -> PathBuf {
        match (self.selection.rootfs, program.file_name()) {
            (Rootfs::Debian, Some(name)) => Path::new("/opt/activity-tests").join(name),
            _ => program.to_path_buf(),
        }
    }

    fn job(&self, plans: &[Plan]) -> Result<Job> {
        let text = |path: &Path| self.inside(path).to_str().map(str::to_owned).context("paths are UTF-8");
        Ok(Job::Suite(SuiteJob {
            plans: plans.iter().map(|plan| plan.name().to_owned()).collect(),
            programs: self.targets.tests.iter().map(|path| text(path)).collect::<Result<_>>()?,
            filters: self.selection.filters(),
            environment: vec![
                "ACTIVITY_TEST_GUEST=1".to_owned(),
                format!("ACTIVITY_TEST_SLOW={SLOWER}"),
                format!("ACTIVITY_SENSOR_BIN={}", text(&self.sensor)?),
            ],
            long: self.selection.long,
            system: self.selection.rootfs == Rootfs::Debian,
        }))
    }

    fn tree(&self, job: &Job) -> Result<Tree> {
        let mut tree = base::tree(job)?;
        for program in self.programs() {
            tree.program(program)?;
        }
        // A test reads it where it lies in the checkout.
        for path in ["tests", "packaging/sensor/config.toml"] {
            tree.host(&checkout::root().join(path))?;
        }
        tree.libraries()?;
        Ok(tree)
    }
}

/// The outcome of one plan.
struct Of {
    plan: String,
    tally: Tally,
    /// Test programs that ended by themselves.
    ended: usize,
}

/// Reads the tests' output as it comes.
struct Results<'t, W> {
    /// Kernel and system.
    place: String,
    tables: &'t mut Tables,
    /// Where it is shown.
    out: W,
    line: Vec<u8>,
    done: Vec<Of>,
}

impl<'t, W: Write> Results<'t, W> {
    fn new(place: String, out: W, tables: &'t mut Tables) -> Self {
        Self { place, tables, out, line: Vec::new(), done: Vec::new() }
    }

    fn hear(&mut self, said: &Said) -> Result {
        let Said::Out(bytes) = said else { return Ok(()) };
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.take_line()?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) {
        let _ = self.take_line();
    }

    fn take_line(&mut self) -> Result {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end_matches('\n');
        if let Some(plan) = line.strip_prefix(MARK_PLAN) {
            writeln!(self.out, "guest {} {plan}:", self.place)?;
            self.done.push(Of { plan: plan.to_owned(), tally: Tally::default(), ended: 0 });
            return Ok(());
        }
        let Some(of) = self.done.last_mut() else { return Ok(()) };
        if let Some(ended) = line.strip_prefix(MARK_ENDED) {
            of.ended += 1;
            let (status, program) = ended.split_once(' ').unwrap_or((ended, ""));
            // 101: some tests failed, and were counted.
            if !["0", "101"].contains(&status) {
                of.tally.fail(&format!("{program} (status {status})"));
            }
            return Ok(());
        }
        of.tally.take(line);
        self.tables.take(line);
        self.out.write_all(&bytes)?;
        self.out.flush()?;
        Ok(())
    }

    /// Forgets what the plans found that are not through with as many programs,
    /// and returns them.
    fn keep_whole(&mut self, plans: &[Plan], programs: usize) -> Vec<Plan> {
        self.done.retain(|of| of.ended == programs);
        let done = |plan: &&Plan| self.done.iter().any(|of| of.plan == plan.name());
        plans.iter().filter(|plan| !done(plan)).copied().collect()
    }

    /// The guest ended before its time: so did each plan that is not through
    /// with as many programs.
    fn lost(&mut self, plans: &[Plan], programs: usize) {
        for plan in plans {
            if !self.done.iter().any(|of| of.plan == plan.name()) {
                self.done.push(Of { plan: plan.name().to_owned(), tally: Tally::default(), ended: 0 });
            }
        }
        for of in self.done.iter_mut().filter(|of| of.ended < programs) {
            of.tally.cut_short();
            of.tally.fail("the guest ended before the tests did");
        }
    }
}

#[cfg(test)]
mod tests;
