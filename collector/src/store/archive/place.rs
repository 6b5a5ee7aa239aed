//! The object store itself.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::TryStreamExt as _;
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt as _, RetryConfig, WriteMultipart, aws::AmazonS3Builder,
    azure::MicrosoftAzureBuilder, gcp::GoogleCloudStorageBuilder, local::LocalFileSystem,
    path::Path as ObjectPath,
};

use super::{
    ArchiveError,
    settings::{Kind, Settings, Target},
};
use crate::{seal::Digest, store::sync_directory};

/// Larger files go in parts of so many bytes, of which two are under way at a time.
const PART: usize = 8 << 20;
const PARTS: usize = 2;
/// How often a request is tried again at once, and for how long.
const RETRIES: usize = 2;
const RETRIED_FOR: Duration = Duration::from_secs(20);
/// How long a connection may take, and one request.
const CONNECT: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(120);

/// An object store, and where in it a store's files are.
#[derive(Clone, Debug)]
pub struct Archive {
    url: String,
    store: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
    /// Where it is a directory: what is written there is made durable.
    directory: Option<PathBuf>,
}

impl Archive {
    /// Gets ready to speak with it; no word is said yet.
    ///
    /// # Errors
    /// When the settings cannot be, or a directory is not there.
    pub fn connect(settings: &Settings) -> Result<Self, ArchiveError> {
        let Target { kind, url, prefix } = settings.target()?;
        let options = settings.all_options(kind)?;
        let wrong = |error: object_store::Error| {
            ArchiveError::Settings(format!("the archive {} cannot be: {}", settings.url, sentence(&error)))
        };
        let (url, text) = (url.to_string(), settings.url.clone());
        let store: Arc<dyn ObjectStore> = match kind {
            Kind::Directory => return Self::directory(text, &prefix),
            Kind::S3 => {
                let builder =
                    AmazonS3Builder::new().with_url(url).with_retry(retry()).with_client_options(client());
                let with = |builder: AmazonS3Builder, (key, value)| builder.with_config(key, value);
                Arc::new(keys(options).fold(builder, with).build().map_err(wrong)?)
            }
            Kind::Azure => {
                let builder = MicrosoftAzureBuilder::new()
                    .with_url(url)
                    .with_retry(retry())
                    .with_client_options(client());
                let with = |builder: MicrosoftAzureBuilder, (key, value)| builder.with_config(key, value);
                Arc::new(keys(options).fold(builder, with).build().map_err(wrong)?)
            }
            Kind::Google => {
                let builder = GoogleCloudStorageBuilder::new()
                    .with_url(url)
                    .with_retry(retry())
                    .with_client_options(client());
                let with = |builder: GoogleCloudStorageBuilder, (key, value)| builder.with_config(key, value);
                Arc::new(keys(options).fold(builder, with).build().map_err(wrong)?)
            }
        };
        Ok(Self { url: text, store, prefix, directory: None })
    }

    /// A directory that must be there: what is not mounted is not to be filled.
    fn directory(url: String, path: &ObjectPath) -> Result<Self, ArchiveError> {
        let directory = Path::new("/").join(path.as_ref());
        let store = LocalFileSystem::new_with_prefix(&directory);
        let unreachable = |error: object_store::Error| ArchiveError::Unreachable {
            url: url.clone(),
            action: "opened",
            why: sentence(&error),
        };
        let store = Arc::new(store.map_err(unreachable)?);
        Ok(Self { url, store, prefix: ObjectPath::default(), directory: Some(directory) })
    }

