//! snapshot.debian.org: every package that Debian ever published, found by name and version.
//!
//! Its machine interface (`/mr/binary/PACKAGE/VERSION/binfiles?fileinfo=1`, described in the
//! service's own API document) names files by sha1; `/file/SHA1` is the file. The lock's sha256
//! decides whether the bytes are right.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use ureq::http::StatusCode;

use super::http::Client;
use super::lock::LockedPackage;

/// The service.
pub(crate) const SNAPSHOT: &str = "http://snapshot.debian.org";

/// An answer is a few kilobytes.
const ANSWER_BYTES: u64 = 1 << 20;

#[derive(Deserialize)]
struct BinaryFiles {
    result: Vec<BinaryFile>,
    #[serde(default)]
    fileinfo: BTreeMap<String, Vec<FileInfo>>,
}

#[derive(Deserialize)]
struct BinaryFile {
    hash: String,
    architecture: String,
}

#[derive(Deserialize)]
struct FileInfo {
    size: u64,
}

/// The URL of a package's file, or `None` when the service does not have it.
///
/// # Errors
/// The service cannot be reached or its answer makes no sense.
pub(crate) fn locate(
    client: &Client,
    base: &str,
    package: &LockedPackage,
) -> Result<Option<String>> {
    let (name, version) = (&package.name, escaped(&package.version));
    let question = format!("{base}/mr/binary/{name}/{version}/binfiles?fileinfo=1");
    let mut response = client.get(&question, 0)?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        status => bail!("{question}: {status}"),
    }
    let text = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_string()?;
    let files: BinaryFiles = serde_json::from_str(&text).with_context(|| question.clone())?;
    let right = |file: &&BinaryFile| {
        let size_is_right =
            |infos: &Vec<FileInfo>| infos.iter().any(|info| info.size == package.size);
        file.architecture == package.architecture
            && files.fileinfo.get(&file.hash).is_none_or(size_is_right)
    };
    Ok(files.result.iter().find(right).map(|file| format!("{base}/file/{}", file.hash)))
}

/// Percent-encodes what a Debian version may hold beyond RFC 3986's unreserved characters.
fn escaped(version: &str) -> String {
    version.replace(':', "%3a").replace('+', "%2b")
}
