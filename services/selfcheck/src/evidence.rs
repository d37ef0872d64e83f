//! The few words that count in long texts.

/// The lines with which the service manager reports an ordering cycle. It breaks the cycle by
/// dropping a unit at random, and the boot goes on without it.
#[must_use]
pub fn ordering_cycles(messages: &str) -> Vec<&str> {
    messages.lines().filter(|line| line.contains("ordering cycle")).collect()
}

/// The lines with which dm-verity reports a block that is not what its hash says
/// (drivers/md/dm-verity-target.c, `verity_handle_err`).
#[must_use]
pub fn corrupted_blocks(messages: &str) -> Vec<&str> {
    let corrupted = |line: &&str| line.contains("verity") && line.contains(" is corrupted");
    messages.lines().filter(corrupted).collect()
}

/// The `major:minor` of the topmost mount on `point` in a mountinfo (`proc_pid_mountinfo(5)`).
#[must_use]
pub fn mounted_device<'a>(mountinfo: &'a str, point: &str) -> Option<&'a str> {
    let device = |line: &'a str| {
        let mut fields = line.split(' ').skip(2);
        let device = fields.next()?;
        (fields.nth(1)? == point).then_some(device)
    };
    mountinfo.lines().filter_map(device).next_back()
}

/// A value in KiB of a meminfo (`proc_meminfo(5)`).
#[must_use]
pub fn meminfo_kib(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The last whole lines of `text` that fit into `longest` bytes.
#[must_use]
pub fn tail(text: &str, longest: usize) -> &str {
    if text.len() <= longest {
        return text;
    }
    let start = text.len() - longest;
    match text.as_bytes()[start..].iter().position(|byte| *byte == b'\n') {
        Some(newline) => &text[start + newline + 1..],
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_and_corruption_are_found_and_nothing_else_is() {
        let text = "\
Reached target basic.target - Basic System.
sysinit.target: Found ordering cycle on home.service/start
device-mapper: verity: sha256 using implementation \"sha256-avx2\"
device-mapper: verity: 254:1: data block 13 is corrupted
";
        assert_eq!(ordering_cycles(text).len(), 1);
        assert_eq!(corrupted_blocks(text).len(), 1);
    }

    #[test]
    fn the_topmost_mount_counts() {
        let info = "\
22 1 0:20 / / rw - tmpfs tmpfs rw
30 22 254:0 / /usr ro,relatime shared:3 - erofs /dev/mapper/usr ro
31 22 254:9 / /usr/local ro - erofs /dev/mapper/x ro
90 30 254:1 / /usr ro - erofs /dev/mapper/usr ro
";
        assert_eq!(mounted_device(info, "/usr"), Some("254:1"));
        assert_eq!(mounted_device(info, "/nowhere"), None);
        assert_eq!(mounted_device("garbage\n\n", "/usr"), None);
    }

    #[test]
    fn meminfo_is_read_by_whole_names() {
        let info = "MemTotal:        1000 kB\nMemFree:  10 kB\nMemAvailable:    600 kB\n";
        assert_eq!(meminfo_kib(info, "MemTotal"), Some(1000));
        assert_eq!(meminfo_kib(info, "MemAvailable"), Some(600));
        assert_eq!(meminfo_kib(info, "Mem"), None);
    }

    #[test]
    fn a_tail_is_whole_lines_within_its_bound() {
        assert_eq!(tail("one\ntwo\nthree\n", 9), "three\n");
        assert_eq!(tail("short\n", 100), "short\n");
        assert_eq!(tail("größer als erlaubt", 5), "");
        assert_eq!(tail("ä\nö\n", 4), "ö\n");
    }
}
