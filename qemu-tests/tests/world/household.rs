//! A household lives in it.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener};
use std::os::unix::net::UnixStream;

use qemu_tests::emulator::Fault;
use qemu_tests::world::{AddressFamily, ControlReply, ControlRequest, LAN_ADDRESS, Uplink, ask};

use super::*;

/// Which provider a request came through, by the address the internet saw.
fn came_through(report: &FetchReport) -> Option<Uplink> {
    match report.from_ip? {
        IpAddr::V4(address) if address.octets()[..3] == [198, 51, 100] => Some(Uplink::Broadband),
        IpAddr::V4(address) if address.octets()[..3] == [203, 0, 113] => Some(Uplink::Starlink),
        _ => None,
    }
}

#[test]
fn a_page_comes_by_broadband_then_by_starlink_then_by_broadband() {
    let house = house("calm");
    let through = |uplink| move |report: &FetchReport| came_through(report) == Some(uplink);
    let report = house.fetch_until("a page", |_| true);
    assert_eq!((report.status, came_through(&report)), (200, Some(Uplink::Broadband)));
    assert!(report.body.contains("/hello"), "{report:?}");
    house.world.uplink(Uplink::Broadband).fault(&Fault::CarrierDown).unwrap();
    house.fetch_until("a page by Starlink", through(Uplink::Starlink));
    house.world.uplink(Uplink::Broadband).fault(&Fault::CarrierUp).unwrap();
    house.fetch_until("broadband again", through(Uplink::Broadband));
    // The negative control: with both cables pulled, nothing comes.
    for uplink in Uplink::ALL {
        house.world.uplink(uplink).fault(&Fault::CarrierDown).unwrap();
    }
    assert!(house.world.client().fetch(PAGE, BRIEFLY).is_err());
    house.world.check().unwrap();
}

#[test]
fn names_and_both_families_work() {
    let house = house("calm");
    let client = house.world.client();
    let lookup = |name, family| client.resolve(name, family, DEADLINE);
    let web = lookup("web.internet.test", AddressFamily::V4).unwrap();
    assert_eq!(web, [IpAddr::from([192, 0, 2, 80])]);
    let web = lookup("web.internet.test", AddressFamily::V6).unwrap();
    assert_eq!(web, ["2001:db8:1::80".parse::<IpAddr>().unwrap()]);
    let error = client.resolve("nowhere.internet.test", AddressFamily::V4, BRIEFLY).unwrap_err();
    assert!(format!("{error:#}").contains("nowhere"), "{error:#}");
    let fetch = || client.fetch_over(AddressFamily::V6, PAGE, BRIEFLY).ok();
    let report = wait_until("a page over IPv6", DEADLINE, || house.world.dump(), fetch)
        .unwrap_or_else(|error| panic!("{error}"));
    let Some(IpAddr::V6(from)) = report.from_ip else { panic!("{report:?}") };
    assert_eq!(from.segments()[..3], [0x2001, 0xdb8, 0xb], "{report:?}");
}

/// What portals answer in the place of, and what the way out asks for.
#[test]
fn the_empty_page_is_empty() {
    let house = house("calm");
    let page = "http://connectivity-check.ubuntu.com/";
    let fetch = || house.world.client().fetch(page, BRIEFLY).ok();
    let report = wait_until("the empty page", DEADLINE, || house.world.dump(), fetch)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((report.status, report.body.as_str()), (204, ""));
}

#[test]
fn the_time_is_true() {
    let house = house("calm");
    let request = {
        let mut request = [0_u8; 48];
        request[0] = 0x23;
        request
    };
    let ask_time = || {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
        socket.set_read_timeout(Some(BRIEFLY)).ok()?;
        socket.send_to(&request, "192.0.2.123:123").ok()?;
        let mut answer = [0; 48];
        socket.recv(&mut answer).ok()?;
        Some(u64::from(u32::from_be_bytes(answer[40..44].try_into().ok()?)) - 2_208_988_800)
    };
    let asked = || house.world.client().namespace().run(ask_time);
    let time = wait_until("the time", DEADLINE, || house.world.dump(), asked).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(time) <= 5, "{time} is not {now}");
}

