//! The seeds of the fuzz targets through the fuzz targets' own checks, so that both stay alive without a nightly compiler.

use std::{fs, path::Path};

#[path = "../../fuzz/checks/engineio.rs"]
mod engineio;
#[path = "../../fuzz/checks/envelope.rs"]
mod envelope;
#[path = "../../fuzz/checks/frames.rs"]
mod frames;
#[path = "../../fuzz/checks/pictures.rs"]
mod pictures;
#[path = "../../fuzz/checks/socketio.rs"]
mod socketio;

fn each_seed_of(target: &str, check: impl Fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut count = 0;
    for seed in fs::read_dir(seeds).expect("the seeds are there") {
        let path = seed.expect("a seed").path();
        println!("{}", path.display());
        check(&fs::read(&path).expect("a seed can be read"));
        count += 1;
    }
    assert!(count >= 10, "{count} seeds");
}

#[test]
fn frames_are_the_same_however_they_are_cut() {
    each_seed_of("frames", frames::check);
}

#[test]
fn pictures_are_kept_or_refused() {
    each_seed_of("pictures", pictures::check);
}

#[test]
fn envelopes_are_opened_or_refused() {
    each_seed_of("envelope", envelope::check);
}

#[test]
fn payloads_of_long_polling_are_read_or_refused() {
    each_seed_of("engineio", engineio::check);
}

#[test]
fn packets_of_socketio_are_read_or_refused() {
    each_seed_of("socketio", socketio::check);
}
