//! The image, booted: each test is a promise to the household, and boots as seldom as it can.
//!
//! Needs the tools root and built images; `cargo xtask test --tier qemu` provides both. Emulation
//! is slow and the host has few processors, so boots run one after another whatever the test runner
//! wants, and deadlines are generous: they end a wait in vain, they do not judge.
mod relay;
mod relay_unit;

use anyhow::{Context, Result, ensure};
use qemu_tests::house::{House, INTERNET_PAGE};
use qemu_tests::machine::accelerator::{self, Accelerator};
use qemu_tests::machine::record::{Record, Verdict};
use qemu_tests::machine::{Image, Machine, MachineSpec, Variant};
use qemu_tests::wait::wait_until;
use qemu_tests::world::{AddressFamily, Namespace, Scenario, Uplink};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// From power-on to the record; emulated on a busy host a boot takes one to two minutes.
const BOOT_WITHIN: Duration = Duration::from_secs(300);
/// Anything that a running box does: give a lease, answer a page, change over to another uplink.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// One question to the page or to the LAN, out of several.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How often systemd-boot tries a new system: the `+3` in its file's name.
const TRIES: u32 = 3;
/// The box on the LAN.
const THE_BOX: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The box's own page.
const PAGE: &str = "http://10.77.0.1/";

/// Boots one after another: two at a time would only make each other late.
fn alone() -> MutexGuard<'static, ()> {
    static BOOT: Mutex<()> = Mutex::new(());
    BOOT.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::print_stdout, reason = "a boot takes a minute: whoever watches wants to know why")]
fn tell(what: &str) {
    println!("{what}");
}

fn switch_on(board: &str, variant: Variant) -> Result<House> {
    tell(&format!("{board} {}, by {}", variant.name(), accelerator::choose().reason));
    let image = Image::from_environment(board, variant)?;
    House::switch_on(Scenario::load("calm")?, MachineSpec::factory_new(&image)?)
}

/// The box's own verdict must be good.
fn passing_record(machine: &mut Machine) -> Result<Record> {
    let record = machine.wait_record(BOOT_WITHIN)?;
    tell(&record.to_string());
    ensure!(record.verdict == Verdict::Pass, "{record}\n{}", machine.explain());
    // A board may have no watchdog; these have.
    let watchdog = record.checks.iter().find(|check| check.name == "watchdog");
    let armed = watchdog.is_some_and(|check| check.detail.starts_with("armed"));
    ensure!(armed, "{watchdog:?}");
    Ok(record)
}

#[test]
fn a_household_is_routed_by_broadband_then_by_starlink_then_by_broadband() -> Result<()> {
    let _alone = alone();
    let mut house = switch_on("qemu-x86_64", Variant::Gateway)?;
    house.wait_internet(Uplink::Broadband, BOOT_WITHIN)?;
    tell(&format!("first page {:?} after power-on", house.machine().started().elapsed()));
    let record = passing_record(house.machine())?;
    assert_eq!((record.board.as_str(), record.variant.as_str()), ("qemu-x86_64", "gateway"));
    lease_names_the_box(&house)?;
    page_is_shown(&mut house)?;
    uplinks_show_nothing(&house)?;

    let cables = house.machine().cables();
    for (up, uplink) in [(false, Uplink::Starlink), (true, Uplink::Broadband)] {
        let changed = Instant::now();
        cables.set("broadband0", up)?;
        house.wait_internet(uplink, ANSWER_WITHIN)?;
        tell(&format!("a page by {uplink} {:?} after the change", changed.elapsed()));
    }
    Ok(())
}

fn lease_names_the_box(house: &House) -> Result<()> {
    let lease = house.world().client().current_lease().context("no lease")?;
    assert_eq!(lease.router, Some(THE_BOX));
    assert_eq!(lease.name_servers, [THE_BOX]);
    assert_eq!(lease.prefix_length, 24);
    Ok(())
}

fn page_is_shown(house: &mut House) -> Result<()> {
    let page = house.wait_until("the box's page", ANSWER_WITHIN, |world| {
        world.client().fetch(PAGE, ATTEMPT).ok().filter(|page| page.status == 200)
    })?;
    ensure!(page.body.contains("Porchlight"), "{}", page.body);
    house.wait_until("porchlight.local to be known", ANSWER_WITHIN, |world| {
        let found = world.client().resolve_multicast("porchlight.local", ATTEMPT);
        found.ok().filter(|found| found.contains(&IpAddr::V4(THE_BOX)))
    })?;
    let page = house.world().client().fetch("http://porchlight.local/", ANSWER_WITHIN)?;
    ensure!(page.status == 200, "{}: {}", page.status, page.body);
    Ok(())
}

