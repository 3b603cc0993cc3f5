//! What must hold of whatever comes from outside, as functions of bytes: each panics where it does not.
//!
//! `fuzz/run` lets libFuzzer look for bytes that make one panic; the gateway's own tests take these modules in and run
//! them over the corpus alone.

pub mod clouds;
pub mod commands;
pub mod config;
pub mod hooks;
pub mod kisi;
pub mod nexudus;
pub mod socket;

/// What must hold of bytes.
pub type Check = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Check); 7] = [
    ("config", config::check),
    ("nexudus_row", nexudus::check_row),
    ("nexudus_page", nexudus::check_page),
    ("kisi", kisi::check),
    ("hooks", hooks::check),
    ("commands", commands::check),
    ("socket", socket::check),
];

/// Proves that every seed holds, and with it every input that fuzzing once found. Not that no other breaks anything.
#[test]
fn the_corpus_holds() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    // Here and among the gateway's own tests.
    let corpus = [here.join("corpus"), here.join("fuzz/corpus")].into_iter().find(|place| place.exists()).unwrap();
    for (name, check) in TARGETS {
        let directory = corpus.join(name);
        let mut seeds = 0;
        for seed in std::fs::read_dir(&directory).unwrap_or_else(|why| panic!("{}: {why}", directory.display())) {
            let path = seed.unwrap().path();
            eprintln!("{}", path.display());
            check(&std::fs::read(path).unwrap());
            seeds += 1;
        }
        assert!(seeds > 0, "no seeds for {name}");
    }
}
