//! The shell carries what the machine decides.

use super::super::port::{SendOutcome, SocketPair};
use super::*;
use crate::emulator::{Capacity, Delay, Rate, Span};

struct Bench {
    link: Link,
    near: SocketPair,
    far: SocketPair,
    clock: Clock,
}

fn bench(specification: LinkSpecification) -> Bench {
    let (near, inner_near) = SocketPair::new().unwrap();
    let (far, inner_far) = SocketPair::new().unwrap();
    let clock = Clock::start();
    let options = LinkOptions {
        name: "test".to_owned(),
        seed: 1,
        phase: ReplayPhase::default(),
        clock,
        up_too_big: None,
        down_too_big: None,
    };
    let link = Link::start(specification, options, Arc::new(inner_near), Arc::new(inner_far));
    Bench { link: link.unwrap(), near, far, clock }
}

/// Waits for one frame; None when nothing has come after `patience`.
fn receive(end: &SocketPair, patience: Duration) -> Option<Vec<u8>> {
    let mut buffer = [0; 2_048];
    let received = || end.receive(&mut buffer).unwrap().map(|length| buffer[..length].to_vec());
    crate::wait::wait_until("a frame", patience, String::new, received).ok()
}

const SOON: Duration = Duration::from_secs(5);

#[test]
fn frames_go_both_ways_no_earlier_than_specified() {
    let slow = DirectionSpecification {
        capacity: Capacity::Rate(Rate::from_megabits(100)),
        delay: Delay::Constant(Span::from_millis(30)),
        ..DirectionSpecification::default()
    };
    let specification = LinkSpecification { up: slow.clone(), down: slow };
    let bench = bench(specification);
    for (from, to) in [(&bench.near, &bench.far), (&bench.far, &bench.near)] {
        let sent = bench.clock.elapsed();
        from.send(b"fourteen bytes and more").unwrap();
        assert_eq!(receive(to, SOON).unwrap(), b"fourteen bytes and more");
        assert!(bench.clock.elapsed() - sent >= Duration::from_millis(30));
    }
    let status = bench.link.status();
    assert_eq!((status.up.counters.delivered, status.down.counters.delivered), (1, 1));
}

#[test]
fn a_fault_is_on_when_the_call_returns() {
    let bench = bench(LinkSpecification::default());
    bench.near.send(&[0; 60]).unwrap();
    assert!(receive(&bench.far, SOON).is_some(), "a sound link carries");
    bench.link.fault(&Fault::Cut);
    bench.near.send(&[0; 60]).unwrap();
    let gone = || (bench.link.status().up.counters.cut == 1).then_some(());
    crate::wait::wait_until("the cut to take it", SOON, String::new, gone).unwrap();
    bench.link.fault(&Fault::Heal);
    bench.near.send(&[1; 60]).unwrap();
    assert_eq!(receive(&bench.far, SOON).unwrap(), [1; 60], "what was cut never comes");
}

#[test]
fn a_slow_receiver_loses_nothing_and_keeps_the_order() {
    /// Well over what a socket holds, well under what a direction does.
    const FRAMES: u8 = 200;
    let bench = bench(LinkSpecification::default());
    for number in 0..FRAMES {
        let sent =
            || (bench.near.send(&[number; 1_400]).unwrap() == SendOutcome::Sent).then_some(());
        crate::wait::wait_until("room to send", SOON, String::new, sent).unwrap();
    }
    let held = || (bench.link.status().up.held_back > 0).then_some(());
    crate::wait::wait_until("a full buffer", SOON, String::new, held).unwrap();
    for number in 0..FRAMES {
        assert_eq!(receive(&bench.far, SOON).unwrap(), [number; 1_400]);
    }
}

#[test]
fn the_packet_log_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packets");
    let bench = bench(LinkSpecification::default());
    bench.link.log_to(&path).unwrap();
    bench.near.send(&[0; 114]).unwrap();
    receive(&bench.far, SOON).unwrap();
    drop(bench);
    let log = std::fs::read_to_string(path).unwrap();
    let lines: Vec<Vec<_>> = log.lines().map(|line| line.split(' ').skip(1).collect()).collect();
    assert_eq!(lines, [["up", "100", "queued", "1", "100"], ["up", "100", "delivered", "0", "0"]]);
    assert!(Link::log_to(&self::bench(LinkSpecification::default()).link, folder.path()).is_err());
}
