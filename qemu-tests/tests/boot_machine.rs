//! The QEMU driver itself, on a box whose disk is empty: firmware, TPM, QMP, carrier, power.
//!
//! Needs the tools root but no image; `cargo xtask test --tier qemu` runs it there.
use anyhow::Result;
use qemu_tests::emulator::port::QemuPort;
use qemu_tests::machine::{Image, LineError, Machine, MachineSpec, Variant, accelerator};
use qemu_tests::machine::{qmp::QmpError, record_port::RecordError};
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

/// A board's firmware gives up on an empty disk after about ten seconds of emulation.
const FIRMWARE_WITHIN: Duration = Duration::from_secs(120);

/// A folder of images whose only image is an empty disk, and a folder of boards with one board.
struct EmptyBox {
    folder: tempfile::TempDir,
}

impl EmptyBox {
    fn new(nic: &str, disk: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let board = folder.path().join("hardware/empty");
        let image = folder.path().join("target/image/empty-gateway");
        fs::create_dir_all(&board)?;
        fs::create_dir_all(&image)?;
        File::create(image.join("empty.raw"))?.set_len(1 << 20)?;
        let card = format!(
            r#"name = "empty"
            summary = "A box without a system"
            architecture = "x86_64"
            kernel = {{ packages = [], command_line = "" }}
            port = [
                {{ role = "lan", name = "lan0", path = "pci-0000:01:00.0" }},
                {{ role = "broadband", name = "broadband0", path = "pci-0000:02:00.0" }},
            ]
            qemu = {{ machine = "q35", nic = "{nic}", disk = "{disk}", memory_mib = 256, cpus = 1 }}
            "#
        );
        fs::write(board.join("board.toml"), card)?;
        Ok(Self { folder })
    }

    fn image(&self) -> Result<Image> {
        Image::open(&self.folder.path().join("target/image"), "empty", Variant::Gateway)
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

#[test]
fn a_box_without_a_system_stays_in_its_firmware() -> Result<()> {
    println!("{}", accelerator::choose().reason);
    for (nic, disk) in [("virtio-net-pci", "virtio-blk-pci"), ("e1000e", "nvme")] {
        let empty = EmptyBox::new(nic, disk)?;
        let image = empty.image()?;
        let cable = QemuPort {
            qemu_path: empty.folder.path().join("lan0.qemu"),
            world_path: empty.folder.path().join("lan0.world"),
        };
        let spec = MachineSpec::factory_new(&image)?.cable("lan0", cable.clone());
        let mut machine = Machine::start(spec)?;
        assert_eq!(machine.qmp().status()?, "running");

        machine.cables().set("broadband0", false)?;
        machine.cables().set("broadband0", true)?;
        let error = machine.cables().set("starlink0", false).unwrap_err();
        assert!(matches!(error, QmpError::Refused { .. }), "{error}");

        machine.qmp().reset()?;
        machine.qmp().wait_event("RESET", FIRMWARE_WITHIN)?;
        let error = machine.wait_record(Duration::ZERO).unwrap_err();
        let why = error.downcast_ref::<RecordError>();
        assert!(matches!(why, Some(RecordError::Line(LineError::Deadline))), "{error:#}");
        assert!(error.to_string().contains("end of the serial console"), "{error}");

        // What the firmware and the TPM remember survives a power cut, and starts again.
        let installation = machine.cut_power();
        assert!(!is_empty(&installation.folder().join("tpm")), "the TPM kept nothing");
        let spec = MachineSpec::again(&image, installation).cable("lan0", cable);
        let machine = Machine::start(spec)?;
        assert_eq!(machine.qmp().status()?, "running");
    }
    Ok(())
}
