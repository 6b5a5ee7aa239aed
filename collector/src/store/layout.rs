//! Where what lies in a store's directory.
//!
//! ```text
//! lock                                            held by the one who writes
//! name                                            under which sensors know the store
//! state.sqlite                                    what is kept besides events, see `state`
//! exports/NAME.lock                               held by the one who moves that export on
//! archive.toml, archive.jsonl                     where files of days that are over are, see `archive`
//! seal.jsonl, seal.key, seal.pub                  what was stored, signed, see `seal`
//! legal-hold                                      while it is there nothing is removed
//! legal-hold-CLASS                                the same for one class
//! readers                                         locked by those who read, see `reader.rs`
//! log/NUMBER-DAY-MARKER.log                       segments, see `log.rs`
//! events/tenant=NAME/day=YYYY-MM-DD/class=CLASS/  a partition, with
//!     NUMBER_FROM_TO.parquet                      what it has of a segment
//!     FIRST-LAST_FROM_TO.parquet                  what it has of those segments, compacted
//!     .NUMBER.tmp                                 one that is being made
//! events/day=YYYY-MM-DD/NUMBER_FROM_TO.parquet    what became of a segment in an older build
//! ```
//!
//! A Parquet file has the numbers of its segments. While a segment is there, it alone counts
//! and its files do not; and a file does not count beside another in its directory whose
//! numbers include its own. So a roll comes into effect when the segment goes, and a
//! compaction when the new file gets its name, each at once. FROM and TO are the times of the
//! first and last event in nanoseconds since 1970: a query leaves files out by name alone.
//! DAY is that of the events' own time by UTC (`partition.rs` says when not), and NAME is
//! `default` where there is one tenant only.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use activity_peers::Name;
use jiff::civil::Date;

use super::{
    StoreError,
    archive::archived,
    class::Class,
    log::Segment,
    partition::Place,
    stored::{StoredFile, without_superseded},
};

/// The name of the tenant where there is only one.
const ONLY_TENANT: &str = "default";

/// The directory of a store.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    /// Whose events are written here.
    tenant: String,
}

