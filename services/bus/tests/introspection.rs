//! The contract in `xml/` is what the code serves. After a deliberate change, run the test with
//! `PORCHLIGHT_WRITE_XML=1` and review the difference like any other.

use std::path::Path;

use bus::home::{Home1, HomeStatus, StatusSource};
use zbus::object_server::Interface;

struct Nothing;

impl StatusSource for Nothing {
    fn status(&self) -> HomeStatus {
        unreachable!("introspection asks for no value")
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
