//! The real program on a bus of its own: its page, its bus object, its bounds, its end.

mod fakes;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use bus::home::{Light, UplinkState};
use bus::wan::{Health, Mode, State};
use fakes::{Home, PATIENCE, World};
use home::shell::page::EVENT_STREAMS;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_home");

/// Sends `head` and an empty line, and returns the connection.
fn send(address: SocketAddr, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the page listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(stream, "{head}\r\n\r\n").expect("the page reads");
    stream
}

/// The whole answer to a GET of `path` under the name `host`.
fn get_as(address: SocketAddr, path: &str, host: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close");
    let mut answer = String::new();
    send(address, &head).read_to_string(&mut answer).expect("the page answers");
    answer
}

fn get(address: SocketAddr, path: &str) -> String {
    get_as(address, path, "porchlight.local")
}

/// A stream of events, read past its head; the first line says how it was taken.
fn events(address: SocketAddr) -> (String, BufReader<TcpStream>) {
    let mut stream = BufReader::new(send(address, "GET /events HTTP/1.1\r\nHost: localhost"));
    let mut first = String::new();
    stream.read_line(&mut first).expect("the page answers");
    (first, stream)
}

/// Reads lines until one holds `word`.
fn read_until(stream: &mut BufReader<TcpStream>, word: &str) -> String {
    loop {
        let mut line = String::new();
        let read = stream.read_line(&mut line);
        assert!(read.is_ok_and(|length| length > 0), "the stream ended before {word:?}");
        if line.contains(word) {
            return line;
        }
    }
}

