//! The same against a server that speaks S3, on this machine.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use super::*;
use crate::store::archive::Archive;

const BUCKET: &str = "activity";

/// moto's server; it forgets everything when it ends.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(python: &std::ffi::OsStr, port: u16) -> Self {
        let mut command = Command::new(python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { process, port };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !server.make_bucket().is_ok_and(|answer| answer.contains(" 200 ")) {
            assert!(Instant::now() < deadline, "the server does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    fn make_bucket(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        let host = format!("127.0.0.1:{}", self.port);
        write!(stream, "PUT /{BUCKET} HTTP/1.0\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn bucket(port: u16, directory: &Path) -> ArchiveConfig {
    let credentials = directory.join("credentials");
    fs::write(&credentials, "AWS_ACCESS_KEY_ID=me\nAWS_SECRET_ACCESS_KEY=hush\n").unwrap();
    let options = [
        ("endpoint", format!("http://127.0.0.1:{port}")),
        ("allow_http", "true".to_owned()),
        ("region", "us-east-1".to_owned()),
    ];
    let options = options.map(|(name, value)| (name.to_owned(), value)).into();
    let settings =
        Settings { url: format!("s3://{BUCKET}/a/prefix"), credentials: Some(credentials), options };
    ArchiveConfig { settings, after_days: 1 }
}

fn python(test: &str) -> Option<std::ffi::OsString> {
    let python = std::env::var_os("ACTIVITY_TEST_S3_PYTHON");
    if python.is_none() {
        // Past the test harness's capture, for `cargo xtask test` to count.
        let why = "needs ACTIVITY_TEST_S3_PYTHON, an interpreter with moto; `cargo xtask test` makes one";
        writeln!(std::io::stdout(), "skipped: {test}: {why}").unwrap();
    }
    python
}

#[tokio::test]
async fn a_bucket_that_is_down_and_comes_back_has_all_files_and_gives_the_same_answers() {
    let Some(python) =
        python("a_bucket_that_is_down_and_comes_back_has_all_files_and_gives_the_same_answers")
    else {
        return;
    };
    let ((_here, layout), secrets, port) = (store(), tempfile::tempdir().unwrap(), free_port());
    let all = "SELECT * FROM events ORDER BY sequence";
    let before = stored_events(&sql(&layout, all).await).unwrap();
    let mut work = Work::open(&layout, Some(bucket(port, secrets.path())));
    work.work(&mut |_| Ok(())).unwrap();
    assert!(work.mover.wait().is_some(), "nobody answers");
    assert_eq!(layout.parquet().unwrap().len(), 9, "they stay");
    assert!(is_fine(&layout));
    assert_eq!(stored_events(&sql(&layout, all).await).unwrap(), before);

    let server = Server::start(&python, port);
    work.mover.hurry();
    work.work(&mut |_| Ok(())).unwrap();
    assert!(layout.parquet().unwrap().is_empty(), "they moved");
    assert!(is_fine(&layout));
    assert_eq!(stored_events(&sql(&layout, all).await).unwrap(), before);
    let said = fs::read_to_string(layout.archive()).unwrap();
    assert!(!said.contains("hush"), "{said}");

    let path = layout.relative(&layout.all_files().unwrap()[3].path);
    Archive::of(&layout).unwrap().delete(&path).await.unwrap();
    assert_eq!(problems(&layout), [("missing", 0)]);
    drop(server);
    let error = check(&layout, None, &[], &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("the archive s3://activity/a/prefix cannot be read"), "{error}");
    assert!(!error.to_string().contains("hush"), "{error}");
}

#[tokio::test]
async fn a_large_file_goes_in_parts_and_comes_back_whole() {
    let Some(python) = python("a_large_file_goes_in_parts_and_comes_back_whole") else { return };
    let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
    let _server = Server::start(&python, port);
    let archive = Archive::connect(&bucket(port, directory.path()).settings).unwrap();
    for length in [0, 1, (8 << 20) - 1, 8 << 20, (16 << 20) + 1, 20 << 20] {
        let file = directory.path().join("file");
        let bytes: Vec<u8> = (0..length).map(|at: usize| (at % 251) as u8).collect();
        fs::write(&file, &bytes).unwrap();
        let path = "events/tenant=default/day=2026-01-01/class=file/000000000001_1_2.parquet";
        let given = archive.put(&file, path).await.unwrap();
        assert_eq!(given, (length as u64, blake3::hash(&bytes).into()), "{length}");
        assert_eq!(archive.measure(path).await.unwrap(), Some(given), "{length}");
        assert_eq!(archive.list().await.unwrap(), [path]);
        archive.delete(path).await.unwrap();
        archive.delete(path).await.unwrap();
        assert_eq!(archive.measure(path).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_is_in_memory_is_an_archive_as_well() {
    let (directory, store) = (tempfile::tempdir().unwrap(), Arc::new(object_store::memory::InMemory::new()));
    let archive = Archive::over(store);
    let file = directory.path().join("file");
    fs::write(&file, vec![7; (8 << 20) + 5]).unwrap();
    let given = archive.put(&file, "events/x.parquet").await.unwrap();
    assert_eq!(archive.measure("events/x.parquet").await.unwrap(), Some(given));
    assert_eq!(archive.list().await.unwrap(), ["events/x.parquet"]);
    assert_eq!(archive.measure("events/y.parquet").await.unwrap(), None);
}
