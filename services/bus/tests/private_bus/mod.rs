//! A message bus of a test's own: the daemon, its folder, and nobody else on it.
//!
//! It is a system bus in that nothing is allowed unless a policy allows it, so a test that serves
//! an interface under its installed policy file also tests that file.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use zbus::Connection;
use zbus::connection::Builder;

/// A running bus; it ends with the value.
pub(crate) struct PrivateBus {
    daemon: Child,
    address: String,
    _folder: TempDir,
}

impl PrivateBus {
    /// Starts a bus on which the test's user may own `names`, and everybody may call them. With
    /// `installed`, it also obeys that policy file, in which the test's user stands in for the
    /// service's user named beside it.
    pub(crate) fn start(names: &[&str], installed: Option<(&Path, &str)>) -> Self {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let mut policies: String = names.iter().map(|name| open_policy(name)).collect();
        // Our own user owns the folder we have just made.
        let own = folder.path().metadata().expect("it is there").uid();
        if let Some((file, user)) = installed {
            let text = std::fs::read_to_string(file).expect("the policy file is there");
            let start = text.find("<busconfig>").expect("it is a policy") + "<busconfig>".len();
            let end = text.find("</busconfig>").expect("it is a policy");
            policies +=
                &text[start..end].replace(&format!("user=\"{user}\""), &format!("user=\"{own}\""));
        }
        let socket = folder.path().join("bus");
        let settings = folder.path().join("bus.conf");
        let text = SETTINGS
            .replace("SOCKET", &socket.display().to_string())
            .replace("POLICIES", &policies);
        std::fs::write(&settings, text).expect("the folder is writable");
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", settings.display()))
            .args(["--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon runs (Debian package dbus-daemon); these tests need it");
        let mut address = String::new();
        let out = daemon.stdout.take().expect("stdout was asked for");
        BufReader::new(out).read_line(&mut address).expect("the bus prints its address");
        Self { daemon, address: address.trim().to_owned(), _folder: folder }
    }

    /// What to put into `DBUS_SYSTEM_BUS_ADDRESS`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A connection to it.
    pub(crate) async fn connect(&self) -> Connection {
        let built = Builder::address(self.address()).build().await;
        built.expect("the bus takes connections")
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn open_policy(name: &str) -> String {
    format!(
        "<policy context=\"mandatory\"><allow own=\"{name}\"/>\
         <allow send_destination=\"{name}\"/></policy>"
    )
}

/// The rules of Debian's system bus, without its includes.
const SETTINGS: &str = r#"<!DOCTYPE busconfig
  PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  POLICIES
</busconfig>
"#;