/// Asks until `good`, and fails with the last answer after a while.
fn wait_until(what: &str, mut ask: impl FnMut() -> String, good: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if good(&answer) {
            return;
        }
        assert!(Instant::now() < deadline, "waited for {what}; the last answer was {answer}");
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_page_and_the_bus_follow_the_house() {
    let world = World::start().await;
    let home = Home::start(&world, PROGRAM, None);
    let (_, mut stream) = events(home.address);
    read_until(&mut stream, "The house is online through broadband, with Starlink ready.");

    // `wan` signals; nobody waits for the next turn. What the cable does is networkd's to tell.
    world.say_links("routable", "no-carrier", "routable 200").await;
    world.say_wan(State::Degraded, Health::Down, Health::Up).await;
    let line = read_until(&mut stream, "Broadband is down; the house is online through Starlink.");
    assert!(line.starts_with("data: {\"light\":\"serving\""), "{line}");
    let reader = world.bus.connect().await;
    let status = bus::home::read_status(&reader).await.expect("everybody may read");
    assert_eq!(status.light, Light::Serving);
    assert_eq!(status.light_why, "Broadband is down; the house is online through Starlink.");
    assert_eq!((status.internet, status.mode), (State::Degraded, Mode::Direct));
    let states: Vec<_> = status.uplinks.iter().map(|uplink| uplink.state).collect();
    assert_eq!(states, [UplinkState::Unplugged, UplinkState::InUse]);
    assert_eq!(status.uplinks[1].availability.len(), 288);

    // Cables and addresses are all there, and the world is not.
    let mut changes = bus::home::changes(&reader).await.expect("everybody may follow");
    world.say_links("routable", "routable 100", "routable 200").await;
    world.say_wan(State::Offline, Health::Down, Health::Down).await;
    read_until(&mut stream, "neither broadband nor Starlink reaches the internet");
    assert!(changes.next().await, "the change was signalled");
    let status = bus::home::read_status(&reader).await.expect("everybody may read");
    assert_eq!(status.light, Light::NeedsYou);

    // The same words without scripts, and for programs.
    for path in ["/", "/status.json"] {
        let answer = get(home.address, path);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("The house is offline: neither broadband nor"), "{answer}");
        assert!(answer.contains("down for 15 minutes in the last 20 hours"), "{answer}");
        assert!(!answer.contains("All is well"), "{answer}");
    }
    world.say_wan(State::Captive, Health::Down, Health::Captive).await;
    read_until(&mut stream, "Starlink wants somebody to sign in before it lets the house out.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_way_out_that_died_is_no_way_out_that_is_well() {
    let world = World::start().await;
    let home = Home::start(&world, PROGRAM, None);
    let (_, mut stream) = events(home.address);
    read_until(&mut stream, "\"light\":\"serving\"");
    world.lose_wan().await;
    // Its last word counts for as long as any, and not longer.
    stream.get_ref().set_read_timeout(Some(PATIENCE * 2)).expect("a timeout");
    let lost = Instant::now();
    let line = read_until(&mut stream, "The box does not know whether the house is online");
    assert!(line.contains("\"light\":\"needs-you\""), "{line}");
    assert!(line.contains("\"internet\":\"unknown\""), "{line}");
    assert!(line.contains("\"words\":\"not checked\""), "{line}");
    println!("it took the light {:?} to notice", lost.elapsed());
    world.say_wan(State::Online, Health::Up, Health::Up).await;
    read_until(&mut stream, "\"light\":\"serving\"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_failed_unit_keeps_the_light_off_well() {
    let world = World::start().await;
    world.say_system("degraded", &["chrony.service"]);
    let home = Home::start(&world, PROGRAM, None);
    // The box has not settled, so it is starting for as long as a box may; this sentence shows
    // that both readings are in.
    let ask = || get(home.address, "/status.json");
    wait_until("both readings", ask, |answer| answer.contains("already online"));
    assert!(!get(home.address, "/").contains("data-light=\"serving\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn only_our_names_are_answered_and_every_answer_is_closed() {
    let world = World::start().await;
    let home = Home::start(&world, PROGRAM, None);
    let own = home.address.to_string();
    for host in ["porchlight", "porchlight.local:80", "localhost", own.as_str()] {
        assert!(get_as(home.address, "/", host).starts_with("HTTP/1.1 200"), "{host}");
    }
    for host in ["evil.example", "porchlight.evil.example", "10.77.0.9", ""] {
        for path in ["/", "/status.json", "/events", "/page.js"] {
            let answer = get_as(home.address, path, host);
            assert!(answer.starts_with("HTTP/1.1 421"), "{host:?} {path}: {answer}");
            assert!(!answer.contains("light"), "{answer}");
        }
    }
    for path in ["/", "/status.json", "/page.css", "/page.js", "/icon.svg", "/nowhere"] {
        let answer = get(home.address, path).to_ascii_lowercase();
        for header in [
            "content-security-policy: default-src 'none';",
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(answer.contains(header), "{path} lacks {header}");
        }
    }
    let page = get(home.address, "/");
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing from elsewhere");
    assert!(!page.contains("style="), "the policy forbids it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_can_be_asked_for_is_bounded() {
    let world = World::start().await;
    let home = Home::start(&world, PROGRAM, None);
    let mut streams: Vec<_> = (0..EVENT_STREAMS).map(|_| events(home.address)).collect();
    assert!(streams.iter().all(|(first, _)| first.starts_with("HTTP/1.1 200")));
    assert!(events(home.address).0.starts_with("HTTP/1.1 503"), "one too many was taken");
    assert!(get(home.address, "/").starts_with("HTTP/1.1 200"), "the page itself has room");

    let resident = resident_kib(home.process.id());
    assert!(resident <= 8 * 1024, "{resident} KiB of its own with every stream open");

    streams.pop();
    wait_until("a freed place", || events(home.address).0, |first| first.contains(" 200 "));

    let long = format!("GET / HTTP/1.1\r\nHost: porchlight\r\nX: {}", "x".repeat(64 * 1024));
    let mut stream = TcpStream::connect(home.address).expect("the page listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // The page may close before it has read everything.
    let _ = write!(stream, "{long}\r\n\r\n");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");

    let mut post = String::new();
    let head = "POST / HTTP/1.1\r\nHost: porchlight\r\nContent-Length: 0\r\nConnection: close";
    send(home.address, head).read_to_string(&mut post).expect("the page answers");
    assert!(post.starts_with("HTTP/1.1 405"), "{post}");
}

/// Memory of the process's own, not shared with files (`RssAnon`, `proc_pid_status(5)`): what a
/// debug build and the image's have in common.
fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    number.and_then(|number| number.trim().parse().ok()).expect("the kernel counts it")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_installed_policy_lets_everybody_read_and_nobody_write() {
    let world = World::start().await;
    let _home = Home::start(&world, PROGRAM, None);
    let reader = world.bus.connect().await;
    let call = async |interface: &str, member: &str, body: &(dyn Fn() -> Vec<String> + Sync)| {
        let words = body();
        let (first, second) = (words[0].as_str(), words[1].as_str());
        let path = bus::home::PATH;
        reader
            .call_method(Some(bus::home::NAME), path, Some(interface), member, &(first, second))
            .await
    };
    let light = || vec![bus::home::INTERFACE.to_owned(), String::from("Light")];
    let properties = "org.freedesktop.DBus.Properties";
    assert!(call(properties, "Get", &light).await.is_ok());
    let refused = call(properties, "Set", &light).await.expect_err("writing was allowed");
    assert!(refused.to_string().contains("AccessDenied"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn it_reports_while_it_lives_and_ends_when_asked() {
    let world = World::start().await;
    let mut home = Home::start(&world, PROGRAM, Some(Duration::from_millis(400)));
    for _ in 0..3 {
        home.wait_for("WATCHDOG=1");
    }
    let (_, stream) = events(home.address);
    let process = Pid::from_raw(home.process.id().try_into().expect("a process number"));
    kill(process, Signal::SIGTERM).expect("it runs");
    home.wait_for("STOPPING=1");
    let status = home.process.wait().expect("it is our child");
    assert!(status.success(), "{status}, with a stream open");
    drop(stream);
}

#[test]
fn bad_settings_are_named_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("home.toml");
    let board = folder.path().join("board.toml");
    std::fs::write(&board, "name = 'x'\n[[port]]\nrole = 'lan'\nname = 'lan/0'\n").unwrap();
    let good = format!("board = '{}'\nnames = []\n", board.display());
    let cases = [
        (String::new(), "home.toml:1: missing field `board`"),
        ("board = 7\nnames = []\n".into(), "home.toml:1: board: "),
        ("board = ''\nnames = ['Porch']\n".into(), "home.toml:2: names: \"Porch\" is not a host"),
        (format!("{good}light = 'on'\n"), "home.toml:3: light: unknown field `light`"),
        (good, "board.toml:2: a port name is made of"),
        ("board = '/nonexistent'\nnames = []\n".into(), "/nonexistent: cannot be read"),
    ];
    for (text, expected) in cases {
        std::fs::write(&file, &text).unwrap();
        let output = Command::new(PROGRAM).arg(&file).env_remove("JOURNAL_STREAM").output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{text}: {said}");
        assert!(said.contains(expected), "expected {expected:?} of {text:?}, got {said}");
    }
}
