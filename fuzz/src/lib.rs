//! What must hold of whatever comes from outside, as functions of bytes: each panics where it does not.
//!
//! `fuzz/run` lets libFuzzer look for bytes that make one panic; `cargo test` here runs them over the corpus alone.

pub mod clouds;
pub mod commands;
pub mod config;
pub mod hooks;
pub mod kisi;
pub mod nexudus;
pub mod socket;

/// The targets by name.
pub const TARGETS: [(&str, fn(&[u8])); 7] = [
    ("config", config::check),
    ("nexudus_row", nexudus::check_row),
    ("nexudus_page", nexudus::check_page),
    ("kisi", kisi::check),
    ("hooks", hooks::check),
    ("commands", commands::check),
    ("socket", socket::check),
];

#[test]
fn the_corpus_holds() {
    for (name, check) in TARGETS {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut seeds = 0;
        for seed in std::fs::read_dir(&directory).unwrap_or_else(|why| panic!("{}: {why}", directory.display())) {
            check(&std::fs::read(seed.unwrap().path()).unwrap());
            seeds += 1;
        }
        assert!(seeds > 0, "no seeds for {name}");
    }
}
