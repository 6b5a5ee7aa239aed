//! Peers that hold what they were given: a place, a window, a moment.

use super::*;

/// Connections of those who say nothing.
const SILENT: usize = 500;
/// Connections of those who say it slowly.
const DRIPPING: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_who_say_nothing_keep_nobody_out() {
    endures("half-open", &[Way::Tls, Way::Plain], async |victim, way| {
        let mut silent = Vec::new();
        for _ in 0..SILENT {
            silent.extend(victim.bare(way).await);
        }
        // They stay while somebody honest is served.
        for _ in 0..20 {
            serve_one(victim, way).await;
        }
        format!("{} silent connections", silent.len())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shakes_hands_and_then_says_nothing_keeps_nobody_out() {
    endures("silent with a certificate", &[Way::Tls], async |victim, way| {
        let mut silent = Vec::new();
        for _ in 0..100 {
            silent.extend(victim.wire(way).await);
        }
        format!("{} silent connections", silent.len())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_byte_by_byte_keeps_nobody_out() {
    // The head of a TLS record that announces a ClientHello of 16 KiB.
    const HELLO: [u8; 11] = [0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3];
    endures("a handshake byte by byte", &[Way::Tls], async |victim, way| {
        let sent =
            drip(async || victim.bare(way).await.map(|wire| Box::new(wire) as Box<dyn Wire>), &HELLO).await;
        format!("{sent} bytes over {DRIPPING} connections")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_byte_by_byte_keep_nobody_out() {
    endures("frames byte by byte", &[Way::Tls, Way::Plain], async |victim, way| {
        let mut bytes = BEGINNING.to_vec();
        frame(&mut bytes, HEADERS, END_HEADERS, 1, &call(CHECK));
        frame(&mut bytes, DATA, 0, 1, &message(u32::try_from(MOST).unwrap(), &[0; 1000]));
        let sent = drip(async || victim.wire(way).await, &bytes).await;
        format!("{sent} bytes over {DRIPPING} connections")
    })
    .await;
}

/// Sends these bytes, and then zeros, each by itself over several connections.
async fn drip(open: impl AsyncFn() -> io::Result<Box<dyn Wire>>, bytes: &[u8]) -> u64 {
    let mut wires = Vec::new();
    for _ in 0..DRIPPING {
        wires.extend(open().await);
    }
    let (until, mut sent) = (Instant::now() + TIME, 0);
    for byte in bytes.iter().copied().chain(std::iter::repeat(0)) {
        if Instant::now() > until {
            break;
        }
        for wire in &mut wires {
            let written = async { wire.write_all(&[byte]).await.and(wire.flush().await) };
            sent += u64::from(timeout(TIME, written).await.is_ok_and(|written| written.is_ok()));
        }
        sleep(Duration::from_millis(1)).await;
    }
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_no_room_for_answers_makes_none_wait_in_memory() {
    never_read("a window of nothing", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_makes_answers_wait_up_to_a_limit() {
    never_read("a socket that nobody reads", i32::MAX as u32).await;
}

/// Asks for answers without an end, in every call that it may have, and reads none.
async fn never_read(name: &str, window: u32) {
    endures(name, &[Way::Tls, Way::Plain], async |victim, way| {
        let mut wire = victim.wire(way).await.unwrap();
        let mut bytes = BEGINNING[..24].to_vec();
        frame(&mut bytes, SETTINGS, 0, 0, &settings(&[(4, window)]));
        if window > 0 {
            frame(&mut bytes, WINDOW_UPDATE, 0, 0, &(window - 65_535).to_be_bytes());
        }
        for number in 0..u64::from(crate::http2::STREAMS) {
            frame(&mut bytes, HEADERS, END_HEADERS | END_STREAM, nth(number), &call(ENDLESS));
        }
        wire.write_all(&bytes).await.unwrap();
        wire.flush().await.unwrap();
        sleep(TIME).await;
        format!("{} calls", crate::http2::STREAMS)
    })
    .await;
}
