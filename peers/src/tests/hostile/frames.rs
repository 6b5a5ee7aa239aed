//! HTTP/2 by hand, so that it can be wrong.

/// With what a client begins, and empty settings.
pub const BEGINNING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Of DATA and HEADERS: the last of its stream.
pub const END_STREAM: u8 = 1;
/// Of HEADERS and CONTINUATION: the last of its headers.
pub const END_HEADERS: u8 = 4;

/// Adds a frame.
pub fn frame(to: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    to.extend_from_slice(&length[1..]);
    to.extend_from_slice(&[kind, flags]);
    to.extend_from_slice(&stream.to_be_bytes());
    to.extend_from_slice(payload);
}

/// The headers of a call, each by its number in the protocol's table or with its name.
pub fn call(path: &str) -> Vec<u8> {
    const POST: u8 = 0x83;
    const HTTP: u8 = 0x86;
    const AUTHORITY: u8 = 0x01;
    const PATH: u8 = 0x04;
    let mut block = vec![POST, HTTP, AUTHORITY, 1, b'x', PATH, u8::try_from(path.len()).unwrap()];
    block.extend_from_slice(path.as_bytes());
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")] {
        block.extend(header(name, value));
    }
    block
}

/// A header that is in no table.
pub fn header(name: &str, value: &str) -> Vec<u8> {
    let mut header = vec![0];
    for text in [name, value] {
        header.push(u8::try_from(text.len()).unwrap());
        header.extend_from_slice(text.as_bytes());
    }
    header
}

/// A message with the length that it is said to have.
pub fn message(said: u32, bytes: &[u8]) -> Vec<u8> {
    [&[0][..], &said.to_be_bytes(), bytes].concat()
}

/// Settings of a client, by number.
pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect()
}

/// The client's number of its nth stream.
pub fn nth(call: u64) -> u32 {
    u32::try_from(call % (1 << 29)).unwrap() * 2 + 1
}
