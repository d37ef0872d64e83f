//! What can be said to `cargo xtask`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Builds, boots, tests and measures Porchlight.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Build what is stale, boot it in QEMU in the simulated world, say where the page is.
    Up(Up),
    /// Run every test; or some tiers of them.
    Test(Test),
    /// Build an image into target/image/<board>-<variant>/.
    Image(Image),
    /// Build the tunnel's far end, one static file, and its unit into target/relay/.
    Relay,
    /// Build the same image twice in different surroundings and compare every byte.
    Repro(Repro),
    /// Check that recipes/*.lock covers the package sets; with --update, resolve them anew.
    Lock {
        /// Write the newest versions that Debian has into the lock.
        #[arg(long)]
        update: bool,
    },
    /// Write an image to a disk, after showing what that erases and asking.
    Flash(Flash),
    /// Measure, print a table, and write target/bench/<name>.json.
    Bench(Bench),
    /// Hold the walls: who may import whom, lengths, names, purity, licences.
    Tidy,
    /// Run a program in the tools root (for tests; the program sees /src and /target).
    #[command(hide = true)]
    Enter {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// What mkosi calls back while it builds an image.
    #[command(hide = true)]
    Inside { moment: Moment },
}

/// A moment in mkosi's build.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Moment {
    Prepare,
    Finalize,
}

/// An image by name.
#[derive(Debug, Clone, Args)]
pub(crate) struct Which {
    /// A folder in hardware/.
    #[arg(long, default_value = "qemu-x86_64")]
    pub(crate) board: String,
    /// A file in image/variants/.
    #[arg(long, default_value = "gateway")]
    pub(crate) variant: String,
}

#[derive(Debug, Args)]
pub(crate) struct Image {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Only the disk and the kernel, without the download, measurements and bill of materials.
    #[arg(long)]
    pub(crate) disk_only: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// A folder in hardware/.
    #[arg(long, default_value = "qemu-x86_64")]
    pub(crate) board: String,
    /// Stop once the light is known, rather than at Ctrl-C.
    #[arg(long)]
    pub(crate) headless: bool,
    /// A file in qemu-tests/scenarios/: the weather of the simulated world.
    #[arg(long, default_value = "calm")]
    pub(crate) scenario: String,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Only these tiers.
    #[arg(long, value_delimiter = ',')]
    pub(crate) tier: Vec<Tier>,
}

/// A tier of tests, by what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// The walls, the lints and every test that runs on the host as it is.
    Host,
    /// Real programs in network namespaces.
    World,
    /// The image in QEMU, and the same image built twice.
    Qemu,
}

#[derive(Debug, Args)]
pub(crate) struct Repro {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Compare even though packages are newer than the lock.
    #[arg(long)]
    pub(crate) allow_drift: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Flash {
    /// A folder in hardware/.
    #[arg(long)]
    pub(crate) board: String,
    /// A file in image/variants/.
    #[arg(long, default_value = "gateway")]
    pub(crate) variant: String,
    /// Write an image that was built from packages newer than the lock.
    #[arg(long)]
    pub(crate) allow_drift: bool,
    /// DEVICE is a plain file, made or replaced without asking.
    #[arg(long)]
    pub(crate) file: bool,
    /// For scripts: the disk's serial number, instead of an answer at the terminal.
    #[arg(long, value_name = "SERIAL")]
    pub(crate) yes: Option<String>,
    /// The whole disk, such as /dev/sdb.
    pub(crate) device: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What to measure.
    pub(crate) name: BenchName,
    /// boot: also measure `up` from nothing, a fresh copy of the sources and an empty cache.
    #[arg(long)]
    pub(crate) cold: bool,
    #[command(flatten)]
    pub(crate) wan: WanBench,
}

/// What `bench wan` passes on; the program that measures says what it means.
#[derive(Debug, Args)]
pub(crate) struct WanBench {
    /// wan: replay this recording of Starlink (CSV: `t_ms,pkts_1500,owd_ms` or
    /// `icmp_seq,t_send_unix,rtt_ms`).
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// wan: only these figures, and what is measured with them.
    #[arg(long, value_delimiter = ',', value_name = "FIGURE")]
    pub(crate) only: Vec<String>,
    /// wan: how often each fault is put on [default: 30].
    #[arg(long, value_name = "NUMBER")]
    pub(crate) repetitions: Option<u32>,
    /// wan: only these contenders.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) contender: Vec<String>,
    /// wan: how many minutes the recording is watched without a fault [default: 60].
    #[arg(long, value_name = "NUMBER")]
    pub(crate) minutes: Option<u64>,
    /// wan: how many minutes of faults the soak takes [default: 30].
    #[arg(long, value_name = "NUMBER")]
    pub(crate) soak_minutes: Option<u64>,
}

/// The measurements there are.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum BenchName {
    /// Image sizes, boot times, idle memory, the emulator's timing.
    Boot,
    /// What a house notices when an uplink fails, beside other ways to keep it online.
    Wan,
}
