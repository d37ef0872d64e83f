//! The sections of a unified kernel image (PE/COFF specification, sections 3 and 4), so that a
//! difference in one is told as "the command line", not as a byte.
use super::Told;
use super::gpt::number;

/// Sections that a person can read.
const TEXT_SECTIONS: [&str; 6] = [".cmdline", ".osrel", ".uname", ".sbat", ".pcrsig", ".pcrpkey"];

/// How much of a text section is shown.
const SHOWN_CHARACTERS: usize = 160;

/// Sections of an executable that is no nonsense.
const SECTIONS_MAX: u64 = 96;

#[derive(Debug)]
struct Section<'a> {
    name: String,
    bytes: &'a [u8],
}

#[derive(Debug)]
struct Executable<'a> {
    /// The COFF header's time stamp: seconds since 1970, or whatever the linker put there.
    stamp: u64,
    sections: Vec<Section<'a>>,
}

/// Tells two executables apart, section by section.
pub(super) fn explain(one: &[u8], other: &[u8]) -> Told {
    let (Some(ours), Some(theirs)) = (parse(one), parse(other)) else {
        return raw(Vec::new(), one, other).into_iter().collect();
    };
    let mut told = Told::new();
    if ours.stamp != theirs.stamp {
        let what = format!("the time stamp is {} and {}", ours.stamp, theirs.stamp);
        told.push((vec!["PE header".to_owned()], what));
    }
    let names = |executable: &Executable<'_>| {
        executable.sections.iter().map(|section| section.name.clone()).collect::<Vec<_>>()
    };
    let (our_names, their_names) = (names(&ours), names(&theirs));
    if our_names != their_names {
        let what = format!("{} and {}", our_names.join(" "), their_names.join(" "));
        told.push((vec!["list of sections".to_owned()], what));
        return told;
    }
    for (ours, theirs) in ours.sections.iter().zip(&theirs.sections) {
        let place = vec![format!("section {}", ours.name)];
        if ours.bytes == theirs.bytes {
            continue;
        }
        if TEXT_SECTIONS.contains(&ours.name.as_str()) {
            let what = format!("{:?} and {:?}", shown(ours.bytes), shown(theirs.bytes));
            told.push((place, what));
        } else {
            told.extend(raw(place, ours.bytes, theirs.bytes));
        }
    }
    if told.is_empty() {
        let place = vec!["outside the sections (headers, padding or signature)".to_owned()];
        told.extend(raw(place, one, other));
    }
    told
}

fn raw(place: Vec<String>, one: &[u8], other: &[u8]) -> Option<(Vec<String>, String)> {
    if one.len() != other.len() {
        return Some((place, format!("{} and {} bytes long", one.len(), other.len())));
    }
    let at = one.iter().zip(other).position(|(a, b)| a != b)?;
    let count = one.iter().zip(other).filter(|(a, b)| a != b).count();
    Some((place, format!("{count} bytes differ, the first at byte {at}")))
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_end_matches(['\0', '\n']).chars().take(SHOWN_CHARACTERS).collect()
}

fn parse(bytes: &[u8]) -> Option<Executable<'_>> {
    if !bytes.starts_with(b"MZ") {
        return None;
    }
    let header = usize::try_from(number(bytes, 0x3c, 4)?).ok()?;
    if bytes.get(header..header.checked_add(4)?)? != b"PE\0\0" {
        return None;
    }
    let count = number(bytes, header + 6, 2).filter(|count| *count <= SECTIONS_MAX)?;
    let optional = usize::try_from(number(bytes, header + 20, 2)?).ok()?;
    let table = header + 24 + optional;
    let mut sections = Vec::new();
    for index in 0..usize::try_from(count).ok()? {
        let entry = bytes.get(table + 40 * index..table + 40 * (index + 1))?;
        let name = entry[..8].split(|byte| *byte == 0).next().unwrap_or_default();
        let virtual_size = number(entry, 8, 4)?;
        let raw_size = number(entry, 16, 4)?;
        // What lies between is padding of the file, not of the section.
        let size = usize::try_from(raw_size.min(virtual_size)).ok()?;
        let start = usize::try_from(number(entry, 20, 4)?).ok()?;
        let name = String::from_utf8_lossy(name).into_owned();
        sections.push(Section { name, bytes: bytes.get(start..start.checked_add(size)?)? });
    }
    Some(Executable { stamp: number(bytes, header + 8, 4)?, sections })
}

#[cfg(test)]
mod tests {
    use super::explain;

    /// The least executable that has sections: each is padded to 64 bytes.
    fn executable(stamp: u32, sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 0x40];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 0x40;
        bytes.extend(b"PE\0\0\x64\x86");
        bytes.extend(u16::try_from(sections.len()).unwrap().to_le_bytes());
        bytes.extend(stamp.to_le_bytes());
        bytes.extend([0; 12]);
        let mut start = u32::try_from(bytes.len() + 40 * sections.len()).unwrap();
        for (name, content) in sections {
            let mut entry = [0; 40];
            entry[..name.len()].copy_from_slice(name.as_bytes());
            entry[8..12].copy_from_slice(&u32::try_from(content.len()).unwrap().to_le_bytes());
            entry[16..20].copy_from_slice(&64_u32.to_le_bytes());
            entry[20..24].copy_from_slice(&start.to_le_bytes());
            bytes.extend(entry);
            start += 64;
        }
        for (_, content) in sections {
            bytes.extend(*content);
            bytes.resize(bytes.len() + 64 - content.len(), 0);
        }
        bytes
    }

    fn told(one: &[u8], other: &[u8]) -> Vec<String> {
        explain(one, other)
            .into_iter()
            .map(|(place, what)| format!("{}: {what}", place.join(": ")))
            .collect()
    }

    #[test]
    fn a_different_command_line_is_shown() {
        let one = executable(0, &[(".cmdline", b"usrhash=aa"), (".linux", b"kernel")]);
        let other = executable(0, &[(".cmdline", b"usrhash=bb"), (".linux", b"kernel")]);
        assert_eq!(told(&one, &other), ["section .cmdline: \"usrhash=aa\" and \"usrhash=bb\""]);
    }

    #[test]
    fn a_different_kernel_is_counted() {
        let one = executable(0, &[(".linux", b"kernel")]);
        let other = executable(0, &[(".linux", b"kernal")]);
        assert_eq!(told(&one, &other), ["section .linux: 1 bytes differ, the first at byte 4"]);
        let other = executable(0, &[(".linux", b"kernels")]);
        assert_eq!(told(&one, &other), ["section .linux: 6 and 7 bytes long"]);
    }

    #[test]
    fn stamps_sections_and_padding_are_told_apart() {
        let one = executable(1, &[(".linux", b"kernel")]);
        let other = executable(2, &[(".initrd", b"kernel")]);
        let list = told(&one, &other);
        assert_eq!(list[0], "PE header: the time stamp is 1 and 2");
        assert_eq!(list[1], "list of sections: .linux and .initrd");
        let mut padded = one.clone();
        *padded.last_mut().unwrap() = 1;
        assert!(told(&one, &padded)[0].starts_with("outside the sections"));
    }

    #[test]
    fn what_is_no_executable_is_compared_as_bytes() {
        assert_eq!(told(b"MZ", b"MY"), [": 1 bytes differ, the first at byte 1"]);
        assert_eq!(told(b"abc", b"abcd"), [": 3 and 4 bytes long"]);
    }
}