    /// One in memory.
    #[cfg(test)]
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self { url: "memory:///".into(), store, prefix: ObjectPath::from("some/where"), directory: None }
    }

    /// The object store.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        self.store.clone()
    }

    /// Where the file is that has a path in the store.
    ///
    /// # Errors
    /// When the path cannot be one there.
    pub fn location(&self, relative: &str) -> Result<ObjectPath, ArchiveError> {
        let failed = |error: object_store::path::Error| self.unreachable("asked", &error.into());
        let relative = ObjectPath::parse(relative).map_err(failed)?;
        Ok(self.prefix.parts().chain(relative.parts()).collect())
    }

    /// Copies a file to a path; gives its length and digest as they were read.
    ///
    /// # Errors
    /// When the file cannot be read, or the archive does not take it.
    pub async fn put(&self, file: &Path, relative: &str) -> Result<(u64, Digest), ArchiveError> {
        let location = self.location(relative)?;
        let failed = |source| ArchiveError::file("read", file, source);
        let mut from = File::open(file).map_err(failed)?;
        let mut hasher = blake3::Hasher::new();
        let mut first = next(&mut from).map_err(failed)?;
        hasher.update(&first);
        if first.len() < PART {
            let put = self.store.put(&location, std::mem::take(&mut first).into()).await;
            put.map_err(|error| self.unreachable("written", &error))?;
        } else {
            let upload = self.store.put_multipart(&location).await;
            let upload = upload.map_err(|error| self.unreachable("written", &error))?;
            let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
            let mut part = first;
            loop {
                let room = upload.wait_for_capacity(PARTS).await;
                upload.put(part.into());
                let read = room
                    .map_err(|error| self.unreachable("written", &error))
                    .and_then(|()| next(&mut from).map_err(failed));
                part = match read {
                    Ok(part) if part.is_empty() => break,
                    Ok(part) => part,
                    Err(error) => {
                        // Parts of nothing whole would stay there.
                        let _ = upload.abort().await;
                        return Err(error);
                    }
                };
                hasher.update(&part);
            }
            upload.finish().await.map_err(|error| self.unreachable("written", &error))?;
        }
        self.settle(&location).map_err(|source| ArchiveError::file("make durable", file, source))?;
        Ok((hasher.count(), hasher.finalize().into()))
    }

    /// Makes durable what was written, where that is not the object store's own promise.
    fn settle(&self, location: &ObjectPath) -> io::Result<()> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let path = directory.join(location.as_ref());
        File::open(&path)?.sync_all()?;
        for above in path.ancestors().skip(1).take_while(|above| above.starts_with(directory)) {
            sync_directory(above).map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Length and digest of what is at a path; `None` where nothing is.
    ///
    /// # Errors
    /// When the archive does not answer.
    pub async fn measure(&self, relative: &str) -> Result<Option<(u64, Digest)>, ArchiveError> {
        let mut hasher = blake3::Hasher::new();
        let mut hash = |bytes: &[u8]| {
            hasher.update(bytes);
            Ok(())
        };
        let is_there = self.read(relative, &mut hash).await?;
        Ok(is_there.then(|| (hasher.count(), hasher.finalize().into())))
    }

    /// Writes what is at a path to a file; whether anything is.
    ///
    /// # Errors
    /// When the archive does not answer, or the file takes nothing.
    pub async fn get(&self, relative: &str, to: &mut File) -> Result<bool, ArchiveError> {
        self.read(relative, &mut |bytes| to.write_all(bytes)).await
    }

    async fn read(
        &self,
        relative: &str,
        visit: &mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
    ) -> Result<bool, ArchiveError> {
        let failed = |error| self.unreachable("read", &error);
        let result = match self.store.get(&self.location(relative)?).await {
            Ok(result) => result,
            Err(object_store::Error::NotFound { source, .. }) if !is_bucket_missing(&*source) => {
                return Ok(false);
            }
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = result.into_stream();
        while let Some(bytes) = bytes.try_next().await.map_err(failed)? {
            visit(&bytes).map_err(|source| ArchiveError::File {
                action: "keep a copy of",
                path: relative.into(),
                source,
            })?;
        }
        Ok(true)
    }

    /// Deletes what is at a path, if anything is.
    ///
    /// # Errors
    /// When the archive does not answer, or refuses.
    pub async fn delete(&self, relative: &str) -> Result<(), ArchiveError> {
        match self.store.delete(&self.location(relative)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.unreachable("changed", &error)),
        }
    }

    /// The paths of all Parquet files there.
    ///
    /// # Errors
    /// When the archive does not answer.
    pub async fn list(&self) -> Result<Vec<String>, ArchiveError> {
        let events = self.location("events")?;
        let found = self.store.list(Some(&events)).try_collect::<Vec<_>>().await;
        let found = found.map_err(|error| self.unreachable("read", &error))?;
        let relative =
            |path: &ObjectPath| Some(path.prefix_match(&self.prefix)?.collect::<ObjectPath>().to_string());
        let paths = found.iter().filter_map(|object| relative(&object.location));
        Ok(paths.filter(|path| path.ends_with(".parquet")).collect())
    }

    /// That something which should be there is not.
    pub fn missing(&self, relative: &str) -> ArchiveError {
        ArchiveError::Missing { url: self.url.clone(), path: relative.to_owned() }
    }

    /// That something there is not what was written.
    pub fn altered(&self, relative: &str) -> ArchiveError {
        let why = format!("{relative} has other bytes there than were written");
        ArchiveError::Unreachable { url: self.url.clone(), action: "relied on", why }
    }

    fn unreachable(&self, action: &'static str, error: &object_store::Error) -> ArchiveError {
        ArchiveError::Unreachable { url: self.url.clone(), action, why: sentence(error) }
    }
}

/// The next part of a file; less only at its end.
fn next(file: &mut File) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    file.take(PART as u64).read_to_end(&mut part)?;
    Ok(part)
}

fn keys<Key: std::str::FromStr>(options: BTreeMap<String, String>) -> impl Iterator<Item = (Key, String)> {
    options.into_iter().filter_map(|(name, value)| Some((name.parse().ok()?, value)))
}

fn retry() -> RetryConfig {
    RetryConfig { max_retries: RETRIES, retry_timeout: RETRIED_FOR, ..RetryConfig::default() }
}

fn client() -> ClientOptions {
    ClientOptions::new().with_connect_timeout(CONNECT).with_timeout(REQUEST)
}

/// Where there is no bucket nothing can be said of what is in it.
fn is_bucket_missing(source: &(dyn std::error::Error + Send + Sync)) -> bool {
    chain(source).any(|text| text.contains("NoSuchBucket") || text.contains("ContainerNotFound"))
}

fn chain<'a>(error: &'a (dyn std::error::Error + 'a)) -> impl Iterator<Item = String> + 'a {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string)
}

/// The innermost reason in one line: what is around it repeats it with more words.
pub fn sentence(error: &object_store::Error) -> String {
    let last = chain(error).last().unwrap_or_default();
    let line = last.lines().next().unwrap_or_default();
    activity_proto::json::escape_bytes(line.trim_end_matches('.').as_bytes()).into_owned()
}
