//! Too much of what the protocol permits.

use super::*;

const BOTH: [Way; 2] = [Way::Tls, Way::Plain];
/// How many calls, or endless headers.
const MANY: u64 = 100_000;
/// How many frames of those that cost less.
const MORE: u64 = 1_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_taken_back_at_once_cost_nobody_else_anything() {
    for at_once in [1, 100] {
        let name = format!("rapid reset, {at_once} at once");
        endures(&name, &BOTH, async |victim, way| {
            let block = call(WATCH);
            let reset = |number, bytes: &mut Vec<u8>| {
                frame(bytes, HEADERS, END_HEADERS, nth(number), &block);
                frame(bytes, RESET, 0, nth(number), &8_u32.to_be_bytes());
            };
            flood(victim, way, (MANY, at_once), reset).await.to_string()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_without_an_end_are_cut_off() {
    let full = header("a", &"b".repeat(100)).repeat(150);
    for (name, piece) in [("continuations of 15 KiB", full), ("empty continuations", vec![])] {
        endures(name, &BOTH, async |victim, way| {
            let begin = |number, bytes: &mut Vec<u8>| match number {
                0 => frame(bytes, HEADERS, 0, 1, &call(CHECK)),
                _ => frame(bytes, CONTINUATION, 0, 1, &piece),
            };
            flood(victim, way, (MANY, 1), begin).await.to_string()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_pings_is_answered_or_cut_off() {
    endures("pings", &BOTH, async |victim, way| {
        let ping = |_, bytes: &mut Vec<u8>| frame(bytes, PING, 0, 0, b"whatever");
        flood(victim, way, (MORE, 100), ping).await.to_string()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_settings_is_answered_or_cut_off() {
    endures("settings", &BOTH, async |victim, way| {
        let payload = settings(&[(1, 4096), (4, 65_535)]);
        let settings = |_, bytes: &mut Vec<u8>| frame(bytes, SETTINGS, 0, 0, &payload);
        flood(victim, way, (MORE, 100), settings).await.to_string()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_in_tiny_pieces_is_read_or_cut_off() {
    for (name, piece) in [("data of no bytes", &b""[..]), ("data of one byte", &b"\0"[..])] {
        endures(name, &BOTH, async |victim, way| {
            let begin = |number, bytes: &mut Vec<u8>| {
                if number == 0 {
                    frame(bytes, HEADERS, END_HEADERS, 1, &call(CHECK));
                    frame(bytes, DATA, 0, 1, &message(u32::try_from(MOST).unwrap(), b""));
                }
                frame(bytes, DATA, 0, 1, piece);
            };
            flood(victim, way, (MORE, 100), begin).await.to_string()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http2_ends_the_connection_only() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    endures("malformed frames", &BOTH, async |victim, way| {
        let mut random = fastrand::Rng::with_seed(seed);
        let (until, mut lines) = (Instant::now() + TIME, 0);
        while Instant::now() < until {
            let Ok(mut line) = Line::open(victim, way).await else { continue };
            lines += 1;
            let mut bytes = Vec::new();
            for _ in 0..random.u32(1..50) {
                malformed(&mut random, &mut bytes);
            }
            let _ = timeout(TIME, line.send(&bytes)).await;
        }
        format!("{lines} connections")
    })
    .await;
}

/// A frame that is nearly right, or nothing like one.
fn malformed(random: &mut fastrand::Rng, bytes: &mut Vec<u8>) {
    let mut payload = vec![0; random.usize(0..300)];
    random.fill(&mut payload);
    match random.u8(0..4) {
        0 => bytes.extend_from_slice(&payload),
        1 => frame(bytes, random.u8(0..12), random.u8(..), random.u32(0..8), &payload),
        2 => {
            payload = call(CHECK);
            let at = random.usize(0..payload.len());
            payload[at] ^= 1 << random.u8(0..8);
            frame(bytes, HEADERS, END_HEADERS | random.u8(0..2), nth(random.u64(0..20)), &payload);
        }
        _ => {
            let kind = [RESET, SETTINGS, WINDOW_UPDATE][random.usize(0..3)];
            frame(bytes, kind, 0, random.u32(0..8), &payload[..payload.len().min(6)]);
        }
    }
}