/// No TCP port of the box answers from the side of the providers. The LAN side shows that the same
/// look does see what is there.
fn uplinks_show_nothing(house: &House) -> Result<()> {
    let open = |namespace: &Namespace, address| namespace.run(|| open_ports(address));
    let lan = open(house.world().client().namespace(), IpAddr::V4(THE_BOX));
    assert_eq!(lan, [53, 80], "ports that answer on the LAN");
    for uplink in Uplink::ALL {
        let namespace = house.world().uplink(uplink).provider_namespace();
        let customers = neighbours(namespace)?;
        ensure!(customers.iter().any(IpAddr::is_ipv4), "{uplink} knows no box: {customers:?}");
        for address in customers {
            let found = open(namespace, address);
            ensure!(found.is_empty(), "{address} by {uplink} answers on {found:?}");
        }
    }
    Ok(())
}

/// The global addresses that a provider's router has spoken with on the customer's side.
fn neighbours(namespace: &Namespace) -> Result<Vec<IpAddr>> {
    let table = namespace.ip("neigh show dev customer0")?;
    let words = table.lines().filter_map(|line| line.split(' ').next());
    Ok(words.filter(|word| !word.starts_with("fe80:")).flat_map(str::parse).collect())
}

/// The well-known ports, and those that systems of this kind have been seen to leave open.
fn ports() -> impl Iterator<Item = u16> {
    (1..1024)
        .chain([1900, 2049, 3000, 5000, 5201, 5353, 5355, 8000, 8080, 8443, 9090, 19531, 49152])
}

/// Which of [`ports`] accept a connection, sorted.
fn open_ports(address: IpAddr) -> Vec<u16> {
    /// At a time; a dropped question occupies its asker for the whole of `PATIENCE`.
    const ASKERS: usize = 64;
    const PATIENCE: Duration = Duration::from_secs(2);
    let ports: Vec<u16> = ports().collect();
    let accepts =
        |port: &u16| TcpStream::connect_timeout(&SocketAddr::new(address, *port), PATIENCE).is_ok();
    let mut open: Vec<u16> = thread::scope(|scope| {
        let share = ports.len().div_ceil(ASKERS);
        let ask = |part: &'_ [u16]| part.iter().copied().filter(accepts).collect::<Vec<_>>();
        let askers: Vec<_> =
            ports.chunks(share).map(|part| scope.spawn(move || ask(part))).collect();
        askers.into_iter().flat_map(|asker| asker.join().expect("asking cannot panic")).collect()
    });
    open.sort_unstable();
    open
}

#[test]
fn the_mini_pc_routes_a_household() -> Result<()> {
    let _alone = alone();
    let mut house = switch_on("generic-x86_64", Variant::Gateway)?;
    let record = passing_record(house.machine())?;
    assert_eq!((record.board.as_str(), record.variant.as_str()), ("generic-x86_64", "gateway"));
    house.wait_internet(Uplink::Broadband, ANSWER_WITHIN)?;
    let page = house.world().client().fetch(PAGE, ANSWER_WITHIN)?;
    ensure!(page.status == 200, "{}: {}", page.status, page.body);
    house.wait_until("a page over IPv6", ANSWER_WITHIN, |world| {
        world.client().fetch_over(AddressFamily::V6, INTERNET_PAGE, ATTEMPT).ok()
    })?;
    Ok(())
}

#[test]
fn the_way_out_follows_the_cables_and_comes_back_after_being_killed() -> Result<()> {
    let _alone = alone();
    let mut house = switch_on("qemu-x86_64", Variant::Dev)?;
    house.wait_internet(Uplink::Broadband, BOOT_WITHIN)?;
    passing_record(house.machine())?;
    wait_active(house.machine(), Uplink::Broadband)?;
    both_lines_do_well(house.machine())?;
    let cables = house.machine().cables();
    for (up, uplink) in [(false, Uplink::Starlink), (true, Uplink::Broadband)] {
        cables.set("broadband0", up)?;
        wait_active(house.machine(), uplink)?;
        house.wait_internet(uplink, ANSWER_WITHIN)?;
    }

    let before = main_process(house.machine())?;
    let standing = way_out(house.machine())?;
    ensure!(standing.contains("dev broadband0"), "no default route of wan's: {standing:?}");
    shell(house.machine(), &format!("kill -KILL {before}"))?;
    assert_eq!(way_out(house.machine())?, standing, "while nobody is there");
    house.world().client().fetch(INTERNET_PAGE, ATTEMPT)?;
    let after = wait_in_guest(house.machine(), "wan to be back", MAIN_PROCESS, |word| {
        word.trim().parse().is_ok_and(|process: u32| process != before)
    })?;
    assert_eq!(way_out(house.machine())?, standing, "taken over by {after}");
    let gone = Duration::from_micros(micros_away(house.machine())?);
    tell(&format!("wan was away for {gone:?}"));
    let bound = back_within(accelerator::choose().accelerator);
    ensure!(gone <= bound, "wan was away for {gone:?}; expected at most {bound:?}");
    wait_active(house.machine(), Uplink::Broadband)?;
    house.wait_internet(Uplink::Broadband, ANSWER_WITHIN)?;
    tell(&shell(house.machine(), "systemctl show -p MemoryCurrent -p MemoryPeak wan")?);
    // It is done with its own; another boot would take minutes.
    relay_unit::is_kept_by_systemd(house.machine()).context("the relay's unit")
}

