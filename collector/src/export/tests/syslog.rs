//! A syslog server that is no real one, where it must behave badly at a certain moment;
//! `tests/export.rs` has real ones.

use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::export::syslog::Syslog;

fn line() -> Line {
    Line {
        text: vec![b'x'; 1 << 20],
        identity: "s/b/1/file/1".into(),
        kind: "open",
        host: "web-1".into(),
        time: None,
        severity: activity_formats::Severity::Low,
    }
}

async fn serving() -> (TcpListener, Syslog) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Syslog::new("127.0.0.1", port, false, &Secrets::default()).unwrap())
}

async fn witness_and_batch(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let (witness, _) = listener.accept().await.unwrap();
    let (batch, _) = listener.accept().await.unwrap();
    (witness, batch)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_sent_when_the_server_has_read_all_of_it() {
    let (listener, mut syslog) = serving().await;
    let server = async {
        let (mut witness, mut batch) = witness_and_batch(&listener).await;
        let mut read = Vec::new();
        batch.read_to_end(&mut read).await.unwrap();
        assert!(read.len() > 1 << 20);
        drop(batch);
        // Nothing is ever sent over the other.
        let nothing = tokio::time::timeout(Duration::from_millis(100), witness.read_u8()).await;
        assert!(nothing.is_err());
        witness
    };
    let lines = [line()];
    let (sent, witness) = tokio::join!(syslog.send(&lines), server);
    sent.unwrap();
    syslog.still_has().await.unwrap();
    drop(witness);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while syslog.still_has().await.is_ok() {
        assert!(std::time::Instant::now() < deadline, "the end of the server is noticed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_with_unread_bytes_has_not_got_them() {
    let (listener, mut syslog) = serving().await;
    let server = async {
        let (_witness, mut batch) = witness_and_batch(&listener).await;
        let mut some = [0; 100];
        batch.read_exact(&mut some).await.unwrap();
        // Closing with unread bytes resets, as the end of a process does.
    };
    let lines = [line()];
    let (sent, ()) = tokio::join!(syslog.send(&lines), server);
    assert!(matches!(sent, Err(ExportError::Unreachable { .. })), "{sent:?}");
}
