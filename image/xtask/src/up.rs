//! `cargo xtask up`: builds what is stale, boots it in the simulated world, and lets this machine's
//! browser look at the box's page.
//!
//! The world has no network but its own. A thread per connection carries the page's bytes from a
//! port on the loopback interface to the UNIX socket that the world serves; the threads end with
//! their connections, and all of it with this process.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result};

use crate::command_line::Up;
use crate::output::{say, step};
use crate::packages::Places;
use crate::{image, settings, tools_root, world};

/// Where the page is looked for first; any free port does if it is taken.
const PREFERRED_PORT: u16 = 8080;

/// Browsers open six connections to a host; this is room for a few of them.
const CONNECTIONS_MAX: usize = 64;

/// Runs the box in the foreground until Ctrl-C.
///
/// # Errors
/// The image does not build, or the world does not start.
pub(crate) fn run(places: &Places, up: &Up) -> Result<ExitCode> {
    world::require_tun()?;
    let scenario = scenario(&places.workspace, &up.scenario)?;
    image::build(places, &up.board, "dev")?;
    let program = {
        let _step = step("compiling the simulated world");
        world::program(places)?
    };
    let sockets = tempfile::Builder::new()
        .prefix("porchlight-up-")
        .tempdir_in(places.workspace.join("target"))?;
    let page = sockets.path().join("page");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PREFERRED_PORT))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("cannot listen on the loopback interface")?;
    let address = listener.local_addr()?;
    thread::spawn({
        let page = page.clone();
        move || carry_connections(&listener, &page)
    });
    say(format!("The box's page will be at http://{address}/ (Ctrl-C switches the box off)"));
    let tools = tools_root::ensure(places)?;
    let mut command = world::command(places, &tools, program.as_os_str());
    command
        .args(["up", "--board", &up.board, "--scenario", &scenario])
        .arg("--images")
        .arg(places.workspace.join("target/image"))
        .arg("--page-socket")
        .arg(&page)
        .args(["--page-address", &format!("http://{address}/")]);
    if up.headless {
        command.arg("--headless");
    }
    let status = command.status().context("cannot start the simulated world")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the world calls this scenario: the name of one that it brings, or the whole path of a file.
fn scenario(workspace: &Path, name: &str) -> Result<String> {
    let known = settings::names_in(&workspace.join("qemu-tests/scenarios"))?;
    if known.iter().any(|scenario| scenario == name) {
        return Ok(name.to_owned());
    }
    let file = fs::canonicalize(name).ok().filter(|file| file.starts_with(workspace));
    let file = file.and_then(|file| file.into_os_string().into_string().ok());
    file.with_context(|| {
        format!(
            "there is no scenario \"{name}\": expected one of {}, or a file below {}",
            known.join(", "),
            workspace.display()
        )
    })
}

fn carry_connections(listener: &TcpListener, page: &Path) {
    static OPEN: AtomicUsize = AtomicUsize::new(0);
    for browser in listener.incoming().flatten() {
        if OPEN.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS_MAX {
            OPEN.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let page: PathBuf = page.to_owned();
        thread::spawn(move || {
            // A box that is not up yet, or a browser that leaves, is not worth a word.
            let _ = carry(browser, &page);
            OPEN.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

fn carry(browser: TcpStream, page: &Path) -> io::Result<()> {
    let house = UnixStream::connect(page)?;
    let (mut from_browser, mut to_house) = (browser.try_clone()?, house.try_clone()?);
    let upwards = thread::spawn(move || {
        let _ = io::copy(&mut from_browser, &mut to_house);
        to_house.shutdown(Shutdown::Write)
    });
    let (mut from_house, mut to_browser) = (house, browser);
    io::copy(&mut from_house, &mut to_browser)?;
    to_browser.shutdown(Shutdown::Both)?;
    let _ = upwards.join();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_known_by_its_name_or_is_a_file_among_the_sources() {
        let folder = tempfile::tempdir().unwrap();
        let sources = folder.path().canonicalize().unwrap();
        let shipped = sources.join("qemu-tests/scenarios");
        fs::create_dir_all(&shipped).unwrap();
        fs::write(shipped.join("calm.toml"), "").unwrap();
        let own = sources.join("own.toml");
        fs::write(&own, "").unwrap();
        let own = own.to_str().unwrap();
        assert_eq!(scenario(&sources, "calm").unwrap(), "calm");
        assert_eq!(scenario(&sources, own).unwrap(), own);
        for unknown in ["storm", "/dev/null"] {
            let error = scenario(&sources, unknown).unwrap_err().to_string();
            assert!(error.contains("expected one of calm, or a file below"), "{error}");
        }
    }
}