/// Until the way out says on the bus that this uplink carries the house, and no other.
fn wait_active(machine: &mut Machine, uplink: Uplink) -> Result<()> {
    const ASK: &str = "busctl get-property org.porchlight.Wan1 /org/porchlight/Wan1 \
                       org.porchlight.Wan1 Active";
    let path = format!("ao 1 \"/org/porchlight/Wan1/uplink/{}\"", uplink.box_interface());
    let what = format!("Active to be {path}");
    wait_in_guest(machine, &what, ASK, |answer| answer.trim() == path).map(drop)
}

/// Until the owner's table shows one line in use, the other ready, and time for both: somebody in
/// the internet has answered over each.
fn both_lines_do_well(machine: &mut Machine) -> Result<()> {
    let table = wait_in_guest(machine, "both lines to do well", "porch wan", |table| {
        let shows = |line: &str, health: &str| {
            table.lines().any(|row| row.contains(line) && row.contains(health))
        };
        shows("broadband0", " in use ") && shows("starlink0", " ready ")
    })?;
    tell(&table);
    Ok(())
}

/// Asks a `dev` guest until `good` likes the answer.
fn wait_in_guest(
    machine: &mut Machine,
    what: &str,
    script: &str,
    good: impl Fn(&str) -> bool,
) -> Result<String> {
    let mut last = String::new();
    let waited = wait_until(what, ANSWER_WITHIN, String::new, || {
        last = match machine.agent().shell(script, ATTEMPT) {
            Ok(answer) => answer,
            Err(error) => error.to_string(),
        };
        good(&last).then(|| last.clone())
    });
    waited.with_context(|| format!("`{script}` said: {last}\n{}", machine.explain()))
}

/// Asks systemd for the process of `wan`; fails unless it has said that it is ready.
const MAIN_PROCESS: &str =
    "systemctl is-active --quiet wan && systemctl show --property MainPID --value wan";

fn main_process(machine: &mut Machine) -> Result<u32> {
    Ok(shell(machine, MAIN_PROCESS)?.trim().parse()?)
}

/// The default routes that `wan` made.
fn way_out(machine: &mut Machine) -> Result<String> {
    shell(machine, "ip route show default proto 119")
}

/// Killed, the way out is watched again within this time of the guest's own clock: what
/// `image/SPECIFICATION.md` promises, and five times as long in an emulated guest on a busy host.
const fn back_within(accelerator: Accelerator) -> Duration {
    match accelerator {
        Accelerator::Kvm => Duration::from_secs(2),
        Accelerator::Tcg => Duration::from_secs(10),
    }
}

/// For how long `wan` was away the last time, from its end until it said that it is ready, in
/// microseconds of the guest's clock.
fn micros_away(machine: &mut Machine) -> Result<u64> {
    let of = |machine: &mut Machine, property: &str| -> Result<u64> {
        let ask = format!("systemctl show --property {property}Monotonic --value wan");
        Ok(shell(machine, &ask)?.trim().parse()?)
    };
    let left = of(machine, "ActiveExitTimestamp")?;
    let back = of(machine, "ActiveEnterTimestamp")?;
    back.checked_sub(left).context("it has not come back")
}

