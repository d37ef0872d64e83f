//! A packet as somebody in the house sends it: read, judged, marked.

use std::hash::{BuildHasherDefault, DefaultHasher};

use tunnel::class::Classifier;
use tunnel::packet::{Summary, fold, mark_congestion};
use units::Instant;

pub(crate) fn check(bytes: &[u8]) {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let mut marked = bytes.to_vec();
    let did = mark_congestion(&mut marked);
    assert!(did || marked == bytes);
    if did && bytes[0] >> 4 == 4 {
        // As right or as wrong as before: ones' complement has two zeros (RFC 1624).
        assert_eq!(sum(bytes) % 0xffff, sum(&marked) % 0xffff);
    }
    if let Ok(summary) = Summary::read(bytes, &hasher) {
        assert_eq!(summary.length, bytes.len());
        let mut classifier = Classifier::default();
        for step in 0..4 {
            classifier.classify(&summary, Instant::from_micros(step * 90_000));
        }
        if let Ok(after) = Summary::read(&marked, &hasher) {
            assert_eq!(after.flow, summary.flow, "a mark does not move a flow");
        }
    }
}

fn sum(packet: &[u8]) -> u16 {
    fold(packet[..20].chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum())
}
