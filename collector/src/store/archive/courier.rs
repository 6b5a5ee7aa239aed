//! The thread that speaks with the archive: whoever rolls does not wait for a network.

use std::{
    io,
    path::PathBuf,
    sync::mpsc::{self, Receiver, Sender},
    thread::JoinHandle,
};

use tokio::sync::{mpsc as queue, watch};

use super::{Archive, ArchiveError, Settings};
use crate::seal::{Digest, SealedFile, measure};

/// Something to do.
#[derive(Debug)]
pub enum Job {
    /// Copy a file, and read it back.
    Put {
        /// The number it was sealed with.
        number: u64,
        /// Its path within the store.
        path: String,
        /// What was sealed of it.
        digest: Digest,
        /// The local one.
        from: PathBuf,
    },
    /// Delete what is at a path.
    Delete(String),
}

/// What became of it.
#[derive(Debug)]
pub enum Done {
    /// The file is there, as it was sealed.
    Put(SealedFile),
    /// The local file is not what was sealed.
    Changed(String),
    /// There is no local file any more.
    Void(String),
    /// Nothing is there.
    Deleted(String),
    /// The archive does not answer; the rest was not tried.
    Failed(ArchiveError),
    /// All that was given is done, or failed.
    End,
}

/// The one who speaks with it. Dropped, it ends at once, whatever is under way.
pub struct Courier {
    jobs: queue::UnboundedSender<Vec<Job>>,
    done: Receiver<Done>,
    /// Dropped first: it ends what is under way.
    stop: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Courier {
    /// Starts the thread; `wake` is called when all that was given is done.
    ///
    /// # Errors
    /// As the system says.
    pub fn start(settings: Settings, wake: impl Fn() + Send + 'static) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (jobs, mut given) = queue::unbounded_channel();
        let (told, done) = mpsc::channel();
        let (stop, mut stopped) = watch::channel(());
        let work = async move {
            let mut trips = Trips { settings, archive: None, told };
            while let Some(jobs) = given.recv().await {
                tokio::select! {
                    () = trips.all(jobs) => wake(),
                    // Nothing is ever sent: it is dropped.
                    _ = stopped.changed() => break,
                }
            }
        };
        let thread = std::thread::Builder::new().name("archive".into()).spawn(move || {
            runtime.block_on(work);
            // What a file system does not answer is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self { jobs, done, stop: Some(stop), thread: Some(thread) })
    }

    /// Gives it something to do; whether it takes it.
    pub fn give(&self, jobs: Vec<Job>) -> bool {
        self.jobs.send(jobs).is_ok()
    }

    /// What was done since it was asked last.
    pub fn done(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }

    /// Waits for the next thing that is done.
    #[cfg(test)]
    pub fn wait(&self) -> Done {
        self.done.recv_timeout(std::time::Duration::from_secs(60)).unwrap()
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.stop = None;
        // The queue is closed by another that takes its place.
        self.jobs = queue::unbounded_channel().0;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Trips {
    settings: Settings,
    archive: Option<Archive>,
    told: Sender<Done>,
}

impl Trips {
    async fn all(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            let done = match self.one(job).await {
                Ok(done) => done,
                Err(error) => {
                    // What opens it may be another next time.
                    self.archive = None;
                    let _ = self.told.send(Done::Failed(error));
                    break;
                }
            };
            let _ = self.told.send(done);
        }
        let _ = self.told.send(Done::End);
    }

    async fn one(&mut self, job: Job) -> Result<Done, ArchiveError> {
        let archive = match &self.archive {
            Some(archive) => archive,
            None => self.archive.insert(Archive::connect(&self.settings)?),
        };
        match job {
            Job::Put { number, path, digest, from } => put(archive, number, path, digest, from).await,
            Job::Delete(path) => archive.delete(&path).await.map(|()| Done::Deleted(path)),
        }
    }
}

async fn put(
    archive: &Archive,
    number: u64,
    path: String,
    digest: Digest,
    from: PathBuf,
) -> Result<Done, ArchiveError> {
    let length = match measure(&from) {
        Ok((length, found)) if found == digest => length,
        Ok(_) => return Ok(Done::Changed(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Done::Void(path)),
        Err(source) => return Err(ArchiveError::file("read", &from, source)),
    };
    let given = match archive.put(&from, &path).await {
        // Retention removed it meanwhile.
        Err(_) if !from.exists() => return Ok(Done::Void(path)),
        given => given?,
    };
    if given != (length, digest) {
        return Ok(Done::Changed(path));
    }
    match archive.measure(&path).await? {
        Some(found) if found == given => Ok(Done::Put(SealedFile { number, path, length, digest })),
        Some(_) => Err(archive.altered(&path)),
        None => Err(archive.missing(&path)),
    }
}
