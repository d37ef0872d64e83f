//! Hands our table to the packet filter, through `nft -f -`.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// Where the program is.
const NFT: &str = "/usr/sbin/nft";

/// Longest wait for it. It takes some 10 ms.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most of what it complains that is passed on, in bytes.
const LONGEST_COMPLAINT: usize = 1024;

/// Why the rules were not taken. The packet filter is as it was: `nft` takes all or nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum FirewallError {
    /// The program could not be run.
    #[error("{NFT}: {0}")]
    Run(#[from] io::Error),
    /// It did not take the rules.
    #[error("{NFT} refuses our rules: {0}")]
    Refused(String),
    /// It did not end.
    #[error("{NFT}: no answer within {PATIENCE:?}")]
    Silent,
}

/// Applies `rules` as one transaction.
///
/// # Errors
/// [`FirewallError`].
pub(super) async fn apply(rules: &str) -> Result<(), FirewallError> {
    let mut child = Command::new(NFT)
        .args(["-f", "-"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take().expect("asked for");
    let conversation = async {
        stdin.write_all(rules.as_bytes()).await?;
        drop(stdin);
        child.wait_with_output().await
    };
    let output = timeout(PATIENCE, conversation).await.map_err(|_| FirewallError::Silent)??;
    if output.status.success() {
        return Ok(());
    }
    let mut said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    said.truncate(said.floor_char_boundary(LONGEST_COMPLAINT));
    Err(FirewallError::Refused(said))
}
