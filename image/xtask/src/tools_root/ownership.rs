//! Lets Debian's packages install with a single user id.
//!
//! Inside a user namespace made without privileges one id exists: ours, seen as root. Packages
//! give files to groups such as `shadow` or `mail`, which then fails with EINVAL. A seccomp filter
//! answers every chown with success instead and changes nothing, so the tree belongs to root
//! alone. It is in force for root too: then a tree, or an image made inside it, has the same
//! owners whoever builds it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// `AUDIT_ARCH_X86_64` of `linux/audit.h`.
const X86_64: u32 = 0xc000_003e;

/// `chown`, `fchown`, `lchown`, `fchownat` on x86-64 (`asm/unistd_64.h`).
const CHOWN_CALLS: [u32; 4] = [92, 93, 94, 260];

/// `SECCOMP_RET_ALLOW` of `linux/seccomp.h`.
const ALLOW: u32 = 0x7fff_0000;

/// `SECCOMP_RET_ERRNO` with errno 0: the call returns 0 and does nothing.
const SUCCEED: u32 = 0x0005_0000;

/// Offsets in `struct seccomp_data`.
const CALL_NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// Classic BPF operations (`linux/bpf_common.h`).
const LOAD_WORD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Writes the filter where bubblewrap can read it, and returns the path.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write_filter(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("ownership.bpf");
    let program = program();
    if fs::read(&path).ok().as_ref() != Some(&program) {
        fs::write(&path, program).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(path)
}

/// `struct sock_filter`s: operation, jump if true, jump if false, operand.
fn program() -> Vec<u8> {
    let calls = u8::try_from(CHOWN_CALLS.len()).expect("four calls");
    // After the three instructions of the head come the comparisons, ALLOW, SUCCEED.
    let mut instructions = vec![
        (LOAD_WORD, 0, 0, ARCHITECTURE),
        (JUMP_IF_EQUAL, 0, calls + 1, X86_64),
        (LOAD_WORD, 0, 0, CALL_NUMBER),
    ];
    for (index, call) in (0..calls).zip(CHOWN_CALLS) {
        instructions.push((JUMP_IF_EQUAL, calls - index, 0, call));
    }
    instructions.push((RETURN, 0, 0, ALLOW));
    instructions.push((RETURN, 0, 0, SUCCEED));
    let mut bytes = Vec::new();
    for (operation, if_true, if_false, operand) in instructions {
        bytes.extend(u16::to_le_bytes(operation));
        bytes.extend([if_true, if_false]);
        bytes.extend(u32::to_le_bytes(operand));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would.
    fn verdict(architecture: u32, call: u32) -> u32 {
        let program = program();
        let mut accumulator = 0;
        let mut at = 0;
        loop {
            let (instruction, _) = program[at * 8..].split_first_chunk::<8>().unwrap();
            let [op0, op1, yes, no, k @ ..] = *instruction;
            let operand = u32::from_le_bytes(k);
            at += 1;
            match u16::from_le_bytes([op0, op1]) {
                LOAD_WORD => {
                    accumulator = if operand == ARCHITECTURE { architecture } else { call };
                }
                JUMP_IF_EQUAL => {
                    at += usize::from(if accumulator == operand { yes } else { no });
                }
                RETURN => return operand,
                other => panic!("unknown operation {other:#x}"),
            }
        }
    }

    #[test]
    fn only_chown_is_answered_for_the_kernel() {
        for call in 0..500 {
            let wanted = if CHOWN_CALLS.contains(&call) { SUCCEED } else { ALLOW };
            assert_eq!(verdict(X86_64, call), wanted, "call {call}");
            assert_eq!(verdict(0x4000_0003, call), ALLOW, "call {call} of i386");
        }
    }
}
