//! A replayed recording carries what was recorded.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use qemu_tests::emulator::{Capacity, Delay, RecordedTrace};
use qemu_tests::world::Uplink;

use super::*;

/// How long is measured; the recording's first handover is in it.
const LENGTH: Duration = Duration::from_secs(10);

/// A world whose dish comes down by the recording, without loss.
fn replay(capacity: bool) -> House {
    let mut scenario = shipped("calm");
    let down = &mut scenario.starlink.down;
    down.loss = Default::default();
    down.delay = Delay::Trace(RecordedTrace::Leocc);
    down.capacity =
        if capacity { Capacity::Trace(RecordedTrace::Leocc) } else { Capacity::Unlimited };
    house_without_client(scenario)
}

/// Packets that arrived: when they were sent and when they came, since the clock's start.
fn blast(
    house: &House,
    every: Duration,
    bytes: usize,
) -> anyhow::Result<Vec<(Duration, Duration)>> {
    let clock = house.world.clock();
    let space = house.space();
    let address = box_address(house)?;
    let receiver = space.run(|| UdpSocket::bind((address, 9_000)))?;
    receiver.set_read_timeout(Some(Duration::from_secs(1)))?;
    let uplink = house.world.uplink(Uplink::Starlink);
    let sender = uplink.provider_namespace().run(|| UdpSocket::bind("0.0.0.0:0"))?;
    let sending = std::thread::spawn(move || {
        let start = Instant::now();
        let mut packet = vec![0; bytes];
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
    while receiver.recv(&mut packet).is_ok() {
        let sent = u64::from_be_bytes(packet[..8].try_into()?);
        arrived.push((Duration::from_nanos(sent), clock.elapsed()));
    }
    sending.join().expect("it does not panic");
    Ok(arrived)
}

fn box_address(house: &House) -> anyhow::Result<IpAddr> {
    let output = house.space().ip("-4 -brief addr show starlink0")?;
    let address = output.split_whitespace().nth(2).and_then(|word| word.split('/').next());
    Ok(IpAddr::V4(address.unwrap_or_default().parse::<Ipv4Addr>()?))
}

#[test]
fn the_recorded_capacity_is_carried() {
    let house = replay(true);
    // 1500 bytes each 100 us: 120 Mbit/s into a link that never carries more than 75.
    let arrived = blast(&house, Duration::from_micros(100), 1_472).unwrap();
    let trace = RecordedTrace::Leocc.delivery();
    let (from, to) = (arrived[0].1 + Duration::from_secs(1), arrived[0].1 + LENGTH);
    let counted = arrived.iter().filter(|(_, at)| (from..to).contains(at)).count();
    let recorded = trace.opportunities_between(from, to);
    let error = counted.abs_diff(recorded) * 1_000 / recorded;
    println!("{counted} packets for {recorded} recorded opportunities: {error} per mille off");
    assert!(error < 30, "{error} per mille off");
}

#[test]
fn the_recorded_delay_is_kept() {
    let house = replay(false);
    let arrived = blast(&house, Duration::from_millis(10), 200).unwrap();
    let delay = RecordedTrace::Leocc.delay();
    let mut late: Vec<_> = arrived
        .iter()
        .map(|(sent, came)| {
            came.saturating_sub(*sent).as_secs_f64() - delay.at(*sent).as_secs_f64()
        })
        .map(|seconds| seconds * 1e3)
        .collect();
    late.sort_by(f64::total_cmp);
    let median = late[late.len() / 2];
    println!("{} packets, median {median:.3} ms later than recorded", late.len());
    assert!(arrived.len() > 900, "only {} packets", arrived.len());
    assert!((-1.0..5.0).contains(&median), "{median} ms");
}