impl Layout {
    /// The store at a URL: a path, or `file:///` and a path.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let root = match url.split_once("://") {
            Some(("file", path)) if path.starts_with('/') => path,
            Some(_) => return Err(StoreError::Url(url.to_owned())),
            None if url.is_empty() => return Err(StoreError::Url(url.to_owned())),
            None => url,
        };
        Ok(Self { root: root.into(), tenant: ONLY_TENANT.into() })
    }

    /// The store at a URL, or the one of a tenant in it.
    pub fn of_tenant(url: &str, tenant: Option<&Name>) -> Result<Self, StoreError> {
        let layout = Self::new(url)?;
        Ok(tenant.map_or(layout.clone(), |name| layout.tenant(name)))
    }

    /// The store of a tenant, within the directory of all.
    pub fn tenant(&self, name: &Name) -> Self {
        Self { root: self.root.join(name.as_str()), ..self.clone() }.of(name)
    }

    /// The same directory, where a tenant's events are written.
    pub fn of(self, name: &Name) -> Self {
        Self { tenant: name.as_str().into(), ..self }
    }

    /// The store's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file that is locked by the one who writes.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The name under which sensors remember what this store has; made with the store.
    pub fn name(&self) -> Result<String, StoreError> {
        let path = self.root.join("name");
        match fs::read_to_string(&path) {
            Ok(name) => return Ok(name.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(StoreError::file("read", &path, source)),
        }
        let failed = |source| StoreError::file("write", &path, source);
        let name = format!("collector-{:016x}", getrandom::u64().map_err(|error| failed(error.into()))?);
        activity_segments::replace(&activity_segments::Machine, &path, name.as_bytes()).map_err(failed)?;
        Ok(name)
    }

    /// The database of what is kept besides events.
    pub fn state(&self) -> PathBuf {
        self.root.join("state.sqlite")
    }

    /// The file that is locked by the one who moves an export on.
    pub fn export_lock(&self, name: &Name) -> PathBuf {
        self.root.join("exports").join(format!("{name}.lock"))
    }

    /// The file of what was stored, signed.
    pub fn seal(&self) -> PathBuf {
        self.root.join("seal.jsonl")
    }

    /// The file that says where the archive is.
    pub fn archive(&self) -> PathBuf {
        self.root.join("archive.toml")
    }

    /// The file that says which files are there.
    pub fn archive_book(&self) -> PathBuf {
        self.root.join("archive.jsonl")
    }

    /// The key that signs.
    pub fn seal_key(&self) -> PathBuf {
        self.root.join("seal.key")
    }

    /// The key that verifies.
    pub fn seal_public(&self) -> PathBuf {
        self.root.join("seal.pub")
    }

    /// The file that, while it is there, keeps everything.
    pub fn legal_hold(&self) -> PathBuf {
        self.root.join("legal-hold")
    }

    /// The file that, while it is there, keeps all of a class.
    pub fn legal_hold_of(&self, class: Class) -> PathBuf {
        self.root.join(format!("legal-hold-{class}"))
    }

    /// The file that readers lock.
    pub fn readers(&self) -> PathBuf {
        self.root.join("readers")
    }

    /// A path as it is within the store.
    pub fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// The Parquet file that a path within the store names; `None` for anything else.
    pub fn stored(&self, relative: &str) -> Option<StoredFile> {
        let mut parts = relative.strip_prefix("events/")?.split('/').peekable();
        if let Some(tenant) = parts.next_if(|part| part.starts_with("tenant=")) {
            tenant.strip_prefix("tenant=")?.parse::<Name>().ok()?;
            parts.peek()?.strip_prefix("day=")?.parse::<Date>().ok()?;
            parts.next();
            parts.next()?.strip_prefix("class=")?.parse::<Class>().ok()?;
        } else {
            parts.next()?.strip_prefix("day=")?.parse::<Date>().ok()?;
        }
        let _name = parts.next()?;
        parts.next().is_none().then(|| StoredFile::from_path(self.root.join(relative)))?
    }

    /// The directory of segments.
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The directory of all partitions.
    pub fn events(&self) -> PathBuf {
        self.root.join("events")
    }

    /// The directory of a partition.
    pub fn partition(&self, (day, class): Place) -> PathBuf {
        let tenant = self.events().join(format!("tenant={}", self.tenant));
        tenant.join(format!("day={day}")).join(format!("class={class}"))
    }

    /// Makes the directories there must be.
    pub fn create(&self) -> Result<(), StoreError> {
        let create = |path: &Path| fs::DirBuilder::new().recursive(true).mode(0o750).create(path);
        for path in [self.log(), self.events()] {
            create(&path).map_err(|source| StoreError::file("create the directory", &path, source))?;
        }
        let path = self.readers();
        let file = fs::File::options().append(true).create(true).mode(0o640).open(&path);
        file.map(|_| ()).map_err(|source| StoreError::file("create", &path, source))
    }

    /// Every segment, oldest first.
    pub fn segments(&self) -> Result<Vec<Segment>, StoreError> {
        let names = list(&self.log())?;
        let names = names.iter().filter_map(|path| path.file_name()?.to_str()?.parse().ok());
        let mut segments: Vec<Segment> = names.collect();
        segments.sort_unstable();
        Ok(segments)
    }

    /// Every finished Parquet file here that counts, oldest first. Files of segments that are
    /// still in the log are among them, and those that are in the archive as well.
    pub fn files(&self) -> Result<Vec<StoredFile>, StoreError> {
        Ok(counting(self.entries()?.into_iter().filter_map(StoredFile::from_path)))
    }

    /// Those here and those in the archive. Of a file that is in both the local one.
    pub fn all_files(&self) -> Result<Vec<StoredFile>, StoreError> {
        let here = self.files()?;
        let archived = archived(self)?;
        if archived.is_empty() { Ok(here) } else { Ok(counting(here.into_iter().chain(archived))) }
    }

    /// Removes what a kill left of Parquet files that were being made.
    pub fn remove_unfinished(&self) -> Result<(), StoreError> {
        for path in self.entries()? {
            if path.extension().is_some_and(|extension| extension == "tmp") {
                fs::remove_file(&path).map_err(|source| StoreError::file("remove", &path, source))?;
            }
        }
        Ok(())
    }

    /// Everything in the directories of partitions that is called a Parquet file.
    pub fn parquet(&self) -> Result<Vec<PathBuf>, StoreError> {
        let is_parquet = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "parquet");
        let mut paths: Vec<PathBuf> = self.entries()?.into_iter().filter(is_parquet).collect();
        paths.sort_unstable();
        Ok(paths)
    }

    /// All that lies in directories of partitions, and of days as older builds have them.
    fn entries(&self) -> Result<Vec<PathBuf>, StoreError> {
        let tenants = named(&[self.events()], "tenant=")?;
        let old = named(&[self.events()], "day=")?;
        let classes = named(&named(&tenants, "day=")?, "class=")?;
        Ok(lists(old.iter().chain(&classes))?.collect())
    }
}

/// Those of files that count, each once, oldest first.
fn counting(files: impl Iterator<Item = StoredFile>) -> Vec<StoredFile> {
    let mut directories: BTreeMap<PathBuf, BTreeMap<PathBuf, StoredFile>> = BTreeMap::new();
    for file in files {
        let directory = directories.entry(file.directory().to_owned()).or_default();
        directory.entry(file.path.clone()).or_insert(file);
    }
    let counting = |files: BTreeMap<_, _>| without_superseded(files.into_values().collect());
    let mut files: Vec<_> = directories.into_values().flat_map(counting).collect();
    files.sort_unstable_by(|a, b| (a.number, a.first, &a.path).cmp(&(b.number, b.first, &b.path)));
    files
}

