//! The real program on a bus of its own.

#[path = "../../bus/tests/private_bus/mod.rs"]
mod private_bus;

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use bus::home::{Home1, HomeStatus, Light, StatusSource, Uplink, UplinkKind, UplinkState};
use bus::wan::{Mode, Policy, State};
use private_bus::PrivateBus;
use zbus::Connection;

const PROGRAM: &str = env!("CARGO_BIN_EXE_porch");

#[derive(Clone)]
struct Says(Arc<Mutex<HomeStatus>>);

impl StatusSource for Says {
    fn status(&self) -> HomeStatus {
        self.0.lock().expect("no test panics while it speaks").clone()
    }
}

fn status(light: Light) -> HomeStatus {
    HomeStatus {
        light,
        light_why: String::from("A reason."),
        light_since: 0,
        internet: State::Online,
        mode: Mode::Tunnel,
        uplinks: vec![Uplink {
            name: String::from("broadband0"),
            kind: UplinkKind::Broadband,
            state: UplinkState::InUse,
            since: 0,
            policy: Policy::Primary,
            availability: Vec::new(),
            drain: 0,
        }],
        image_version: String::from("7"),
        image_variant: String::from("gateway"),
    }
}

async fn serve(bus: &PrivateBus, light: Light) -> (Connection, Says) {
    let says = Says(Arc::new(Mutex::new(status(light))));
    let connection = bus.connect().await;
    let object = Home1::new(says.clone());
    connection.object_server().at(bus::home::PATH, object).await.expect("served");
    connection.request_name(bus::home::NAME).await.expect("the test may own it");
    (connection, says)
}

fn porch(bus: &PrivateBus, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .env("DBUS_SYSTEM_BUS_ADDRESS", bus.address())
        .output()
        .expect("the program is built")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_exit_status_is_the_light() {
    let bus = PrivateBus::start(&[bus::home::NAME], None);
    assert_eq!(porch(&bus, &["status"]).status.code(), Some(2), "nobody is there");
    let (_connection, says) = serve(&bus, Light::Serving).await;
    for (light, code) in [(Light::Serving, 0), (Light::NeedsYou, 1), (Light::Starting, 3)] {
        *says.0.lock().expect("no test panics while it speaks") = status(light);
        let output = porch(&bus, &["status"]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("it is text");
        assert!(text.contains("A reason.") && text.contains("Broadband  in use"), "{text}");
        assert!(!text.contains('\x1b'), "colours into a pipe: {text:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn json_is_one_line_in_the_page_s_words() {
    let bus = PrivateBus::start(&[bus::home::NAME], None);
    let (_connection, _says) = serve(&bus, Light::NeedsYou).await;
    let output = porch(&bus, &["status", "--json"]);
    let text = String::from_utf8(output.stdout).expect("it is text");
    assert_eq!(text.lines().count(), 1);
    let json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(json["light"], "needs-you");
    assert_eq!(json["headline"], "Needs you");
    assert_eq!(json["uplinks"][0]["state"], "in-use");
    assert_eq!(json["image"]["version"], "7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn watching_prints_each_change_and_ends_with_the_bus() {
    let bus = PrivateBus::start(&[bus::home::NAME], None);
    let (connection, says) = serve(&bus, Light::Serving).await;
    let mut child = Command::new(PROGRAM)
        .args(["status", "--json", "--watch"])
        .env("DBUS_SYSTEM_BUS_ADDRESS", bus.address())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program is built");
    let mut lines = BufReader::new(child.stdout.take().expect("asked for")).lines();
    let mut next = || lines.next().expect("it goes on").expect("it is text");
    assert!(next().contains("\"light\":\"serving\""));
    let changed = status(Light::NeedsYou);
    *says.0.lock().expect("no test panics while it speaks") = changed.clone();
    bus::home::announce(&connection, &changed).await.expect("the bus takes signals");
    assert!(next().contains("\"light\":\"needs-you\""));
    drop(bus);
    assert_eq!(child.wait().expect("it is our child").code(), Some(2));
}

#[test]
fn a_wrong_command_line_is_not_an_unreachable_box() {
    let run = |arguments: &[&str]| Command::new(PROGRAM).args(arguments).output().unwrap();
    assert_eq!(run(&["light"]).status.code(), Some(64));
    assert_eq!(run(&["status", "--loud"]).status.code(), Some(64));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    assert!(String::from_utf8_lossy(&run(&["--help"]).stdout).contains("the box needs you"));
}
