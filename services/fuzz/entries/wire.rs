//! What the other end of the tunnel sends: heads, reports, greetings, halves of packets. Whatever
//! is read is written back the same, and nothing else happens.

use bytes::Bytes;
use tunnel::fragment::{LONGEST_PACKET, Reassembly};
use tunnel::wire::{Header, Hello, Report, Welcome};

pub(crate) fn check(bytes: &[u8]) {
    if let Ok(header) = Header::read(bytes) {
        assert_eq!(header.to_bytes()[..], bytes[..Header::LENGTH]);
    }
    if let Ok(report) = Report::read(bytes) {
        let mut written = Vec::new();
        report.write(&mut written);
        // Gaps beyond the longest report are left out, and only those.
        assert!(written.len() <= bytes.len());
        let again = Report::read(&written).expect("what was written can be read");
        assert!(again == report || written.len() < bytes.len());
    }
    if let Ok(hello) = Hello::read(bytes) {
        assert_eq!(hello.to_bytes(), bytes);
    }
    if let Ok(welcome) = Welcome::read(bytes) {
        assert_eq!(Welcome::read(&welcome.to_bytes()), Ok(welcome));
    }
    reassemble(bytes);
}

/// The bytes as a row of parts: number of the packet, length of the part, part.
fn reassemble(mut bytes: &[u8]) {
    let mut reassembly = Reassembly::default();
    while let Some(([session, length], rest)) = bytes.split_first_chunk() {
        let (part, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        let part = Bytes::copy_from_slice(part);
        if let Some(whole) = reassembly.handle_part((*session).into(), &part) {
            let length = whole.len() - Header::LENGTH;
            assert!((2..=LONGEST_PACKET).contains(&length));
        }
        bytes = rest;
    }
}
