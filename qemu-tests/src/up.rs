//! The box in its world in the foreground: what it does while it starts, then what its light says.
use crate::house::House;
use crate::machine::{ImageArguments, MachineSpec, Variant, accelerator};
use crate::world::{FetchReport, Proxy, Scenario, Timeline, Uplink, World};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Emulated on a busy host a boot takes one to two minutes.
const BOOT_WITHIN: Duration = Duration::from_secs(600);

/// How often the light is looked at once the box is up.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// One look.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The firmware.
const FIRMWARE_WITHIN: Duration = Duration::from_secs(60);

/// What the light says before the box has judged itself.
const STARTING: &str = "starting";

/// `world up`: boots the image for testers in the world, in the foreground.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    image: ImageArguments,
    /// Boot what owners flash instead of the image for testers
    #[arg(long)]
    gateway: bool,
    /// What happens to the house: the name of a scenario, or a file
    #[arg(long, default_value = "calm")]
    scenario: String,
    /// Make a UNIX socket here that leads to the box's page
    #[arg(long)]
    page_socket: PathBuf,
    /// Where a browser finds what that socket leads to, for the people who watch
    #[arg(long)]
    page_address: Option<String>,
    /// Make a UNIX socket here that takes faults from `world fault`
    #[arg(long)]
    control: Option<PathBuf>,
    /// Switch the box off again as soon as the house is online and the light has been told
    #[arg(long)]
    headless: bool,
}

/// The part of the page's status that is shown.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Light {
    /// The closed list of the page: `starting`, `serving`, `needs-you`.
    light: String,
    headline: String,
    why: String,
}

impl fmt::Display for Light {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "The light: {}. {}", self.headline, self.why)
    }
}

/// Boots the box and keeps it running, telling `say` what happens, a line each, until it is
/// switched off from inside. Ctrl-C ends the process, and with it everything it started.
///
/// # Errors
/// When the box does not get to its page, or switches itself off.
pub fn run(arguments: &Arguments, say: &mut dyn FnMut(&str)) -> Result<()> {
    let variant = if arguments.gateway { Variant::Gateway } else { Variant::Dev };
    let image = arguments.image.open(variant)?;
    let scenario = Scenario::load(&arguments.scenario)?;
    say(&format!("Switching on: {}, by {}", image.board().summary, accelerator::choose().reason));
    let mut house = House::switch_on(scenario, MachineSpec::factory_new(&image)?)?;
    if let Some(path) = &arguments.control {
        house.world().serve_control(path)?;
    }
    let _running = start(&mut house, arguments, say)?;
    if arguments.headless {
        let judged = |world: &World| light(world).filter(|light| light.light != STARTING);
        let light = house.wait_until("the light", BOOT_WITHIN, judged)?;
        say(&light.to_string());
        return Ok(());
    }
    follow(&mut house, say)
}

/// What must live as long as the box is followed.
type Running = (Proxy, Timeline);

fn start(house: &mut House, arguments: &Arguments, say: &mut dyn FnMut(&str)) -> Result<Running> {
    let started = house.machine().started();
    let mut step = |what: &str| say(&format!("{:>6.1} s  {what}", started.elapsed().as_secs_f64()));
    step("power");
    // Only for people: where the console says nothing, the next step is told instead.
    let _handed_over = house.machine().wait_hand_over(FIRMWARE_WITHIN);
    step("the firmware has handed over to the image");
    let lease = house.wait_until("a lease on the LAN", BOOT_WITHIN, |world| {
        world.client().lease(ANSWER_WITHIN).ok()
    })?;
    step(&format!("the LAN has addresses: {}", lease.address));
    house.wait_until("the page", BOOT_WITHIN, light)?;
    step("the page answers");
    house.wait_internet(Uplink::Broadband, BOOT_WITHIN)?;
    step("the house is online");
    let record = house.machine().wait_record(BOOT_WITHIN)?;
    step(&format!("the box has checked itself: {record}"));
    let seconds = |micros: u64| Duration::from_micros(micros).as_secs_f64();
    step(&format!(
        "its boot took {:.1} s in the kernel, {:.1} s in the initrd, {:.1} s in services",
        seconds(record.boot.kernel_us),
        seconds(record.boot.initrd_us),
        seconds(record.boot.userspace_us),
    ));
    let socket = &arguments.page_socket;
    let proxy = house.world().client().proxy_page(socket)?;
    match &arguments.page_address {
        Some(address) => say(&format!("The page: {address}")),
        None => say(&format!("The page: {}", socket.display())),
    }
    Ok((proxy, house.world().run_timeline()?))
}

fn follow(house: &mut House, say: &mut dyn FnMut(&str)) -> Result<()> {
    let mut shown = None;
    loop {
        let seen = light(house.world());
        if seen != shown {
            match &seen {
                Some(light) => say(&light.to_string()),
                None => say("The light: out. The page does not answer."),
            }
            shown = seen;
        }
        if house.machine().check_alive().is_err() {
            bail!("the box has switched itself off\n{}", house.explain());
        }
        house.world().check()?;
        std::thread::sleep(LOOK_EVERY);
    }
}

/// What the light on the page says now; nothing when the page does not answer.
fn light(world: &World) -> Option<Light> {
    let lease = world.client().current_lease()?;
    let url = format!("http://{}/status.json", lease.router?);
    read(&world.client().fetch(&url, ANSWER_WITHIN).ok()?).ok()
}

fn read(page: &FetchReport) -> Result<Light> {
    serde_json::from_str(&page.body).with_context(|| format!("no status: {}", page.body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_light_is_read_from_the_status() {
        let page = |body: &str| FetchReport {
            status: 200,
            body: body.to_owned(),
            from_ip: None,
            took: Duration::ZERO,
        };
        let body = r#"{"light":"serving","headline":"All is well","why":"Online.","uplinks":[]}"#;
        let [light, headline, why] = ["serving", "All is well", "Online."].map(str::to_owned);
        let expected = Light { light, headline, why };
        assert_eq!(read(&page(body)).unwrap(), expected);
        assert!(read(&page("<html>")).is_err());
    }
}