/// What lies in directories and has a name that begins so.
fn named(directories: &[PathBuf], prefix: &str) -> Result<Vec<PathBuf>, StoreError> {
    let is_named =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    Ok(lists(directories)?.filter(is_named).collect())
}

fn lists<'a>(
    directories: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<impl Iterator<Item = PathBuf>, StoreError> {
    let lists: Vec<_> = directories.into_iter().map(|path| list(path)).collect::<Result<_, _>>()?;
    Ok(lists.into_iter().flatten())
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let paths = fs::read_dir(directory).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    match paths {
        // What is called like a directory of ours and is none has nothing in it.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        other => other.map_err(|source| StoreError::file("read the directory", directory, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_path_or_a_file_url() {
        assert_eq!(Layout::new("/var/lib/x").unwrap().root(), Path::new("/var/lib/x"));
        assert_eq!(Layout::new("file:///var/lib/x").unwrap().root(), Path::new("/var/lib/x"));
        assert_eq!(Layout::new("here").unwrap().root(), Path::new("here"));
        for wrong in ["", "s3://bucket", "file://host/path"] {
            assert!(Layout::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_finished_files_are_listed_in_the_order_they_were_made() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().to_str().unwrap()).unwrap();
        layout.create().unwrap();
        let day = layout.events().join("day=2026-01-31");
        fs::create_dir(&day).unwrap();
        let names = [StoredFile::name((12, 12), (-5, 7)), StoredFile::name((2, 2), (0, 1))];
        for name in names.iter().map(String::as_str).chain([".000000000013.tmp", "x.parquet", "1_2.parquet"])
        {
            fs::write(day.join(name), "").unwrap();
        }
        let files = layout.files().unwrap();
        assert_eq!(files.iter().map(|file| file.number).collect::<Vec<_>>(), [2, 12]);
        assert_eq!((files[1].from, files[1].to), (-5, 7));
        let before = files[1].path.with_file_name("not there");
        assert_eq!(StoredFile { path: before, ..files[1].clone() }.latest(), 1_769_817_600_000_000_000);
        assert!(files[1].latest() > 1_769_817_600_000_000_000, "it was stored now");
        assert_eq!(StoredFile { to: i64::MAX, ..files[1].clone() }.latest(), i64::MAX);
        assert_eq!(layout.parquet().unwrap().len(), 4);
        for file in &files {
            assert_eq!(layout.stored(&layout.relative(&file.path)).as_ref(), Some(file));
        }
        for wrong in ["", "lock", "events/day=2026-01-31/x.parquet", "events/day=../1_2_3.parquet"] {
            assert_eq!(layout.stored(wrong), None, "{wrong}");
        }
        assert_eq!(layout.stored("events/day=2026-01-31/../1_2_3.parquet"), None);
        layout.remove_unfinished().unwrap();
        assert!(!day.join(".000000000013.tmp").exists());
        assert_eq!(layout.files().unwrap(), files);
    }

    /// A store with an empty file of each name in a partition.
    fn with(names: &[&str]) -> (tempfile::TempDir, Layout) {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().to_str().unwrap()).unwrap();
        let partition = layout.partition(("2026-01-31".parse().unwrap(), Class::File));
        fs::create_dir_all(&partition).unwrap();
        names.iter().for_each(|name| fs::write(partition.join(name), "").unwrap());
        (directory, layout)
    }

    #[test]
    fn a_file_in_a_partition_says_what_it_has() {
        let (_directory, layout) = with(&["000000000003-000000000007_1_2.parquet"]);
        let file = layout.files().unwrap().remove(0);
        assert_eq!((file.first, file.number, file.class), (3, 7, Some(Class::File)));
        assert_eq!(file.day(), Some("2026-01-31".parse().unwrap()));
        let relative = layout.relative(&file.path);
        assert_eq!(
            relative,
            "events/tenant=default/day=2026-01-31/class=file/000000000003-000000000007_1_2.parquet"
        );
        assert_eq!(layout.stored(&relative), Some(file));
        for (from, to) in
            [("class=file", "class=x"), ("default", ".."), ("default/", "default/x/"), ("3-", "9-")]
        {
            assert_eq!(layout.stored(&relative.replacen(from, to, 1)), None, "{to}");
        }
    }

    #[test]
    fn what_became_part_of_another_file_does_not_count_any_more() {
        let names = [
            "2_1_2.parquet",
            "3_1_2.parquet",
            "3-7_1_2.parquet",
            "7_1_2.parquet",
            "8_1_2.parquet",
            "3_0_2.parquet",
        ];
        let (_directory, layout) = with(&names);
        let numbers: Vec<_> = layout.files().unwrap().iter().map(|file| (file.first, file.number)).collect();
        assert_eq!(numbers, [(2, 2), (3, 7), (8, 8)]);
        assert_eq!(layout.parquet().unwrap().len(), names.len());
    }
}
