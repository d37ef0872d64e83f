//! The contract in `xml/` is what the code serves. After a deliberate change, run the test with
//! `PORCHLIGHT_WRITE_XML=1` and review the difference like any other.

use std::collections::BTreeMap;
use std::path::Path;

use bus::home::{Home1, HomeStatus, StatusSource};
use bus::wan::{Decision, ManagerStatus, Policy, Source, UplinkStatus, WriteError};
use zbus::object_server::Interface;

#[derive(Clone)]
struct Nothing;

impl StatusSource for Nothing {
    fn status(&self) -> HomeStatus {
        unreachable!("introspection asks for no value")
    }
}

impl Source for Nothing {
    fn manager(&self) -> ManagerStatus {
        unreachable!("introspection asks for no value")
    }

    fn uplink(&self, _: &str) -> UplinkStatus {
        unreachable!("introspection asks for no value")
    }

    fn decisions(&self) -> Vec<Decision> {
        unreachable!("introspection calls nothing")
    }

    async fn join(&self, _: &str) -> Result<(), WriteError> {
        unreachable!("introspection writes nothing")
    }

    async fn set_modes(&self, _: BTreeMap<String, String>) -> Result<(), WriteError> {
        unreachable!("introspection writes nothing")
    }

    async fn set_policy(&self, _: &str, _: Policy) -> Result<(), WriteError> {
        unreachable!("introspection writes nothing")
    }

    async fn set_cap_bytes(&self, _: &str, _: u64) -> Result<(), WriteError> {
        unreachable!("introspection writes nothing")
    }
}

fn check(name: &str, object: &dyn Interface) {
    let mut code = String::from("<node>\n");
    object.introspect_to_writer(&mut code, 2);
    code.push_str("</node>\n");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("xml").join(format!("{name}.xml"));
    if std::env::var_os("PORCHLIGHT_WRITE_XML").is_some() {
        std::fs::write(&file, &code).expect("xml/ is writable where the test is told to write");
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(written == code, "{} differs from the code, which serves:\n{code}", file.display());
}

#[test]
fn home1_is_what_its_xml_says() {
    check(bus::home::INTERFACE, &Home1::new(Nothing));
}

#[test]
fn wan1_is_what_its_xml_says() {
    check(bus::wan::INTERFACE, &bus::wan::Manager::new(Nothing));
}

#[test]
fn an_uplink_of_wan1_is_what_its_xml_says() {
    check(bus::wan::UPLINK_INTERFACE, &bus::wan::Uplink::new("starlink0", Nothing));
}
