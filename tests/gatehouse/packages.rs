//! What packages are made from agrees with the program and with itself. `tests/package` and `tests/arm` try the rest.

use std::collections::BTreeSet;
use std::path::Path;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn toml(name: &str) -> toml::Table {
    read(name).parse().unwrap()
}

/// Proves what Cargo is told; not that it does it: `packaging/build` looks for the checks in the binary.
#[test]
fn packages_check_for_overflow_and_unwind() {
    let manifest = toml("Cargo.toml");
    let profiles = manifest["profile"].as_table().unwrap();
    assert_eq!(profiles["dist"]["inherits"].as_str(), Some("release"));
    assert_eq!(profiles["release"]["overflow-checks"].as_bool(), Some(true));
    for name in ["release", "dist"] {
        let profile = profiles[name].as_table().unwrap();
        assert!(profile.get("panic").is_none_or(|panic| panic.as_str() == Some("unwind")), "{name} aborts");
        assert_ne!(profile.get("overflow-checks").and_then(toml::Value::as_bool), Some(false), "{name} wraps");
    }
}

/// The keys of a target in cross' own configuration
/// (<https://github.com/cross-rs/cross/blob/main/docs/config_file.md>).
const CROSS_TARGET: [&str; 8] = ["xargo", "build-std", "image", "dockerfile", "pre-build", "runner", "env", "zig"];

/// Proves that cross would know each key and that it serves the targets that packages are built for; not that cross
/// builds them, which takes Docker.
#[test]
fn cross_toml_has_only_keys_of_cross_and_serves_each_target_that_is_packaged() {
    let cross = toml("cross.toml");
    assert_eq!(cross.keys().collect::<Vec<_>>(), ["target"]);
    let targets = cross["target"].as_table().unwrap();
    for (target, settings) in targets {
        for key in settings.as_table().unwrap().keys() {
            assert!(CROSS_TARGET.contains(&key.as_str()), "cross knows no target.{target}.{key}");
        }
        let image = settings["image"].as_str().unwrap();
        assert_eq!(image.rsplit_once('/').unwrap().1.split([':', '@']).next(), Some(target.as_str()), "{image}");
    }
    let build = read("packaging/build");
    let listed = build.lines().filter_map(|line| line.strip_prefix("#   ")?.split_whitespace().next());
    let listed: BTreeSet<&str> = listed.filter(|target| target.contains("-linux-")).collect();
    let served: BTreeSet<&str> = targets.keys().map(String::as_str).chain(["x86_64-unknown-linux-gnu"]).collect();
    assert_eq!(served, listed, "cross.toml and packaging/build name different targets");
}

#[test]
fn the_debian_changelog_is_of_the_version_that_is_built() {
    let changelog = read("packaging/debian/changelog");
    let newest = format!("gatehouse ({}) ", env!("CARGO_PKG_VERSION"));
    assert!(changelog.starts_with(&newest), "packaging/debian/changelog does not begin with '{newest}'");
}

/// What the sample configuration names can be put in place without a change to the unit.
#[test]
fn the_unit_loads_each_credential_that_the_sample_names() {
    let (sample, unit) = (read("config/gatehouse.toml"), read("systemd/gatehouse.service"));
    let named = sample.split("{ credential = \"").skip(1).filter_map(|rest| rest.split('"').next());
    let named: BTreeSet<&str> = named.filter(|name| *name != "NAME").collect();
    assert!(named.len() >= 4, "{named:?}");
    for name in named {
        let loaded = format!("\nLoadCredential={name}:/etc/gatehouse/credentials/{name}\nSetCredential={name}:\\n\n");
        assert!(unit.contains(&loaded), "the unit lacks {loaded}");
    }
}
