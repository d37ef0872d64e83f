//! Whole runs, into plain files; no test goes near a disk.
use std::fs;
use std::path::Path;

use super::{Request, run};

fn request<'a>(image: &'a Path, target: &'a Path) -> Request<'a> {
    Request { image, is_drift: false, allow_drift: false, target, into_file: true, yes: None }
}

fn refused(request: &Request<'_>) -> String {
    format!("{:#}", run(request).unwrap_err())
}

#[test]
fn an_image_is_written_into_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (image, target) = (folder.path().join("a.raw"), folder.path().join("disk"));
    fs::write(&image, "image").unwrap();
    fs::write(&target, "what was there before").unwrap();
    run(&request(&image, &target)).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"image");
}

#[test]
fn a_drifted_image_is_refused_unless_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let (image, target) = (folder.path().join("a.raw"), folder.path().join("disk"));
    fs::write(&image, "image").unwrap();
    let drifted = Request { is_drift: true, ..request(&image, &target) };
    assert!(refused(&drifted).contains("--allow-drift"));
    assert!(!target.exists());
    run(&Request { allow_drift: true, ..drifted }).unwrap();
    assert!(target.exists());
}

#[test]
fn what_is_no_disk_is_refused_without_file() {
    let folder = tempfile::tempdir().unwrap();
    let (image, target) = (folder.path().join("a.raw"), folder.path().join("disk"));
    fs::write(&image, "image").unwrap();
    fs::write(&target, "kept").unwrap();
    for path in [target.as_path(), Path::new("/dev/null"), folder.path()] {
        let said = refused(&Request { into_file: false, ..request(&image, path) });
        assert!(said.contains("is no disk; name one"), "{said}");
    }
    assert_eq!(fs::read(&target).unwrap(), b"kept");
    let absent = folder.path().join("absent");
    let said = refused(&Request { into_file: false, ..request(&image, &absent) });
    assert!(said.contains("there is no"), "{said}");
}

#[test]
fn a_device_is_no_plain_file() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("a.raw");
    fs::write(&image, "image").unwrap();
    assert!(refused(&request(&image, Path::new("/dev/null"))).contains("is no plain file"));
}

#[test]
fn an_image_is_not_written_over_itself() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("a.raw");
    fs::write(&image, "image").unwrap();
    assert!(refused(&request(&image, &image)).contains("is the image itself"));
    assert_eq!(fs::read(&image).unwrap(), b"image");
}

#[test]
fn a_missing_or_empty_image_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (image, target) = (folder.path().join("a.raw"), folder.path().join("disk"));
    assert!(refused(&request(&image, &target)).contains("build it first"));
    fs::write(&image, "").unwrap();
    assert!(refused(&request(&image, &target)).contains("is empty"));
    assert!(!target.exists());
}