#[test]
fn a_second_boot_keeps_var_and_identity_and_never_turns_the_clock_back() -> Result<()> {
    let _alone = alone();
    let image = Image::from_environment("qemu-x86_64", Variant::Dev)?;
    // A clock chip without a battery, and no network that could tell the time.
    let start = |spec: MachineSpec| Machine::start(spec.clock("2011-11-11"));
    let mut machine = start(MachineSpec::factory_new(&image)?)?;
    let first = passing_record(&mut machine)?;
    shell(&mut machine, "echo kept > /var/lib/boot-test && sync; touch /etc/boot-test")?;
    let last_seen: u64 = shell(&mut machine, "date +%s")?.trim().parse()?;
    let installation = machine.shut_down(ANSWER_WITHIN)?;

    let mut machine = start(MachineSpec::again(&image, installation))?;
    let second = passing_record(&mut machine)?;
    assert_eq!(shell(&mut machine, "cat /var/lib/boot-test")?, "kept\n");
    assert_eq!(shell(&mut machine, "test -e /etc/boot-test || echo gone")?, "gone\n");
    assert_eq!(second.machine_id, first.machine_id);
    assert_ne!(second.boot_id, first.boot_id);
    let clock = second.clock_unix_ms / 1000;
    ensure!(clock >= last_seen, "the clock went back from {last_seen} to {clock}");

    // And after a power cut, which gives nobody time to note anything.
    let last_seen: u64 = shell(&mut machine, "date +%s")?.trim().parse()?;
    let mut machine = start(MachineSpec::again(&image, machine.cut_power()))?;
    let third = passing_record(&mut machine)?;
    let clock = third.clock_unix_ms / 1000;
    ensure!(clock >= last_seen, "the power cut took the clock from {last_seen} back to {clock}");
    assert_eq!(third.machine_id, first.machine_id);
    assert_eq!(shell(&mut machine, "cat /var/lib/boot-test")?, "kept\n");
    Ok(())
}

/// Runs a command in a `dev` guest.
fn shell(machine: &mut Machine, script: &str) -> Result<String> {
    let output = machine.agent().shell(script, ANSWER_WITHIN);
    output.with_context(|| machine.explain())
}

#[test]
fn a_flipped_byte_in_usr_is_refused() -> Result<()> {
    let _alone = alone();
    let image = Image::from_environment("qemu-x86_64", Variant::Gateway)?;
    let spec = MachineSpec::factory_new(&image)?;
    let usr = spec.disk().partition("usr-a")?;
    // The first 1024 bytes are in front of erofs's superblock: erofs itself neither reads them nor
    // counts them into its checksum, so nothing but dm-verity can notice.
    spec.disk().flip_byte(&usr, 0)?;
    let mut machine = Machine::start(spec)?;

    // The boot loader counts three tries of this system; there is no other, so the box stops.
    for _ in 1..TRIES {
        let reset = machine.qmp().wait_event("RESET", BOOT_WITHIN);
        reset.with_context(|| machine.explain())?;
    }
    let told = wait_until("the box to say that it stops", BOOT_WITHIN, String::new, || {
        machine.console().tail().ok().filter(|tail| tail.contains("This box has stopped."))
    });
    told.with_context(|| machine.explain())?;
    let record = machine.wait_record(Duration::ZERO);
    ensure!(record.is_err(), "a damaged system came up: {}", record?);
    Ok(())
}

#[test]
fn the_other_slot_takes_over_from_a_damaged_one() -> Result<()> {
    let _alone = alone();
    let [image, other] = [Variant::Gateway, Variant::Dev]
        .map(|variant| Image::from_environment("qemu-x86_64", variant));
    let spec = MachineSpec::factory_new(&image?)?;
    let disk = spec.disk();
    let [kernel] = <[String; 1]>::try_from(disk.kernels()?).expect("an image has one kernel");
    let name = kernel.strip_suffix(&format!("+{TRIES}.efi")).context(kernel.clone())?;
    // One try left, to save two. The boot loader prefers the greater name among equal versions.
    disk.rename_kernel(&kernel, &format!("{name}+1.efi"))?;
    disk.install_beside(&other?, "porchlight_0.0.1+3.efi")?;
    let usr = disk.partition("usr-a")?;
    disk.flip_byte(&usr, 0)?;
    let mut machine = Machine::start(spec)?;

    let reset = machine.qmp().wait_event("RESET", BOOT_WITHIN);
    reset.with_context(|| machine.explain())?;
    let record = passing_record(&mut machine)?;
    assert_eq!(record.variant, "dev", "the system of the other slot");
    // The verdict is the record's; the boot loader is told of it a moment later.
    let asked = "/usr/lib/systemd/systemd-bless-boot status";
    let blessed = wait_until("the good boot to be noted", ANSWER_WITHIN, String::new, || {
        machine.agent().shell(asked, ATTEMPT).ok().filter(|status| status.trim() == "good")
    });
    blessed.with_context(|| machine.explain())?;
    // The damaged one is out of tries, and a good boot has taken the count off the other's name.
    let kernels = machine.shut_down(ANSWER_WITHIN)?.disk().kernels()?;
    assert_eq!(kernels, ["porchlight_0.0.1.efi".to_owned(), format!("{name}+0-1.efi")]);
    Ok(())
}
