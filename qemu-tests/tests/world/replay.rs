//! A replayed recording carries what was recorded.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::time::Instant;

use qemu_tests::emulator::{Capacity, Delay, RecordedTrace, Span};
use qemu_tests::world::Uplink;

use super::*;

/// How long is measured; the recording's first handover is in it.
const LENGTH: Duration = Duration::from_secs(10);

/// A world whose dish comes down without loss.
fn replay(capacity: Capacity, delay: Delay) -> House {
    let mut scenario = shipped("calm");
    let down = &mut scenario.starlink.down;
    down.loss = Default::default();
    (down.capacity, down.delay) = (capacity, delay);
    house_without_client(scenario)
}

/// Sends packets of that many bytes of IP to the box, and says when those that arrived were sent
/// and came, since the clock's start.
fn blast(
    house: &House,
    every: Duration,
    bytes: usize,
) -> anyhow::Result<Vec<(Duration, Duration)>> {
    const HEADERS: usize = 28; // IPv4 and UDP
    let clock = house.world.clock();
    let address = box_address(house)?;
    let receiver = house.space().run(|| UdpSocket::bind((address, 9_000)))?;
    receiver.set_read_timeout(Some(Duration::from_secs(1)))?;
    let uplink = house.world.uplink(Uplink::Starlink);
    let sender = uplink.provider_namespace().run(|| UdpSocket::bind("0.0.0.0:0"))?;
    let sending = std::thread::spawn(move || {
        let start = Instant::now();
        let mut packet = vec![0; bytes - HEADERS];
        let mut next = Duration::ZERO;
        while next < LENGTH {
            let stamp = u64::try_from(clock.elapsed().as_nanos()).expect("584 years");
            packet[..8].copy_from_slice(&stamp.to_be_bytes());
            // A full buffer of the kernel is as good as a full queue.
            let _ = sender.send_to(&packet, SocketAddr::new(address, 9_000));
            next += every;
            std::thread::park_timeout(next.saturating_sub(start.elapsed()));
        }
    });
    let mut arrived = Vec::new();
    let mut packet = vec![0; 2_048];
    while !sending.is_finished() {
        if receiver.recv(&mut packet).is_ok() {
            let sent = u64::from_be_bytes(packet[..8].try_into()?);
            arrived.push((Duration::from_nanos(sent), clock.elapsed()));
        }
    }
    sending.join().expect("it does not panic");
    Ok(arrived)
}

fn box_address(house: &House) -> anyhow::Result<IpAddr> {
    let output = house.space().ip("-4 -brief addr show starlink0")?;
    let address = output.split_whitespace().nth(2).and_then(|word| word.split('/').next());
    Ok(IpAddr::V4(address.unwrap_or_default().parse::<Ipv4Addr>()?))
}

/// One line of the packet log on the way down.
struct Line {
    time: Duration,
    delivered_in_full: bool,
    queue_packets: u32,
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split(' ').collect();
        let (seconds, nanos) = words.first()?.split_once('.')?;
        let time = Duration::new(seconds.parse().ok()?, nanos.parse().ok()?);
        let delivered_in_full = words[2..4] == ["1500", "delivered"];
        let queue_packets = words.get(4)?.parse().ok()?;
        (words[1] == "down").then_some(Self { time, delivered_in_full, queue_packets })
    }
}

#[test]
fn the_recorded_capacity_is_carried() {
    let house = replay(Capacity::Trace(RecordedTrace::Leocc), Delay::Constant(Span::default()));
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("packets");
    let started = house.world.clock().elapsed();
    house.world.uplink(Uplink::Starlink).log_packets_to(&log).unwrap();
    // 1500 bytes each 100 us: 120 Mbit/s into a link that never carries more than 75 for long.
    blast(&house, Duration::from_micros(100), 1_500).unwrap();
    drop(house);
    let text = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<_> = text.lines().filter_map(Line::parse).collect();
    // A second in which the queue ran dry says nothing: this machine was too busy to fill it.
    let (mut seconds, mut counted, mut recorded) = (0, 0, 0);
    for second in 0..LENGTH.as_secs() {
        let from = started + Duration::from_secs(second);
        let within: Range<Duration> = from..from + Duration::from_secs(1);
        let lines = || lines.iter().filter(|line| within.contains(&line.time));
        if lines().next().is_none() || lines().any(|line| line.queue_packets == 0) {
            continue;
        }
        seconds += 1;
        counted += lines().filter(|line| line.delivered_in_full).count();
        recorded += RecordedTrace::Leocc.delivery().opportunities_between(within.start, within.end);
    }
    println!("{counted} packets for {recorded} opportunities in {seconds} full seconds");
    assert!(seconds >= 3, "only {seconds} seconds in which the queue never ran dry");
    assert!(counted.abs_diff(recorded) * 100 <= recorded, "more than a hundredth off");
}

#[test]
fn the_recorded_delay_is_kept() {
    let house = replay(Capacity::Unlimited, Delay::Trace(RecordedTrace::Leocc));
    let arrived = blast(&house, Duration::from_millis(10), 200).unwrap();
    let delay = RecordedTrace::Leocc.delay();
    let mut late: Vec<_> = arrived
        .iter()
        .map(|(sent, came)| {
            (came.saturating_sub(*sent).as_secs_f64(), delay.at(*sent).as_secs_f64())
        })
        .map(|(took, recorded)| (took - recorded) * 1e3)
        .collect();
    late.sort_by(f64::total_cmp);
    let median = *late.get(late.len() / 2).expect("nothing arrived");
    println!("{} packets, median {median:.3} ms later than recorded", late.len());
    assert!(arrived.len() > 500, "only {} packets", arrived.len());
    assert!((-1.0..5.0).contains(&median), "{median} ms");
}