#[test]
fn the_page_of_the_box_comes_out_on_the_host() {
    let house = house("calm");
    let space = house.space();
    let listener = space.run(|| TcpListener::bind((LAN_ADDRESS, 80))).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, peer) = listener.accept().unwrap();
        let mut request = [0; 5];
        stream.read_exact(&mut request).unwrap();
        stream.write_all(b"the light is on").unwrap();
        (request, peer.ip())
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page");
    let proxy = house.world.client().proxy_page(&path).unwrap();
    let mut stream = UnixStream::connect(proxy.path()).unwrap();
    stream.write_all(b"GET /").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "the light is on");
    let (request, peer) = server.join().unwrap();
    assert_eq!(&request, b"GET /");
    assert_eq!(Some(peer), house.world.client().current_lease().map(|lease| lease.address.into()));
    drop(proxy);
    assert!(!path.exists(), "the socket stayed behind");
}

#[test]
fn a_local_name_is_answered_by_whoever_has_it() {
    let house = house("calm");
    let client = house.world.client();
    assert!(client.resolve_multicast("porchlight.local", BRIEFLY).is_err(), "nobody has it yet");
    let space = house.space();
    let responder = space.spawn("responder", answer_once).unwrap();
    let found = client.resolve_multicast("porchlight.local", DEADLINE);
    let found = found.unwrap_or_else(|error| panic!("{error:#}\n{}", house.world.dump()));
    assert_eq!(found, [LAN_ADDRESS.parse::<IpAddr>().unwrap()]);
    responder.join().unwrap().unwrap();
}

/// Answers the first question of the LAN, as a responder of multicast DNS would.
fn answer_once() -> anyhow::Result<()> {
    use simple_dns::rdata::{A, RData};
    use simple_dns::{CLASS, Packet, ResourceRecord};
    use std::net::{Ipv4Addr, UdpSocket};
    let group = Ipv4Addr::new(224, 0, 0, 251);
    let own: Ipv4Addr = LAN_ADDRESS.parse()?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 5_353))?;
    socket.join_multicast_v4(&group, &own)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    let mut buffer = [0; 1_500];
    let (length, from) = socket.recv_from(&mut buffer)?;
    let question = Packet::parse(&buffer[..length])?;
    let name = question.questions[0].qname.clone();
    assert_eq!(name.to_string(), "porchlight.local");
    let mut answer = Packet::new_reply(0);
    let data = RData::A(A { address: own.to_bits() });
    answer.answers.push(ResourceRecord::new(name, CLASS::IN, 120, data));
    socket.send_to(&answer.build_bytes_vec()?, from)?;
    Ok(())
}

#[test]
fn another_process_may_command_faults() {
    let house = house("calm");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control");
    house.world.serve_control(&path).unwrap();
    let uplink = Uplink::Broadband;
    let cut = ControlRequest::Fault { uplink, fault: Fault::Cut };
    house.fetch_until("a page", |_| true);
    assert_eq!(ask(&path, &cut).unwrap(), ControlReply::Done);
    assert!(house.world.client().fetch(PAGE, BRIEFLY).is_err(), "the cut is not on");
    let reply = ask(&path, &ControlRequest::Status { uplink }).unwrap();
    let ControlReply::Status(status) = reply else { panic!("{reply:?}") };
    assert!(status.up.cut > 0, "{status:?}");
    let heal = ControlRequest::Fault { uplink, fault: Fault::Heal };
    assert_eq!(ask(&path, &heal).unwrap(), ControlReply::Done);
    house.fetch_until("the page after healing", |_| true);
    let rebind = ControlRequest::Fault { uplink, fault: Fault::NatRebinding };
    let reply = ask(&path, &rebind).unwrap();
    assert!(matches!(reply, ControlReply::Error(_)), "broadband translates nothing: {reply:?}");
}

#[test]
fn a_timeline_runs_by_itself() {
    let house = house("carrier-loss");
    house.fetch_until("a page", |_| true);
    let timeline = house.world.run_timeline().unwrap();
    let by_starlink = |report: &FetchReport| came_through(report) == Some(Uplink::Starlink);
    house.fetch_until("the timeline to pull the cable", by_starlink);
    drop(timeline);
}
